//! Makes a scenario that fails smaller, as long as it still fails.

use super::scenario::{Scenario, What};
use crate::Span;

/// Drops faults, changes of plan, entries and cells' habits, one at a time, and halves the length, as long as `fails` says that what is left still fails. What comes out fails.
#[must_use]
pub fn shrink<const W: usize>(mut scenario: Scenario<W>, fails: impl Fn(&Scenario<W>) -> bool) -> Scenario<W> {
    while let Some(smaller) = candidates(&scenario).into_iter().find(&fails) {
        scenario = smaller;
    }
    scenario
}

/// Scenarios with one thing less.
fn candidates<const W: usize>(scenario: &Scenario<W>) -> std::vec::Vec<Scenario<W>> {
    let mut all = std::vec::Vec::new();
    let mut add = |change: &dyn Fn(&mut Scenario<W>)| {
        let mut smaller = scenario.clone();
        change(&mut smaller);
        all.push(smaller);
    };
    let half = Span::from_nanos(scenario.length.as_nanos() / 2);
    if half > Span::from_micros(10) {
        add(&|smaller| smaller.length = half);
    }
    for place in 0..scenario.faults.len() {
        add(&|smaller| {
            smaller.faults.remove(place);
        });
    }
    for place in 1..scenario.plans.len() {
        add(&|smaller| {
            smaller.plans.remove(place);
        });
    }
    for place in 0..scenario.cells.len() {
        add(&|smaller| {
            smaller.cells.remove(place);
        });
    }
    for (plan, change) in scenario.plans.iter().enumerate() {
        let What::Plan { entries, .. } = &change.what else { continue };
        for entry in 0..entries.len() {
            add(&|smaller| {
                if let What::Plan { entries, .. } = &mut smaller.plans[plan].what {
                    entries.remove(entry);
                }
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::generate::Kind;

    #[test]
    fn what_is_left_still_fails_and_nothing_more_can_be_dropped() {
        let has_enough = |scenario: &Scenario| scenario.plans.len() > 2 && scenario.faults.len() > 1;
        let scenario = (0..).map(|seed| Kind::FAULTY.scenario(seed)).find(has_enough).expect("some seed gives enough");
        let fails = |scenario: &Scenario| scenario.plans.len() >= 2 && !scenario.faults.is_empty();
        let small = shrink(scenario, fails);
        assert_eq!((small.plans.len(), small.faults.len(), small.cells.len()), (2, 1, 0));
        assert!(candidates(&small).iter().all(|smaller| !fails(smaller)));
    }
}
