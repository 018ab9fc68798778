//! From raw samples to figures: the names, meanings and units that are quoted.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::scenario::{BY_INTERRUPT, Results, Run};
use crate::archive;
use crate::commands::check;
use crate::machine::Mode;
use crate::project::Project;
use crate::statistics::Summary;

/// All figures and what they are.
pub(super) const NAMES: [(&str, &str); 101] = [
    ("boot.first_cell_ms", "QEMU's start to the first line of a cell, 2 hardware threads"),
    ("gang.skew_ns.idle", "latest minus earliest hart at an activation, nothing else running"),
    ("gang.skew_ns.loaded", "the same beside a cell that burns the rest of the time"),
    ("gang.skew_ns.four", "the same on 4 idle hardware threads, in instructions"),
    ("gang.retained", "progress of `barrier` beside `hog`, divided by its fair share of its progress alone"),
    ("kernel.null_call_instr", "a call that does nothing, in instructions"),
    ("kernel.null_call_ns", "the same as time"),
    ("kernel.tick_upcall_instr", "the gap that a tick event leaves in a hart's time, in instructions"),
    ("kernel.tick_upcall_ns", "the same as time"),
    ("kernel.cell_switch_instr", "from entry into the kernel to the next cell's context, in instructions"),
    ("kernel.cell_switch_ns", "the same as time"),
    ("kernel.plan_commit_us.1", "a plan's acceptance to the instant at which all muxers follow it, 1 hardware thread"),
    ("kernel.plan_commit_us.2", "the same, 2 hardware threads"),
    ("kernel.plan_commit_us.4", "the same, 4 hardware threads"),
    ("kernel.plan_commit_us.8", "the same, 8 hardware threads"),
    ("muxer.ipi_per_s", "interrupts between 4 hardware threads while nothing changes: windows and best-effort gangs"),
    ("muxer.decide_ns.cells.2", "a muxer's decision, looking ahead included, 2 cells in the component"),
    ("muxer.decide_ns.cells.4", "the same, 4 cells"),
    ("muxer.decide_ns.cells.8", "the same, 8 cells"),
    ("muxer.decide_ns.cells.16", "the same, 16 cells"),
    ("muxer.decide_ns.cells.32", "the same, 32 cells"),
    ("muxer.decide_ns.cells.64", "the same, 64 cells"),
    ("muxer.decide_ns.threads.64", "the same, 8 cells in the component, a machine of 64 hardware threads"),
    ("muxer.decide_ns.threads.256", "the same, 256 hardware threads"),
    ("muxer.decide_ns.threads.1024", "the same, 1,024 hardware threads"),
    ("muxer.decide_ns.threads.4096", "the same, 4,096 hardware threads"),
    ("muxer.state_bytes", "what a muxer keeps of the plan's component"),
    (
        "muxer.sim_skew_ns.1024",
        "skew of activations in the simulator, 1,024 hardware threads with published clock errors",
    ),
    ("muxer.sim_ipi_per_s.1024", "interrupts in the simulator while nothing changes, 1,024 hardware threads"),
    ("channel.latency_ns", "a message one way between two processors that poll, on the host"),
    ("channel.throughput_mps.single", "messages of a cache line one way, on the host, one at a time"),
    ("channel.throughput_mps.batch", "the same, up to 32 at a time"),
    ("channel.call_ns", "a call to a service over rings, on the host, both ends polling"),
    ("channel.call_idle_ns", "the same to a server that sleeps when it is not called"),
    ("channel.send_instr", "sending a message to a cell, in instructions"),
    ("channel.receive_instr", "receiving one that is there, in instructions"),
    ("channel.cell_rtt_us.spin", "a message to a cell on another hardware thread and back, both polling"),
    ("channel.cell_rtt_us.notify", "the same, both parked: each is woken by a notification"),
    ("channel.cell_rtt_us.handover", "the same by hand-over, on one hardware thread"),
    ("channel.cell_call_us.spin", "a call to a service in another cell, both polling"),
    ("channel.cell_call_us.wait", "the same, both parked"),
    ("channel.cell_rate_mps", "messages from a cell to another one, in batches of up to 16"),
    ("channel.bulk_mbps", "bulk memory filled by one cell and read by another, in million bytes"),
    ("kernel.notify_instr", "notifying a cell that waits on another hardware thread, in instructions"),
    ("kernel.handover_instr", "a message to another cell by hand-over, one way, in instructions"),
    ("pulse.switch_ns", "out of a context, to a scheduler that does nothing, and into a context, on the host"),
    ("pulse.yield_ns", "from a thread that yields to the next one of `round_robin`, on the host"),
    ("pulse.tick_ns", "from the instant of a tick to its scheduler, on the host"),
    ("pulse.thread_ns", "a thread of `round_robin`, from its creation to its end, on the host"),
    ("pulse.mutex_handover_ns", "a lock, from being given back until the thread that waited for it runs, on the host"),
    ("pulse.task_ns", "a task of `tasks`, from its creation until its value is there, on the host"),
    ("pulse.task_direct_ns", "the part of this before its creator goes on, on the host"),
    ("pulse.switch_instr", "the same as `pulse.switch_ns` in a cell, in instructions"),
    ("pulse.yield_instr", "the same as `pulse.yield_ns` in a cell, in instructions"),
    ("pulse.tick_instr", "the same as `pulse.tick_ns` in a cell, in instructions"),
    ("pulse.thread_instr", "the same as `pulse.thread_ns` in a cell, in instructions"),
    ("pulse.mutex_handover_instr", "the same as `pulse.mutex_handover_ns` in a cell, in instructions"),
    ("pulse.task_instr", "the same as `pulse.task_ns` in a cell, in instructions"),
    ("pulse.task_direct_instr", "the same as `pulse.task_direct_ns` in a cell, in instructions"),
    ("rab.decide_us.static.2", "one decision of the optimizer `static` for 2 cells"),
    ("rab.decide_us.static.4", "the same for 4 cells"),
    ("rab.decide_us.static.8", "the same for 8 cells"),
    ("rab.decide_us.static.16", "the same for 16 cells"),
    ("rab.decide_us.static.32", "the same for 32 cells"),
    ("rab.decide_us.fair.2", "one decision of the optimizer `fair` for 2 cells"),
    ("rab.decide_us.fair.4", "the same for 4 cells"),
    ("rab.decide_us.fair.8", "the same for 8 cells"),
    ("rab.decide_us.fair.16", "the same for 16 cells"),
    ("rab.decide_us.fair.32", "the same for 32 cells"),
    ("rab.decide_us.utilisation.2", "one decision of the optimizer `utilisation` for 2 cells"),
    ("rab.decide_us.utilisation.4", "the same for 4 cells"),
    ("rab.decide_us.utilisation.8", "the same for 8 cells"),
    ("rab.decide_us.utilisation.16", "the same for 16 cells"),
    ("rab.decide_us.utilisation.32", "the same for 32 cells"),
    ("rab.decide_us.pota.2", "one decision of the optimizer `pota` for 2 cells"),
    ("rab.decide_us.pota.4", "the same for 4 cells"),
    ("rab.decide_us.pota.8", "the same for 8 cells"),
    ("rab.decide_us.pota.16", "the same for 16 cells"),
    ("rab.decide_us.pota.32", "the same for 32 cells"),
    ("rab.decide_us.pacora.2", "one decision of the optimizer `pacora` for 2 cells"),
    ("rab.decide_us.pacora.4", "the same for 4 cells"),
    ("rab.decide_us.pacora.8", "the same for 8 cells"),
    ("rab.decide_us.pacora.16", "the same for 16 cells"),
    ("rab.decide_us.pacora.32", "the same for 32 cells"),
    (
        "rab.violation_s.static",
        "time for which cells missed what they were promised, in each of the simulated scenarios",
    ),
    ("rab.violation_s.fair", "time for which cells missed what they were promised, in each of the simulated scenarios"),
    (
        "rab.violation_s.utilisation",
        "time for which cells missed what they were promised, in each of the simulated scenarios",
    ),
    ("rab.violation_s.pota", "time for which cells missed what they were promised, in each of the simulated scenarios"),
    (
        "rab.violation_s.pacora",
        "time for which cells missed what they were promised, in each of the simulated scenarios",
    ),
    ("rab.energy.static", "energy used in each of the simulated scenarios"),
    ("rab.energy.fair", "energy used in each of the simulated scenarios"),
    ("rab.energy.utilisation", "energy used in each of the simulated scenarios"),
    ("rab.energy.pota", "energy used in each of the simulated scenarios"),
    ("rab.energy.pacora", "energy used in each of the simulated scenarios"),
    ("rab.reaction_periods.utilisation", "from a change of load to the allocation for it, simulated"),
    ("rab.reaction_periods.pota", "from a change of load to the allocation for it, simulated"),
    ("rab.reaction_periods.pacora", "from a change of load to the allocation for it, simulated"),
    ("size.kernel_loc", "the kernel's lines of code"),
    ("size.pulse_loc", "lines of code of Pulse in a cell: framework, collections, home"),
    ("size.unsafe_blocks", "blocks of unsafe code in what is shipped"),
    ("size.kernel_bytes", "the kernel's program, without symbols"),
];

