//! One hardware thread's view of a plan: what runs here now, and until when.
//!
//! A replica keeps the state of its whole component: all cells that share hardware threads with this one, directly or through others. It advances
//! from boundary to boundary. **Boundaries** are where something may change: window starts, window ends (with the lead that follows
//! them), and, where best-effort cells compete, multiples of the slice. What happens at a boundary depends on the plan and on earlier boundaries only, so
//! all replicas of a component agree, whenever each of them looks.
//!
//! **Best-effort cells** have a virtual time, which rises by time run divided by weight. At a slice boundary gangs are picked anew, the least virtual
//! time first (ties: the lowest cell id), each if all its hardware threads are free. At other boundaries running gangs that still fit go on,
//! and what became free is filled by the same rule. So a wide gang waits at most until the next slice boundary at which its virtual time is the
//! least, and no hardware thread idles while a gang that fits could run, with one exception: a gang is not started when a window would
//! stop it within two leads, because switching to it would take longer than it ran.

use heapless::Vec;

use crate::plan::MAX_CELLS;
use crate::{CellId, Instant, Plan, Policy, Span, ThreadSet};

/// How far ahead a decision looks for the next change, in boundaries. A hardware thread on which nothing changes is woken after that many.
const LOOK_AHEAD: usize = 64;

/// Virtual time per nanosecond at weight 1, so that dividing by the weight loses little.
const SCALE: u64 = 1_024;

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

/// A cell of the component.
#[derive(Clone, Copy, Debug)]
struct Member {
    entry: u8,
    /// Runs, or holds its hardware threads for the lead after its window.
    holds: bool,
    since: Instant,
    virtual_time: u64,
}

/// The component at a boundary.
#[derive(Clone, Debug)]
struct State {
    members: Vec<Member, MAX_CELLS>,
    /// The boundary.
    at: Instant,
    /// The boundary after it.
    next: Option<Instant>,
    digest: u64,
}

/// One hardware thread's view of a plan.
///
/// Two states are kept: the present one, and one that was moved ahead to see when something changes here. When that instant comes, the state ahead
/// becomes the present one, so that each boundary is computed once and nothing is copied but the component's members.
#[derive(Clone, Debug)]
pub struct Replica {
    thread: usize,
    states: [State; 2],
    /// Which of the two is the present one.
    present: usize,
    /// Whether the other one is a later state of the present one.
    ahead: bool,
}

impl Replica {
    /// Starts to follow a plan on hardware thread `thread`, from the plan's effective instant. `running` is what ran here until then under the plan before: a
    /// gang that goes on keeps its activation.
    #[must_use]
    pub fn new(thread: usize, plan: &Plan, running: Option<Run>) -> Self {
        let empty = || State { members: Vec::new(), at: plan.effective(), next: None, digest: plan.number() };
        let mut replica = Self { thread, states: [empty(), empty()], present: 0, ahead: false };
        let state = &mut replica.states[0];
        for index in plan.component_of(thread) {
            let member = Member { entry: index as u8, holds: false, since: Instant::default(), virtual_time: 0 };
            let _ = state.members.push(member);
        }
        state.step(plan, plan.effective(), true);
        if let Some(running) = running {
            for member in &mut state.members {
                if member.holds && plan.entries()[usize::from(member.entry)].cell == running.cell {
                    member.since = running.since;
                }
            }
        }
        replica
    }

    /// What runs here at `instant`, which must not be before the one asked for last. Costs the boundaries passed since then and a look ahead, each of
    /// them the square of the cells in the component.
    pub fn decide(&mut self, plan: &Plan, instant: Instant) -> Decision {
        if self.ahead && self.states[1 - self.present].at <= instant {
            self.present = 1 - self.present;
            self.ahead = false;
        }
        let state = &mut self.states[self.present];
        while let Some(next) = state.next.filter(|next| *next <= instant) {
            state.step(plan, next, false);
            self.ahead = false;
        }
        let run = state.occupant(plan, self.thread);
        let boundary = state.next;
        Decision { run, until: self.change(plan, run), boundary }
    }

