//! Decides every period and on events, and holds the optimizer to what must be.

use heapless::Vec;

use super::damping::{Damping, Urgency};
use super::explanation::Explanation;
use super::filter::Sample;
use super::track::Track;
use crate::cell::{Cell, CellId, Needs};
use crate::divide::by_weight;
use crate::machine::{Goals, Machine};
use crate::optimizer::{NoAllocation, Optimizer, Situation, Steps, check};
use crate::resource::Amounts;

/// Steps that an optimizer gets for a decision.
pub const STEPS: u32 = 60_000;
/// Measurements with the present share that a decision without an event needs.
const MEASURED: u32 = 3;
/// Periods that a decision waits for them; a cell that is silent must not stop the others.
const WAIT: u32 = 4;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Decision {
    /// Counts changes; what measurements are labelled with.
    pub number: u32,
    /// What happens.
    pub outcome: Outcome,
    /// Why the optimizer gave no answer that counts, if so; worth a report.
    pub failure: Option<NoAllocation>,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// [`Controller::shares`] are new and to be put in force, all at once.
    Changed,
    /// All keep what they have.
    Kept(Kept),
    /// All keep what they have although that must not be, because nothing that may be is possible: more was promised than there is.
    Impossible(NoAllocation),
}

/// Why nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The optimizer wants nothing changed.
    Good,
    /// The last change has not been measured yet.
    Unmeasured,
    /// A change is proposed, but not made before so many periods, lest it swings.
    Damped(u32),
    /// The optimizer failed; [`Decision::failure`] says how.
    Failed,
}

/// The loop's state, for at most so many cells.
#[derive(Clone, Debug)]
pub struct Controller<O, const CELLS: usize> {
    pub(super) optimizer: O,
    pub(super) tracks: Vec<Track, CELLS>,
    damping: Damping,
    last: Option<(Machine, Goals)>,
    is_changed: bool,
    number: u32,
    steps: u32,
    pub(super) decision: Option<Decision>,
    pub(super) urgency: Option<Urgency>,
}

impl<O: Optimizer, const CELLS: usize> Controller<O, CELLS> {
    /// Without cells.
    pub fn new(optimizer: O) -> Self {
        Self {
            optimizer,
            tracks: Vec::new(),
            damping: Damping::default(),
            last: None,
            is_changed: false,
            number: 0,
            steps: STEPS,
            decision: None,
            urgency: None,
        }
    }

    /// The same, with so many steps for each decision.
    #[must_use]
    pub fn with_steps(self, steps: u32) -> Self {
        Self { steps, ..self }
    }

    /// A cell takes part from now on. `has` is what it has: nothing if it is to start with what the next decision gives it.
    ///
    /// # Errors
    /// It takes part already, its needs contradict themselves, or there is no room.
    pub fn join(&mut self, cell: CellId, needs: Needs, has: Amounts) -> Result<(), NoAllocation> {
        needs.check().map_err(|mistake| NoAllocation::Needs { cell, mistake })?;
        if self.tracks.iter().any(|track| track.id == cell) {
            return Err(NoAllocation::Twice(cell));
        }
        let full = NoAllocation::TooManyCells { cells: CELLS + 1, most: CELLS };
        self.tracks.push(Track::new(cell, needs, has, self.number)).map_err(|_| full)?;
        self.is_changed = true;
        Ok(())
    }

    /// A cell is gone. What it had can be given to others with the next decision.
    pub fn leave(&mut self, cell: CellId) {
        self.tracks.retain(|track| track.id != cell);
        self.optimizer.forget(cell);
        self.is_changed = true;
    }

    /// A measurement of a cell. Those that cannot be true, that were made with other resources than the cell has now, or of cells that do not take part are left out.
    pub fn sample(&mut self, cell: CellId, sample: &Sample) {
        if let Some(track) = self.tracks.iter_mut().find(|track| track.id == cell) {
            track.sample(sample);
        }
    }

