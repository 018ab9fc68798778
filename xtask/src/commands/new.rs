//! `cargo xtask new`: makes what someone can start from. A kind of thing to be made is a file in `new/`; names and the making of files are shared.

mod name;
mod optimizer;
mod scheduler;
mod skeleton;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::project::Project;

/// Make something of your own to start from: it compiles, has tests, and runs.
///
/// Creates files and says which, what to edit first, and how to test and run it. Never overwrites anything.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Scheduler(scheduler::Arguments),
    Optimizer(optimizer::Arguments),
}

pub(crate) fn run(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.what {
        What::Scheduler(arguments) => scheduler::run(project, arguments),
        What::Optimizer(arguments) => optimizer::run(project, arguments),
    }
}
