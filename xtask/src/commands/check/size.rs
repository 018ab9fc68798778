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

/// Lines of code that Pulse's framework may have, as for the kernel.
const PULSE_LINES: usize = 800;

/// Pulse's folder. What is in it and in none of the parts below is the framework: the callbacks and their checked contract, contexts, stacks, per-hart storage, timers,
/// parking, masking, the locks, and what a home must offer.
const PULSE: &str = "pulse/src/";

/// Parts of Pulse that are not the framework, as beginnings of paths below its folder: names, and whether a cell links them.
const PULSE_PARTS: [(&str, bool, &[&str]); 4] = [
    // Queues of contexts, which use nothing of the framework but a context.
    ("collections", true, &["collections"]),
    ("home in a cell", true, &["home/cell.rs"]),
    ("home in a Linux process", false, &["home/linux.rs"]),
    // The conformance suite, the deterministic home and the stacks of its harts, traces, tests.
    ("testing tools", false, &["conformance", "home/test", "switch/fiber.rs", "switch/tests.rs", "trace"]),
];

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

/// Lines of code of Pulse's framework, and of each of its other parts.
fn pulse_parts(project: &Project) -> (usize, [usize; PULSE_PARTS.len()]) {
    let folder = project.root().join(PULSE);
    let mut files = Vec::new();
    collect(&folder, &mut files);
    let (mut framework, mut parts) = (0, [0; PULSE_PARTS.len()]);
    for path in files {
        let below = path.strip_prefix(&folder).unwrap_or(&path).display().to_string();
        *part_of(&below).map_or(&mut framework, |part| &mut parts[part]) += source::lines_of_code(&read(&path));
    }
    (framework, parts)
}

/// The index of the part that a file below Pulse's folder belongs to; none for the framework.
fn part_of(path: &str) -> Option<usize> {
    PULSE_PARTS.iter().position(|(_, _, starts)| starts.iter().any(|start| path.starts_with(start)))
}

/// Pulse's lines of code in a cell: the framework, the collections and the home there.
pub(crate) fn pulse_lines(project: &Project) -> usize {
    let (framework, parts) = pulse_parts(project);
    let linked = PULSE_PARTS.iter().zip(parts).filter(|((_, in_a_cell, _), _)| *in_a_cell);
    framework + linked.map(|(_, lines)| lines).sum::<usize>()
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

/// Checks the budget of Pulse's framework, and tells how large the other parts are.
pub(super) fn pulse(project: &Project) -> Result<String> {
    let (framework, parts) = pulse_parts(project);
    let told = within(framework, PULSE_LINES)?;
    let others: Vec<_> = PULSE_PARTS.iter().zip(parts).map(|((name, ..), lines)| format!("{name} {lines}")).collect();
    Ok(format!("framework {told}; beside it: {}", others.join(", ")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_no_other_part_of_pulse_is_the_framework() {
        let parts = |path| part_of(path).map(|part| PULSE_PARTS[part].0);
        for path in ["collections.rs", "collections/queue.rs"] {
            assert_eq!(parts(path), Some("collections"), "{path}");
        }
        for path in ["home/test.rs", "home/test/search.rs", "switch/tests.rs", "trace.rs"] {
            assert_eq!(parts(path), Some("testing tools"), "{path}");
        }
        for path in ["lib.rs", "home.rs", "switch.rs", "switch/preempt.rs", "something_new.rs"] {
            assert_eq!(parts(path), None, "{path}");
        }
    }

    #[test]
    fn all_parts_of_pulse_are_there() {
        let (framework, parts) = pulse_parts(&Project::find().expect("tests run in the project"));
        assert!(framework > 0, "the framework has no lines");
        for ((name, ..), lines) in PULSE_PARTS.iter().zip(parts) {
            assert!(lines > 0, "{name} has no lines");
        }
    }
}
