//! How long files are, and whether the kernel keeps to its budget.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::project::Project;
use crate::source;

/// Lines of code that the kernel may have; comments and tests are not counted.
const KERNEL_LINES: usize = 8_000;

/// A longer file has more than one responsibility.
const FILE_LINES: usize = 600;

/// Folders of the kernel.
const KERNEL: [&str; 2] = ["tess-kernel/src", "tess-kernel/core/src"];

/// All Rust files of the project, sorted.
pub(super) fn sources(project: &Project) -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(project.root(), &mut files);
    files.sort();
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The kernel's lines of code.
pub(crate) fn kernel_lines(project: &Project) -> usize {
    let mut files = Vec::new();
    KERNEL.iter().for_each(|folder| collect(&project.root().join(folder), &mut files));
    files.iter().map(|path| source::lines_of_code(&read(path))).sum()
}

/// Blocks of unsafe code in what is shipped: all but the tests and the host's tools.
pub(crate) fn unsafe_blocks(project: &Project) -> usize {
    let shipped = |path: &&PathBuf| {
        let path = path.strip_prefix(project.root()).unwrap_or(path);
        !["tests", "xtask", "fuzz"].iter().any(|folder| path.starts_with(folder))
    };
    sources(project).iter().filter(shipped).map(|path| source::unsafe_blocks(&read(path))).sum()
}

/// Checks the kernel's budget.
pub(super) fn kernel(project: &Project) -> Result<String> {
    let lines = kernel_lines(project);
    if lines > KERNEL_LINES {
        bail!("{lines} lines of code, {KERNEL_LINES} are the budget");
    }
    Ok(format!("{lines} lines of code of {KERNEL_LINES}"))
}

/// A remark about files that are too long.
pub(super) fn long_files(project: &Project) -> String {
    let mut long = Vec::new();
    for path in sources(project) {
        let lines = read(&path).lines().count();
        if lines > FILE_LINES {
            long.push(format!("warning: {} has {lines} lines", project.shown(&path)));
        }
    }
    if long.is_empty() { format!("none above {FILE_LINES} lines") } else { long.join(", ") }
}
