//! The crates that have lists of mistakes.

use std::path::PathBuf;

use crate::project::Project;

/// A crate in which mistakes are made.
#[derive(Debug)]
pub(super) struct Subject {
    /// Its name, and its folder's.
    pub(super) name: &'static str,
    /// The folders of our crates that cargo must find to build it.
    pub(super) needs: &'static [&'static str],
    /// What cargo is to build: the tests that are to notice.
    pub(super) targets: &'static [&'static str],
    /// With these variables.
    pub(super) environment: &'static [(&'static str, &'static str)],
}

/// All. The protocol of `channels` is about what several processors may see in which order: only `loom` tries all that is allowed.
pub(super) const SUBJECTS: [Subject; 2] = [
    Subject { name: "muxer", needs: &[], targets: &["--lib", "--tests"], environment: &[] },
    Subject {
        name: "channels",
        needs: &["abi", "cell"],
        targets: &["--release", "--test", "loom"],
        environment: &[("RUSTFLAGS", "--cfg loom")],
    },
];

impl Subject {
    /// Its list of mistakes.
    pub(super) fn list(&self, project: &Project) -> PathBuf {
        project.root().join(self.name).join("mutations.toml")
    }
}
