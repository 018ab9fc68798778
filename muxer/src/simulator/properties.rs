//! What holds for random plans.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::following::*;
use crate::{Entry, Instant, Plan, Policy, Span, ThreadSet};

/// How long the last plan is followed.
const LONG: Span = Span::from_nanos(300_000);

/// Whether windows leave some hardware threads free at the same time for longer than a switch is worth.
fn has_room(plan: &Plan, threads: ThreadSet) -> bool {
    let others = || plan.entries().iter().filter(move |other| other.threads.intersects(threads));
    if others().any(|other| other.policy == Policy::Dedicated) {
        return false;
    }
    let is_free = |t: Instant| {
        others().all(|other| match other.policy {
            Policy::TimeTriggered { period, phase, length } => {
                last_window(t, period, phase).is_none_or(|(_, into)| into >= (length + LEAD).as_nanos())
            }
            _ => true,
        })
    };
    // Windows start and end at multiples of 500 ns, and then comes the lead. The periods' common multiple is 300,000 ns.
    let quarters = 1_000_000..1_300_000_u64;
    quarters.step_by(500).any(|t| is_free(ns(t + 51)) && is_free(ns(t + 499)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn gangs_run_whole_and_windows_are_exact_and_nothing_fitting_waits(plans in sequences()) {
        let end = plans[plans.len() - 1].effective() + LONG;
        let histories = follow_all(&plans, end);
        for (place, plan) in plans.iter().enumerate() {
            let end = plans.get(place + 1).map_or(end, Plan::effective);
            check(plan, &histories, end).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn replicas_agree_however_late_each_of_them_looks(
        plans in sequences(), lateness in proptest::collection::vec(prop_oneof![3 => 0_u64..9_000, 1 => 0_u64..100_000], 64)
    ) {
        let last = &plans[plans.len() - 1];
        let end = last.effective() + LONG;
        for thread in 0..THREADS {
            let (history, exact) = follow(thread, &plans, end, || 0);
            let mut place = 0;
            let (late_history, late) = follow(thread, &plans, end, || {
                place += 1;
                lateness[place % lateness.len()]
            });
            prop_assert_eq!((exact.boundary(), exact.digest()), (late.boundary(), late.digest()));
            for (from, run) in &late_history {
                prop_assert_eq!(*run, at(&history, *from), "late at {}", from);
            }
            for other in 0..THREADS {
                if last.component_threads(thread).contains(other) {
                    let (_, peer) = follow(other, &plans, end, || 0);
                    prop_assert_eq!(peer.digest(), exact.digest(), "threads {} and {}", thread, other);
                }
            }
        }
    }

    #[test]
    fn cells_that_a_change_of_plan_does_not_touch_do_not_notice_it(
        left in entries(0, 0b0011), right in entries(10, 0b1100), other in entries(20, 0b1100), after in 1_u64..100_000
    ) {
        // The right side comes first, so that the left side's entries get other numbers.
        let both = |right: &[Entry], effective| fitting(&right.iter().chain(&left).copied().collect::<Vec<_>>(), effective);
        let plans = [both(&right, 1_000), both(&other, 1_000 + after)];
        let end = plans[1].effective() + LONG;
        for thread in [0, 1] {
            prop_assert_eq!(follow(thread, &plans, end, || 0).0, follow(thread, &plans[..1], end, || 0).0);
        }
    }

    #[test]
    fn every_gang_that_windows_leave_room_gets_its_turn(list in entries(0, u64::MAX)) {
        let plan = fitting(&list, 0);
        let end = ns(6_000_000);
        let histories = follow_all(std::slice::from_ref(&plan), end);
        for entry in plan.entries().iter().filter(|entry| has_room(&plan, entry.threads)) {
            let first = entry.threads.iter().next().expect("not empty");
            let starts = histories[first].iter().filter(|(_, run)| run.is_some_and(|run| run.cell == entry.cell));
            // Alone it runs all the time.
            prop_assert!(starts.count() > 0, "{:?} starves", entry);
        }
    }

    #[test]
    fn best_effort_time_is_shared_by_weight(
        weights in proptest::collection::vec(1_u32..8, 2..5), period in 3_u64..50, phase in 0_u64..50, length in 1_u64..3
    ) {
        let period = period * 1_000;
        let mut list = vec![entry(100, 0b01, window(period, phase * 1_000 % period, length * 1_000))];
        for (weight, cell) in weights.iter().zip(0..) {
            list.push(entry(cell, 0b11, Policy::BestEffort { weight: *weight }));
        }
        let plan = plan(&list, 0).expect("never in conflict");
        let end = ns(400 * SLICE.as_nanos());
        let (history, _) = follow(0, &[plan], end, || 0);
        let mut received = vec![0; 101];
        for (place, (from, run)) in history.iter().enumerate() {
            let to = history.get(place + 1).map_or(end, |next| next.0);
            if let Some(run) = run {
                received[usize::from(run.cell.0)] += to.since(*from).as_nanos();
            }
        }
        let left: u64 = received[..weights.len()].iter().sum();
        let total: u32 = weights.iter().sum();
        for (weight, got) in weights.iter().zip(&received) {
            let fair = left * u64::from(*weight) / u64::from(total);
            prop_assert!(got.abs_diff(fair) <= SLICE.as_nanos() * weights.len() as u64, "{} of {} for {}", got, fair, weight);
        }
    }
}
