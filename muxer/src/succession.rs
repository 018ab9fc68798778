//! How the state of a component goes over from plan to plan.

use crate::component::Component;
use crate::inputs::Inputs;
use crate::plan::is_best_effort;
use crate::threads::Bits;
use crate::window::window_at;
use crate::{CellId, Instant, Plan, Policy, Span, ThreadSet};

impl Component {
    /// The component of a hardware thread at the plan's effective instant, with no past but what cells said of themselves.
    pub(crate) fn new<const C: usize, const W: usize>(plan: &Plan<C, W>, thread: usize, inputs: &impl Inputs) -> Self {
        let mut component = Self::idle(plan, thread);
        component.open_all(plan, inputs);
        component.step(plan, plan.effective(), true, inputs);
        component
    }

    /// Finds out who has work when the plan begins, and starts the periods of reserves that have.
    fn open_all<const C: usize, const W: usize>(&mut self, plan: &Plan<C, W>, inputs: &impl Inputs) {
        let t = plan.effective();
        for place in Bits(self.heard()) {
            self.read_inputs(place, t, inputs);
        }
        for place in Bits(self.reserves()) {
            self.open(plan, place, t);
        }
    }

    /// Takes over what best-effort cells are owed.
    fn recall(&mut self, checkpoint: &Self) {
        for (member, before) in self.members.iter_mut().zip(&checkpoint.members) {
            member.virtual_time = before.virtual_time;
            member.missed = before.missed;
        }
        self.overdue = checkpoint.overdue;
    }

    /// The component of a hardware thread under the plan `new`, after what `self` was under the plan `old`. Every hardware thread of the new component
    /// decides alike how much of the past is kept, because that depends on the two plans only:
    ///
    /// - A component that the change does not touch does not notice it.
    /// - One that lies within an old one keeps who runs and who is owed time: all its hardware threads know of it. A best-effort cell that is new
    ///   starts level with the one that is owed most. If a reserve or a window is new, or has other rules, all reserves with work start a period.
    /// - One that joins hardware threads whose past is not known to all begins afresh.
    ///
    /// In each case a gang that goes on with the same hardware threads keeps its activation.
    pub(crate) fn succeed<const C: usize, const W: usize>(
        &mut self,
        old: &Plan<C, W>,
        new: &Plan<C, W>,
        thread: usize,
        inputs: &impl Inputs,
    ) -> Self {
        let t = new.effective();
        self.advance(old, t - Span::from_nanos(1), inputs);
        let is_known = new.component_threads(thread).is_within(old.component_threads(thread));
        if !is_known {
            let mut component = Self::new(new, thread, inputs);
            component.resume_all(self, old, new);
            return component;
        }
        let mut component = Self::idle(new, thread);
        // Who has decided about the new plan's time by the old one, or does not know the past, cannot go on from it.
        let is_lost = self.is_lost || self.at() >= t && old.effective() < t;
        if !is_lost && self.is_untouched(old, &component, new) {
            return self.renumbered(old, &component, new);
        }
        self.charge(old, t);
        component.inherit(self, old, new, inputs);
        component.step(new, t, false, inputs);
        component.is_stale |= self.is_stale;
        if is_lost {
            component.forget();
        }
        component.resume_all(self, old, new);
        component
    }

    /// Takes over from a state that all hardware threads know.
    fn inherit<const C: usize, const W: usize>(
        &mut self,
        past: &Self,
        old: &Plan<C, W>,
        new: &Plan<C, W>,
        inputs: &impl Inputs,
    ) {
        let t = new.effective();
        let mut owed_most: Option<u64> = None;
        let mut newcomers = 0_u64;
        let mut adds_load = false;
        for place in 0..self.members.len() as u8 {
            let bit = 1 << place;
            let cell = self.members[usize::from(place)].cell;
            let entry = &new.entries()[usize::from(self.members[usize::from(place)].entry)];
            let before = (0..past.members.len() as u8).find(|before| past.members[usize::from(*before)].cell == cell);
            let was_heard = before.filter(|before| past.heard() & 1 << before != 0);
            match was_heard {
                Some(before) if self.heard() & bit != 0 => self.inherit_inputs(place, past, before),
                _ if self.heard() & bit != 0 => self.read_inputs(place, t, inputs),
                _ => {}
            }
            let is_load = matches!(entry.policy, Policy::EventTriggered { .. } | Policy::TimeTriggered { .. });
            let Some(before) = before else {
                adds_load |= is_load;
                newcomers |= bit;
                continue;
            };
            let old_member = past.members[usize::from(before)];
            let former = &old.entries()[usize::from(old_member.entry)];
            adds_load |= is_load && (former != entry || old.lead() != new.lead());
            if past.holds & 1 << before != 0 && former.threads == entry.threads {
                self.holds |= bit;
                self.members[usize::from(place)].keep_activation(&old_member);
            }
            let keeps_account = old.lead() == new.lead()
                && matches!((former.policy, entry.policy), (Policy::EventTriggered { .. }, other) if other == former.policy);
            if keeps_account {
                self.members[usize::from(place)].account = old_member.account;
                // The present period was promised by the old plan, which no longer holds: it is not counted if it falls short.
                self.members[usize::from(place)].missed = old_member.missed;
            } else if is_best_effort(former) && is_best_effort(entry) {
                self.members[usize::from(place)].virtual_time = old_member.virtual_time;
                owed_most = Some(owed_most.map_or(old_member.virtual_time, |most| most.min(old_member.virtual_time)));
                if past.overdue & 1 << before != 0 {
                    self.overdue |= bit;
                }
            } else {
                newcomers |= bit;
            }
        }
        for place in Bits(newcomers) {
            self.members[usize::from(place)].virtual_time = owed_most.unwrap_or(0);
            self.open(new, place, t);
        }
        // Who left may have had more than its rate until now. If somebody takes its place, the others cannot be sure of budgets with deadlines from before: all periods
        // begin together, as admission has it.
        for place in Bits(if adds_load { self.reserves() } else { 0 }) {
            self.open(new, place, t);
        }
    }