/// A figure with its distribution.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    pub(super) name: String,
    summary: Summary,
    /// `host`, `deterministic` or `parallel`.
    mode: &'static str,
    /// A peer's name and its own median from the same run.
    against: Vec<(&'static str, f64)>,
}

impl Figure {
    fn new(name: &str, values: &[f64], mode: &'static str) -> Option<Self> {
        Some(Self { name: name.to_owned(), summary: Summary::of(values)?, mode, against: Vec::new() })
    }

    /// The unit, as the name's last word but qualifiers says it.
    fn unit(&self) -> &'static str {
        let says = |unit: &str| self.name.split('.').any(|part| part.ends_with(unit));
        let units = [
            ("_ns", "ns"),
            ("_us", "us"),
            ("_ms", "ms"),
            ("_instr", "instructions"),
            ("_bytes", "bytes"),
            ("_loc", "lines"),
            ("_per_s", "per second"),
            ("_mps", "million/s"),
            ("violation_s", "s"),
            ("energy", "J"),
            ("_periods", "periods"),
            ("_mbps", "MB/s"),
        ];
        units
            .iter()
            .find(|(ending, _)| says(ending))
            .map_or(if self.name == "gang.retained" { "ratio" } else { "count" }, |(_, unit)| unit)
    }

    /// The object that other programs read.
    pub(super) fn json(&self) -> Value {
        let Summary { p50, p90, p99, min, max, n } = self.summary;
        let against: serde_json::Map<String, Value> =
            self.against.iter().map(|(peer, p50)| ((*peer).to_owned(), json!(p50))).collect();
        json!({
            "name": self.name, "unit": self.unit(), "p50": p50, "p90": p90, "p99": p99, "min": min, "max": max, "n": n,
            "mode": self.mode, "against": against,
        })
    }
}

