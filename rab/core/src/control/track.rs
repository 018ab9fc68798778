//! What the controller keeps of a cell.

use super::filter::{Filter, Sample};
use super::phase::Phase;
use crate::cell::{Cell, CellId, Needs};
use crate::resource::{Amounts, Resource};

/// Phases of a cell that may count as events at once, and periods after which there may be one more. A cell that changes all the time gets no faster answers
/// than others, or it would make everyone's resources swing with it.
const EVENTS: u32 = 4;
const EVENT_PERIODS: u32 = 8;

#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) id: CellId,
    pub(super) needs: Needs,
    pub(super) has: Amounts,
    /// The decision since which it has that.
    pub(super) since: u32,
    pub(super) filter: Filter,
    phase: Phase,
    pub(super) is_new_phase: bool,
    events: u32,
    periods: u32,
    /// In which direction each kind was last changed without an event.
    directions: [i8; Resource::COUNT],
    /// Measurements that were left out.
    pub(super) rejected: u32,
    /// Before the last decision: what it had, its response time, and that expected of it.
    pub(super) had: Amounts,
    pub(super) saw_s: Option<f64>,
    pub(super) was_expected_s: Option<f64>,
    /// The response time that the last decision expects.
    pub(super) expected_s: Option<f64>,
}

impl Track {
    pub(super) fn new(id: CellId, needs: Needs, has: Amounts, since: u32) -> Self {
        Self {
            id,
            needs,
            has,
            since,
            filter: Filter::default(),
            phase: Phase::default(),
            is_new_phase: false,
            events: EVENTS,
            periods: 0,
            directions: [0; Resource::COUNT],
            rejected: 0,
            had: has,
            saw_s: None,
            was_expected_s: None,
            expected_s: None,
        }
    }

    /// Takes in a measurement, unless it was made with other resources than those that the cell has now.
    pub(super) fn sample(&mut self, sample: &Sample) {
        // Numbers wrap around.
        if (sample.under.wrapping_sub(self.since) as i32) < 0 {
            return;
        }
        let deviation_s = self.filter.seen(false).map_or(0.0, |seen| seen.deviation_s);
        if !self.filter.push(sample) {
            self.rejected = self.rejected.saturating_add(1);
        } else if self.phase.push(self.filter.median(), deviation_s) {
            self.filter.restart_late();
            self.is_new_phase = true;
        }
    }

    /// What an optimizer is told.
    pub(super) fn cell(&self) -> Cell {
        Cell { id: self.id, needs: self.needs, has: self.has, seen: self.filter.seen(self.is_new_phase) }
    }

    /// Whether it is late, or has used up half of the margin: what is seen is noisy, and help takes time.
    pub(super) fn is_late(&self, margin: f64) -> bool {
        let (Some(seen), Some(deadline)) = (self.filter.seen(false), self.needs.deadline_s) else { return false };
        seen.response_s > deadline * (1.0 - 0.5 * margin)
    }

    /// A period went by.
    pub(super) fn tick(&mut self) {
        self.periods = self.periods.wrapping_add(1);
        if self.periods.is_multiple_of(EVENT_PERIODS) {
            self.events = (self.events + 1).min(EVENTS);
        }
    }

    /// Whether a phase began that counts as an event.
    pub(super) fn has_event(&self) -> bool {
        self.is_new_phase && self.events > 0
    }

    /// The optimizer was told of the phase.
    pub(super) fn phase_is_known(&mut self) {
        if self.is_new_phase {
            self.is_new_phase = false;
            self.events = self.events.saturating_sub(1);
            self.directions = [0; Resource::COUNT];
        }
    }

    /// Whether this share takes back some of what was last done to it.
    pub(super) fn would_reverse(&self, share: &Amounts) -> bool {
        let back = |resource: Resource| self.direction(share, resource) * self.directions[resource.place()] < 0;
        Resource::ALL.into_iter().any(back)
    }

    /// It gets this from the decision of that number on.
    pub(super) fn give(&mut self, share: Amounts, number: u32) {
        self.had = self.has;
        if share == self.has {
            return;
        }
        for resource in Resource::ALL {
            let direction = self.direction(&share, resource);
            if direction != 0 {
                self.directions[resource.place()] = direction;
            }
        }
        self.has = share;
        self.since = number;
        self.filter.restart();
        self.phase.restart();
    }

    fn direction(&self, share: &Amounts, resource: Resource) -> i8 {
        share[resource].cmp(&self.has[resource]) as i8
    }
}
