//! Who gets the hardware threads at a boundary, and when the next boundary is.

use super::{Component, rules};
use crate::threads::Bits;
use crate::window::{next_start, window_at};
use crate::{Instant, Plan, Policy, Span};

impl Component {
    /// Dedicated gangs and those in their windows hold their hardware threads, nobody else does.
    pub(super) fn place_windows<const C: usize, const W: usize>(&mut self, plan: &Plan<C, W>, t: Instant, held: u64) {
        self.holds = self.dedicated;
        for place in Bits(self.dedicated & !held) {
            self.begin(place, t, t);
        }
        for place in Bits(self.windows) {
            let bit = 1 << place;
            let Policy::TimeTriggered { period, phase, length } = self.policy(plan, place) else { continue };
            let Some(start) = window_at(t, period, phase, length + plan.lead()) else { continue };
            self.holds |= bit;
            // Each window is an activation. One that a plan finds in progress starts with the plan.
            if start == t || start > self.at {
                self.begin(place, start, t);
            } else if held & bit == 0 {
                self.begin(place, t, t);
            }
        }
    }

    fn begin(&mut self, place: u8, since: Instant, t: Instant) {
        let member = &mut self.members[usize::from(place)];
        member.since = since;
        member.began = t;
    }

    fn policy<const C: usize, const W: usize>(&self, plan: &Plan<C, W>, place: u8) -> Policy {
        plan.entries()[usize::from(self.members[usize::from(place)].entry)].policy
    }

    /// Free hardware threads go to reserves with work and budget that fit, the earliest deadline first (ties: the lowest cell id).
    pub(super) fn place_reserves<const C: usize, const W: usize>(&mut self, plan: &Plan<C, W>, t: Instant, held: u64) {
        let mut waiting = self.reserves & self.ready;
        while waiting != 0 {
            let key = |place: &u8| {
                let member = &self.members[usize::from(*place)];
                (member.account.deadline, member.cell)
            };
            let Some(place) = Bits(waiting).min_by_key(key) else { return };
            let bit = 1 << place;
            waiting &= !bit;
            let is_free = self.members[usize::from(place)].conflicts & self.holds == 0;
            let is_running = held & bit != 0;
            let Some(rules) = rules(plan, &self.members[usize::from(place)]) else { continue };
            let member = &mut self.members[usize::from(place)];
            if is_running {
                if member.account.left == 0 {
                    continue;
                }
                if is_free {
                    self.holds |= bit;
                } else {
                    member.account.refund(&rules, t.since(member.began));
                }
            } else if is_free && member.account.is_worth_a_start(&rules) && !self.is_stopped_soon(plan, t, place) {
                self.holds |= bit;
                self.begin(place, t, t);
            }
        }
    }

    /// Sorts, and brings those together who are too far apart: what a cell could not use long ago it does not get back at once at the others' cost. The order
    /// stays, and with it who is next. So virtual times stay small whatever happens.
    pub(super) fn order(&mut self) {
        let members = &mut self.members;
        // Nearly in order from the last time.
        for end in 1..self.order.len() {
            let key = |place: u8| (members[usize::from(place)].virtual_time, members[usize::from(place)].cell);
            let mut place = end;
            while place > 0 && key(self.order[place - 1]) > key(self.order[place]) {
                self.order.swap(place - 1, place);
                place -= 1;
            }
        }
        let (mut before, mut now) = (0, 0_u64);
        for place in &self.order {
            let member = &mut members[usize::from(*place)];
            now += (member.virtual_time - before).min(self.patience);
            before = core::mem::replace(&mut member.virtual_time, now);
        }
    }