/// The figures that booted systems gave. What was not measured is left out.
pub(super) fn from_results(results: &Results) -> Vec<Figure> {
    let mut figures = Vec::new();
    let runs = |scenario: &str| results.get(scenario).map_or(&[][..], Vec::as_slice);
    let boots: Vec<f64> = runs("boot").iter().filter_map(|run| run.first_cell_ms).collect();
    figures.extend(Figure::new("boot.first_cell_ms", &boots, "parallel"));
    for (name, scenario) in
        [("gang.skew_ns.idle", "gang-idle"), ("gang.skew_ns.loaded", "gang-loaded"), ("gang.skew_ns.four", "gang-four")]
    {
        let skew = |scenario: &str| values(runs(scenario), "gang.skew_ns.sampler");
        let figure = Figure::new(name, &skew(scenario), mode(runs(scenario)));
        let peer = Summary::of(&skew(&format!("{scenario}{BY_INTERRUPT}")));
        figures.extend(figure.map(|figure| Figure {
            against: peer.map(|peer| ("ipi_broadcast", peer.p50)).into_iter().collect(),
            ..figure
        }));
    }
    figures.extend(Figure::new("gang.retained", &retained(runs("barrier-alone"), runs("barrier-beside")), "parallel"));
    for (scenario, unit) in [("calls-instr", "instr"), ("calls-ns", "ns")] {
        for (figure, sample) in [
            (format!("kernel.null_call_{unit}"), format!("kernel.null_call_{unit}")),
            (format!("kernel.tick_upcall_{unit}"), format!("kernel.tick_upcall_{unit}")),
            // In the deterministic mode an instruction is a nanosecond.
            (format!("kernel.cell_switch_{unit}"), "cell.switch_ns.hog".to_owned()),
        ] {
            figures.extend(Figure::new(&figure, &values(runs(scenario), &sample), mode(runs(scenario))));
        }
    }
    for threads in [1, 2, 4, 8] {
        let runs = runs(&format!("plan-commit-{threads}"));
        let times: Vec<f64> = values(runs, "plan.commit_ns").iter().map(|ns| ns / 1000.0).collect();
        figures.extend(Figure::new(&format!("kernel.plan_commit_us.{threads}"), &times, mode(runs)));
    }
    for how in ["spin", "notify", "handover"] {
        let runs = runs(&format!("channel-{how}"));
        let times = scaled(runs, &format!("channel.cell_rtt_ns.{how}"), 1e-3);
        figures.extend(Figure::new(&format!("channel.cell_rtt_us.{how}"), &times, mode(runs)));
    }
    let costs = runs("channel-instr");
    for name in ["channel.send_instr", "channel.receive_instr", "kernel.notify_instr"] {
        figures.extend(Figure::new(name, &values(costs, name), mode(costs)));
    }
    let handed = runs("handover-instr");
    figures.extend(Figure::new("kernel.handover_instr", &scaled(handed, "handover.rtt_instr", 0.5), mode(handed)));
    for how in ["spin", "wait"] {
        let runs = runs(&format!("call-{how}"));
        let times = scaled(runs, &format!("channel.cell_call_ns.{how}"), 1e-3);
        figures.extend(Figure::new(&format!("channel.cell_call_us.{how}"), &times, mode(runs)));
    }
    let rate = runs("channel-rate");
    figures.extend(Figure::new("channel.cell_rate_mps", &scaled(rate, "channel.cell_rate", 1e-6), mode(rate)));
    let bulk = runs("channel-bulk");
    // Bytes in a millisecond.
    figures.extend(Figure::new("channel.bulk_mbps", &scaled(bulk, "channel.bulk", 1e-3), mode(bulk)));
    for (what, operations) in PULSE {
        let runs = runs(&format!("pulse-{}-instr", what.replace('_', "-")));
        let values = scaled(runs, &format!("pulse.{what}.lap_instr"), 1.0 / operations);
        figures.extend(Figure::new(&format!("pulse.{what}_instr"), &values, mode(runs)));
    }
    let steady = runs("plan-commit-4");
    figures.extend(Figure::new("muxer.ipi_per_s", &values(steady, "muxer.ipi_per_s"), mode(steady)));
    figures
}