    /// Whether a component has the same cells under both plans, and the same rules.
    fn is_untouched<const C: usize, const W: usize>(&self, old: &Plan<C, W>, after: &Self, new: &Plan<C, W>) -> bool {
        old.slice() == new.slice()
            && old.lead() == new.lead()
            && self.members.len() == after.members.len()
            && after.members.iter().all(|member| {
                let entry = &new.entries()[usize::from(member.entry)];
                self.members.iter().any(|before| old.entries()[usize::from(before.entry)] == *entry)
            })
    }

    /// The same, with the numbers that the new plan gives its entries, and in their order.
    fn renumbered<const C: usize, const W: usize>(&self, old: &Plan<C, W>, after: &Self, new: &Plan<C, W>) -> Self {
        let mut component = self.clone();
        let mut map = [0_u8; crate::plan::MAX_CELLS];
        let mut moves = false;
        for (from, member) in self.members.iter().enumerate() {
            let entry = &old.entries()[usize::from(member.entry)];
            let is_it = |other: &crate::component::Member| new.entries()[usize::from(other.entry)] == *entry;
            let to = after.members.iter().position(is_it).unwrap_or(from);
            map[from] = to as u8;
            moves |= from != to;
            component.members[from].entry = after.members.get(to).map_or(member.entry, |other| other.entry);
        }
        if moves {
            component.permute(&map, after);
        }
        component
    }

    /// Whoever held its hardware threads before goes on with its activation, where it still has the same.
    fn resume_all<const C: usize, const W: usize>(&mut self, past: &Self, old: &Plan<C, W>, new: &Plan<C, W>) {
        for place in Bits(past.holds) {
            let Some(before) = past.members.get(usize::from(place)) else { continue };
            let threads = old.entries()[usize::from(before.entry)].threads;
            self.resume(new, before.cell, before.since, Some(threads));
        }
    }

    /// A gang that holds its hardware threads has done so since `since`, before this plan: it is no new activation unless a window starts now.
    pub(crate) fn resume<const C: usize, const W: usize>(
        &mut self,
        plan: &Plan<C, W>,
        cell: CellId,
        since: Instant,
        threads: Option<ThreadSet<W>>,
    ) {
        let at = self.at();
        for place in Bits(self.holds) {
            let member = &mut self.members[usize::from(place)];
            let entry = &plan.entries()[usize::from(member.entry)];
            let is_it = member.cell == cell && threads.is_none_or(|threads| threads == entry.threads);
            if is_it && !starts_at(&entry.policy, at) {
                member.since = since;
            }
        }
    }

    /// The state from which all hardware threads of the component go on at the effective instant of a plan that repairs it. Who has work is known from what cells said
    /// of themselves, and all reserves that have start a period: nobody knows who got what since the checkpoint, whose state may have been the wrong one
    /// besides. All that is taken from it is what best-effort cells are owed. `self` is what this hardware thread believed; windows and dedicated cells, of which it was
    /// right, keep their activations.
    pub(crate) fn repaired<const C: usize, const W: usize>(
        &mut self,
        old: &Plan<C, W>,
        new: &Plan<C, W>,
        thread: usize,
        checkpoint: Option<&Self>,
        inputs: &impl Inputs,
    ) -> Self {
        self.advance(old, new.effective() - Span::from_nanos(1), inputs);
        let mut component = Self::idle(new, thread);
        component.open_all(new, inputs);
        if let Some(checkpoint) = checkpoint.filter(|checkpoint| self.is_untouched(old, checkpoint, old)) {
            component.recall(checkpoint);
        }
        component.step(new, new.effective(), true, inputs);
        for place in Bits(self.holds) {
            let Some(before) = self.members.get(usize::from(place)) else { continue };
            let entry = &old.entries()[usize::from(before.entry)];
            if matches!(entry.policy, Policy::Dedicated | Policy::TimeTriggered { .. }) {
                component.resume(new, before.cell, before.since, Some(entry.threads));
            }
        }
        component
    }
}

/// Whether a window starts at `t`.
fn starts_at(policy: &Policy, t: Instant) -> bool {
    match *policy {
        Policy::TimeTriggered { period, phase, length } => window_at(t, period, phase, length) == Some(t),
        _ => false,
    }
}
