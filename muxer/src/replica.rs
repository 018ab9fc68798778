//! One hardware thread's view of a plan: what runs here now, and until when.
//!
//! A replica keeps the state of its whole component: all cells that share hardware threads with this one, directly or through others. It advances
//! from boundary to boundary. **Boundaries** are where something may change: window starts, window ends (with the lead that follows
//! them), instants at which inputs take effect, ends of budgets and deadlines of reserves, and, where best-effort cells compete, multiples of the slice. What
//! happens at a boundary depends on the plan, on inputs that all replicas see, and on earlier boundaries only, so all replicas of a component agree, whenever each of them
//! looks.
//!
//! **Reserves** run the earliest deadline first, each gang if all its hardware threads are free of windows and of gangs with earlier deadlines.
//!
//! **Best-effort cells** have a virtual time, which rises by time run divided by weight. At a slice boundary gangs are picked anew, the least virtual
//! time first (ties: the lowest cell id), each if all its hardware threads are free. At other boundaries running gangs that still fit go on,
//! and what became free is filled by the same rule. A gang whose turn it was, but which a window or a reserve kept from running, is overdue: the first boundary
//! at which those leave it room counts as a slice boundary. Without this a wide gang would starve beside a window that is always open at slice
//! boundaries. A cell that was idle starts level with the one that is owed most. No hardware thread idles while a gang with work that fits could run, with one exception: a gang
//! is not started when a window would stop it within two leads, because switching to it would take longer than it ran.
//!
//! **Cost.** A boundary costs about `n` in the `n` cells of the component. A decision costs the boundaries passed since the last one, and at most
//! [`LOOK_AHEAD`] more. Who wakes when told passes one or none, or [`LOOK_AHEAD`] where nothing changes here. Who was stalled makes up for a bounded number of
//! boundaries, and asks for a repair if there are more ([`Trouble::Lost`]); windows and dedicated cells go on being served exactly. Nothing is allocated.

use crate::component::Component;
use crate::inputs::Inputs;
use crate::threads::Bits;
use crate::{CellId, Instant, Plan, ThreadSet};

/// How far ahead a decision looks for the next change, in boundaries. A hardware thread on which nothing changes is woken after that many.
pub const LOOK_AHEAD: usize = 64;

/// A gang that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    /// Who.
    pub cell: CellId,
    /// Its activation: the instant at which the gang was started. It stays the same while the gang goes on.
    pub since: Instant,
}

/// What a hardware thread has to do.
#[must_use = "a decision that nobody carries out breaks the plan"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// What runs here; none: the hardware thread is idle.
    pub run: Option<Run>,
    /// When something else runs here; none: never, unless an input comes, under this plan. The change takes a lead, so the timer is to be armed that much earlier.
    pub until: Option<Instant>,
    /// The next boundary of the component, whether or not it changes anything here.
    pub boundary: Option<Instant>,
    /// Why the component needs a repair, if it does: publish one ([`Replica::repair`]), unless a plan is on its way.
    pub trouble: Option<Trouble>,
}

/// Why a replica cannot vouch for its decisions on best-effort cells and reserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// It saw an input only after that had taken effect: its siblings may have decided otherwise.
    Stale,
    /// It missed too much. Best-effort cells and reserves do not run here until the repair.
    Lost,
}

/// What a plan that repairs some components brings along.
#[derive(Clone, Debug, Default)]
pub struct Repair<const WORDS: usize = 1> {
    /// The hardware threads of the components.
    pub threads: ThreadSet<WORDS>,
    /// The state from which they go on. None: from nothing but what cells said of themselves.
    pub checkpoint: Option<Checkpoint>,
}

/// The state of a component at some boundary.
#[derive(Clone, Debug)]
pub struct Checkpoint(Component);

/// One hardware thread's view of a plan.
///
/// Two states are kept: the present one, and one that was moved ahead to see when something changes here. When that instant comes, the state ahead
/// becomes the present one, so that each boundary is computed once and nothing is copied but the component's members.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replica {
    thread: usize,
    /// The members, by place, that run on this hardware thread.
    here: u64,
    states: [Component; 2],
    /// Which of the two is the present one.
    present: usize,
    /// Whether the other one is a later state of the present one.
    ahead: bool,
    /// The number of the plan that the other one is the first state of.
    prepared: Option<u64>,
}