/// What the cell `pulse-gauge` measures, and how many operations are in a lap: ten rounds, and two in a round that goes there and back.
const PULSE: [(&str, f64); 7] = [
    ("switch", 10.0),
    ("yield", 20.0),
    ("tick", 1.0),
    ("thread", 10.0),
    ("mutex_handover", 20.0),
    ("task", 10.0),
    ("task_direct", 10.0),
];

/// What the host's figures are measured against, as `host-bench` calls it.
const PEERS: [&str; 9] =
    ["limit", "limit_in_turns", "rtrb", "heapless", "crossbeam", "mpsc", "corosensei", "tokio", "pthread"];

/// The figures that `host-bench` printed: a line each, the name and the samples. A peer's line has the figure's name, `/`, and the peer's.
pub(super) fn of_host(output: &str) -> Vec<Figure> {
    let mut figures: Vec<Figure> = Vec::new();
    for line in output.lines() {
        let Some((name, samples)) = line.split_once(' ') else { continue };
        let samples: Vec<f64> = samples.split_whitespace().filter_map(|sample| sample.parse().ok()).collect();
        let Some((name, peer)) = name.split_once('/') else {
            figures.extend(Figure::new(name, &samples, "host"));
            continue;
        };
        let peer = PEERS.into_iter().find(|known| *known == peer).zip(Summary::of(&samples));
        if let Some(figure) = figures.iter_mut().find(|figure| figure.name == name) {
            figure.against.extend(peer.map(|(peer, summary)| (peer, summary.p50)));
        }
    }
    figures
}

