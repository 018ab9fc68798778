//! Best-effort cells that sleep.

#![forbid(unsafe_code)]

use muxer::inputs::{Found, Input, Inputs, News};
use muxer::{CellId, Entry, Instant, Plan, Policy, Replica, Span, Spec, ThreadSet};

const SLICE: Span = Span::from_micros(10);

fn slices(count: u64) -> Instant {
    Instant::from_nanos(SLICE.as_nanos() * count)
}

/// The second cell sleeps between two instants.
struct Sleeper([Input; 2]);

impl Inputs for Sleeper {
    fn read(&self, cell: CellId, position: u64) -> Found {
        let input = self.0.get(position as usize).filter(|_| cell == CellId(2));
        input.map_or(Found::Nothing, |input| Found::Input(*input))
    }

    fn end(&self, cell: CellId) -> u64 {
        if cell == CellId(2) { 2 } else { 0 }
    }
}

/// Who runs in each of the first slices.
fn who_runs(inputs: &impl Inputs, count: u64) -> Vec<Option<u16>> {
    let one = ThreadSet::from_bits(1);
    let entry = |cell| Entry { cell: CellId(cell), threads: one, policy: Policy::BestEffort { weight: 1 } };
    let entries = [entry(1), entry(2), entry(3)];
    let effective = slices(0);
    let spec = Spec { number: 1, effective, slice: SLICE, lead: Span::from_nanos(50), machine: one, entries: &entries };
    let plan: Plan = Plan::validate(&spec).expect("best effort is never refused");
    let mut replica = Replica::new(0, &plan, None, inputs);
    // A moment into each slice.
    let runs = (0..count).map(|slice| replica.decide(&plan, slices(slice) + Span::from_nanos(100), inputs).run);
    runs.map(|run| run.map(|run| run.cell.0)).collect()
}

#[test]
fn a_cell_that_slept_has_its_turn_when_it_wakes_but_nothing_for_the_time_that_it_slept() {
    let wake = 60;
    let sleeper = Sleeper([
        Input { effect: slices(6), news: News::Idle { until: Instant::NEVER } },
        Input { effect: slices(wake), news: News::Wake },
    ]);
    let runs = who_runs(&sleeper, wake + 12);
    let asleep = &runs[6..wake as usize];
    assert!(!asleep.contains(&Some(2)), "it runs without work: {asleep:?}");
    assert!(!asleep.contains(&None), "its time goes to nobody: {asleep:?}");
    let awake = &runs[wake as usize..];
    assert_eq!(awake.iter().filter(|run| **run == Some(2)).count(), 4, "a third of twelve: {awake:?}");
    assert!(awake.windows(2).all(|pair| pair != [Some(2), Some(2)]), "it gets two turns in a row: {awake:?}");
    assert!(awake[..3].contains(&Some(2)), "it waits for its turn: {awake:?}");
}
