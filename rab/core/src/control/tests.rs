//! The loop against optimizers that are wrong, and against measurements that are.

use proptest::prelude::*;
use std::format;
use std::string::ToString;
use std::vec::Vec;

use super::*;
use crate::cell::{Cell, CellId, Needs};
use crate::machine::{Goals, Machine};
use crate::optimizer::{Breach, NoAllocation, Optimizer, Situation, Steps, check};
use crate::optimizers::{Fair, Pacora, Shipped};
use crate::resource::{Amounts, Resource};

/// The answer that gives all this.
fn fill(shares: &mut [Amounts], share: Amounts) -> Result<(), NoAllocation> {
    shares.fill(share);
    Ok(())
}

/// Does what it is told.
struct Told<F>(F);

impl<F: FnMut(&mut Steps, &mut [Amounts]) -> Result<(), NoAllocation>> Optimizer for Told<F> {
    fn name(&self) -> &'static str {
        "told"
    }

    fn allocate(&mut self, _: &Situation<'_>, steps: &mut Steps, shares: &mut [Amounts]) -> Result<(), NoAllocation> {
        (self.0)(steps, shares)
    }

    fn expects(&self, _: CellId, _: &Amounts) -> Option<f64> {
        Some(f64::NAN)
    }
}

fn needs() -> Needs {
    Needs::best_effort(Amounts::threads(1), Amounts::threads(8))
}

fn sample(under: u32, response_s: f64) -> Sample {
    Sample { under, response_s, utilisation: 1.0, backlog: 0.0 }
}

fn two<O: Optimizer>(optimizer: O) -> Controller<O, 4> {
    let mut controller = Controller::new(optimizer);
    controller.join(CellId(1), needs(), Amounts::threads(4)).unwrap();
    controller.join(CellId(2), needs(), Amounts::threads(4)).unwrap();
    controller
}

fn shares<O: Optimizer>(controller: &Controller<O, 4>) -> Vec<u32> {
    controller.shares().map(|(_, share)| share[Resource::Threads]).collect()
}

#[test]
fn whatever_an_optimizer_answers_the_last_plan_stays_in_force() {
    type Answer = fn(&mut Steps, &mut [Amounts]) -> Result<(), NoAllocation>;
    let too_much = Breach::TooMuch { resource: Resource::Threads, given: 16, total: 8 };
    let too_little = Breach::TooLittle { cell: CellId(1), resource: Resource::Threads, given: 0, minimum: 1 };
    let unwanted = Breach::Unwanted { cell: CellId(1), resource: Resource::Ways, given: 1, desired: 0 };
    let answers: [(Answer, NoAllocation); 4] = [
        (|_, shares| fill(shares, Amounts::threads(8)), NoAllocation::Breach(too_much)),
        (|_, shares| fill(shares, Amounts::NONE), NoAllocation::Breach(too_little)),
        (|_, shares| fill(shares, Amounts::threads(4).with(Resource::Ways, 1)), NoAllocation::Breach(unwanted)),
        (
            |steps, _| if steps.take(u32::MAX) { Ok(()) } else { Err(NoAllocation::OutOfSteps) },
            NoAllocation::OutOfSteps,
        ),
    ];
    for (answer, failure) in answers {
        let mut controller = two(Told(answer));
        let decision = controller.decide(&Machine::new(8), &Goals::default());
        assert_eq!((decision.outcome, decision.failure), (Outcome::Kept(Kept::Failed), Some(failure)));
        assert_eq!(shares(&controller), [4, 4]);
    }
}

#[test]
fn a_cell_can_start_although_the_optimizer_fails() {
    let mut controller = two(Told(|_: &mut Steps, _: &mut [Amounts]| Err(NoAllocation::Other("out of order"))));
    controller.join(CellId(3), needs(), Amounts::NONE).unwrap();
    let decision = controller.decide(&Machine::new(8), &Goals::default());
    assert_eq!(decision.outcome, Outcome::Changed);
    assert!(decision.failure.is_some());
    assert_eq!(shares(&controller).iter().sum::<u32>(), 8);
    assert!(shares(&controller).iter().all(|share| *share >= 2), "{:?}", shares(&controller));
}

#[test]
fn more_promises_than_there_is_change_nothing_and_are_reported() {
    let mut controller = two(Fair);
    let decision = controller.decide(&Machine::new(1), &Goals::default());
    let reason = NoAllocation::Minimums { resource: Resource::Threads, wanted: 2, total: 1 };
    assert_eq!(decision.outcome, Outcome::Impossible(reason));
    assert_eq!(shares(&controller), [4, 4]);
}

#[test]
fn a_machine_that_shrank_is_divided_anew() {
    let mut controller = two(Fair);
    assert_eq!(controller.decide(&Machine::new(8), &Goals::default()).outcome, Outcome::Kept(Kept::Good));
    assert_eq!(controller.decide(&Machine::new(6), &Goals::default()).outcome, Outcome::Changed);
    assert_eq!(shares(&controller), [3, 3]);
}