fn mode(runs: &[Run]) -> &'static str {
    match runs.first().map(|run| run.mode) {
        Some(Mode::Deterministic) => "deterministic",
        _ => "parallel",
    }
}

/// All samples of this name, of all runs.
#[expect(clippy::cast_precision_loss, reason = "measurements are far below 2^53")]
fn values(runs: &[Run], sample: &str) -> Vec<f64> {
    runs.iter().filter_map(|run| run.samples.get(sample)).flatten().map(|&value| value as f64).collect()
}

/// The same in another unit.
fn scaled(runs: &[Run], sample: &str, factor: f64) -> Vec<f64> {
    values(runs, sample).into_iter().map(|value| value * factor).collect()
}

/// Progress beside the hog, divided by half of the progress alone: both gangs have the same weight. One value for each
/// pair of runs.
fn retained(alone: &[Run], beside: &[Run]) -> Vec<f64> {
    let rate = |run: &Run| {
        let one = |name: &str| values(std::slice::from_ref(run), name).last().copied();
        Some(one("cell.heartbeats.barrier")? / one("elapsed_ns").filter(|&time| time > 0.0)?)
    };
    let pairs = alone.iter().zip(beside).filter_map(|(alone, beside)| Some((rate(alone)?, rate(beside)?)));
    pairs.filter(|(alone, _)| *alone > 0.0).map(|(alone, beside)| beside / (alone / 2.0)).collect()
}

/// The figures that are counted, not run.
///
/// # Errors
/// The kernel's ELF file cannot be read.
#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
pub(super) fn of_source(project: &Project, kernel: &Path) -> Result<Vec<Figure>> {
    let bytes = archive::stripped_size(kernel).with_context(|| format!("cannot measure {}", kernel.display()))?;
    let counts = [
        ("size.kernel_loc", check::kernel_lines(project)),
        ("size.pulse_loc", check::pulse_lines(project)),
        ("size.unsafe_blocks", check::unsafe_blocks(project)),
        ("size.kernel_bytes", bytes),
    ];
    Ok(counts.iter().filter_map(|(name, count)| Figure::new(name, &[*count as f64], "host")).collect())
}

/// The figures as a table.
pub(super) fn table(figures: &[Figure]) -> String {
    let mut text = format!(
        "{:<29} {:>12} {:>10} {:>10} {:>10} {:>10} {:>10} {:>6}  {:<13} against\n",
        "figure", "unit", "p50", "p90", "p99", "min", "max", "n", "mode"
    );
    for figure in figures {
        let Summary { p50, p90, p99, min, max, n } = figure.summary;
        let against = figure.against.iter().map(|(peer, median)| {
            let ratio = if p50 > 0.0 { times(median / p50) } else { String::new() };
            format!("{peer} {}{ratio}", number(*median))
        });
        let _ = writeln!(
            text,
            "{:<29} {:>12} {:>10} {:>10} {:>10} {:>10} {:>10} {n:>6}  {:<13} {}",
            figure.name,
            figure.unit(),
            number(p50),
            number(p90),
            number(p99),
            number(min),
            number(max),
            figure.mode,
            against.collect::<Vec<_>>().join(", ")
        );
    }
    text
}

/// With enough digits that a small one is not shown as nothing.
fn times(ratio: f64) -> String {
    if ratio < 1.0 { format!(" ({ratio:.3} times)") } else { format!(" ({ratio:.1} times)") }
}

