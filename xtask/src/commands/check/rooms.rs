//! Unsafe code stands in named rooms only, and every program and library says so to the compiler.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Package, size};
use crate::project::Project;
use crate::source;

/// Where unsafe code may stand: beginnings of paths below the project's root.
const ROOMS: [&str; 13] = [
    "tess-kernel/src/arch/",
    // memory.rs and memory/.
    "tess-kernel/src/memory",
    "cell/src/system",
    // Memory that two cells share, as atomic words.
    "channels/src/words.rs",
    "channels/src/cell.rs",
    // Registers, stacks, chains of contexts, signals, and a cell's events.
    "pulse/src/switch",
    "pulse/src/collections/queue.rs",
    "pulse/src/home/linux.rs",
    "pulse/src/home/cell.rs",
    // Declarations that must not compile, whatever stands in them.
    "channels/service/tests/ui/",
    // Each is there to do what no program may.
    "tests/cells/src/bin/",
    "xtask/src/process.rs",
    "fuzz/",
];

/// Unsafe code outside of the rooms, and targets without the lint.
pub(super) fn violations(project: &Project, packages: &[Package]) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for path in size::sources(project) {
        let shown = below(project, &path);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {shown}"))?;
        if !is_room(&shown) && source::has_unsafe(&source::code(&text)) {
            violations.push(format!("{shown} has unsafe code, and is no room for it"));
        }
    }
    for path in packages.iter().flat_map(|package| &package.roots) {
        let shown = below(project, path);
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        if !is_room(&shown) && !has_lint(&source::code(&text)) {
            violations
                .push(format!("{shown} lacks `#![forbid(unsafe_code)]` (or `deny`, where its package has a room)"));
        }
    }
    Ok(violations)
}

fn below(project: &Project, path: &Path) -> String {
    path.strip_prefix(project.root()).unwrap_or(path).display().to_string()
}

fn is_room(path: &str) -> bool {
    ROOMS.iter().any(|room| path.starts_with(room))
}

fn has_lint(code: &str) -> bool {
    code.contains("#![forbid(unsafe_code)]") || code.contains("#![deny(unsafe_code)]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_known_by_their_paths() {
        assert!(is_room("tess-kernel/src/arch/x86_64/apic.rs"));
        assert!(is_room("tess-kernel/src/memory.rs"));
        assert!(!is_room("tess-kernel/src/muxing.rs"));
        assert!(!is_room("cell/src/calls.rs"));
    }

    #[test]
    fn a_comment_is_no_lint() {
        assert!(has_lint(&source::code("#![no_std]\n#![forbid(unsafe_code)]\n")));
        assert!(!has_lint(&source::code("// #![forbid(unsafe_code)]\n")));
    }
}
