//! What is simulated: a machine, its plans, what its cells do, and what goes wrong.

use std::vec::Vec;

use crate::inputs::Timing;
use crate::simulator::clock::Clock;
use crate::simulator::latency::Latency;
use crate::simulator::random::Random;
use crate::{CellId, Entry, Policy, Span, ThreadSet};

/// All that a run depends on: the same scenario gives the same run.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario<const WORDS: usize = 1> {
    /// Of what is left to chance.
    pub seed: u64,
    /// How long it is simulated, from the first plan on.
    pub length: Span,
    /// On what.
    pub machine: Machine,
    /// The plans, one after the other; the first is there from the beginning.
    pub plans: Vec<Change<WORDS>>,
    /// What cells do; those that are not here always have work.
    pub cells: Vec<(CellId, Workload)>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

/// Hardware threads, and how long things take there.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// How many hardware threads.
    pub threads: usize,
    /// The stated bound on the difference of two clocks.
    pub clock_error: Span,
    /// How clocks differ.
    pub clocks: Clocks,
    /// The stated bound on the time from a store until everybody sees it.
    pub visible: Span,
    /// The lead of all plans.
    pub lead: Span,
    /// From the instant for which a timer is armed until its hardware thread looks.
    pub timer: Latency,
    /// From the sending of an interrupt until its target looks.
    pub interrupt: Latency,
    /// Taking a hart off a hardware thread and loading another one.
    pub switch: Latency,
    /// Making up a decision.
    pub decide: Latency,
    /// From an input's or a plan's stamp until it is stored.
    pub store: Latency,
    /// From a store until another hardware thread sees it.
    pub see: Latency,
    /// Telling one hardware thread of something that was stored.
    pub tell: Latency,
    /// From one look of a decision into a log until the next, in ns.
    pub glance_ns: u64,
    /// How far a decision looks ahead.
    pub looks: Looks,
}

/// How clocks differ.
#[derive(Clone, Debug, PartialEq)]
pub enum Clocks {
    /// Not at all.
    Exact,
    /// Each is ahead or behind by up to half of the stated bound, and gains or loses up to this in a second, in ns.
    Random {
        /// The most.
        drift_ns: u64,
    },
    /// As given; the last one is that of all others too.
    Given(Vec<Clock>),
}

/// How far a decision looks ahead for the next change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// As far as it may, at once.
    AtOnce,
    /// As the kernel does: a boundary at first, more while it holds, two more where the same gang goes on, six more where it is idle.
    AsTimeAllows,
}

/// A plan, and when it is published.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<const WORDS: usize = 1> {
    /// When it is published, in true time after the beginning; later if an earlier one is still on its way then. The first plan takes effect at the beginning.
    pub at: Span,
    /// The hardware thread that publishes it.
    pub by: usize,
    /// How long after its publication it takes effect, beyond the delay.
    pub ahead: Span,
    /// What it says.
    pub what: What<WORDS>,
}

/// What a plan says.
#[derive(Clone, Debug, PartialEq)]
pub enum What<const WORDS: usize = 1> {
    /// Other entries.
    Plan {
        /// The slice.
        slice: Span,
        /// The entries.
        entries: Vec<Entry<WORDS>>,
    },
    /// The same again, with a repair of the publisher's component.
    Repair,
}

/// When a cell has work.
#[derive(Clone, Debug, PartialEq)]
pub enum Workload {
    /// Always.
    Busy,
    /// By the clock: some time with work, some time without, whether it runs or not.
    Pattern {
        /// With.
        work: Latency,
        /// Without.
        sleep: Latency,
        /// Whether it says when it wakes. Otherwise it is woken.
        announces: bool,
    },
    /// After so much time on its hardware threads it sleeps.
    Jobs {
        /// The time on its hardware threads.
        work: Latency,
        /// The time without work.
        sleep: Latency,
        /// Whether it says when it wakes. Otherwise it is woken.
        announces: bool,
    },
    /// Woken when another cell goes to sleep, and then by the clock.
    Woken {
        /// The other cell.
        by: CellId,
        /// With work.
        work: Latency,
    },
    /// As written.
    Script(Vec<Line>),
}

/// A line of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, in true time after the beginning.
    pub at: Span,
    /// The hardware thread that reports it.
    pub by: usize,
    /// What the cell says.
    pub says: Says,
}

