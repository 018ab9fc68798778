//! How fast the broker is: for instants at which the load is known to change, when a new plan was in force, and when nobody was late any more.

use alloc::vec::Vec;

/// Decisions whose cost is kept, at most.
const COSTS_MAX: usize = 4096;

/// A change of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Load {
    at_ns: u64,
    plan_ns: Option<u64>,
    late_until_ns: Option<u64>,
}

/// What is kept of the broker's speed.
#[derive(Clone, Debug, Default)]
pub struct Reaction {
    loads: Vec<Load>,
    costs: Vec<u64>,
    most_periods: Option<u64>,
    most_settling: Option<u64>,
}

impl Reaction {
    /// Reads the root cell's arguments: `load-changes=NS,NS,...` are instants of the timebase; `reaction=N` and `settling=N` are the periods within which a new plan is to be in force, and within which
    /// nobody is to be late any more.
    #[must_use]
    pub fn new(args: &str) -> Self {
        let value = |key: &str| {
            let mut words = args.split_whitespace().filter_map(|word| word.split_once('='));
            words.find(|(name, _)| *name == key).map(|(_, value)| value)
        };
        let number = |key: &str| value(key).and_then(|value| value.parse().ok());
        let instants = value("load-changes").into_iter().flat_map(|list| list.split(','));
        let loads = instants.filter_map(|instant| instant.parse().ok());
        let loads = loads.map(|at_ns| Load { at_ns, plan_ns: None, late_until_ns: None }).collect();
        Self { loads, costs: Vec::new(), most_periods: number("reaction"), most_settling: number("settling") }
    }

    fn present(&mut self, now_ns: u64) -> Option<&mut Load> {
        self.loads.iter_mut().rev().find(|load| load.at_ns < now_ns)
    }

    /// A new plan was accepted.
    pub fn changed(&mut self, now_ns: u64) {
        if let Some(load) = self.present(now_ns) {
            load.plan_ns.get_or_insert(now_ns);
        }
    }

    /// A cell was late in a measurement that ends now.
    pub fn late(&mut self, now_ns: u64) {
        if let Some(load) = self.present(now_ns) {
            load.late_until_ns = Some(now_ns);
        }
    }

    /// A decision took so long, in ns.
    pub fn cost(&mut self, ns: u64) {
        if self.costs.len() < COSTS_MAX {
            self.costs.push(ns);
        }
    }

    /// What decisions took, in ns.
    #[must_use]
    pub fn costs(&self) -> &[u64] {
        &self.costs
    }

    /// From each change of load that was answered to the acceptance of the first new plan after it, in ns.
    pub fn until_plan_ns(&self) -> impl Iterator<Item = u64> {
        self.loads.iter().filter_map(|load| Some(load.plan_ns? - load.at_ns))
    }

    /// From each change of load to the end of the last measurement before the next one in which a cell was late, in ns; 0 where none was.
    pub fn until_settled_ns(&self) -> impl Iterator<Item = u64> {
        self.loads.iter().map(|load| load.late_until_ns.map_or(0, |late| late - load.at_ns))
    }

    /// What was asked for of it: name, whether it holds, and what was seen. A change of load that was never answered does not hold.
    #[must_use]
    pub fn checks(&self, period_ns: u64) -> Vec<(&'static str, bool, u64, u64)> {
        let periods = |ns: u64| ns.div_ceil(period_ns.max(1));
        let slowest = self.loads.iter().map(|load| load.plan_ns.map_or(u64::MAX, |plan| periods(plan - load.at_ns)));
        let settled = self.until_settled_ns().map(periods).max().unwrap_or(0);
        let plan = self
            .most_periods
            .map(|most| (most, slowest.max().unwrap_or(0)))
            .map(|(most, seen)| ("each change of load is answered by a plan", seen <= most, most, seen));
        let target = self
            .most_settling
            .map(|most| ("after each change of load targets are met again", settled <= most, most, settled));
        plan.into_iter().chain(target).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reaction() -> Reaction {
        Reaction::new("samples load-changes=100,300 reaction=2 settling=5")
    }

    #[test]
    fn each_change_of_load_is_answered_by_the_first_plan_after_it() {
        let mut reaction = reaction();
        for now in [50, 115, 130, 180, 320] {
            reaction.changed(now);
        }
        for now in [90, 140] {
            reaction.late(now);
        }
        assert_eq!(reaction.until_plan_ns().collect::<Vec<_>>(), [15, 20]);
        assert_eq!(reaction.until_settled_ns().collect::<Vec<_>>(), [40, 0]);
        assert!(reaction.checks(10).iter().all(|check| check.1), "{:?}", reaction.checks(10));
        assert_eq!(reaction.checks(5).iter().map(|check| check.1).collect::<Vec<_>>(), [false, false]);
    }

    #[test]
    fn a_change_that_nobody_answers_is_not_met() {
        let mut reaction = reaction();
        reaction.changed(110);
        assert_eq!(reaction.checks(10).iter().map(|check| check.1).collect::<Vec<_>>(), [false, true]);
        assert!(Reaction::new("samples").checks(10).is_empty());
    }
}
