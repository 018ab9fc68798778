//! What came of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::string::String;
use std::vec::Vec;

use crate::{CellId, Instant, Span};

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub property: Property,
    /// At which instant of the timebase.
    pub at: Instant,
    /// Whom it concerns.
    pub cells: Vec<CellId>,
    /// And where.
    pub threads: Vec<usize>,
    /// What was expected, and what was seen.
    pub what: String,
}

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// Replicas decide the same, and follow the same plan.
    Agreement,
    /// A hardware thread runs only cells that the plan has there.
    Exclusivity,
    /// All of a gang or nothing, with one activation.
    Gang,
    /// Windows are exact.
    Window,
    /// Dedicated cells always run.
    Dedicated,
    /// A reserve holds its hardware threads for its budget in every period.
    Budget,
    /// A reserve never gets more than its budget.
    Hoarding,
    /// Reserves run the earliest deadline first.
    EarliestDeadline,
    /// Who has no work does not run where others could.
    Idleness,
    /// Nothing idles while a gang that fits could run.
    WorkConservation,
    /// Best-effort cells get their shares.
    Shares,
    /// A decision reads only what is of its component, and not too much.
    BoundedDecision,
    /// Replicas are in no trouble, and nothing is late, while all stated bounds are kept.
    Bounds,
    /// What was broken is repaired in time.
    Repair,
    /// What runs, runs when it should, by the hardware thread's own clock.
    Execution,
}

/// Times, in ns, in the order in which they were measured; sorted when asked for quantiles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution(Vec<u64>);

impl Distribution {
    /// Adds one.
    pub fn add(&mut self, nanos: u64) {
        self.0.push(nanos);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The largest; 0 if there is none.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.0.iter().copied().max().unwrap_or(0)
    }

    /// The one below which so many thousandths are; 0 if there is none. 500: the median.
    #[must_use]
    pub fn quantile(&self, thousandths: usize) -> u64 {
        let mut sorted = self.0.clone();
        let place = sorted.len() * thousandths.min(999) / 1_000;
        if sorted.is_empty() { 0 } else { *sorted.select_nth_unstable(place).1 }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, tenth, hundredth] = [500, 900, 990].map(|thousandths| self.quantile(thousandths));
        write!(f, "p50 {half} p90 {tenth} p99 {hundredth} max {} ns (n {})", self.most(), self.count())
    }
}

/// Why an interrupt was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// An input takes effect before its target would look.
    Input,
    /// A plan does.
    Plan,
    /// A plan that repairs does.
    Repair,
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Properties that did not hold where they had to: the first hundred.
    pub violations: Vec<Violation>,
    /// What was judged before the first of them.
    pub story: Vec<String>,
    /// How many there were.
    pub violation_count: usize,
    /// How often, for reserves and best-effort cells, properties did not hold after a fault and before its repair.
    pub excused: usize,
    /// Interrupts sent, by reason.
    pub interrupts: BTreeMap<Cause, u64>,
    /// Interrupts that were lost.
    pub lost_interrupts: u64,
    /// Interrupts of timers.
    pub timers: u64,
    /// Decisions.
    pub decisions: u64,
    /// Decisions about an instant that had passed: the hardware thread was late.
    pub late_decisions: u64,
    /// Inputs published.
    pub inputs: u64,
    /// Inputs whose publisher noticed that they were late.
    pub late_inputs: u64,
    /// Plans published, repairs not counted.
    pub plans: u64,
    /// Plans whose publisher noticed that they were late.
    pub late_plans: u64,
    /// Times that a plan was not published because another one was on its way.
    pub postponed_plans: u64,
    /// Inputs and plans that somebody saw later than the stated bounds allow.
    pub broken_bounds: u64,
    /// Times that a hardware thread found itself or a sibling in the wrong.
    pub divergences: u64,
    /// Repairs published.
    pub repairs: u64,
    /// From the first instant at which decisions differed to the instant at which a repair took effect.
    pub repair_times: Distribution,
    /// From the first to the last hart of a gang, in true time, at each activation for which no hardware thread was late.
    pub skew: Distribution,
    /// By how much the last hart was late, by its own clock, where one was late.
    pub lateness: Distribution,
    /// Activations of which some hart never ran.
    pub incomplete_activations: u64,
    /// Windows that a hardware thread had for less than their length, by its own clock; because its time was stolen, and otherwise.
    pub short_windows: Misses,
    /// Periods with work throughout in which a hardware thread ran a reserve for less than the budget, by its own clock.
    pub short_budgets: Misses,
    /// How long each cell was to hold its hardware threads.
    pub held: BTreeMap<CellId, Span>,
    /// The most boundaries that a decision went through, as far as can be told from what it read.
    pub most_boundaries: u64,
    /// A fingerprint of all decisions.
    pub fingerprint: u64,
}

/// Promises that were kept in decisions and missed in true time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Misses {
    /// Because a hardware thread did nothing for a while.
    pub stolen: u64,
    /// Because it was late for another reason: a timer, an interrupt.
    pub late: u64,
}

impl Report {
    /// Interrupts sent, for whatever reason.
    #[must_use]
    pub fn all_interrupts(&self) -> u64 {
        self.interrupts.values().sum()
    }

    /// The first violation.
    #[must_use]
    pub fn failure(&self) -> Option<&Violation> {
        self.violations.first()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { property, at, cells, threads, what } = self;
        let cells: Vec<_> = cells.iter().map(|cell| cell.0).collect();
        write!(f, "{property:?} at {} ns, cells {cells:?}, hardware threads {threads:?}: {what}", at.as_nanos())
    }
}
