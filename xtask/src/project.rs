//! Where things are: the project's root and the folders in which xtask keeps what it builds and remembers.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The project's folders. Cheap to clone; all paths are absolute.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    root: PathBuf,
}

impl Project {
    /// Finds the project: cargo says where xtask's manifest is; without cargo, the current folder's ancestors are
    /// searched.
    pub(crate) fn find() -> Result<Self> {
        let start = match std::env::var_os("CARGO_MANIFEST_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => std::env::current_dir().context("the current folder cannot be read")?,
        };
        for dir in start.ancestors() {
            if dir.join("tess-kernel/Cargo.toml").is_file() {
                return Ok(Self { root: dir.to_owned() });
            }
        }
        bail!("{} is not inside the project: run xtask as `cargo xtask ...`", start.display())
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What xtask remembers between runs: the bare-metal library, logs, package lists. Ignored by git.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join(".tess")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.state().join("logs")
    }

    pub(crate) fn target(&self, name: &str) -> PathBuf {
        self.root.join("target").join(name)
    }

    /// `path` as the user would type it: relative to the current folder or to the root where it is below.
    pub(crate) fn shown(&self, path: &Path) -> String {
        let below_here = std::env::current_dir().ok().and_then(|dir| path.strip_prefix(dir).ok().map(Path::to_owned));
        below_here.as_deref().unwrap_or_else(|| path.strip_prefix(&self.root).unwrap_or(path)).display().to_string()
    }
}
