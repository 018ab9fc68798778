//! `cargo xtask`: sets up, builds, runs, tests and measures the system.

#![deny(unsafe_code)]

mod archive;
mod builder;
mod commands;
mod console;
mod header;
mod machine;
#[allow(unsafe_code, reason = "the hook between fork and exec that ties a child's life to ours")]
mod process;
mod project;
mod screen;
mod session;
mod setup;
mod source;
mod statistics;
mod symbols;
mod system;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{bench, check, clean, doctor, league, mutations, new, run, test};
use crate::project::Project;

/// Builds, runs, tests and measures Tess, a kernel that divides a machine in space and time among cells.
///
/// The first use of a command that builds sets up what is missing (a bare-metal library for the kernel, QEMU) and says
/// so; later uses find it done.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Test(test::Arguments),
    Bench(bench::Arguments),
    New(new::Arguments),
    League(league::Arguments),
    Check(check::Arguments),
    Mutations(mutations::Arguments),
    Doctor(doctor::Arguments),
    Clean(clean::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = Project::find().and_then(|project| match arguments.command {
        Command::Run(arguments) => run::run(&project, &arguments),
        Command::Test(arguments) => test::run(&project, &arguments),
        Command::Bench(arguments) => bench::run(&project, &arguments),
        Command::New(arguments) => new::run(&project, &arguments),
        Command::League(arguments) => league::run(&project, &arguments),
        Command::Check(arguments) => check::run(&project, &arguments),
        Command::Mutations(arguments) => mutations::run(&project, &arguments),
        Command::Doctor(arguments) => doctor::run(&project, &arguments),
        Command::Clean(arguments) => clean::run(&project, &arguments),
    });
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
