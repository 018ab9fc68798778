//! A small simulation: all replicas of a machine follow a plan, each looking at instants of its own; what they did must satisfy the
//! properties of DESIGN.md.

extern crate std;

use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::*;

use crate::{CellId, Entry, Instant, Plan, Policy, Replica, Run, Span, Spec, ThreadSet};

const THREADS: usize = 4;
const LEAD: u64 = 50;

/// What one hardware thread did: from when, what.
type History = Vec<(Instant, Option<Run>)>;

/// Follows the plan on one hardware thread to `end`, waking `late(n)` ns late the n-th time.
fn follow(thread: usize, plan: &Plan, end: Instant, mut late: impl FnMut() -> u64) -> (History, Replica) {
    let mut replica = Replica::new(thread, plan, None);
    let mut history = Vec::new();
    let mut now = plan.effective();
    while now < end {
        let decision = replica.decide(plan, now);
        if history.last().is_none_or(|(_, run)| *run != decision.run) {
            history.push((now, decision.run));
        }
        match decision.until {
            Some(until) => now = until + Span::from_nanos(late()),
            None => break,
        }
    }
    let _ = replica.decide(plan, end);
    (history, replica)
}

fn at(history: &History, instant: Instant) -> Option<Run> {
    history.iter().rev().find(|(from, _)| *from <= instant).and_then(|(_, run)| *run)
}

fn policies() -> impl Strategy<Value = Policy> {
    prop_oneof![
        1 => Just(Policy::Dedicated),
        3 => (1_u64..6, 0_u64..30, 1_u64..15).prop_map(|(period, phase, length)| Policy::TimeTriggered {
            period: Span::from_nanos(period * 6_000),
            phase: Span::from_nanos(phase * 1_000),
            length: Span::from_nanos(length * 1_000),
        }),
        6 => (1_u32..5).prop_map(|weight| Policy::BestEffort { weight }),
    ]
}

prop_compose! {
    fn plans()(list in proptest::collection::vec((1_u64..1 << THREADS, policies()), 1..7), effective in 0_u64..50_000) -> Plan {
        let mut entries = Vec::new();
        for (id, (threads, policy)) in list.into_iter().enumerate() {
            entries.push(Entry { cell: CellId(id as u16), threads: ThreadSet::from_bits(threads), policy });
            if plan(&entries, effective).is_err() {
                entries.pop();
            }
        }
        plan(&entries, effective).expect("only entries that fit were kept")
    }
}

