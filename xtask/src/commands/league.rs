//! `cargo xtask league`: how optimizers do in simulated systems.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Args;

use crate::project::Project;

/// Let optimizers compete in simulated systems, and print how they did.
///
/// For each scenario and optimizer: seconds until all targets were met again (the longest time), seconds that cells were late, energy, changes of the plan,
/// quanta moved by them, and the penalty, also in relation to `static` and `fair`. Numbers are medians of five runs with different noise, with the least and
/// the most in brackets. The same on any machine.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only these, beside `static` and `fair`; those that ship, and those of examples/optimizers.
    names: Vec<String>,
    /// Only this scenario, such as `steps` or `late plans`.
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// Also draw the table into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Also draw who has how many hardware threads over time, in the scenario that is named or `phases`.
    #[arg(long, value_name = "FILE")]
    over_time: Option<PathBuf>,
    /// Also say why the last decisions were as they were.
    #[arg(long)]
    why: bool,
    /// Write what the book shows: table and pictures of those that ship.
    #[arg(long, conflicts_with_all = ["names", "scenario", "svg", "over_time", "why"])]
    book: bool,
}

pub(crate) fn run(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    let mut words = arguments.names.clone();
    words.extend(arguments.scenario.iter().map(|name| format!("scenario={name}")));
    // The program runs elsewhere.
    let here = std::env::current_dir().context("there is no present folder")?;
    let shown = |key: &str, path: &PathBuf| format!("{key}={}", here.join(path).display());
    words.extend(arguments.svg.iter().map(|path| shown("svg", path)));
    words.extend(arguments.over_time.iter().map(|path| shown("over-time", path)));
    words.extend(arguments.why.then(|| "why".to_owned()));
    words.extend(arguments.book.then(|| shown("book", &project.root().join("docs/book/src"))));
    eprintln!("playing; all optimizers in all scenarios take some ten seconds");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--package", "example-optimizers", "--example", "league", "--"]).args(words);
    command.current_dir(project.root()).env_remove("CARGO_MANIFEST_DIR");
    let status = command.status().context("cannot run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