/// Whole where it is whole or large.
fn number(value: f64) -> String {
    if value.fract() == 0.0 || value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn run(samples: &[(&str, &[u64])]) -> Run {
        let samples: BTreeMap<_, _> =
            samples.iter().map(|(name, values)| ((*name).to_owned(), values.to_vec())).collect();
        Run { mode: Mode::Parallel, first_cell_ms: None, samples }
    }

    #[test]
    fn what_the_host_measured_is_read_and_other_lines_are_not() {
        let figures = of_host("muxer.decide_ns.cells.2 3.5 1 2\n\nnoise\nmuxer.state_bytes 12\n");
        let read: Vec<_> =
            figures.iter().map(|figure| (figure.name.as_str(), figure.summary.p50, figure.unit())).collect();
        assert_eq!(read, [("muxer.decide_ns.cells.2", 2.0, "ns"), ("muxer.state_bytes", 12.0, "bytes")]);
    }

    #[test]
    fn what_a_peer_achieved_stands_beside_the_figure() {
        let figures =
            of_host("channel.latency_ns 70\nchannel.latency_ns/limit 60 61 62\nchannel.latency_ns/unknown 1\n");
        let read: Vec<_> = figures.iter().map(|figure| (figure.name.as_str(), figure.against.clone())).collect();
        assert_eq!(read, [("channel.latency_ns", vec![("limit", 61.0)])]);
    }

    #[test]
    fn retained_progress_compares_with_half_of_the_progress_alone() {
        let alone = run(&[("cell.heartbeats.barrier", &[1000]), ("elapsed_ns", &[5000])]);
        let beside = run(&[("cell.heartbeats.barrier", &[480]), ("elapsed_ns", &[5000])]);
        let values = retained(&[alone], &[beside]);
        assert!((values[0] - 0.96).abs() < 1e-9, "{values:?}");
        assert!(retained(&[run(&[])], &[run(&[])]).is_empty());
    }

    #[test]
    fn a_figure_quotes_its_peer_from_the_same_run() {
        let mut results = Results::new();
        results.insert("gang-idle".into(), vec![run(&[("gang.skew_ns.sampler", &[250, 300, 350])])]);
        results.insert("gang-idle-ipi".into(), vec![run(&[("gang.skew_ns.sampler", &[30_000])])]);
        let figures = from_results(&results);
        assert_eq!(figures.len(), 1);
        let object = figures[0].json();
        assert_eq!((object["name"].as_str(), object["unit"].as_str()), (Some("gang.skew_ns.idle"), Some("ns")));
        assert_eq!(object["p50"], 300.0);
        assert_eq!(object["against"]["ipi_broadcast"], 30_000.0);
        assert!(table(&figures).contains("ipi_broadcast 30000 (100.0 times)"), "{}", table(&figures));
    }

    #[test]
    fn a_lap_of_pulse_is_divided_into_its_operations() {
        let mut results = Results::new();
        results.insert("pulse-mutex-handover-instr".into(), vec![run(&[("pulse.mutex_handover.lap_instr", &[7000])])]);
        results.insert("pulse-tick-instr".into(), vec![run(&[("pulse.tick.lap_instr", &[800])])]);
        let read: Vec<_> =
            from_results(&results).into_iter().map(|figure| (figure.name.clone(), figure.summary.p50)).collect();
        assert_eq!(read, [("pulse.tick_instr".into(), 800.0), ("pulse.mutex_handover_instr".into(), 350.0)]);
    }

    #[test]
    fn a_ratio_below_one_is_not_shown_as_nothing() {
        let figures = of_host("pulse.thread_ns 80\npulse.thread_ns/corosensei 2\npulse.thread_ns/pthread 20000\n");
        let table = table(&figures);
        assert!(table.contains("corosensei 2 (0.025 times), pthread 20000 (250.0 times)"), "{table}");
    }

    #[test]
    fn every_figure_of_pulse_has_a_name() {
        for (what, _) in PULSE {
            for unit in ["ns", "instr"] {
                let name = format!("pulse.{what}_{unit}");
                assert!(NAMES.iter().any(|(known, _)| *known == name), "{name} is measured and has no name");
            }
        }
    }

    #[test]
    fn every_unit_follows_from_the_name() {
        let unit = |name: &str| Figure::new(name, &[1.0], "host").unwrap().unit();
        assert_eq!(unit("boot.first_cell_ms"), "ms");
        assert_eq!(unit("gang.skew_ns.loaded"), "ns");
        assert_eq!(unit("kernel.null_call_instr"), "instructions");
        assert_eq!(unit("gang.retained"), "ratio");
        assert_eq!(unit("size.unsafe_blocks"), "count");
    }
}