/// What a cell says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// It has work.
    Work,
    /// It has none until it is woken.
    Sleep,
    /// It has none for this long.
    SleepFor(Span),
}

/// What goes wrong. Times are true times after the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A hardware thread does nothing for a while, as under a hypervisor.
    Stolen {
        /// Which.
        thread: usize,
        /// From when on.
        at: Span,
        /// For how long.
        length: Span,
    },
    /// Interrupts to a hardware thread are lost.
    LostInterrupts {
        /// Which.
        thread: usize,
        /// From when on.
        at: Span,
        /// For how long.
        length: Span,
    },
    /// Interrupts to a hardware thread come later.
    LateInterrupts {
        /// Which.
        thread: usize,
        /// From when on.
        at: Span,
        /// For how long.
        length: Span,
        /// By how much.
        by: Span,
    },
    /// What a hardware thread stamps is stored later.
    LateStores {
        /// Which.
        thread: usize,
        /// From when on.
        at: Span,
        /// For how long.
        length: Span,
        /// By how much.
        by: Span,
    },
    /// What others store is seen later by a hardware thread, which no publisher can know.
    LateSight {
        /// Which.
        thread: usize,
        /// From when on.
        at: Span,
        /// For how long.
        length: Span,
        /// By how much.
        by: Span,
    },
    /// A hardware thread reads other effects of a cell's inputs than everybody else.
    WrongEffects {
        /// Which.
        thread: usize,
        /// Whose inputs.
        cell: CellId,
        /// Of those that are stored from here on.
        at: Span,
        /// For how long.
        length: Span,
        /// Later by how much.
        by: Span,
    },
}

/// The timebase at the beginning, in ns: clocks may be behind, and decisions are taken ahead.
pub(crate) const BEGINNING: u64 = 1_000_000;

impl Machine {
    /// The times that publishing goes by.
    #[must_use]
    pub fn timing(&self) -> Timing {
        Timing::new(self.lead, self.clock_error + self.visible)
    }

    /// The clocks.
    pub(crate) fn clock_list(&self, random: &Random) -> Vec<Clock> {
        let error = (self.clock_error.as_nanos() / 2) as i64;
        let clock = |thread: usize| match &self.clocks {
            Clocks::Exact => Clock::default(),
            Clocks::Given(clocks) => *clocks.get(thread).or(clocks.last()).unwrap_or(&Clock::default()),
            Clocks::Random { drift_ns } => {
                let mut random = random.stream(0x0c10_c000 + thread as u64);
                let ahead = random.between(0, 2 * error as u64) as i64 - error;
                let drift = random.between(0, 2 * drift_ns) as i64 - *drift_ns as i64;
                Clock { ahead_ns: ahead, drift_ns: drift, error_ns: error }
            }
        };
        (0..self.threads).map(clock).collect()
    }
}

impl<const W: usize> Scenario<W> {
    /// What a cell does.
    pub(crate) fn workload(&self, cell: CellId) -> &Workload {
        self.cells.iter().find(|(other, _)| *other == cell).map_or(&Workload::Busy, |(_, workload)| workload)
    }

    /// Within this time after the last late news are there, all is repaired: a difference shows within a slice or a period, whose fingerprints are
    /// compared in the next one, a repair may have to wait for another plan, and then takes effect after a delay.
    #[must_use]
    pub fn repair_bound(&self) -> Span {
        let mut longest = Span::ZERO;
        for change in &self.plans {
            if let What::Plan { slice, entries } = &change.what {
                longest = longest.max(*slice);
                for entry in entries {
                    if let Policy::EventTriggered { period, .. } | Policy::TimeTriggered { period, .. } = entry.policy {
                        longest = longest.max(period);
                    }
                }
            }
        }
        longest.times(3) + self.machine.timing().delay.times(4)
    }

    /// The cells that are in some plan, each once, in order.
    pub(crate) fn all_cells(&self) -> Vec<CellId> {
        let mut cells: Vec<_> = self
            .plans
            .iter()
            .filter_map(|change| match &change.what {
                What::Plan { entries, .. } => Some(entries),
                What::Repair => None,
            })
            .flatten()
            .map(|entry| entry.cell)
            .collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }
}

/// The set of these hardware threads.
#[must_use]
pub fn threads<const W: usize>(list: &[usize]) -> ThreadSet<W> {
    list.iter().fold(ThreadSet::EMPTY, |set, thread| set.union(ThreadSet::range(*thread, 1)))
}
