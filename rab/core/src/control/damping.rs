//! Against oscillation: when a change that the optimizer proposes may be made.
//!
//! Three kinds of changes. Those that *events* ask for (a cell came or went, the machine or the goals changed, a phase began) are made at once. Those that help a
//! *late* cell are made when the last change had time to show. All others are made when they were proposed in [`CONFIRM`] decisions in a row and the last change
//! is some time ago.
//!
//! A change without an event that takes back what the last one did doubles the time that the others have to wait; a change for a late cell that takes back what was done for
//! another late cell also that of changes for late cells. So a change that turns out to be bad is soon undone, but is not soon tried again, and two cells that are late in turns do not take
//! from each other for ever. Quiet halves these times. Without events the number of changes in n periods is at most about n / [`MOST`] plus a few.

/// Decisions in a row that must propose a change that nobody waits for.
const CONFIRM: u32 = 2;
/// Periods between changes that nobody waits for, before any doubling.
const REST: u32 = 3;
/// The most that times are multiplied by.
const MOST: u32 = 32;
/// Periods without a change, in times of the present factor, after which it is halved.
const QUIET: u32 = 8;

/// Why a change is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Something happened that the present allocation was not made for.
    Event,
    /// A cell that is late would get more.
    Late,
    /// It would be better.
    Better,
}

/// When changes may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damping {
    factor: u32,
    late_factor: u32,
    was_late: bool,
    since_change: u32,
    quiet: u32,
    proposed: u32,
}

impl Default for Damping {
    fn default() -> Self {
        Self { factor: 1, late_factor: 1, was_late: false, since_change: u32::MAX, quiet: 0, proposed: 0 }
    }
}

impl Damping {
    /// A period went by. A decision follows.
    pub fn tick(&mut self) {
        self.since_change = self.since_change.saturating_add(1);
        self.quiet += 1;
        if self.quiet >= QUIET * self.factor {
            self.quiet = 0;
            self.factor = (self.factor / 2).max(1);
            self.late_factor = (self.late_factor / 2).max(1);
        }
    }

    /// The optimizer proposes no change.
    pub fn nothing_proposed(&mut self) {
        self.proposed = 0;
    }

    /// The optimizer proposes a change; `Err` with the least number of periods to wait if it must not be made now.
    ///
    /// # Errors
    /// Periods to wait, if the change is still proposed then.
    pub fn propose(&mut self, urgency: Urgency) -> Result<(), u32> {
        self.proposed = self.proposed.saturating_add(1);
        let (confirm, rest) = match urgency {
            Urgency::Event => return Ok(()),
            Urgency::Late => (1, self.late_factor),
            Urgency::Better => (CONFIRM, REST * self.factor),
        };
        let wait = confirm.saturating_sub(self.proposed).max(rest.saturating_sub(self.since_change));
        if wait == 0 { Ok(()) } else { Err(wait) }
    }

    /// The change is made. `is_reversal` says that it takes back some of what was last done.
    pub fn changed(&mut self, urgency: Urgency, is_reversal: bool) {
        self.since_change = 0;
        self.proposed = 0;
        self.quiet = 0;
        let is_late = urgency == Urgency::Late;
        if urgency == Urgency::Event {
            // What was swinging before may not swing now.
            self.factor = self.factor.min(2);
            self.late_factor = 1;
        } else if is_reversal {
            self.factor = (self.factor * 2).min(MOST);
            if is_late && self.was_late {
                self.late_factor = (self.late_factor * 2).min(MOST);
            }
        }
        self.was_late = is_late;
    }

    /// Periods since the last change.
    #[must_use]
    pub fn since_change(&self) -> u32 {
        self.since_change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_optimizer_that_swings_is_slowed_down() {
        for urgency in [Urgency::Late, Urgency::Better] {
            let mut damping = Damping::default();
            let mut changes = 0;
            for _ in 0..1000 {
                damping.tick();
                if damping.propose(urgency).is_ok() {
                    damping.changed(urgency, true);
                    changes += 1;
                }
            }
            assert!(changes <= 1000 / 32 + 10, "{urgency:?}: {changes}");
        }
    }

    #[test]
    fn a_bad_change_is_undone_at_once_but_tried_again_ever_more_rarely() {
        let mut damping = Damping::default();
        let (mut tried, mut longest) = (0, 0);
        let mut bad_for = None;
        for _ in 0..1000 {
            damping.tick();
            let urgency = if bad_for.is_some() { Urgency::Late } else { Urgency::Better };
            let is_made = damping.propose(urgency).is_ok();
            bad_for = bad_for.map(|periods| periods + 1);
            if is_made {
                damping.changed(urgency, true);
                longest = longest.max(bad_for.unwrap_or(0));
                tried += u32::from(bad_for.is_none());
                bad_for = if bad_for.is_none() { Some(0) } else { None };
            }
        }
        assert!(tried <= 20 && longest <= 2, "tried {tried} times, bad for {longest} periods");
    }

    #[test]
    fn an_event_is_not_slowed_down() {
        let mut damping = Damping::default();
        damping.changed(Urgency::Late, true);
        assert_eq!(damping.propose(Urgency::Event), Ok(()));
    }

    #[test]
    fn what_nobody_waits_for_is_confirmed_first() {
        let mut damping = Damping::default();
        damping.tick();
        assert_eq!(damping.propose(Urgency::Better), Err(1));
        damping.tick();
        assert_eq!(damping.propose(Urgency::Better), Ok(()));
    }
}
