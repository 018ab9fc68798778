//! What is checked: the machine, its plans, the bounds that hardware keeps, and what may happen how often.

use muxer::inputs::Timing;
use muxer::{CellId, Entry, Instant, Plan, Policy, Span, Spec, ThreadSet};

/// The model's unit of time, in ns: the shortest span that a plan may have.
pub(crate) const TICK: u64 = 1_000;

/// The lead, in ticks.
pub(crate) const LEAD: u64 = 1;

/// How long an interrupt is on its way at most, be it a timer's or another hardware thread's, in ticks. Those who hold until an instant look a lead before it,
/// so it is no more than a lead.
pub(crate) const INTERRUPT: u64 = LEAD;

/// Ticks as a span.
pub(crate) const fn ticks(count: u64) -> Span {
    Span::from_nanos(count * TICK)
}

/// An instant, so many ticks after the timebase's zero.
pub(crate) const fn at(tick: u64) -> Instant {
    Instant::from_nanos(tick * TICK)
}

/// A mistake in the protocol, made on purpose: the checker must find what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody is interrupted, whatever they sleep past.
    NoInterrupts,
    /// A hardware thread that was told of news does not decide anew before its timer.
    NoPokes,
    /// Plans take effect so many ticks after they were published.
    PlanDelay(u64),
    /// Timers come so many ticks too late.
    SlowTimer(u64),
    /// Nobody publishes a repair.
    NoRepairs,
    /// The observer wants so many ticks more for each reserve than were promised.
    Overpromise(u64),
}

/// An input, or a plan, that reaches other hardware threads too late.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stall {
    /// By how many ticks at most.
    pub(crate) by: u64,
    /// Whether plans may be late, and not only inputs.
    pub(crate) plans: bool,
    /// Whether the publisher may fail to notice.
    pub(crate) unnoticed: bool,
}

/// A small machine and all that may happen on it.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// What to print.
    pub(crate) name: &'static str,
    /// Hardware threads.
    pub(crate) threads: usize,
    /// The first plan is in force at instant zero; the others are published one after the other, whenever.
    pub(crate) plans: Vec<Vec<Entry>>,
    /// A best-effort slice, in ticks.
    pub(crate) slice: u64,
    /// From a stamp to its effect, in ticks; see [`Config::tight`].
    pub(crate) delay: u64,
    /// How long a store may take to be seen, in ticks.
    pub(crate) visible: u64,
    /// By how many ticks each hardware thread's clock is ahead: one list for each machine to check.
    pub(crate) skews: Vec<Vec<u64>>,
    /// How far to look, in ticks.
    pub(crate) horizon: u64,
    /// How many inputs are published in all.
    pub(crate) inputs: usize,
    /// The cells that go idle and wake.
    pub(crate) speakers: Vec<u16>,
    /// For how many ticks they go idle; none: until they are woken.
    pub(crate) pauses: Vec<Option<u64>>,
    /// How often somebody asks for a repair without need.
    pub(crate) repairs: usize,
    /// Whether any hardware thread may publish plans and repairs, or the first one only.
    pub(crate) all_publish_plans: bool,
    /// A look that meets an input on its way sees it from its n-th access to the logs on, for each of these n. In any case there is a look that does not see it.
    pub(crate) glimpses: Vec<usize>,
    /// How many boundaries ahead a look may search for the next change.
    pub(crate) boundaries: Vec<usize>,
    /// Hardware threads may prepare for plans.
    pub(crate) prepares: bool,
    /// Hardware threads may also decide when they have no reason to.
    pub(crate) restless: bool,
    /// One thing may be late.
    pub(crate) stall: Option<Stall>,
    /// Search depth first: it takes less memory, and tells longer stories.
    pub(crate) is_deep: bool,
    /// What is done wrong.
    pub(crate) fault: Option<Fault>,
}

impl Config {
    /// A machine with one plan, on which nothing happens unless that is added.
    pub(crate) fn new(name: &'static str, threads: usize, entries: Vec<Entry>) -> Self {
        let config = Self {
            name,
            threads,
            plans: vec![entries],
            slice: 4,
            delay: 0,
            visible: 1,
            skews: vec![vec![0; threads]],
            horizon: 20,
            inputs: 0,
            speakers: Vec::new(),
            pauses: vec![None],
            repairs: 0,
            all_publish_plans: false,
            glimpses: Vec::new(),
            boundaries: vec![3],
            prepares: false,
            restless: false,
            stall: None,
            is_deep: false,
            fault: None,
        };
        Self { delay: config.tight(), ..config }
    }

    /// By how much two clocks differ at most, in ticks.
    pub(crate) fn clock_error(&self) -> u64 {
        self.skews.iter().flatten().copied().max().unwrap_or(0)
    }

    /// The slack of [`Timing`], in ticks.
    pub(crate) fn slack(&self) -> u64 {
        self.clock_error() + self.visible
    }

    /// The shortest delay with which no publisher believes itself late: a lead and the slack, and the time that telling all takes. The kernel's is longer
    /// ([`Timing::new`]); what holds with the shortest one is the stronger statement.
    pub(crate) fn tight(&self) -> u64 {
        LEAD + self.slack() + self.visible
    }

    /// With the delay that the kernel uses.
    pub(crate) fn with_kernel_delay(self) -> Self {
        let delay = Timing::new(ticks(LEAD), ticks(self.slack())).delay.as_nanos() / TICK;
        Self { delay, ..self }
    }

    /// With another delay, and name.
    pub(crate) fn with_delay(self, name: &'static str, delay: u64) -> Self {
        Self { name, delay, ..self }
    }

    /// The times that inputs go by.
    pub(crate) fn timing(&self) -> Timing {
        Timing { delay: ticks(self.delay), lead: ticks(LEAD), slack: ticks(self.slack()) }
    }

    /// From a plan's publication to its effect.
    pub(crate) fn plan_delay(&self) -> Span {
        match self.fault {
            Some(Fault::PlanDelay(delay)) => ticks(delay),
            _ => ticks(self.delay),
        }
    }

    /// Makes one of the plans.
    pub(crate) fn plan(&self, shape: usize, number: u64, effective: Instant) -> Plan {
        let spec = Spec {
            number,
            effective,
            slice: ticks(self.slice),
            lead: ticks(LEAD),
            machine: ThreadSet::range(0, self.threads),
            entries: &self.plans[shape],
        };
        Plan::validate(&spec).unwrap_or_else(|refusal| panic!("{}: plan {shape}: {refusal}", self.name))
    }

    /// The cells of all plans.
    pub(crate) fn cells(&self) -> Vec<CellId> {
        let mut cells: Vec<_> = self.plans.iter().flatten().map(|entry| entry.cell).collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }
}

/// A cell with a window, in ticks.
pub(crate) fn window(cell: u16, threads: u64, period: u64, phase: u64, length: u64) -> Entry {
    let policy = Policy::TimeTriggered { period: ticks(period), phase: ticks(phase), length: ticks(length) };
    Entry { cell: CellId(cell), threads: ThreadSet::from_bits(threads), policy }
}

/// A cell with a reserve, in ticks.
pub(crate) fn reserve(cell: u16, threads: u64, period: u64, budget: u64) -> Entry {
    let policy = Policy::EventTriggered { period: ticks(period), budget: ticks(budget) };
    Entry { cell: CellId(cell), threads: ThreadSet::from_bits(threads), policy }
}

/// A best-effort cell.
pub(crate) fn best(cell: u16, threads: u64) -> Entry {
    let policy = Policy::BestEffort { weight: 1 };
    Entry { cell: CellId(cell), threads: ThreadSet::from_bits(threads), policy }
}
