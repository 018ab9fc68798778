//! The replicated part of a decision: all cells that share hardware threads with each other, directly or through others, at a boundary.
//!
//! Whatever is in a [`Component`] must be the same on each of its hardware threads. It moves from boundary to boundary, by nothing but the plan and itself.

use heapless::Vec;

use crate::plan::{MAX_CELLS, is_best_effort};
use crate::{CellId, Instant, Plan, Policy, Run, Span, ThreadSet};

/// Virtual time per nanosecond at weight 1, so that dividing by the weight loses little.
const SCALE: u64 = 1_024;

/// Slices of the lightest cell by which a cell may be behind the next one; see [`Component::order`].
const PATIENCE: u64 = 4;

/// A cell of the component.
#[derive(Clone, Copy, Debug)]
struct Member {
    cell: CellId,
    entry: u8,
    /// Runs, or holds its hardware threads for the lead after its window.
    holds: bool,
    since: Instant,
    virtual_time: u64,
}

impl Member {
    fn bit(&self) -> u64 {
        1 << self.entry
    }
}

/// The component at a boundary.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    /// In the order of (virtual time, cell).
    members: Vec<Member, MAX_CELLS>,
    /// By entry, a bit each: best-effort cells whose turn it was when windows held their hardware threads.
    overdue: u64,
    /// Whether best-effort cells have to take turns.
    is_contested: bool,
    has_best_effort: bool,
    /// The most virtual time by which a cell is kept behind the next one.
    patience: u64,
    /// The boundary.
    at: Instant,
    /// The boundary after it.
    next: Option<Instant>,
    digest: u64,
}

impl Component {
    /// The component of a hardware thread at the plan's effective instant, with no past.
    pub(crate) fn new(plan: &Plan, thread: usize) -> Self {
        let mut component = Self::idle(plan, thread);
        component.step(plan, plan.effective(), true);
        component
    }

    /// Before its first step.
    fn idle(plan: &Plan, thread: usize) -> Self {
        let mut component = Self {
            members: Vec::new(),
            overdue: 0,
            is_contested: false,
            has_best_effort: false,
            patience: 0,
            at: plan.effective(),
            next: None,
            digest: plan.number(),
        };
        for index in plan.component_of(thread) {
            let entry = &plan.entries()[index];
            let (since, virtual_time) = (Instant::default(), 0);
            let member = Member { cell: entry.cell, entry: index as u8, holds: false, since, virtual_time };
            let _ = component.members.push(member);
            component.is_contested |= plan.has_rival(index);
            if let Policy::BestEffort { weight } = entry.policy {
                component.has_best_effort = true;
                component.patience = component.patience.max(charge(plan.slice().as_nanos(), weight) * PATIENCE);
            }
        }
        component
    }

    /// The component of a hardware thread under the plan `new`, after what `self` was under the plan `old`. Every hardware thread of the new component
    /// decides alike how much of the past is kept, because that depends on the two plans only:
    ///
    /// - A component that the change does not touch does not notice it.
    /// - One that lies within an old one keeps who runs and who is owed time: all its hardware threads know of it. A best-effort cell that is new
    ///   starts level with the one that is owed most.
    /// - One that joins hardware threads whose past is not known to all begins afresh.
    ///
    /// In each case a gang that goes on with the same hardware threads keeps its activation.
    pub(crate) fn succeed(&mut self, old: &Plan, new: &Plan, thread: usize) -> Self {
        let mut component = Self::idle(new, thread);
        self.advance(old, new.effective() - Span::from_nanos(1));
        if self.is_untouched(old, &component, new) {
            return self.renumbered(old, &component, new);
        }
        self.charge(old, new.effective());
        let is_known = new.component_threads(thread).is_within(old.component_threads(thread));
        let mut owed_most = None;
        let mut newcomers = 0_u64;
        for member in &mut component.members {
            let entry = &new.entries()[usize::from(member.entry)];
            let before = self.members.iter().find(|before| before.cell == member.cell);
            let Some((before, former)) = before.map(|before| (before, &old.entries()[usize::from(before.entry)]))
            else {
                newcomers |= member.bit();
                continue;
            };
            // Who ran must not sway a decision unless all know it.
            if before.holds && former.threads == entry.threads && (is_known || !is_best_effort(entry)) {
                member.holds = true;
                member.since = before.since;
            }
            if !(is_best_effort(entry) && is_best_effort(former)) {
                newcomers |= member.bit();
            } else if is_known {
                member.virtual_time = before.virtual_time;
                owed_most = Some(owed_most.map_or(before.virtual_time, |most: u64| most.min(before.virtual_time)));
                if self.overdue & before.bit() != 0 {
                    component.overdue |= member.bit();
                }
            }
        }
        for member in &mut component.members {
            if newcomers & member.bit() != 0 && is_best_effort(&new.entries()[usize::from(member.entry)]) {
                member.virtual_time = owed_most.unwrap_or(0);
            }
        }
        component.step(new, new.effective(), !is_known);
        for before in self.members.iter().filter(|before| before.holds) {
            let former = &old.entries()[usize::from(before.entry)];
            component.resume(new, before.cell, before.since, Some(former.threads));
        }
        component
    }

