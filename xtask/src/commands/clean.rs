//! `cargo xtask clean`: forgets what set-up and builds have kept.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::project::Project;

/// Remove what was set up and built here: the bare-metal library, logs, kernel and cells.
///
/// Installed packages stay. The next command sets up again (about half a minute).
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Keep the bare-metal library: remove only what was built from this project.
    #[arg(long)]
    builds: bool,
}

pub(crate) fn run(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    let builds = ["kernel", "cells", "lint", "host-bench", "loom", "mutations"];
    let mut folders: Vec<_> = builds.into_iter().map(|name| project.target(name)).collect();
    if !arguments.builds {
        folders.push(project.state());
    }
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        println!("Removed {}", project.shown(&folder));
    }
    Ok(ExitCode::SUCCESS)
}
