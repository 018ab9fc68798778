//! What was prepared for a plan to come is not used if something came to light since.

#![forbid(unsafe_code)]

use std::cell::Cell;

use muxer::inputs::{Found, Input, Inputs, News};
use muxer::{CellId, Entry, Instant, Plan, Policy, Replica, Run, Span, Spec, ThreadSet};

fn ns(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn plan(number: u64, effective: u64, cells: [u16; 2]) -> Plan {
    let machine = ThreadSet::from_bits(1);
    let entry = |cell| Entry { cell: CellId(cell), threads: machine, policy: Policy::BestEffort { weight: 1 } };
    let (slice, lead, entries) = (Span::from_micros(10), Span::from_nanos(50), cells.map(entry));
    let spec = Spec { number, effective: ns(effective), slice, lead, machine, entries: &entries };
    Plan::validate(&spec).expect("two cells share a hardware thread")
}

/// Inputs of cell 3, of which the first few can be seen.
struct Sight {
    inputs: [Input; 2],
    seen: Cell<u64>,
}

impl Inputs for Sight {
    fn read(&self, cell: CellId, position: u64) -> Found {
        let is_there = cell == CellId(3) && position < self.seen.get();
        if is_there { Found::Input(self.inputs[position as usize]) } else { Found::Nothing }
    }

    fn end(&self, cell: CellId) -> u64 {
        if cell == CellId(3) { self.seen.get() } else { 0 }
    }
}

/// Cells 3 and 4 share a hardware thread until 25,000, then 4 and 5 do. The change is prepared for at 12,000, when `before` inputs of cell 3 can be seen, and carried out when `after` can. What runs
/// then?
fn runs(before: u64, after: u64) -> Option<Run> {
    let idle = Input { effect: ns(15_000), news: News::Idle { until: Instant::NEVER } };
    let sight = Sight { inputs: [idle, Input { effect: ns(18_000), news: News::Wake }], seen: Cell::new(before) };
    let (old, new) = (plan(1, 0, [3, 4]), plan(2, 25_000, [4, 5]));
    let mut replica = Replica::new(0, &old, None, &sight);
    let _ = replica.decide(&old, ns(12_000), &sight);
    replica.prepare(&old, &new, None, &sight);
    sight.seen.set(after);
    replica.adopt(&old, &new, None, &sight);
    replica.decide(&new, ns(25_000), &sight).run
}

#[test]
fn an_input_that_came_since_is_taken_into_account_even_of_a_cell_that_leaves() {
    let run = |since| Some(Run { cell: CellId(4), since: ns(since) });
    assert_eq!(runs(0, 0), run(25_000), "cell 3 had its turn at 20,000");
    assert_eq!(runs(0, 1), run(10_000), "cell 3 slept, so cell 4 went on");
}

#[test]
fn an_input_behind_one_that_was_known_is_taken_into_account() {
    let run = |since| Some(Run { cell: CellId(4), since: ns(since) });
    assert_eq!(runs(1, 1), run(10_000), "cell 3 slept, so cell 4 went on");
    assert_eq!(runs(1, 2), run(25_000), "cell 3 woke in time for its turn at 20,000");
}
