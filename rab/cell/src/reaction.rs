//! How fast the broker is: for instants at which the load is known to change, when a new plan was in force, and when nobody was late any more.

use alloc::format;
use alloc::string::String;
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
    late_most_ms: Option<u64>,
    late_least_ms: Option<u64>,
}

/// Something that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// What.
    pub name: &'static str,
    /// Whether it is so.
    pub holds: bool,
    /// What was expected and what was seen.
    pub detail: String,
}

impl Reaction {
    /// Reads the root cell's arguments: `load-changes=NS,NS,...` are instants of the timebase; `reaction=N` and `settling=N` are the periods within which a new plan is to be in force, and within which
    /// nobody is to be late any more; `late-most=MS` and `late-least=MS` are bounds of the time for which cells were late, summed over cells.
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
        Self {
            loads,
            costs: Vec::new(),
            most_periods: number("reaction"),
            most_settling: number("settling"),
            late_most_ms: number("late-most"),
            late_least_ms: number("late-least"),
        }
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

    /// What was asked for of it, when cells were late for so long in all. A change of load that was never answered does not hold.
    #[must_use]
    pub fn checks(&self, period_ns: u64, late_ns: u64) -> Vec<Promise> {
        let periods = |ns: u64| ns.div_ceil(period_ns.max(1));
        let answered = self.loads.iter().map(|load| load.plan_ns.map_or(u64::MAX, |plan| periods(plan - load.at_ns)));
        let answered = answered.max().unwrap_or(0);
        let settled = self.until_settled_ns().map(periods).max().unwrap_or(0);
        let late_ms = late_ns / 1_000_000;
        let mut checks = Vec::new();
        let mut check = |name, asked: Option<u64>, holds: fn(u64, u64) -> bool, seen: u64, unit: &str| {
            let Some(asked) = asked else { return };
            let detail = format!("asked for {asked} {unit}, saw {seen}");
            checks.push(Promise { name, holds: holds(seen, asked), detail });
        };
        let at_most = |seen, asked| seen <= asked;
        check("each change of load is answered by a plan", self.most_periods, at_most, answered, "periods");
        check("after each change of load targets are met again", self.most_settling, at_most, settled, "periods");
        check("cells are late for no longer", self.late_most_ms, at_most, late_ms, "ms");
        check("cells are late at least as long", self.late_least_ms, |seen, asked| seen >= asked, late_ms, "ms");
        checks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reaction() -> Reaction {
        Reaction::new("samples load-changes=100,300 reaction=2 settling=5")
    }

    fn held(reaction: &Reaction, period_ns: u64) -> Vec<bool> {
        reaction.checks(period_ns, 0).iter().map(|check| check.holds).collect()
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
        assert_eq!(held(&reaction, 10), [true, true]);
        assert_eq!(held(&reaction, 5), [false, false]);
    }

    #[test]
    fn a_change_that_nobody_answers_is_not_met() {
        let mut reaction = reaction();
        reaction.changed(110);
        assert_eq!(held(&reaction, 10), [false, true]);
        assert!(held(&Reaction::new("samples"), 10).is_empty());
    }

    #[test]
    fn how_long_cells_are_late_is_bounded_on_both_sides() {
        let holds = |args, late_ms: u64| Reaction::new(args).checks(1, late_ms * 1_000_000)[0].holds;
        assert!(holds("late-most=5", 5) && !holds("late-most=5", 6));
        assert!(holds("late-least=5", 5) && !holds("late-least=5", 4));
    }
}
