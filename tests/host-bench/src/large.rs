//! A machine of 1,024 hardware threads in the simulator.

use muxer::simulator::latency::Latency;
use muxer::simulator::{Change, Clocks, Looks, Machine, Scenario, What};
use muxer::{CellId, Entry, Policy, Span, ThreadSet};

const THREADS: usize = 1_024;

/// The largest difference of clocks that was published for processors in different sockets: 276 ns (Xeon).
const CLOCK_ERROR: Span = Span::from_nanos(276);

/// All in one component: a window and a best-effort gang on every hardware thread, and gangs on a quarter and a sixteenth of them.
fn entries() -> Vec<Entry<16>> {
    let window =
        Policy::TimeTriggered { period: Span::from_millis(5), phase: Span::ZERO, length: Span::from_millis(1) };
    let best = |weight| Policy::BestEffort { weight };
    let mut entries = Vec::new();
    let mut add = |threads, policy| entries.push(Entry { cell: CellId(entries.len() as u16), threads, policy });
    add(ThreadSet::range(0, THREADS), window);
    add(ThreadSet::range(0, THREADS), best(4));
    for (parts, weight) in [(4, 2), (16, 1)] {
        for part in 0..parts {
            add(ThreadSet::range(part * THREADS / parts, THREADS / parts), best(weight));
        }
    }
    entries
}

/// The skew of all activations, in ns, and the interrupts per second, over a quarter of a second in which nothing changes.
///
/// # Panics
/// If a property does not hold.
pub(crate) fn simulate() -> (Vec<f64>, f64) {
    let length = Span::from_millis(250);
    let ns = Span::from_nanos;
    let latency = |least, most| Latency::Uniform(ns(least), ns(most));
    let machine = Machine {
        threads: THREADS,
        clock_error: CLOCK_ERROR,
        clocks: Clocks::Random { drift_ns: 0 },
        visible: ns(500),
        lead: ns(5_000),
        timer: latency(200, 1_500),
        interrupt: latency(400, 2_000),
        switch: latency(500, 1_500),
        decide: latency(100, 300),
        store: latency(10, 50),
        see: latency(50, 300),
        tell: latency(10, 50),
        glance_ns: 5,
        looks: Looks::AsTimeAllows,
    };
    let what = What::Plan { slice: Span::from_millis(2), entries: entries() };
    let plans = vec![Change { at: Span::ZERO, by: 0, ahead: Span::ZERO, what }];
    let scenario = Scenario { seed: 1, length, machine, plans, cells: Vec::new(), faults: Vec::new() };
    let report = muxer::simulator::simulate::<64, 16>(&scenario);
    assert!(report.failure().is_none(), "{:?}", report.failure());
    let skew = (0..=1_000).map(|thousandths| report.skew.quantile(thousandths) as f64).collect();
    let seconds = length.as_nanos() as f64 / 1e9;
    (skew, report.all_interrupts() as f64 / seconds)
}