    /// Whether a component has the same cells under both plans, and the same rules.
    fn is_untouched(&self, old: &Plan, after: &Self, new: &Plan) -> bool {
        old.slice() == new.slice()
            && old.lead() == new.lead()
            && self.members.len() == after.members.len()
            && after.members.iter().all(|member| {
                let entry = &new.entries()[usize::from(member.entry)];
                self.members.iter().any(|before| old.entries()[usize::from(before.entry)] == *entry)
            })
    }

    /// The same, with the numbers that the new plan gives its entries.
    fn renumbered(&self, old: &Plan, after: &Self, new: &Plan) -> Self {
        let mut component = self.clone();
        component.overdue = 0;
        for member in &mut component.members {
            let entry = &old.entries()[usize::from(member.entry)];
            let overdue = self.overdue & member.bit() != 0;
            let place = after.members.iter().find(|other| new.entries()[usize::from(other.entry)] == *entry);
            member.entry = place.map_or(member.entry, |other| other.entry);
            if overdue {
                component.overdue |= member.bit();
            }
        }
        component
    }

    /// A gang that holds its hardware threads has done so since `since`, before this plan: it is no new activation unless a window starts now.
    pub(crate) fn resume(&mut self, plan: &Plan, cell: CellId, since: Instant, threads: Option<ThreadSet>) {
        let at = self.at;
        for member in self.members.iter_mut().filter(|member| member.holds && member.cell == cell) {
            let entry = &plan.entries()[usize::from(member.entry)];
            if threads.is_none_or(|threads| threads == entry.threads) && !starts_at(&entry.policy, at) {
                member.since = since;
            }
        }
    }

    /// Becomes what `other` is.
    pub(crate) fn copy(&mut self, other: &Self) {
        self.members.clear();
        // Both have the same capacity.
        let _ = self.members.extend_from_slice(&other.members);
        self.overdue = other.overdue;
        self.is_contested = other.is_contested;
        self.has_best_effort = other.has_best_effort;
        self.patience = other.patience;
        self.at = other.at;
        self.next = other.next;
        self.digest = other.digest;
    }

    /// The boundary it is at.
    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    /// The boundary after it.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// A fingerprint of the decisions.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// What runs on a hardware thread.
    pub(crate) fn occupant(&self, plan: &Plan, thread: usize) -> Option<Run> {
        let holder = self
            .members
            .iter()
            .find(|member| member.holds && plan.entries()[usize::from(member.entry)].threads.contains(thread))?;
        Some(Run { cell: holder.cell, since: holder.since })
    }

    /// Moves through all boundaries to `instant`. Windows alone depend on nothing before: their boundaries are skipped but for the last one.
    pub(crate) fn advance(&mut self, plan: &Plan, instant: Instant) {
        while let Some(next) = self.next.filter(|next| *next <= instant) {
            let boundary = if self.has_best_effort { next } else { self.last_boundary(plan, instant).max(next) };
            self.step(plan, boundary, false);
        }
    }

    /// Moves to the next boundary, if there is one.
    pub(crate) fn advance_once(&mut self, plan: &Plan) -> bool {
        let Some(next) = self.next else { return false };
        self.step(plan, next, false);
        true
    }

    /// Moves the state to the boundary `t`. Best-effort cells are picked anew `afresh`, at slice boundaries, and when an overdue one can run.
    fn step(&mut self, plan: &Plan, t: Instant, afresh: bool) {
        let ran = self.charge(plan, t);
        let mut free = self.place_windows(plan, t);
        self.order();
        let turn = afresh
            || self.is_contested
                && (t.as_nanos().is_multiple_of(plan.slice().as_nanos()) || self.is_overdue_one_able(plan, t, free));
        if turn {
            self.overdue = 0;
        } else {
            free = self.keep(plan, free, ran);
        }
        self.fill(plan, t, free, ran, turn);
        self.at = t;
        self.next = self.next_boundary(plan, t);
        let holding = self.members.iter().filter(|member| member.holds).fold(0, |bits, member| bits | member.bit());
        let past = if self.has_best_effort { self.digest } else { plan.number() };
        self.digest = mix(past ^ mix(t.as_nanos()) ^ holding);
    }

    /// Charges best-effort gangs for the time up to `t`. Returns those that ran, by entry, and leaves them stopped.
    fn charge(&mut self, plan: &Plan, t: Instant) -> u64 {
        let elapsed = t.since(self.at).as_nanos();
        let mut ran = 0;
        for member in self.members.iter_mut().filter(|member| member.holds) {
            if let Policy::BestEffort { weight } = plan.entries()[usize::from(member.entry)].policy {
                member.virtual_time = member.virtual_time.saturating_add(charge(elapsed, weight));
                ran |= member.bit();
            }
        }
        ran
    }