impl Replica {
    /// Starts to follow a plan on hardware thread `thread`, from the plan's effective instant, with no knowledge of a plan before. `running` is what
    /// ran here until then: a gang that goes on keeps its activation. Where there was a replica, [`Replica::adopt`] keeps more.
    #[must_use]
    pub fn new<const C: usize, const W: usize>(
        thread: usize,
        plan: &Plan<C, W>,
        running: Option<Run>,
        inputs: &impl Inputs,
    ) -> Self {
        let mut state = Component::new(plan, thread, inputs);
        if let Some(running) = running {
            state.resume(plan, running.cell, running.since, None);
        }
        let here = Self::here(&state, plan, thread);
        Self { thread, here, states: [state.clone(), state], present: 0, ahead: false, prepared: None }
    }

    fn here<const C: usize, const W: usize>(state: &Component, plan: &Plan<C, W>, thread: usize) -> u64 {
        let members = state.members.iter().enumerate();
        let runs_here =
            members.filter(|(_, member)| plan.entries()[usize::from(member.entry)].threads.contains(thread));
        runs_here.fold(0, |bits, (place, _)| bits | 1 << place)
    }

    /// Goes over from the plan that it follows to the next one, from that one's effective instant. It must not have been asked about that instant
    /// or a later one before; if it was, it is lost. A component that the change leaves alone goes on as if there had been none; one that stays within an old
    /// one keeps who runs and who is owed time; gangs that go on with the same hardware threads keep their activation. `repair` is what
    /// the new plan brings along.
    ///
    /// It costs several decisions, unless it was prepared.
    pub fn adopt<const C: usize, const W: usize>(
        &mut self,
        old: &Plan<C, W>,
        new: &Plan<C, W>,
        repair: Option<&Repair<W>>,
        inputs: &impl Inputs,
    ) {
        let present = &mut self.states[self.present];
        // What was prepared is right unless something has become known since that matters before the new plan begins. It may hide behind an input that was known
        // already and has not been decided upon, because inputs are read one at a time.
        let news = present.listen(inputs) || present.awaits_before(new.effective());
        if self.prepared == Some(new.number()) && !news {
            let other = &mut self.states[1 - self.present];
            other.listen(inputs);
            if !other.is_stale {
                self.present = 1 - self.present;
                self.begin(new);
                return;
            }
        }
        self.states[self.present] = Self::next(&mut self.states[self.present], self.thread, old, new, repair, inputs);
        self.begin(new);
    }

    /// Does the work of [`Replica::adopt`] ahead of time, so that it is short when the instant comes. Changes no decision. The next change must be asked for again
    /// ([`Replica::decide`]) only after the adoption.
    pub fn prepare<const C: usize, const W: usize>(
        &mut self,
        old: &Plan<C, W>,
        new: &Plan<C, W>,
        repair: Option<&Repair<W>>,
        inputs: &impl Inputs,
    ) {
        let [first, second] = &mut self.states;
        let (present, other) = if self.present == 0 { (first, second) } else { (second, first) };
        if present.listen(inputs) {
            // It must be decided upon first.
            self.ahead = false;
        }
        other.copy(present);
        *other = Self::next(other, self.thread, old, new, repair, inputs);
        self.ahead = false;
        self.prepared = Some(new.number());
    }

    /// Whether a plan of this number was prepared.
    #[must_use]
    pub fn is_prepared(&self, number: u64) -> bool {
        self.prepared == Some(number)
    }

    fn next<const C: usize, const W: usize>(
        state: &mut Component,
        thread: usize,
        old: &Plan<C, W>,
        new: &Plan<C, W>,
        repair: Option<&Repair<W>>,
        inputs: &impl Inputs,
    ) -> Component {
        match repair.filter(|repair| repair.threads.intersects(old.component_threads(thread))) {
            Some(repair) => {
                let checkpoint = repair.checkpoint.as_ref().map(|checkpoint| &checkpoint.0);
                state.repaired(old, new, thread, checkpoint, inputs)
            }
            None => state.succeed(old, new, thread, inputs),
        }
    }

    fn begin<const C: usize, const W: usize>(&mut self, plan: &Plan<C, W>) {
        self.here = Self::here(&self.states[self.present], plan, self.thread);
        self.ahead = false;
        self.prepared = None;
    }

    /// What runs here at `instant`, which must not be before the one asked for last. Before the plan is effective: what will run then.
    pub fn decide<const C: usize, const W: usize>(
        &mut self,
        plan: &Plan<C, W>,
        instant: Instant,
        inputs: &impl Inputs,
    ) -> Decision {
        self.decide_within(plan, instant, LOOK_AHEAD, inputs)
    }

