//! One hardware thread's view of a plan: what runs here now, and until when.
//!
//! A replica keeps the state of its whole component: all cells that share hardware threads with this one, directly or through others. It advances
//! from boundary to boundary. **Boundaries** are where something may change: window starts, window ends (with the lead that follows
//! them), and, where best-effort cells compete, multiples of the slice. What happens at a boundary depends on the plan and on earlier boundaries only, so
//! all replicas of a component agree, whenever each of them looks.
//!
//! **Best-effort cells** have a virtual time, which rises by time run divided by weight. At a slice boundary gangs are picked anew, the least virtual
//! time first (ties: the lowest cell id), each if all its hardware threads are free. At other boundaries running gangs that still fit go on,
//! and what became free is filled by the same rule. A gang whose turn it was, but which a window kept from running, is overdue: the first boundary
//! at which windows leave it room counts as a slice boundary. Without this a wide gang would starve beside a window that is always open at slice
//! boundaries. No hardware thread idles while a gang that fits could run, with one exception: a gang is not started when a window would
//! stop it within two leads, because switching to it would take longer than it ran.
//!
//! **Cost.** A boundary costs `n log n` in the `n` cells of the component, at worst `n` squared where windows are about to stop gangs. A decision costs the
//! boundaries passed since the last one, and at most [`LOOK_AHEAD`] more. Who wakes when told passes one or none, or [`LOOK_AHEAD`] where
//! nothing changes here; who was stalled passes all that he missed, but those of windows alone are skipped. Nothing is allocated.

use crate::component::Component;
use crate::{CellId, Instant, Plan};

/// How far ahead a decision looks for the next change, in boundaries. A hardware thread on which nothing changes is woken after that many.
pub const LOOK_AHEAD: usize = 64;

/// A gang that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Who.
    pub cell: CellId,
    /// Its activation: the instant at which the gang was started. It stays the same while the gang goes on.
    pub since: Instant,
}

/// What a hardware thread has to do.
#[must_use = "a decision that nobody carries out breaks the plan"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What runs here; none: the hardware thread is idle.
    pub run: Option<Run>,
    /// When something else runs here; none: never, under this plan. The change takes a lead, so the timer is to be armed that much earlier.
    pub until: Option<Instant>,
    /// The next boundary of the component, whether or not it changes anything here.
    pub boundary: Option<Instant>,
}

/// One hardware thread's view of a plan.
///
/// Two states are kept: the present one, and one that was moved ahead to see when something changes here. When that instant comes, the state ahead
/// becomes the present one, so that each boundary is computed once and nothing is copied but the component's members.
#[derive(Clone, Debug)]
pub struct Replica {
    thread: usize,
    states: [Component; 2],
    /// Which of the two is the present one.
    present: usize,
    /// Whether the other one is a later state of the present one.
    ahead: bool,
}

impl Replica {
    /// Starts to follow a plan on hardware thread `thread`, from the plan's effective instant, with no knowledge of a plan before. `running` is what
    /// ran here until then: a gang that goes on keeps its activation. Where there was a replica, [`Replica::adopt`] keeps more.
    #[must_use]
    pub fn new(thread: usize, plan: &Plan, running: Option<Run>) -> Self {
        let mut state = Component::new(plan, thread);
        if let Some(running) = running {
            state.resume(plan, running.cell, running.since, None);
        }
        Self { thread, states: [state.clone(), state], present: 0, ahead: false }
    }

    /// Goes over from the plan that it follows to the next one, from that one's effective instant. It must not have been asked about that instant
    /// or a later one before. A component that the change leaves alone goes on as if there had been none; one that stays within an old
    /// one keeps who runs and who is owed time; gangs that go on with the same hardware threads keep their activation.
    pub fn adopt(&mut self, old: &Plan, new: &Plan) {
        let next = self.states[self.present].succeed(old, new, self.thread);
        self.states[self.present] = next;
        self.ahead = false;
    }

    /// What runs here at `instant`, which must not be before the one asked for last. Before the plan is effective: what will run then.
    pub fn decide(&mut self, plan: &Plan, instant: Instant) -> Decision {
        if self.ahead && self.states[1 - self.present].at() <= instant {
            self.present = 1 - self.present;
            self.ahead = false;
        }
        // If it moves, it does not pass the state ahead, which stays what comes later.
        let state = &mut self.states[self.present];
        state.advance(plan, instant);
        let run = state.occupant(plan, self.thread);
        let boundary = state.next();
        Decision { run, until: self.change(plan, run), boundary }
    }

    /// A fingerprint of the component's decisions: equal on all its hardware threads at the same [`Replica::boundary`] of the same plan. Where
    /// there are best-effort cells, of all decisions so far; windows alone depend on nothing before.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.states[self.present].digest()
    }

    /// The boundary that [`Replica::digest`] is of.
    #[must_use]
    pub fn boundary(&self) -> Instant {
        self.states[self.present].at()
    }

    /// When something else than `run` runs here.
    fn change(&mut self, plan: &Plan, run: Option<Run>) -> Option<Instant> {
        let thread = self.thread;
        let [first, second] = &mut self.states;
        let (present, ahead) = if self.present == 0 { (first, second) } else { (second, first) };
        if !self.ahead {
            ahead.copy(present);
        }
        self.ahead = true;
        for _ in 0..LOOK_AHEAD {
            if ahead.at() > present.at() && ahead.occupant(plan, thread) != run {
                break;
            }
            if !ahead.advance_once(plan) {
                self.ahead = false;
                return None;
            }
        }
        Some(ahead.at())
    }
}
