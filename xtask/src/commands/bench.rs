//! `cargo xtask bench`: measures, prints distributions, writes them for other programs.

mod figure;
mod scenario;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::builder::{self, Profile};
use crate::process;
use crate::project::Project;
use crate::session::Interrupts;
use crate::setup;

use figure::Figure;

/// Measure and print distributions: quantiles, never a mean alone.
///
/// Times of parallel mode hold for this host only; instruction counts are exact. A figure with a peer is measured with
/// it in the same run, and quotes the peer's median.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only figures whose names begin with one of these (`gang`, `kernel.null_call_instr`).
    names: Vec<String>,
    /// Also write the figures to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Name the figures and measure nothing.
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    let wanted: BTreeSet<&str> =
        figure::NAMES.iter().map(|(name, _)| *name).filter(|name| selects(&arguments.names, name)).collect();
    if arguments.list {
        for (name, what) in figure::NAMES.iter().filter(|(name, _)| wanted.contains(name)) {
            println!("{name:<28} {what}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    if wanted.is_empty() {
        bail!("no figure begins with {}; `--list` names them", arguments.names.join(" or "));
    }
    let scenarios = scenario::load(project, &wanted)?;
    let tools = setup::ensure(project)?;
    let programs = scenarios.iter().flat_map(|scenario| scenario.system.programs()).collect();
    let built = builder::build(project, &tools, Profile::Release, &programs)?;
    let interrupts = Interrupts::install()?;
    let (results, problems) = scenario::run(project, &tools, &built, &scenarios, &interrupts)?;
    let mut figures = figure::from_results(&results);
    figures.extend(host_figures(project, &wanted)?);
    figures.extend(figure::of_source(project, &built.kernel)?);
    figures.retain(|figure| wanted.contains(figure.name.as_str()));
    print!("{}", figure::table(&figures));
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&figures.iter().map(Figure::json).collect::<Vec<_>>())?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("Wrote {}", path.display());
    }
    let measured: BTreeSet<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
    let missing: Vec<_> = wanted.difference(&measured).copied().collect();
    if problems.is_empty() && missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for problem in problems {
        eprintln!("error: {problem}");
    }
    if !missing.is_empty() {
        eprintln!("error: not measured: {}", missing.join(", "));
    }
    Ok(ExitCode::FAILURE)
}

/// Measures pure code on the host, in a program of its own because xtask itself is not optimised.
fn host_figures(project: &Project, wanted: &BTreeSet<&str>) -> Result<Vec<Figure>> {
    let beginnings = ["channel.latency_ns", "channel.throughput_mps", "channel.call_", "muxer.", "pulse.", "rab."];
    let is_booted = |name: &str| name == "muxer.ipi_per_s" || name.ends_with("_instr");
    let is_hosts = |name: &str| beginnings.iter().any(|start| name.starts_with(start)) && !is_booted(name);
    let names: Vec<&str> = wanted.iter().copied().filter(|name| is_hosts(name)).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    eprintln!("measuring on the host");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--release", "--quiet", "--package", "host-bench", "--"]).args(names);
    command.current_dir(project.root()).env("CARGO_TARGET_DIR", project.target("host-bench"));
    Ok(figure::of_host(&process::query(&mut command)?))
}

/// Whether these beginnings select a name; none select all.
fn selects(beginnings: &[String], name: &str) -> bool {
    beginnings.is_empty() || beginnings.iter().any(|beginning| name.starts_with(beginning.as_str()))
}

#[cfg(test)]
mod tests {
    use super::selects;

    #[test]
    fn beginnings_select_figures_and_none_select_all() {
        assert!(selects(&[], "gang.retained"));
        assert!(selects(&["kernel".into(), "gang".into()], "gang.retained"));
        assert!(!selects(&["kernel".into()], "gang.retained"));
    }
}
