//! What must hold of the optimizers in the loop, in simulated systems.

use super::*;
use crate::optimizer::Optimizer;
use crate::optimizers::{Pacora, Shipped};
use crate::resource::{Amounts, Resource};

fn all() -> impl Iterator<Item = Shipped<8>> {
    Shipped::<8>::NAMES.into_iter().filter_map(Shipped::named)
}

fn named(name: &str) -> Scenario {
    scenarios().into_iter().find(|scenario| scenario.name == name).unwrap()
}

#[test]
fn a_new_plan_is_in_force_two_periods_after_a_load_changed() {
    let scenario = Scenario { length_s: 11.0, ..named("steps") };
    for mut optimizer in all().skip(3) {
        let name = optimizer.name();
        for seed in 1..=3 {
            let report = simulate(&scenario, &mut optimizer, seed);
            // The load doubles at the beginning of period 100.
            let reaction = report.changed_at.iter().find(|&&period| period > 100).map(|period| period - 100);
            assert!(reaction.is_some_and(|periods| periods <= 2), "{name}, seed {seed}: {reaction:?}");
            let threads = report.history.last().map(|shares| shares[0][Resource::Threads]);
            assert!(threads > Some(6), "{name}, seed {seed}: {threads:?} threads in the end");
        }
    }
}

#[test]
fn pacora_has_less_penalty_than_partitions_that_do_not_look() {
    for scenario in scenarios() {
        let mut penalties = all().map(|optimizer| simulate(&scenario, optimizer, 3).penalty);
        let (Some(unmoved), Some(fair), Some(pacora)) = (penalties.next(), penalties.next(), penalties.last()) else {
            panic!("the list of optimizers is another one");
        };
        assert!(pacora < unmoved.min(fair), "{}: {pacora}, static {unmoved}, fair {fair}", scenario.name);
    }
}

#[test]
fn cells_are_in_time_nearly_always_with_those_that_look_at_response_times() {
    for name in ["steps", "phases", "power", "late plans"] {
        let scenario = named(name);
        for mut optimizer in all().skip(3) {
            let report = simulate(&scenario, &mut optimizer, 5);
            assert!(report.violation_s < 0.05 * scenario.length_s, "{name}: {report}");
        }
    }
}

#[test]
fn what_pacora_settles_at_is_near_the_best_for_the_true_functions() {
    let mut scenario = named("steps");
    for application in &mut scenario.applications {
        application.loads.clear();
    }
    let report = simulate(&scenario, Pacora::<8>::new(), 2);
    let cost = |shares: &[Amounts]| {
        let mut given = Amounts::NONE;
        let mut penalty = 0.0;
        for (application, share) in scenario.applications.iter().zip(shares) {
            given = given.plus(*share);
            penalty += application.needs.penalty(application.response_s(0.0, share));
        }
        penalty + scenario.goals.watt_penalty * scenario.machine.watts(&given)
    };
    let splits = (1..16).flat_map(|one| (1..=16 - one).map(move |two| [Amounts::threads(one), Amounts::threads(two)]));
    let best = splits.map(|shares| cost(&shares)).fold(f64::INFINITY, f64::min);
    let settled = cost(report.history.last().unwrap());
    // The margin before the deadline costs something.
    assert!(settled <= 1.1 * best, "settled at {settled}, the best is {best}");
}

#[test]
fn what_a_cell_had_that_ended_is_given_to_others_at_once() {
    let scenario = named("coming and going");
    let report = simulate(&scenario, Pacora::<8>::new(), 1);
    // The first interactive cell ends at second 17, period 170.
    let batch = |period: usize| report.history[period][0][Resource::Threads];
    assert!(report.history[169][1] != Amounts::NONE && report.history[170][1] == Amounts::NONE);
    assert!(batch(172) > batch(169), "{} threads, before {}", batch(172), batch(169));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let scenario = Scenario { length_s: 8.0, ..named("cache") };
    assert_eq!(simulate(&scenario, Pacora::<8>::new(), 4), simulate(&scenario, Pacora::<8>::new(), 4));
}