    /// Dedicated gangs and those in their windows hold their hardware threads, nobody else does. Returns what is left.
    fn place_windows(&mut self, plan: &Plan, t: Instant) -> ThreadSet {
        let mut free = ThreadSet::from_bits(u64::MAX);
        for member in &mut self.members {
            let entry = &plan.entries()[usize::from(member.entry)];
            let held = member.holds;
            member.holds = match entry.policy {
                Policy::Dedicated => {
                    if !held {
                        member.since = t;
                    }
                    true
                }
                Policy::TimeTriggered { period, phase, length } => {
                    match window_at(t, period, phase, length + plan.lead()) {
                        Some(start) => {
                            // Each window is an activation. One that a plan finds in progress starts with the plan.
                            if start == t || start > self.at {
                                member.since = start;
                            } else if !held {
                                member.since = t;
                            }
                            true
                        }
                        None => false,
                    }
                }
                Policy::BestEffort { .. } => false,
            };
            if member.holds {
                free = free.without(entry.threads);
            }
        }
        free
    }

    /// Sorts, and brings those together who are too far apart: what a cell could not use long ago it does not get back at once at the others' cost. The order
    /// stays, and with it who is next. So virtual times stay small whatever happens.
    fn order(&mut self) {
        self.members.sort_unstable_by_key(|member| (member.virtual_time, member.cell));
        let (mut before, mut now) = (0, 0_u64);
        for member in &mut self.members {
            now += (member.virtual_time - before).min(self.patience);
            before = core::mem::replace(&mut member.virtual_time, now);
        }
    }

    /// Whether a cell that missed its turn because of windows could run now.
    fn is_overdue_one_able(&self, plan: &Plan, t: Instant, free: ThreadSet) -> bool {
        self.overdue != 0
            && self.members.iter().filter(|member| self.overdue & member.bit() != 0).any(|member| {
                let threads = plan.entries()[usize::from(member.entry)].threads;
                threads.is_within(free) && !self.is_stopped_soon(plan, t, threads)
            })
    }

    /// Best-effort gangs that ran and still fit go on. Returns what is left.
    fn keep(&mut self, plan: &Plan, mut free: ThreadSet, ran: u64) -> ThreadSet {
        for member in self.members.iter_mut().filter(|member| ran & member.bit() != 0) {
            let threads = plan.entries()[usize::from(member.entry)].threads;
            if threads.is_within(free) {
                member.holds = true;
                free = free.without(threads);
            }
        }
        free
    }

    /// Free hardware threads go to best-effort gangs that fit, the least virtual time first. In a `turn`, whom nothing but windows kept from running
    /// is overdue.
    fn fill(&mut self, plan: &Plan, t: Instant, mut free: ThreadSet, ran: u64, turn: bool) {
        let mut taken = ThreadSet::EMPTY;
        for place in 0..self.members.len() {
            let member = self.members[place];
            let entry = &plan.entries()[usize::from(member.entry)];
            if member.holds || !is_best_effort(entry) {
                continue;
            }
            let is_new = ran & member.bit() == 0;
            if entry.threads.is_within(free) && !(is_new && self.is_stopped_soon(plan, t, entry.threads)) {
                let member = &mut self.members[place];
                member.holds = true;
                if is_new {
                    member.since = t;
                }
                self.overdue &= !member.bit();
                free = free.without(entry.threads);
                taken = taken.union(entry.threads);
            } else if turn && !entry.threads.intersects(taken) {
                self.overdue |= member.bit();
            }
        }
    }

    /// Whether a window on one of these hardware threads starts within two leads.
    fn is_stopped_soon(&self, plan: &Plan, t: Instant, threads: ThreadSet) -> bool {
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

    fn next_boundary(&self, plan: &Plan, t: Instant) -> Option<Instant> {
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
        let turn = self.is_contested.then(|| Instant::from_nanos((t.as_nanos() / slice + 1).saturating_mul(slice)));
        windows.chain(turn).min()
    }

    /// The last start or end of a window up to `instant`.
    fn last_boundary(&self, plan: &Plan, instant: Instant) -> Instant {
        let last = |member: &Member| match plan.entries()[usize::from(member.entry)].policy {
            Policy::TimeTriggered { period, phase, length } => {
                let start = window_at(instant, period, phase, period)?;
                let end = start + length + plan.lead();
                Some(if end <= instant { end } else { start })
            }
            _ => None,
        };
        self.members.iter().filter_map(last).max().unwrap_or(self.at)
    }
}

/// Virtual time for a time.
fn charge(elapsed: u64, weight: u32) -> u64 {
    elapsed.saturating_mul(SCALE) / u64::from(weight)
}

/// Whether a window starts at `t`.
fn starts_at(policy: &Policy, t: Instant) -> bool {
    match *policy {
        Policy::TimeTriggered { period, phase, length } => window_at(t, period, phase, length) == Some(t),
        _ => false,
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

/// A cheap bijective hash (the finaliser of splitmix64).
fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}
