//! A state of the model: what hardware threads, logs and plans are like between two steps.

use muxer::inputs::{Input, News};
use muxer::{Instant, Run, Trouble};

use super::config::at;
use super::replicas::{Kept, Published};

/// What somebody is telling the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// An input: the cell's number, and the position in its log.
    Input(usize, usize),
    /// The plan that was published last.
    Plan,
}

/// A publication that has not reached everybody.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Telling {
    pub(crate) subject: Subject,
    pub(crate) effect: Instant,
    /// Whom it has not reached, a bit each.
    pub(crate) rest: u64,
    /// Who must be told, of those: who decides about the cell. Others only come to see it.
    pub(crate) concerned: u64,
    /// When it was stored, in ticks.
    pub(crate) since: u64,
    /// It is late; and whether the publisher will notice.
    pub(crate) stalled: Option<bool>,
}

/// What a hardware thread runs from an instant on, and by which plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stretch {
    pub(crate) from: Instant,
    pub(crate) number: u64,
    pub(crate) run: Option<Run>,
}

/// The published fingerprint of a slice: plan, slice, fingerprint.
pub(crate) type Audit = (u64, u64, u64);

/// A hardware thread.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Thread {
    pub(crate) replica: Kept,
    /// The plan that it follows, and the latest that it can see.
    pub(crate) follows: u64,
    pub(crate) knows: u64,
    /// How much of each cell's log it can see.
    pub(crate) visible: Vec<usize>,
    /// It was told of an input since it decided.
    pub(crate) poked: bool,
    /// Of its last decision.
    pub(crate) until: Option<Instant>,
    /// What its timer is set to.
    pub(crate) sleeps_until: Instant,
    /// The latest instant that it has decided about, if that has not come.
    pub(crate) asked: Instant,
    /// When an interrupt was sent to it that has not come.
    pub(crate) interrupt: Option<u64>,
    pub(crate) telling: Option<Telling>,
    /// Its replica is in trouble, so it asks for a repair until there is one, next at this instant.
    pub(crate) asks_again: Option<Instant>,
    /// What it runs, from the present tick on.
    pub(crate) trail: Vec<Stretch>,
    /// The last fingerprints that it published.
    pub(crate) audits: Vec<Audit>,
}

impl Thread {
    /// What it runs at an instant.
    pub(crate) fn runs_at(&self, instant: Instant) -> Stretch {
        *self.trail.iter().rev().find(|stretch| stretch.from <= instant).unwrap_or(&self.trail[0])
    }

    /// Whether it is in the middle of a publication, and so cannot look. Something late keeps nobody: it is the news that is slow, not the hardware thread.
    pub(crate) fn is_busy(&self) -> bool {
        self.telling.as_ref().is_some_and(|telling| telling.stalled.is_none())
    }
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    /// Replicas of a component differ, or hardware threads follow different plans.
    Agreement,
    /// A hardware thread runs what is not its, or a gang does not run as a whole.
    Gang,
    /// A window is not as planned.
    Window,
    /// A cell without work runs where the plan has a use for its time.
    Idle,
    /// Hardware threads idle although a best-effort gang with work would fit.
    Conservation,
    /// A reserve with work did not get its budget.
    Budget,
    /// A replica is in trouble, or a publisher late, although all bounds were kept.
    Trouble,
    /// An interrupt was sent although nothing was published.
    Interrupts,
    /// Replicas differed and nobody noticed, or it took too long, or too many repairs, until they agreed again.
    Recovery,
    /// Nothing can happen any more.
    Stuck,
}

/// What went wrong, and where: a cell or a hardware thread, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Breach {
    pub(crate) rule: Rule,
    pub(crate) place: usize,
}

