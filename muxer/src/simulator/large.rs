//! A machine of 1,024 hardware threads.

use std::vec::Vec;

use super::latency::Latency;
use super::{Change, Clocks, Looks, Machine, Scenario, What, Workload, simulate};
use crate::{CellId, Entry, Policy, Span, ThreadSet};

const THREADS: usize = 1_024;

/// Between sockets (Xeon), as published.
const CLOCK_ERROR: Span = Span::from_nanos(276);

fn machine() -> Machine {
    let latency = |least, most| Latency::Uniform(Span::from_nanos(least), Span::from_nanos(most));
    Machine {
        threads: THREADS,
        clock_error: CLOCK_ERROR,
        clocks: Clocks::Random { drift_ns: 0 },
        visible: Span::from_nanos(500),
        lead: Span::from_micros(5),
        timer: latency(200, 1_500),
        interrupt: latency(400, 2_000),
        switch: latency(500, 1_500),
        decide: latency(100, 300),
        store: latency(10, 50),
        see: latency(50, 300),
        tell: latency(10, 50),
        glance_ns: 5,
        looks: Looks::AsTimeAllows,
    }
}

/// 512 cells in 128 components of eight hardware threads: a window and a reserve on all of them, and two best-effort gangs that overlap.
fn scenario(length: Span) -> Scenario<16> {
    let mut entries = Vec::new();
    let mut cells = Vec::new();
    for component in 0..THREADS / 8 {
        let first = component * 8;
        let mut add = |threads, policy| {
            let cell = CellId(entries.len() as u16);
            entries.push(Entry { cell, threads, policy });
            cell
        };
        let phase = Span::from_micros(10 * component as u64);
        let period = Span::from_millis(5);
        add(ThreadSet::range(first, 8), Policy::TimeTriggered { period, phase, length: Span::from_micros(500) });
        let reserve =
            add(ThreadSet::range(first, 4), Policy::EventTriggered { period, budget: Span::from_micros(500) });
        add(ThreadSet::range(first, 8), Policy::BestEffort { weight: 2 });
        add(ThreadSet::range(first + 4, 4), Policy::BestEffort { weight: 1 });
        let between = |least, most| Latency::Uniform(Span::from_micros(least), Span::from_micros(most));
        let announces = component % 2 == 0;
        cells.push((reserve, Workload::Jobs { work: between(50, 700), sleep: between(500, 6_000), announces }));
    }
    let what = What::Plan { slice: Span::from_millis(2), entries };
    let plans = Vec::from([Change { at: Span::ZERO, by: 0, ahead: Span::ZERO, what }]);
    Scenario { seed: 1, length, machine: machine(), plans, cells, faults: Vec::new() }
}

fn check(length: Span) {
    let report = std::thread::Builder::new()
        .stack_size(256 << 20)
        .spawn(move || simulate::<512, 16>(&scenario(length)))
        .expect("a thread can be had")
        .join()
        .expect("the simulation ends");
    assert!(report.failure().is_none(), "{:?}", report.failure());
    assert!(report.inputs > 100, "saw {} inputs", report.inputs);
    assert_eq!((report.late_inputs, report.divergences, report.repairs), (0, 0, 0));
    assert!(report.skew.most() <= CLOCK_ERROR.as_nanos() + 10, "skew {}", report.skew);
}

#[test]
fn all_holds_on_a_thousand_hardware_threads_with_published_clock_errors() {
    check(Span::from_millis(8));
}

#[test]
#[ignore = "minutes; run it with `cargo test --release -p muxer --features simulator -- --ignored`"]
fn all_holds_on_a_thousand_hardware_threads_for_long() {
    check(Span::from_millis(2_000));
}