    /// A fingerprint of all decisions of the component so far: equal on all its hardware threads at the same boundary.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.states[self.present].digest
    }

    /// The boundary that [`Replica::digest`] is of.
    #[must_use]
    pub fn boundary(&self) -> Instant {
        self.states[self.present].at
    }

    /// When something else than `run` runs here.
    fn change(&mut self, plan: &Plan, run: Option<Run>) -> Option<Instant> {
        let thread = self.thread;
        let [first, second] = &mut self.states;
        let (present, ahead) = if self.present == 0 { (first, second) } else { (second, first) };
        if !self.ahead {
            ahead.follow(present);
        }
        self.ahead = true;
        for _ in 0..LOOK_AHEAD {
            if ahead.at > present.at && ahead.occupant(plan, thread) != run {
                break;
            }
            let Some(next) = ahead.next else {
                self.ahead = false;
                return None;
            };
            ahead.step(plan, next, false);
        }
        Some(ahead.at)
    }
}

impl State {
    /// Becomes what `other` is.
    fn follow(&mut self, other: &Self) {
        self.members.clear();
        // Both have the same capacity.
        let _ = self.members.extend_from_slice(&other.members);
        self.at = other.at;
        self.next = other.next;
        self.digest = other.digest;
    }

    fn occupant(&self, plan: &Plan, thread: usize) -> Option<Run> {
        let holder = self
            .members
            .iter()
            .find(|member| member.holds && plan.entries()[usize::from(member.entry)].threads.contains(thread))?;
        Some(Run { cell: plan.entries()[usize::from(holder.entry)].cell, since: holder.since })
    }

    /// Moves the state to the boundary `t`.
    fn step(&mut self, plan: &Plan, t: Instant, first: bool) {
        let elapsed = t.since(self.at).as_nanos();
        let entries = plan.entries();
        let mut free = ThreadSet::from_bits(u64::MAX);
        let mut competitors = 0;
        let mut holders = 0_u64;
        // What ran is charged, and what must run takes its hardware threads.
        for member in &mut self.members {
            let entry = &entries[usize::from(member.entry)];
            let held = core::mem::replace(&mut member.holds, false);
            match entry.policy {
                Policy::Dedicated => {
                    if !held {
                        member.since = t;
                    }
                    member.holds = true;
                }
                Policy::TimeTriggered { period, phase, length } => {
                    if let Some(start) = window_at(t, period, phase, length + plan.lead()) {
                        member.since = start;
                        member.holds = true;
                    }
                }
                Policy::BestEffort { weight } => {
                    competitors += 1;
                    if held {
                        member.virtual_time =
                            member.virtual_time.saturating_add(elapsed.saturating_mul(SCALE) / u64::from(weight));
                        holders |= 1 << member.entry;
                    }
                }
            }
            if member.holds {
                free = without(free, entry.threads);
            }
        }
        self.renormalise(plan);
        let slice_boundary = first || t.as_nanos().is_multiple_of(plan.slice().as_nanos());
        if !slice_boundary {
            free = self.keep(plan, free, holders);
        }
        self.fill(plan, t, free, holders);
        self.at = t;
        self.next = self.next_boundary(plan, t, competitors);
        let holding =
            self.members.iter().filter(|member| member.holds).fold(0_u64, |bits, member| bits | 1 << member.entry);
        self.digest = mix(self.digest ^ mix(t.as_nanos()) ^ holding);
    }

    /// Best-effort gangs that ran and still fit go on.
    fn keep(&mut self, plan: &Plan, mut free: ThreadSet, holders: u64) -> ThreadSet {
        for member in &mut self.members {
            let threads = plan.entries()[usize::from(member.entry)].threads;
            if holders & 1 << member.entry != 0 && threads.is_within(free) {
                member.holds = true;
                free = without(free, threads);
            }
        }
        free
    }

