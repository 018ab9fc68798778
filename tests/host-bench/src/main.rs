//! Measures pure code on the host. `cargo xtask bench` builds it optimised, runs it, and reads what it prints: a line for each figure, its name and its samples.
//!
//! Arguments: beginnings of the names of figures; none for all.

#![forbid(unsafe_code)]

mod channel;
mod large;
mod processors;
mod pulse;
mod rab;

use std::hint::black_box;
use std::time::Instant as Clock;

use muxer::inputs::NoInputs;
use muxer::{CellId, Entry, Instant, Plan, Policy, Replica, Span, Spec, ThreadSet};
use rab_core::optimizers::Shipped;

/// Samples of each figure, and decisions in each sample.
const SAMPLES: usize = 300;
const BATCH: usize = 200;

/// Hardware threads and cells of a component where the machine's size varies.
const WIDTH: usize = 8;

/// The largest machine: as many cells as hardware threads.
const MOST: usize = 4096;
type Large = Plan<MOST, 64>;

/// A large plan and the steps that lead to it are megabytes on the stack.
const STACK: usize = 512 << 20;

/// A figure's name, and what gives one sample of it. A peer's name stands after `/`.
type Contestant = (String, Box<dyn FnMut() -> f64>);

fn main() {
    let work = std::thread::Builder::new().stack_size(STACK).spawn(measure);
    if work.map_err(|_| ()).and_then(|work| work.join().map_err(|_| ())).is_err() {
        std::process::exit(1);
    }
}

fn measure() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted =
        |name: &str| wanted.is_empty() || wanted.iter().any(|beginning| name.starts_with(beginning.as_str()));
    let mut decisions: Vec<Contestant> = Vec::new();
    for cells in [2, 4, 8, 16, 32, 64] {
        let name = format!("muxer.decide_ns.cells.{cells}");
        if is_wanted(&name) {
            decisions.push((name, Box::new(decider(&plan::<64, 1>(2, cells, 1)))));
        }
    }
    for threads in [64, 256, 1024, MOST] {
        let name = format!("muxer.decide_ns.threads.{threads}");
        if is_wanted(&name) {
            decisions.push((name, Box::new(large_decider(threads))));
        }
    }
    for cells in [2, 4, 8, 16, 32] {
        decisions.extend(rab::deciders(cells).into_iter().filter(|(name, _)| is_wanted(name)));
    }
    for (name, samples) in in_turns(decisions) {
        print(&name, &samples);
    }
    for (name, samples) in in_turns(channel::contestants(is_wanted)) {
        print(&name, &samples);
    }
    for (name, samples) in in_turns(pulse::contestants(is_wanted)) {
        print(&name, &samples);
    }
    for optimizer in Shipped::<1>::NAMES {
        let names = ["violation_s", "energy", "reaction_periods"].map(|what| format!("rab.{what}.{optimizer}"));
        if names.iter().any(|name| is_wanted(name)) {
            for (name, samples) in names.iter().zip(rab::outcomes(optimizer)).filter(|(name, _)| is_wanted(name)) {
                // Who does not react has none.
                if !samples.is_empty() {
                    print(name, &samples);
                }
            }
        }
    }
    if is_wanted("muxer.state_bytes") {
        print("muxer.state_bytes", &[size_of::<Replica>() as f64]);
    }
    let large = ["muxer.sim_skew_ns.1024", "muxer.sim_ipi_per_s.1024"];
    if large.iter().any(|name| is_wanted(name)) {
        let (skew, interrupts) = large::simulate();
        print(large[0], &skew);
        print(large[1], &[interrupts]);
    }
}

fn print(name: &str, samples: &[f64]) {
    let words: Vec<String> = samples.iter().map(|sample| format!("{sample:.2}")).collect();
    println!("{name} {}", words.join(" "));
}

/// One sample of each in turn, so that what the host does meanwhile strikes all alike; the first few are to warm up.
fn in_turns(mut contestants: Vec<Contestant>) -> Vec<(String, Vec<f64>)> {
    let mut results: Vec<(String, Vec<f64>)> =
        contestants.iter().map(|(name, _)| (name.clone(), Vec::with_capacity(SAMPLES))).collect();
    for round in 0..SAMPLES + 20 {
        for place in 0..contestants.len() {
            let place = (place + round) % contestants.len();
            let sample = contestants[place].1();
            if round >= 20 {
                results[place].1.push(sample);
            }
        }
    }
    results
}

/// A plan for components of `width` hardware threads with so many cells each, of all policies; every third gang is on all hardware threads of the component, the others on
/// one.
fn plan<const CELLS: usize, const WORDS: usize>(width: usize, cells: usize, components: usize) -> Plan<CELLS, WORDS> {
    let mut entries = Vec::new();
    for component in 0..components {
        let first = component * width;
        for cell in 0..cells {
            let threads =
                if cell % 3 == 0 { ThreadSet::range(first, width) } else { ThreadSet::range(first + cell % width, 1) };
            let policy = match cell % 4 {
                0 if cell < 32 => Policy::TimeTriggered {
                    period: Span::from_millis(40),
                    phase: Span::from_micros(100 * cell as u64),
                    length: Span::from_micros(50),
                },
                1 if cell < 32 => {
                    Policy::EventTriggered { period: Span::from_millis(20), budget: Span::from_micros(200) }
                }
                _ => Policy::BestEffort { weight: 1 + cell as u32 % 3 },
            };
            entries.push(Entry { cell: CellId((component * cells + cell) as u16), threads, policy });
        }
    }
    let spec = Spec {
        number: 1,
        effective: Instant::from_nanos(0),
        slice: Span::from_micros(300),
        lead: Span::from_micros(2),
        machine: ThreadSet::range(0, width * components),
        entries: &entries,
    };
    Plan::validate(&spec).expect("the plan of a benchmark is admitted")
}

/// Decides at each change on hardware thread 0, as a muxer does that is never late; returns ns per decision, looking ahead to the next change included.
fn decider<const CELLS: usize, const WORDS: usize>(
    plan: &Plan<CELLS, WORDS>,
) -> impl FnMut() -> f64 + use<CELLS, WORDS> {
    let plan = Box::new(plan.clone());
    let mut replica = Replica::new(0, &plan, None, &NoInputs);
    let mut now = plan.effective();
    move || {
        let start = Clock::now();
        for _ in 0..BATCH {
            let decision = black_box(replica.decide(&plan, now, &NoInputs));
            now = decision.until.unwrap_or(now);
        }
        start.elapsed().as_nanos() as f64 / BATCH as f64
    }
}

fn large_decider(threads: usize) -> impl FnMut() -> f64 {
    let plan: Large = plan(WIDTH, WIDTH, threads / WIDTH);
    decider(&plan)
}
