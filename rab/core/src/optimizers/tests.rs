//! What must hold of every optimizer, whatever it is told.

use proptest::prelude::*;
use std::vec::Vec;

use super::*;
use crate::cell::{Cell, CellId, Needs, Seen};
use crate::machine::{Goals, Machine, Supply};
use crate::optimizer::{NoAllocation, Optimizer, Situation, Steps, check};
use crate::resource::{Amounts, Resource};

fn all() -> impl Iterator<Item = Shipped<8>> {
    Shipped::<8>::NAMES.into_iter().filter_map(Shipped::named)
}

fn amounts(most: u32) -> impl Strategy<Value = Amounts> {
    proptest::collection::vec(0..=most, Resource::COUNT).prop_map(|quanta| {
        let pairs = Resource::ALL.into_iter().zip(quanta);
        pairs.fold(Amounts::NONE, |amounts, (resource, quanta)| amounts.with(resource, quanta))
    })
}

prop_compose! {
    fn seen()(
        response_s in prop_oneof![1e-9..1e9f64, 0.01..1.0f64, Just(f64::MIN_POSITIVE), Just(f64::MAX)],
        deviation in 0.0..2.0f64,
        samples in 0..9_u32,
        utilisation in 0.0..=1.0f64,
        backlog in prop_oneof![Just(0.0), 0.0..9.0f64, Just(f64::MAX)],
        is_new_phase: bool,
    ) -> Seen {
        let deviation_s = (deviation * response_s).min(f64::MAX);
        Seen { response_s, deviation_s, samples, utilisation, backlog, is_new_phase }
    }
}

prop_compose! {
    fn needs()(
        minimum in amounts(3),
        more in amounts(20),
        deadline_s in proptest::option::of(prop_oneof![0.01..1.0f64, 1e-12..1e12f64]),
        slope in prop_oneof![Just(0.0), 0.1..100.0f64, Just(f64::MAX)],
        weight in 1..5_u32,
    ) -> Needs {
        let needs = Needs::best_effort(minimum, minimum.plus(more));
        Needs { deadline_s, slope, weight, ..needs }
    }
}

#[derive(Clone, Debug)]
struct Told {
    machine: Machine,
    goals: Goals,
    /// Needs, what they have at first, what is seen in each round.
    cells: Vec<(Needs, Amounts, Vec<Option<Seen>>)>,
}

prop_compose! {
    fn told()(
        totals in amounts(40),
        present in proptest::collection::vec(proptest::bool::weighted(0.7), Resource::COUNT),
        watts in 0.0..3.0f64,
        most_watts in proptest::option::weighted(0.3, 50.0..400.0f64),
        watt_penalty in prop_oneof![Just(0.0), 0.0..1.0f64],
        cells in proptest::collection::vec(
            (needs(), amounts(10), proptest::collection::vec(proptest::option::weighted(0.8, seen()), 3)),
            0..6,
        ),
    ) -> Told {
        let mut machine = Machine::new(totals[Resource::Threads] + 6);
        for resource in Resource::ALL.into_iter().filter(|resource| present[resource.place()]) {
            machine = machine.with(resource, Supply { total: totals[resource] + 6, watts, price: 0.0 });
        }
        // Most of what is made up without regard to the machine could not be satisfied.
        let mut left = machine.totals().minus(Amounts::threads(6));
        let mut cells = cells;
        for (needs, _, _) in &mut cells {
            needs.minimum = needs.minimum.least(left).most(Amounts::threads(1));
            left = left.minus(needs.minimum);
        }
        Told { machine: machine.with_power(5.0, most_watts), goals: Goals { watt_penalty, margin: 0.05 }, cells }
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_optimizer_ever_breaks_a_limit_or_a_promise(told in told(), few_steps in 0..4000_u32) {
        for mut optimizer in all() {
            let mut has: Vec<Amounts> = told.cells.iter().map(|(_, has, _)| *has).collect();
            for round in 0..3 {
                let cell = |(place, (needs, _, seen)): (usize, &(Needs, Amounts, Vec<Option<Seen>>))| {
                    Cell { id: CellId(place as u16), needs: *needs, has: has[place], seen: seen[round] }
                };
                let cells: Vec<Cell> = told.cells.iter().enumerate().map(cell).collect();
                let Ok(situation) = Situation::new(&told.machine, &told.goals, &cells) else {
                    return Err(TestCaseError::reject("cannot be satisfied"));
                };
                let steps = if round == 2 { few_steps } else { 100_000 };
                let mut shares = has.clone();
                let answer = optimizer.allocate(&situation, &mut Steps::new(steps), &mut shares);
                if answer == Ok(()) {
                    prop_assert_eq!(check(&situation, &shares), Ok(()), "{}: {:?}", optimizer.name(), shares);
                    has = shares;
                } else {
                    let is_fine = answer == Err(NoAllocation::OutOfSteps);
                    prop_assert!(is_fine, "{}: {:?}", optimizer.name(), answer);
                }
            }
        }
    }
}