    /// Decides. To be called once a period, and when a cell joined or left.
    pub fn decide(&mut self, machine: &Machine, goals: &Goals) -> Decision {
        self.damping.tick();
        for track in &mut self.tracks {
            track.tick();
        }
        let mut failure = None;
        self.urgency = None;
        let outcome = self.outcome(machine, goals, &mut failure);
        let decision = Decision { number: self.number, outcome, failure };
        self.decision = Some(decision);
        decision
    }

    fn outcome(&mut self, machine: &Machine, goals: &Goals, failure: &mut Option<NoAllocation>) -> Outcome {
        let cells: Vec<Cell, CELLS> = self.tracks.iter().map(Track::cell).collect();
        let situation = match Situation::new(machine, goals, &cells) {
            Ok(situation) => situation,
            Err(reason) => return Outcome::Impossible(reason),
        };
        let present: Vec<Amounts, CELLS> = self.tracks.iter().map(|track| track.has).collect();
        let is_allowed = check(&situation, &present).is_ok();
        let is_changed = self.is_changed || self.last != Some((*machine, *goals)) || !is_allowed;
        let is_measured = self.tracks.iter().all(|track| track.filter.count() >= MEASURED);
        if !is_changed && !is_measured && self.damping.since_change() < WAIT {
            return Outcome::Kept(Kept::Unmeasured);
        }
        let is_event = is_changed || self.tracks.iter().any(Track::has_event);
        let mut shares = present.clone();
        let mut steps = Steps::new(self.steps);
        let answer = self.optimizer.allocate(&situation, &mut steps, &mut shares);
        if let Err(reason) = answer.and_then(|()| check(&situation, &shares).map_err(NoAllocation::Breach)) {
            *failure = Some(reason);
            if is_allowed {
                // Not remembered as done: the next decision is to answer the event.
                return Outcome::Kept(Kept::Failed);
            }
            let weight = |place: usize| cells[place].needs.weight;
            let wants = |place: usize| cells[place].needs.desired;
            if let Err(reason) = by_weight(&situation, &mut Steps::new(u32::MAX), weight, wants, &mut shares) {
                return Outcome::Impossible(reason);
            }
        }
        for track in &mut self.tracks {
            track.phase_is_known();
        }
        self.is_changed = false;
        self.last = Some((*machine, *goals));
        let gains = |track: &Track, share: &Amounts| share.beyond(&track.has).is_some();
        let urgency = if is_event {
            Urgency::Event
        } else if self
            .tracks
            .iter()
            .zip(&shares)
            .any(|(track, share)| track.is_late(goals.margin) && gains(track, share))
        {
            Urgency::Late
        } else {
            Urgency::Better
        };
        self.urgency = Some(urgency);
        if shares == present {
            self.damping.nothing_proposed();
            self.note(&shares);
            return Outcome::Kept(Kept::Good);
        }
        if let Err(periods) = self.damping.propose(urgency) {
            return Outcome::Kept(Kept::Damped(periods));
        }
        let is_reversal = self.tracks.iter().zip(&shares).any(|(track, share)| track.would_reverse(share));
        self.damping.changed(urgency, is_reversal);
        self.number = self.number.wrapping_add(1);
        self.note(&shares);
        for (track, share) in self.tracks.iter_mut().zip(&shares) {
            track.give(*share, self.number);
        }
        Outcome::Changed
    }

    /// Keeps what explains the decision.
    fn note(&mut self, shares: &[Amounts]) {
        for (track, share) in self.tracks.iter_mut().zip(shares) {
            track.had = track.has;
            track.saw_s = track.filter.seen(false).map(|seen| seen.response_s);
            track.was_expected_s = track.expected_s;
            let expected = self.optimizer.expects(track.id, share);
            track.expected_s = expected.filter(|expected| expected.is_finite());
        }
    }

    /// Who has what since the last decision.
    pub fn shares(&self) -> impl Iterator<Item = (CellId, Amounts)> {
        self.tracks.iter().map(|track| (track.id, track.has))
    }

    /// Why the last decision is as it is, to be printed.
    pub fn why(&self) -> Explanation<'_, O, CELLS> {
        Explanation(self)
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &O {
        &self.optimizer
    }
}