/// What follows from something that was late. Until it is over hardware threads may disagree about reserves and best-effort cells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Disturbance {
    /// When it was there at last, in ticks; none: it is not.
    pub(crate) arrived: Option<u64>,
    /// From when on all is to be well, unless a repair is still to come.
    pub(crate) until: Option<Instant>,
    /// Somebody wants a repair and could not publish it.
    pub(crate) wants_repair: bool,
    /// Repairs published.
    pub(crate) repairs: usize,
    /// A gang was torn apart.
    pub(crate) is_torn: bool,
    /// Replicas differed.
    pub(crate) is_split: bool,
    pub(crate) trouble: Option<Trouble>,
    /// A fingerprint gave it away.
    pub(crate) is_audited: bool,
}

/// A period of a reserve that may be the present one, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Period {
    pub(crate) deadline: u64,
    /// What the cell must still get before the deadline.
    pub(crate) owed: u64,
    /// Whether it must.
    pub(crate) is_promised: bool,
    /// Of this period and those that follow.
    pub(crate) length: u64,
    pub(crate) budget: u64,
}

impl Period {
    /// One that begins now.
    pub(crate) fn new(tick: u64, length: u64, budget: u64) -> Self {
        Self { deadline: tick + length, owed: budget, is_promised: true, length, budget }
    }

    /// One that began before, in which nothing is promised.
    pub(crate) fn under_way(deadline: u64, length: u64, budget: u64) -> Self {
        Self { deadline, owed: 0, is_promised: false, length, budget }
    }
}

/// What may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) inputs: usize,
    pub(crate) repairs: usize,
    pub(crate) stalls: usize,
}

/// All of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// Ticks since the timebase's zero.
    pub(crate) now: u64,
    /// Which of the configuration's lists of clocks.
    pub(crate) skew: usize,
    pub(crate) threads: Vec<Thread>,
    /// By cell.
    pub(crate) logs: Vec<Vec<Input>>,
    /// The plan published last, and before it those that somebody still follows or that were in force at this tick.
    pub(crate) plans: Vec<Published>,
    /// Since when each cell ran as a whole in the tick before, if it did.
    pub(crate) held: Vec<Option<Instant>>,
    /// The periods in which each cell's reserve may be.
    pub(crate) periods: Vec<Vec<Period>>,
    pub(crate) left: Left,
    pub(crate) disturbance: Option<Disturbance>,
    pub(crate) breach: Option<Breach>,
}

impl State {
    /// The plan published last.
    pub(crate) fn latest(&self) -> &Published {
        self.plans.last().expect("there is always a plan")
    }

    /// When the next plan takes effect, if this hardware thread sees one.
    pub(crate) fn pending(&self, thread: usize) -> Option<Instant> {
        let Thread { follows, knows, .. } = self.threads[thread];
        (knows != follows).then(|| self.latest().effective())
    }

    /// The plan that a hardware thread follows.
    pub(crate) fn followed(&self, thread: usize) -> &Published {
        let number = self.threads[thread].follows;
        self.plans.iter().find(|plan| plan.number() == number).expect("plans that are followed stay")
    }

    /// The plan in force at an instant.
    pub(crate) fn in_force(&self, instant: Instant) -> &Published {
        self.plans.iter().rev().find(|plan| plan.effective() <= instant).unwrap_or(&self.plans[0])
    }

    /// Whether everybody follows the plan published last.
    pub(crate) fn is_followed(&self) -> bool {
        self.threads.iter().all(|thread| thread.follows == self.latest().number())
    }

    /// Whether a cell has work at a tick, as far as muxers are to know.
    pub(crate) fn has_work(&self, cell: usize, tick: u64) -> bool {
        let effective = self.logs[cell].iter().rev().find(|input| input.effect <= at(tick));
        effective.is_none_or(|input| match input.news {
            News::Wake => true,
            News::Idle { until } => until <= at(tick),
        })
    }

    /// Whether a cell went idle at a tick, if only for an instant.
    pub(crate) fn went_idle(&self, cell: usize, tick: u64) -> bool {
        let is_idle = |input: &Input| input.effect == at(tick) && matches!(input.news, News::Idle { .. });
        self.logs[cell].iter().any(is_idle)
    }

    /// Notes what went wrong first.
    pub(crate) fn blame(&mut self, rule: Rule, place: usize) {
        self.breach.get_or_insert(Breach { rule, place });
    }
}
