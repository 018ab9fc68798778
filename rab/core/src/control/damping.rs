//! Against oscillation: when a change that the optimizer proposes may be made.
//!
//! Three kinds of changes. Those that *events* ask for (a cell came or went, the machine or the goals changed, a phase began) are made at once. Those that help a
//! *late* cell are made when the last change had time to show. All others are made when they were proposed in [`CONFIRM`] decisions in a row and the last change
//! is some time ago. A change without an event that takes back what the last one did doubles these times; quiet halves them again. So without events the number of changes in n periods
//! is at most about n / [`MOST`] plus a few.

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
    since_change: u32,
    quiet: u32,
    proposed: u32,
}

impl Default for Damping {
    fn default() -> Self {
        Self { factor: 1, since_change: u32::MAX, quiet: 0, proposed: 0 }
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
            Urgency::Late => (1, self.factor),
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
        self.factor = match urgency {
            // What was swinging before may not swing now, and whoever is late must not wait for long to be corrected.
            Urgency::Event => self.factor.min(2),
            _ if is_reversal => (self.factor * 2).min(MOST),
            _ => self.factor,
        };
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