#[test]
fn measurements_of_a_former_plan_do_not_count() {
    let mut controller = two(Fair);
    controller.sample(CellId(1), &sample(0, 1.0));
    let _ = controller.decide(&Machine::new(4), &Goals::default());
    controller.sample(CellId(1), &sample(0, 9.0));
    controller.sample(CellId(1), &sample(1, 2.0));
    let seen = controller.tracks[0].filter.seen(false).unwrap();
    assert_eq!((seen.response_s, seen.samples), (2.0, 1));
}

#[test]
fn mad_measurements_do_not_reach_the_optimizer() {
    let mut controller = two(Pacora::<4>::new());
    for response_s in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
        controller.sample(CellId(1), &sample(0, response_s));
        controller.sample(CellId(9), &sample(0, 1.0));
    }
    let decision = controller.decide(&Machine::new(8), &Goals::default());
    assert_eq!(decision.failure, None);
    assert!(controller.why().to_string().contains("4 measurements were left out"), "{}", controller.why());
}

#[test]
fn a_decision_is_explained_on_a_few_lines() {
    let mut controller: Controller<_, 4> = Controller::new(Pacora::<4>::new());
    controller.join(CellId(1), needs().with_deadline(0.5, 100.0), Amounts::threads(4)).unwrap();
    controller.join(CellId(2), needs(), Amounts::threads(4)).unwrap();
    assert_eq!(controller.why().to_string(), "nothing is decided yet");
    for _ in 0..5 {
        controller.sample(CellId(1), &sample(0, 0.6));
        controller.sample(CellId(2), &sample(0, 1.0));
    }
    let decision = controller.decide(&Machine::new(8), &Goals::default());
    assert_eq!(decision.outcome, Outcome::Changed);
    let why = controller.why().to_string();
    let lines: Vec<&str> = why.lines().collect();
    assert_eq!(lines.len(), 5, "{why}");
    assert_eq!(lines[0], "pacora (decision 1): changed, because something happened");
    assert!(
        lines[1].starts_with("  cell 1: 4 threads -> 6 threads; took 0.6000 s of 0.5000 s; now expects 0."),
        "{why}"
    );
    assert!(lines[2].ends_with("from 1 allocations"), "{why}");
}

#[test]
fn an_expectation_that_is_no_number_is_not_kept() {
    let mut controller = two(Told(|_: &mut Steps, shares: &mut [Amounts]| fill(shares, Amounts::threads(3))));
    let _ = controller.decide(&Machine::new(8), &Goals::default());
    assert!(!format!("{}", controller.why()).contains("NaN"));
}

#[derive(Clone, Debug)]
enum Happening {
    Join(u16, u32, u32),
    Leave(u16),
    Sample(u16, f64),
    Decide(u32),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        2 => (0..5_u16, 1..4_u32, 0..6_u32).prop_map(|(cell, least, more)| Happening::Join(cell, least, more)),
        1 => (0..5_u16).prop_map(Happening::Leave),
        8 => (0..5_u16, prop_oneof![0.001..10.0f64, Just(f64::NAN), Just(1e300)])
            .prop_map(|(cell, response_s)| Happening::Sample(cell, response_s)),
        3 => (1..12_u32).prop_map(Happening::Decide),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_what_is_in_force_may_be(happenings in proptest::collection::vec(happening(), 1..150)) {
        for name in Shipped::<4>::NAMES {
            let mut controller: Controller<_, 4> = Controller::new(Shipped::<4>::named(name).unwrap());
            let mut number = 0;
            for happening in &happenings {
                match *happening {
                    Happening::Join(cell, least, more) => {
                        let needs = Needs::best_effort(Amounts::threads(least), Amounts::threads(least + more));
                        let needs = if more % 2 == 0 { needs } else { needs.with_deadline(0.1, 10.0) };
                        let _ = controller.join(CellId(cell), needs, Amounts::NONE);
                    }
                    Happening::Leave(cell) => controller.leave(CellId(cell)),
                    Happening::Sample(cell, response_s) => controller.sample(CellId(cell), &sample(number, response_s)),
                    Happening::Decide(threads) => {
                        let (machine, goals) = (Machine::new(threads), Goals::default());
                        let decision = controller.decide(&machine, &goals);
                        number = decision.number;
                        prop_assert_eq!(decision.failure, None, "{}", name);
                        if !matches!(decision.outcome, Outcome::Impossible(_)) {
                            let cells: Vec<Cell> = controller.tracks.iter().map(|track| track.cell()).collect();
                            let given: Vec<Amounts> = controller.shares().map(|(_, share)| share).collect();
                            let situation = Situation::new(&machine, &goals, &cells);
                            prop_assert_eq!(situation.map(|situation| check(&situation, &given)).ok(), Some(Ok(())));
                        }
                        let _ = format!("{}", controller.why());
                    }
                }
            }
        }
    }
}