fn plan(entries: &[Entry], effective: u64) -> Result<Plan, crate::Refusal> {
    Plan::validate(&Spec {
        number: 1,
        effective: Instant::from_nanos(effective),
        slice: Span::from_nanos(10_000),
        lead: Span::from_nanos(LEAD),
        machine: ThreadSet::from_bits((1 << THREADS) - 1),
        entries,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn gangs_run_whole_and_windows_are_exact_and_nothing_fitting_waits(plan in plans()) {
        let end = plan.effective() + Span::from_nanos(300_000);
        let histories: Vec<_> = (0..THREADS).map(|thread| follow(thread, &plan, end, || 0).0).collect();
        let mut t = plan.effective();
        while t < end {
            let runs: Vec<_> = histories.iter().map(|history| at(history, t)).collect();
            let mut free = ThreadSet::from_bits((1 << THREADS) - 1);
            for (thread, run) in runs.iter().enumerate() {
                let Some(run) = run else { continue };
                let entry = plan.entry(run.cell).expect("only cells of the plan run");
                prop_assert!(entry.threads.contains(thread), "exclusivity: {run:?} on {thread} at {t}");
                for member in entry.threads.iter() {
                    prop_assert_eq!(runs[member], Some(*run), "gang: all harts or none, at {}", t);
                }
                free = ThreadSet::from_bits(free.bits() & !(1 << thread));
            }
            for entry in plan.entries() {
                let first = entry.threads.iter().next().expect("not empty");
                let runs_now = runs[first].is_some_and(|run| run.cell == entry.cell);
                match entry.policy {
                    Policy::Dedicated => prop_assert!(runs_now, "guarantee: {entry:?} at {t}"),
                    Policy::TimeTriggered { period, phase, length } => {
                        let into = t.as_nanos().checked_sub(phase.as_nanos()).map(|past| past % period.as_nanos());
                        let due = into.is_some_and(|into| into < length.as_nanos());
                        let lead = into.is_some_and(|into| into < length.as_nanos() + LEAD);
                        prop_assert!(runs_now == due || (lead && runs_now), "guarantee: {entry:?} at {t}, due {due}");
                    }
                    Policy::BestEffort { .. } => {
                        let soon = plan.entries().iter().any(|other| match other.policy {
                            Policy::TimeTriggered { .. } => other.threads.intersects(entry.threads) && {
                                // Refused because a window comes soon: allowed until that window.
                                (0..=20).any(|ahead| {
                                    let then = t + Span::from_nanos(ahead * 1_000);
                                    other.threads.iter().any(|thread| at(&histories[thread], then).is_some_and(|run| run.cell == other.cell))
                                })
                            },
                            _ => false,
                        });
                        prop_assert!(soon || !entry.threads.is_within(free), "work conservation: {entry:?} at {t}");
                    }
                }
            }
            t = t + Span::from_nanos(500);
        }
    }

    #[test]
    fn replicas_agree_however_late_each_of_them_looks(plan in plans(), lateness in proptest::collection::vec(0_u64..9_000, 64)) {
        let end = plan.effective() + Span::from_nanos(300_000);
        for thread in 0..THREADS {
            let (_, exact) = follow(thread, &plan, end, || 0);
            let mut place = 0;
            let (_, late) = follow(thread, &plan, end, || {
                place += 1;
                lateness[place % lateness.len()]
            });
            prop_assert_eq!(exact.digest(), late.digest());
            for other in 0..THREADS {
                if plan.component_of(thread).eq(plan.component_of(other)) {
                    let (_, peer) = follow(other, &plan, end, || 0);
                    prop_assert_eq!(peer.digest(), exact.digest(), "threads {} and {}", thread, other);
                }
            }
        }
    }

    #[test]
    fn best_effort_time_is_shared_by_weight(weights in proptest::collection::vec(1_u32..8, 2..5)) {
        let entries: Vec<_> = weights
            .iter()
            .enumerate()
            .map(|(id, weight)| Entry {
                cell: CellId(id as u16),
                threads: ThreadSet::from_bits(0b11),
                policy: Policy::BestEffort { weight: *weight },
            })
            .collect();
        let plan = plan(&entries, 0).expect("never in conflict");
        let slices = 400;
        let end = Instant::from_nanos(slices * 10_000);
        let (history, _) = follow(0, &plan, end, || 0);
        let mut received = BTreeMap::new();
        for (place, (from, run)) in history.iter().enumerate() {
            let to = history.get(place + 1).map_or(end, |next| next.0);
            *received.entry(run.expect("never idle").cell).or_insert(0) += to.since(*from).as_nanos();
        }
        let total: u32 = weights.iter().sum();
        for (id, weight) in weights.iter().enumerate() {
            let fair = end.as_nanos() * u64::from(*weight) / u64::from(total);
            let got = received.get(&CellId(id as u16)).copied().unwrap_or(0);
            let lag = got.abs_diff(fair);
            prop_assert!(lag <= 10_000 * weights.len() as u64, "cell {id} of {weights:?}: {got} of {fair}");
        }
    }
}

#[test]
fn a_lone_best_effort_cell_is_left_alone() {
    let entries =
        [Entry { cell: CellId(1), threads: ThreadSet::from_bits(1), policy: Policy::BestEffort { weight: 1 } }];
    let plan = plan(&entries, 0).expect("one cell");
    let mut replica = Replica::new(0, &plan, None);
    assert_eq!(replica.decide(&plan, Instant::from_nanos(5)).until, None);
}

#[test]
fn a_window_in_progress_keeps_its_activation_across_a_change_of_plan() {
    let window = Policy::TimeTriggered {
        period: Span::from_nanos(20_000),
        phase: Span::from_nanos(3_000),
        length: Span::from_nanos(5_000),
    };
    let entries = [Entry { cell: CellId(1), threads: ThreadSet::from_bits(1), policy: window }];
    let before = plan(&entries, 0).expect("one cell");
    let mut replica = Replica::new(0, &before, None);
    let run = replica.decide(&before, Instant::from_nanos(4_000)).run;
    let after = plan(&entries, 4_500).expect("one cell");
    let mut replica = Replica::new(0, &after, run);
    let decision = replica.decide(&after, Instant::from_nanos(4_500));
    assert_eq!(decision.run, run);
    assert_eq!(decision.until, Some(Instant::from_nanos(8_050)));
}