    /// What is left goes to best-effort gangs. Those that ran go on if they fit, unless it is a turn; then come those that fit, the least virtual time first. In a turn,
    /// whom nothing but windows and reserves kept from running is overdue.
    pub(super) fn place_shares<const C: usize, const W: usize>(
        &mut self,
        plan: &Plan<C, W>,
        t: Instant,
        held: u64,
        afresh: bool,
    ) {
        let able = self.shares & self.ready;
        let is_contested = able & self.heard != 0;
        let is_slice = t.as_nanos().is_multiple_of(plan.slice().as_nanos());
        let turn = afresh || is_contested && (is_slice || self.is_overdue_one_able(plan, t));
        if turn {
            self.overdue = 0;
        } else {
            for place in Bits(able & held) {
                if self.members[usize::from(place)].conflicts & self.holds == 0 {
                    self.holds |= 1 << place;
                }
            }
        }
        for number in 0..self.order.len() {
            let place = self.order[number];
            let bit = 1 << place;
            if able & bit == 0 || self.holds & bit != 0 {
                continue;
            }
            let is_running = held & bit != 0;
            let conflicts = self.members[usize::from(place)].conflicts;
            if conflicts & self.holds == 0 && (is_running || !self.is_stopped_soon(plan, t, place)) {
                self.holds |= bit;
                self.overdue &= !bit;
                if !is_running {
                    self.begin(place, t, t);
                }
            } else if turn && conflicts & self.holds & self.shares == 0 {
                self.overdue |= bit;
            }
        }
    }

    /// Whether a cell that missed its turn because of others' windows or budgets could run now.
    fn is_overdue_one_able<const C: usize, const W: usize>(&self, plan: &Plan<C, W>, t: Instant) -> bool {
        Bits(self.overdue & self.ready).any(|place| {
            self.members[usize::from(place)].conflicts & self.holds == 0 && !self.is_stopped_soon(plan, t, place)
        })
    }

    /// Whether a window on a member's hardware threads starts within two leads.
    fn is_stopped_soon<const C: usize, const W: usize>(&self, plan: &Plan<C, W>, t: Instant, place: u8) -> bool {
        let soon = t + plan.lead().times(2);
        Bits(self.members[usize::from(place)].conflicts & self.windows).any(|window| match self.policy(plan, window) {
            Policy::TimeTriggered { period, phase, .. } => next_start(t, period, phase) < soon,
            _ => false,
        })
    }

    pub(super) fn next_boundary<const C: usize, const W: usize>(
        &self,
        plan: &Plan<C, W>,
        t: Instant,
    ) -> Option<Instant> {
        let mut next = Instant::NEVER;
        for place in Bits(self.windows) {
            let Policy::TimeTriggered { period, phase, length } = self.policy(plan, place) else { continue };
            next = next.min(match window_at(t, period, phase, length + plan.lead()) {
                Some(start) => start + length + plan.lead(),
                None => next_start(t, period, phase),
            });
        }
        if self.is_lost {
            return Some(next).filter(|next| *next != Instant::NEVER);
        }
        for place in Bits(self.reserves & self.ready) {
            let member = &self.members[usize::from(place)];
            next = next.min(member.account.deadline);
            if self.holds & 1 << place != 0 {
                next = next.min(t + Span::from_nanos(member.account.left));
            }
        }
        for place in Bits(self.heard) {
            let member = &self.members[usize::from(place)];
            next = next.min(member.wakes.min(member.news_at).max(t + Span::from_nanos(1)));
        }
        let contenders = self.shares & self.ready & self.heard;
        if contenders.count_ones() > 1 {
            let slice = plan.slice().as_nanos();
            next = next.min(Instant::from_nanos((t.as_nanos() / slice + 1).saturating_mul(slice)));
        }
        Some(next).filter(|next| *next != Instant::NEVER)
    }

    /// The last start or end of a window up to `instant`.
    pub(super) fn last_boundary<const C: usize, const W: usize>(&self, plan: &Plan<C, W>, instant: Instant) -> Instant {
        let last = |place: u8| match self.policy(plan, place) {
            Policy::TimeTriggered { period, phase, length } => {
                let start = window_at(instant, period, phase, period)?;
                let end = start + length + plan.lead();
                Some(if end <= instant { end } else { start })
            }
            _ => None,
        };
        Bits(self.windows).filter_map(last).max().unwrap_or(self.at)
    }
}