    /// Free hardware threads go to best-effort gangs that fit, the least virtual time first.
    fn fill(&mut self, plan: &Plan, t: Instant, mut free: ThreadSet, holders: u64) {
        let mut refused = 0_u64;
        loop {
            let mut best: Option<usize> = None;
            for (place, member) in self.members.iter().enumerate() {
                let entry = &plan.entries()[usize::from(member.entry)];
                let fits = matches!(entry.policy, Policy::BestEffort { .. })
                    && !member.holds
                    && refused & 1 << place == 0
                    && entry.threads.is_within(free);
                let key = |place: usize| {
                    let member: &Member = &self.members[place];
                    (member.virtual_time, plan.entries()[usize::from(member.entry)].cell)
                };
                if fits && best.is_none_or(|best| key(place) < key(best)) {
                    best = Some(place);
                }
            }
            let Some(place) = best else { return };
            let index = self.members[place].entry;
            let threads = plan.entries()[usize::from(index)].threads;
            let ran = holders & 1 << index != 0;
            if !ran && self.stopped_soon(plan, t, threads) {
                refused |= 1 << place;
                continue;
            }
            let member = &mut self.members[place];
            member.holds = true;
            if !ran {
                member.since = t;
            }
            free = without(free, threads);
        }
    }

    /// Whether a window on one of these hardware threads starts within two leads.
    fn stopped_soon(&self, plan: &Plan, t: Instant, threads: ThreadSet) -> bool {
        let soon = t + plan.lead() + plan.lead();
        self.members.iter().any(|member| {
            let entry = &plan.entries()[usize::from(member.entry)];
            match entry.policy {
                Policy::TimeTriggered { period, phase, .. } => {
                    entry.threads.intersects(threads) && next_start(t, period, phase) < soon
                }
                _ => false,
            }
        })
    }

    fn next_boundary(&self, plan: &Plan, t: Instant, competitors: usize) -> Option<Instant> {
        let windows = self.members.iter().filter_map(|member| match plan.entries()[usize::from(member.entry)].policy {
            Policy::TimeTriggered { period, phase, length } => {
                Some(match window_at(t, period, phase, length + plan.lead()) {
                    Some(start) => start + length + plan.lead(),
                    None => next_start(t, period, phase),
                })
            }
            _ => None,
        });
        let slice = plan.slice().as_nanos();
        let turn = (competitors > 1).then(|| Instant::from_nanos((t.as_nanos() / slice + 1) * slice));
        windows.chain(turn).min()
    }

    /// Keeps virtual times small: only their differences matter.
    fn renormalise(&mut self, plan: &Plan) {
        let competes = |member: &&mut Member| {
            matches!(plan.entries()[usize::from(member.entry)].policy, Policy::BestEffort { .. })
        };
        let least = self.members.iter_mut().filter(competes).map(|member| member.virtual_time).min().unwrap_or(0);
        for member in self.members.iter_mut().filter(competes) {
            member.virtual_time -= least;
        }
    }
}

/// The start of the window that `t` is in, if it is in one.
fn window_at(t: Instant, period: Span, phase: Span, length: Span) -> Option<Instant> {
    let into = t.as_nanos().checked_sub(phase.as_nanos())? % period.as_nanos();
    (into < length.as_nanos()).then(|| t - Span::from_nanos(into))
}

/// The first window start after `t`.
fn next_start(t: Instant, period: Span, phase: Span) -> Instant {
    match t.as_nanos().checked_sub(phase.as_nanos()) {
        None => Instant::from_nanos(phase.as_nanos()),
        Some(past) => t - Span::from_nanos(past % period.as_nanos()) + period,
    }
}

fn without(set: ThreadSet, other: ThreadSet) -> ThreadSet {
    ThreadSet::from_bits(set.bits() & !other.bits())
}

/// A cheap bijective hash (the finaliser of splitmix64).
fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}
