//! `cargo xtask test`: everything that must pass: host tests, then system tests in QEMU.

mod host;
mod systems;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use crate::builder::{self, Profile};
use crate::project::Project;
use crate::session::Interrupts;
use crate::setup;

/// Run everything that must pass: the host tests of all crates, then the system tests in QEMU.
///
/// Sets up what is missing. Tests that assert time run in the deterministic mode, where runs repeat exactly; tests of
/// races run in parallel mode and assert no times. It ends with one line `N passed, N failed`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only tests whose name contains this.
    filter: Option<String>,
    /// Only host tests.
    #[arg(long, conflicts_with = "system_tests")]
    host: bool,
    /// Only system tests (tests/system/*.toml).
    #[arg(long)]
    system_tests: bool,
    /// Name the system tests and how they run, and run nothing.
    #[arg(long, conflicts_with = "host")]
    list: bool,
    /// Build kernel and cells without optimisation.
    #[arg(long)]
    debug: bool,
}

/// How many passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

pub(crate) fn run(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    let filter = arguments.filter.as_deref();
    let tests = if arguments.host { Vec::new() } else { systems::load(project, filter)? };
    if arguments.list {
        for test in &tests {
            println!("{:<32} {}", test.name(), test.about());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut tally = Tally::default();
    // Set-up comes first: a machine that lacks something is told before a minute of host tests.
    let tools = if tests.is_empty() { None } else { Some(setup::ensure(project)?) };
    if !arguments.system_tests {
        tally.add(host::run(project, filter)?);
    }
    if let Some(tools) = tools {
        let profile = if arguments.debug { Profile::Debug } else { Profile::Release };
        let programs = tests.iter().flat_map(|test| test.system.programs()).collect();
        let built = builder::build(project, &tools, profile, &programs)?;
        let interrupts = Interrupts::install()?;
        tally.add(systems::run(project, &tools, &built, &tests, &interrupts));
        if interrupts.count() > 0 {
            bail!("interrupted");
        }
    }
    if tally == Tally::default() {
        eprintln!("error: no test matches");
        println!("0 passed, 0 failed");
        return Ok(ExitCode::FAILURE);
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
