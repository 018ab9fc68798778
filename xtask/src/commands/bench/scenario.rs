//! What is booted to measure: the manifests of tests/bench, each as often as it says.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow, bail};

use crate::builder::Built;
use crate::header::{self, Header};
use crate::machine::{Machine, Mode};
use crate::project::Project;
use crate::session::{self, Ending, Interrupts, Options};
use crate::setup::Tools;
use crate::system::System;

/// Manifest in tests/bench, whether gangs are activated by interrupts there, and the figures that need it.
const SCENARIOS: [(&str, bool, &[&str]); 29] = [
    ("boot", false, &["boot.first_cell_ms"]),
    ("gang-idle", false, &["gang.skew_ns.idle"]),
    ("gang-idle", true, &["gang.skew_ns.idle"]),
    ("gang-loaded", false, &["gang.skew_ns.loaded"]),
    ("gang-loaded", true, &["gang.skew_ns.loaded"]),
    ("gang-four", false, &["gang.skew_ns.four"]),
    ("barrier-alone", false, &["gang.retained"]),
    ("barrier-beside", false, &["gang.retained"]),
    ("calls-instr", false, &["kernel.null_call_instr", "kernel.tick_upcall_instr", "kernel.cell_switch_instr"]),
    ("plan-commit-1", false, &["kernel.plan_commit_us.1"]),
    ("plan-commit-2", false, &["kernel.plan_commit_us.2"]),
    ("plan-commit-4", false, &["kernel.plan_commit_us.4", "muxer.ipi_per_s"]),
    ("plan-commit-8", false, &["kernel.plan_commit_us.8"]),
    ("channel-spin", false, &["channel.cell_rtt_us.spin"]),
    ("channel-notify", false, &["channel.cell_rtt_us.notify"]),
    ("channel-handover", false, &["channel.cell_rtt_us.handover"]),
    ("call-spin", false, &["channel.cell_call_us.spin"]),
    ("call-wait", false, &["channel.cell_call_us.wait"]),
    ("channel-rate", false, &["channel.cell_rate_mps"]),
    ("channel-bulk", false, &["channel.bulk_mbps"]),
    ("channel-instr", false, &["channel.send_instr", "channel.receive_instr", "kernel.notify_instr"]),
    ("handover-instr", false, &["kernel.handover_instr"]),
    ("pulse-switch-instr", false, &["pulse.switch_instr"]),
    ("pulse-yield-instr", false, &["pulse.yield_instr"]),
    ("pulse-tick-instr", false, &["pulse.tick_instr"]),
    ("pulse-thread-instr", false, &["pulse.thread_instr"]),
    ("pulse-mutex-handover-instr", false, &["pulse.mutex_handover_instr"]),
    ("pulse-task-instr", false, &["pulse.task_instr"]),
    ("pulse-task-direct-instr", false, &["pulse.task_direct_instr"]),
];

/// The time of what [`SCENARIOS`] counts in instructions.
const CALLS_NS: (&str, bool, &[&str]) =
    ("calls-ns", false, &["kernel.null_call_ns", "kernel.tick_upcall_ns", "kernel.cell_switch_ns"]);

/// The ending of a scenario's name where gangs are activated by interrupts.
pub(super) const BY_INTERRUPT: &str = "-ipi";

/// A system to boot and measure.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    name: String,
    header: Header,
    pub(super) system: System,
}

/// What one boot gave.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) mode: Mode,
    pub(super) first_cell_ms: Option<f64>,
    /// By the sample's name, in the order of measurement.
    pub(super) samples: BTreeMap<String, Vec<u64>>,
}

/// The runs of each scenario, in order.
pub(super) type Results = BTreeMap<String, Vec<Run>>;

/// The scenarios that these figures need.
///
/// # Errors
/// A manifest or its header has a mistake.
pub(super) fn load(project: &Project, figures: &BTreeSet<&str>) -> Result<Vec<Scenario>> {
    let mut scenarios = Vec::new();
    for (file, by_interrupt, serves) in SCENARIOS.iter().chain([&CALLS_NS]) {
        if !serves.iter().any(|figure| figures.contains(figure)) {
            continue;
        }
        let path = project.root().join(format!("tests/bench/{file}.toml"));
        let mut system = System::read(project, &path)?;
        let header = Header::parse(&std::fs::read_to_string(&path)?, header::BENCH)
            .map_err(|(line, message)| anyhow!("{}:{line}: {message}", project.shown(&path)))?;
        let mut name = (*file).to_owned();
        if *by_interrupt {
            system.activate_by_interrupt();
            name += BY_INTERRUPT;
        }
        scenarios.push(Scenario { name, header, system });
    }
    Ok(scenarios)
}

/// Boots the scenarios in turns, so that what is compared is measured at about the same time. Returns the results, and
/// what went wrong.
///
/// # Errors
/// A machine cannot be started, or the user interrupts.
pub(super) fn run(
    project: &Project,
    tools: &Tools,
    built: &Built,
    scenarios: &[Scenario],
    interrupts: &Interrupts,
) -> Result<(Results, Vec<String>)> {
    let (mut results, mut problems) = (Results::new(), Vec::new());
    let rounds = scenarios.iter().map(|scenario| scenario.header.repeat).max().unwrap_or(0);
    for round in 1..=rounds {
        for scenario in scenarios.iter().filter(|scenario| scenario.header.repeat >= round) {
            eprintln!("measuring {} ({round} of {})", scenario.name, scenario.header.repeat);
            match run_one(project, tools, built, scenario, interrupts)? {
                Ok(run) => results.entry(scenario.name.clone()).or_default().push(run),
                Err(problem) => problems.push(problem),
            }
        }
    }
    Ok((results, problems))
}

fn run_one(
    project: &Project,
    tools: &Tools,
    built: &Built,
    scenario: &Scenario,
    interrupts: &Interrupts,
) -> Result<Result<Run, String>> {
    let archive = scenario.system.pack(project, built)?;
    let symbols = scenario.system.symbols(project, built);
    let machine = Machine::from_header(&scenario.header, &built.kernel, archive.path());
    let options = Options {
        show: false,
        forward: false,
        limit: Some(scenario.header.timeout),
        log: session::log_path(&project.logs(), "bench", &scenario.name),
        symbols: &symbols,
        interrupts,
    };
    let outcome = session::run(&machine, &tools.qemu, options)?;
    if interrupts.count() > 0 {
        bail!("interrupted");
    }
    if outcome.ending != Ending::Code(0) {
        let reports: String = outcome.reports.concat();
        let log = project.shown(&outcome.log);
        return Ok(Err(format!(
            "{} ended with {:?}\n{reports}{}\n  log: {log}",
            scenario.name,
            outcome.ending,
            outcome.tail()
        )));
    }
    let mut samples = BTreeMap::<String, Vec<u64>>::new();
    for sample in outcome.samples {
        samples.entry(sample.name).or_default().extend(sample.values);
    }
    let first_cell_ms = outcome.first_cell.map(|time| time.as_secs_f64() * 1000.0);
    Ok(Ok(Run { mode: machine.mode, first_cell_ms, samples }))
}
