//! How long files are, and whether the kernel and Pulse keep to their budgets.

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

/// Lines of code that Pulse may have, as for the kernel. The aim is 800: this keeps it from growing until it is reached.
const PULSE_LINES: usize = 1_104;

/// Pulse's folder, and the files in it that are not linked into a cell, or only test: the homes in a Linux process and what only they need.
const PULSE: &str = "pulse/src";
const NOT_PULSE: [&str; 6] =
    ["conformance.rs", "home/linux.rs", "home/test.rs", "switch/fault.rs", "switch/fiber.rs", "switch/tests.rs"];

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

/// Pulse's lines of code.
pub(crate) fn pulse_lines(project: &Project) -> usize {
    let folder = project.root().join(PULSE);
    let mut files = Vec::new();
    collect(&folder, &mut files);
    let counted = files.iter().filter(|path| !NOT_PULSE.iter().any(|left_out| **path == folder.join(left_out)));
    counted.map(|path| source::lines_of_code(&read(path))).sum()
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
    within(kernel_lines(project), KERNEL_LINES)
}

/// Checks Pulse's budget.
pub(super) fn pulse(project: &Project) -> Result<String> {
    within(pulse_lines(project), PULSE_LINES)
}

fn within(lines: usize, budget: usize) -> Result<String> {
    if lines > budget {
        bail!("{lines} lines of code, {budget} are the budget");
    }
    Ok(format!("{lines} lines of code of {budget}"))
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