    /// As [`Replica::decide`], but looks at most `look_ahead` boundaries ahead (at least one) for the next change, for who has no time now: if it is not among
    /// them, the decision says to ask again at the last of them. [`Replica::look_further`] goes on from there.
    pub fn decide_within<const C: usize, const W: usize>(
        &mut self,
        plan: &Plan<C, W>,
        instant: Instant,
        look_ahead: usize,
        inputs: &impl Inputs,
    ) -> Decision {
        let other = 1 - self.present;
        // A state ahead that learns of something before its own time has gone wrong; one that learns of something later has only looked for the next change
        // without it.
        if self.ahead && self.states[other].listen(inputs) {
            self.ahead = false;
        }
        if self.ahead && self.states[other].at() <= instant {
            self.present = other;
            self.ahead = false;
        }
        // If it moves, it does not pass the state ahead, which stays what comes later.
        let state = &mut self.states[self.present];
        if state.listen(inputs) {
            self.prepared = None;
        }
        state.advance(plan, instant, inputs);
        let run = state.occupant(self.here);
        let boundary = state.next();
        let trouble = match state {
            // Nobody could repair what has no best-effort cells and reserves, and nothing is wrong with it.
            state if !state.has_past() => None,
            state if state.is_lost => Some(Trouble::Lost),
            state if state.is_stale => Some(Trouble::Stale),
            _ => None,
        };
        Decision { run, until: self.change(plan, run, look_ahead, inputs), boundary, trouble }
    }

    /// Looks one boundary further for the next change, after a decision that said to ask again at `until`. None: `until` is when something changes, or cannot
    /// be put off. Otherwise the new `until`.
    pub fn look_further<const C: usize, const W: usize>(
        &mut self,
        plan: &Plan<C, W>,
        inputs: &impl Inputs,
    ) -> Option<Option<Instant>> {
        let [first, second] = &mut self.states;
        let (present, ahead) = if self.present == 0 { (first, second) } else { (second, first) };
        let run = present.occupant(self.here);
        if !self.ahead || ahead.occupant(self.here) != run {
            return None;
        }
        Some(self.change(plan, run, 1, inputs))
    }

    /// What brings the component to an agreed state, as far as this replica can tell: to be published with the present plan under a new number.
    #[must_use]
    pub fn repair<const C: usize, const W: usize>(&self, plan: &Plan<C, W>) -> Repair<W> {
        let state = &self.states[self.present];
        let checkpoint = (!state.is_lost).then(|| Checkpoint(state.clone()));
        Repair { threads: plan.component_threads(self.thread), checkpoint }
    }

    /// A fingerprint of the component's decisions: equal on all its hardware threads at the same [`Replica::boundary`] of the same plan. Where
    /// there are best-effort cells or reserves, of all decisions so far; windows alone depend on nothing before.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.states[self.present].digest()
    }

    /// The number of the slice of the timebase that the last boundary was in, and a fingerprint of all decisions before that slice: equal on all hardware threads
    /// of the component. None where decisions depend on nothing before, and in the first slice of a plan.
    #[must_use]
    pub fn audit(&self) -> Option<(u64, u64)> {
        self.states[self.present].audit()
    }

    /// The boundary that [`Replica::digest`] is of.
    #[must_use]
    pub fn boundary(&self) -> Instant {
        self.states[self.present].at()
    }

    /// Periods in which a cell's reserve did not get its budget although the cell had work all the time. It cannot happen under plans that were validated, unless assumptions
    /// on clocks were violated.
    #[must_use]
    pub fn missed(&self, cell: CellId) -> u32 {
        let members = &self.states[self.present].members;
        members.iter().find(|member| member.cell == cell).map_or(0, |member| member.missed)
    }

    /// Whether the component's decisions have it that a cell has work.
    #[must_use]
    pub fn is_ready(&self, cell: CellId) -> bool {
        let state = &self.states[self.present];
        Bits(state.ready).any(|place| state.members[usize::from(place)].cell == cell)
    }

    /// When something else than `run` runs here.
    fn change<const C: usize, const W: usize>(
        &mut self,
        plan: &Plan<C, W>,
        run: Option<Run>,
        look_ahead: usize,
        inputs: &impl Inputs,
    ) -> Option<Instant> {
        let here = self.here;
        let [first, second] = &mut self.states;
        let (present, ahead) = if self.present == 0 { (first, second) } else { (second, first) };
        if !self.ahead {
            ahead.copy(present);
            self.prepared = None;
        }
        self.ahead = true;
        for _ in 0..look_ahead {
            if ahead.at() > present.at() && ahead.occupant(here) != run {
                break;
            }
            if !ahead.advance_once(plan, inputs) {
                self.ahead = false;
                return None;
            }
            // An input came while it looked, for an instant that it had passed.
            if ahead.is_stale && !present.is_stale {
                self.ahead = false;
                return present.next();
            }
        }
        Some(ahead.at())
    }
}
