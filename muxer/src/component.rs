//! The replicated part of a decision: all cells that share hardware threads with each other, directly or through others, at a boundary.
//!
//! Whatever is in a [`Component`] must be the same on each of its hardware threads (but for activations that began under an earlier plan, which sway no
//! decision). It moves from boundary to boundary, by nothing but the plan, the inputs and itself.

mod placing;

use heapless::Vec;

use crate::inputs::{Found, Inputs, News};
use crate::plan::MAX_CELLS;
use crate::reserve::{Account, Rules};
use crate::threads::Bits;
use crate::{CellId, Instant, Plan, Policy, Run, Span};

/// Virtual time per nanosecond at weight 1, so that dividing by the weight loses little.
const SCALE: u64 = 1_024;

/// Slices of the lightest cell by which a cell may be behind the next one; see [`Component::order`].
const PATIENCE: u64 = 4;

/// How many boundaries a late replica makes up for in one decision, before it gives up and asks for a repair.
pub(crate) const CATCH_UP: usize = 256;

/// A cell of the component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Member {
    pub(crate) cell: CellId,
    /// Its number in the plan.
    pub(crate) entry: u16,
    /// Periods in which a reserve that had work all the time did not get its budget.
    pub(crate) missed: u32,
    /// The members, a bit each, that share hardware threads with this one.
    conflicts: u64,
    /// Its activation.
    pub(crate) since: Instant,
    /// Since when it holds its hardware threads, as far as all replicas know.
    began: Instant,
    /// A reserve's account.
    pub(crate) account: Account,
    /// A best-effort cell's time, divided by its weight.
    pub(crate) virtual_time: u64,
    /// While it is idle: when it wakes by itself.
    pub(crate) wakes: Instant,
    /// The next input to read.
    cursor: u64,
    /// The input that was read and has not taken effect: when it does ([`Instant::NEVER`]: there is none), and until when the cell is idle then (zero: it wakes).
    news_at: Instant,
    idle_until: Instant,
}

/// The component at a boundary. Sets of members have a bit each, by place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Component {
    /// By place.
    pub(crate) members: Vec<Member, MAX_CELLS>,
    /// Best-effort members, by (virtual time, cell).
    order: Vec<u8, MAX_CELLS>,
    dedicated: u64,
    windows: u64,
    reserves: u64,
    shares: u64,
    /// Those whose inputs matter.
    heard: u64,
    /// Those that run, or hold their hardware threads for the lead after their window or budget.
    pub(crate) holds: u64,
    /// Those that have work.
    pub(crate) ready: u64,
    /// Reserves that have had work for all of their period.
    whole: u64,
    /// Best-effort cells whose turn it was when others held their hardware threads.
    pub(crate) overdue: u64,
    /// The most virtual time by which a cell is kept behind the next one.
    patience: u64,
    /// The boundary.
    at: Instant,
    /// The boundary after it.
    next: Option<Instant>,
    digest: u64,
    /// The slice of the timebase that the last boundary was in, and the digest before it.
    audit: (u64, u64),
    /// It missed too much to know what best-effort cells and reserves are owed: those do not run here.
    pub(crate) is_lost: bool,
    /// It learnt of an input after that had taken effect: others may have decided otherwise.
    pub(crate) is_stale: bool,
}

impl Component {
    /// Before its first step, with all best-effort cells level and all reserves in their first period.
    pub(crate) fn idle<const C: usize, const W: usize>(plan: &Plan<C, W>, thread: usize) -> Self {
        let mut component = Self {
            members: Vec::new(),
            order: Vec::new(),
            dedicated: 0,
            windows: 0,
            reserves: 0,
            shares: 0,
            heard: 0,
            holds: 0,
            ready: 0,
            whole: 0,
            overdue: 0,
            patience: 0,
            at: plan.effective(),
            next: None,
            digest: plan.number(),
            audit: (0, 0),
            is_lost: false,
            is_stale: false,
        };
        for index in plan.component_of(thread) {
            let entry = &plan.entries()[index];
            let place = component.members.len() as u8;
            let bit = 1 << place;
            match entry.policy {
                Policy::Dedicated => component.dedicated |= bit,
                Policy::TimeTriggered { .. } => component.windows |= bit,
                Policy::EventTriggered { .. } => component.reserves |= bit,
                Policy::BestEffort { weight } => {
                    component.shares |= bit;
                    let _ = component.order.push(place);
                    let slices = charge(plan.slice().as_nanos(), weight).saturating_mul(PATIENCE);
                    component.patience = component.patience.max(slices);
                }
            }
            if plan.hears_entry(index) {
                component.heard |= bit;
            }
            let _ = component.members.push(Member {
                cell: entry.cell,
                entry: index as u16,
                missed: 0,
                conflicts: plan.place(index).conflicts,
                since: Instant::default(),
                began: Instant::default(),
                account: Account::default(),
                virtual_time: 0,
                wakes: Instant::NEVER,
                cursor: 0,
                news_at: Instant::NEVER,
                idle_until: Instant::default(),
            });
        }
        component.ready = component.shares | component.reserves;
        component
    }

    /// Becomes what `other` is. (A clone would be made elsewhere and then copied.)
    pub(crate) fn copy(&mut self, other: &Self) {
        // Both have the same capacity.
        self.members.clear();
        let _ = self.members.extend_from_slice(&other.members);
        self.order.clear();
        let _ = self.order.extend_from_slice(&other.order);
        let Self { members: _, order: _, dedicated, windows, reserves, shares, heard, holds, ready, whole, .. } =
            *other;
        (self.dedicated, self.windows, self.reserves, self.shares, self.heard) =
            (dedicated, windows, reserves, shares, heard);
        (self.holds, self.ready, self.whole, self.overdue) = (holds, ready, whole, other.overdue);
        self.patience = other.patience;
        (self.at, self.next) = (other.at, other.next);
        (self.digest, self.audit) = (other.digest, other.audit);
        (self.is_lost, self.is_stale) = (other.is_lost, other.is_stale);
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

    /// The number of the present slice and the fingerprint of all before it; none where decisions depend on nothing before.
    pub(crate) fn audit(&self) -> Option<(u64, u64)> {
        (self.remembers() && self.audit.0 != 0).then_some(self.audit)
    }

    /// Whether decisions depend on earlier ones. Windows alone do not.
    fn remembers(&self) -> bool {
        self.has_past() && !self.is_lost
    }

    /// Whether it has best-effort cells or reserves.
    pub(crate) fn has_past(&self) -> bool {
        self.shares | self.reserves != 0
    }

    /// Whether it has read an input that takes effect before an instant and has not taken it into account: there may be more of the same cell.
    pub(crate) fn awaits_before(&self, instant: Instant) -> bool {
        Bits(self.heard).any(|place| self.members[usize::from(place)].news_at < instant)
    }

    /// What runs on a hardware thread, of whose members `here` has the bits.
    pub(crate) fn occupant(&self, here: u64) -> Option<Run> {
        let holder = Bits(self.holds & here).next()?;
        let member = self.members.get(usize::from(holder))?;
        Some(Run { cell: member.cell, since: member.since })
    }

    /// Reads inputs that were published since. Returns whether one came that changes what was known to come, and notes if one comes too late.
    pub(crate) fn listen(&mut self, inputs: &impl Inputs) -> bool {
        let mut is_new = false;
        for place in Bits(self.heard) {
            if self.listen_to(place, inputs) {
                is_new = true;
                self.is_stale |= self.members[usize::from(place)].news_at <= self.at;
            }
            if self.is_lost {
                return true;
            }
        }
        is_new
    }

    /// Reads the next input of one member. It may have taken effect: the caller sees to that.
    fn listen_to(&mut self, place: u8, inputs: &impl Inputs) -> bool {
        let member = &mut self.members[usize::from(place)];
        if member.news_at != Instant::NEVER {
            return false;
        }
        match inputs.read(member.cell, member.cursor) {
            Found::Nothing => false,
            Found::Lost => {
                self.forget();
                true
            }
            Found::Input(input) => {
                member.news_at = input.effect;
                member.idle_until = match input.news {
                    News::Wake => Instant::default(),
                    News::Idle { until } => until.max(Instant::from_nanos(1)),
                };
                let effect = input.effect.max(self.at + Span::from_nanos(1));
                self.next = Some(self.next.map_or(effect, |next| next.min(effect)));
                true
            }
        }
    }

    /// Gives up on what depends on the past. Dedicated cells and windows do not.
    pub(crate) fn forget(&mut self) {
        self.is_lost = true;
        self.holds &= self.dedicated | self.windows;
        self.ready = 0;
        self.heard = 0;
        self.overdue = 0;
        self.digest = 0;
        // Windows are placed anew, from the boundary after this one.
        self.next = Some(self.at + Span::from_nanos(1));
    }

    /// Moves through all boundaries to `instant`, or gives up if there are too many. Windows alone depend on nothing before: their boundaries are skipped but
    /// for the last one.
    pub(crate) fn advance<const C: usize, const W: usize>(
        &mut self,
        plan: &Plan<C, W>,
        instant: Instant,
        inputs: &impl Inputs,
    ) {
        let mut steps = 0;
        while let Some(next) = self.next.filter(|next| *next <= instant) {
            let skips = !self.remembers();
            let boundary = if skips { self.last_boundary(plan, instant).max(next) } else { next };
            self.step(plan, boundary, false, inputs);
            steps += 1;
            if steps == CATCH_UP && !self.is_lost {
                self.forget();
            }
        }
    }

    /// Moves to the next boundary, if there is one.
    pub(crate) fn advance_once<const C: usize, const W: usize>(
        &mut self,
        plan: &Plan<C, W>,
        inputs: &impl Inputs,
    ) -> bool {
        let Some(next) = self.next else { return false };
        self.step(plan, next, false, inputs);
        true
    }

    /// Moves the state to the boundary `t`: time is charged, inputs take effect, budgets are renewed; then hardware threads go to dedicated cells and
    /// windows, to reserves, and to best-effort cells. These are picked anew `afresh`, at slice boundaries, and when an overdue one can run.
    pub(crate) fn step<const C: usize, const W: usize>(
        &mut self,
        plan: &Plan<C, W>,
        t: Instant,
        afresh: bool,
        inputs: &impl Inputs,
    ) {
        let slice = t.as_nanos() / plan.slice().as_nanos();
        if slice != self.audit.0 {
            self.audit = (slice, self.digest);
        }
        let held = self.holds;
        self.charge(plan, t);
        self.hear(plan, t, inputs);
        self.renew(plan, t);
        self.place_windows(plan, t, held);
        if !self.is_lost {
            self.place_reserves(plan, t, held);
            self.order();
            self.place_shares(plan, t, held, afresh);
        }
        self.at = t;
        self.next = self.next_boundary(plan, t);
        let past = if self.remembers() { self.digest } else { plan.number() };
        self.digest = mix(past ^ mix(t.as_nanos()) ^ self.holds ^ self.ready.rotate_left(32));
    }

    /// Charges gangs for the time up to `t`.
    pub(crate) fn charge<const C: usize, const W: usize>(&mut self, plan: &Plan<C, W>, t: Instant) {
        let elapsed = t.since(self.at);
        for place in Bits(self.holds & (self.shares | self.reserves)) {
            let member = &mut self.members[usize::from(place)];
            match plan.entries()[usize::from(member.entry)].policy {
                Policy::BestEffort { weight } => {
                    let charge = charge(elapsed.as_nanos(), weight);
                    member.virtual_time = member.virtual_time.saturating_add(charge);
                }
                _ => member.account.charge(elapsed),
            }
        }
    }

    /// Lets inputs take effect, and wakes whose time has come.
    fn hear<const C: usize, const W: usize>(&mut self, plan: &Plan<C, W>, t: Instant, inputs: &impl Inputs) {
        for place in Bits(self.heard) {
            // No other member's: one that comes into sight now may be of a member that had its turn in this step. Left unread, it is found to be new later, and a
            // state ahead that passed it is dropped.
            self.listen_to(place, inputs);
            // A replica that is not late finds one input at a time; a log holds no more than this.
            for _ in 0..crate::inputs::LOG_ENTRIES {
                if self.is_lost {
                    return;
                }
                let member = &mut self.members[usize::from(place)];
                let due = member.news_at.min(member.wakes);
                if due > t {
                    break;
                }
                if member.wakes <= member.news_at {
                    self.wake(plan, place, t);
                    continue;
                }
                self.is_stale |= member.news_at < t;
                member.news_at = Instant::NEVER;
                member.cursor += 1;
                if member.idle_until == Instant::default() {
                    self.wake(plan, place, t);
                } else {
                    member.wakes = member.idle_until;
                    self.ready &= !(1 << place);
                    self.whole &= !(1 << place);
                }
                self.listen_to(place, inputs);
            }
        }
    }

    /// A cell has work again.
    fn wake<const C: usize, const W: usize>(&mut self, plan: &Plan<C, W>, place: u8, t: Instant) {
        let bit = 1 << place;
        let least = self.least_virtual_time();
        let member = &mut self.members[usize::from(place)];
        member.wakes = Instant::NEVER;
        if self.ready & bit != 0 {
            return;
        }
        self.ready |= bit;
        match rules(plan, member) {
            Some(rules) => {
                if member.account.wake(&rules, t) {
                    self.whole |= bit;
                }
            }
            // What it did not use it does not get later.
            None => member.virtual_time = member.virtual_time.max(least.unwrap_or(0)),
        }
    }

    /// The virtual time of the best-effort cell with work that is owed most.
    fn least_virtual_time(&self) -> Option<u64> {
        Bits(self.ready & self.shares).map(|place| self.members[usize::from(place)].virtual_time).min()
    }

    /// Starts a reserve's first period.
    pub(crate) fn open<const C: usize, const W: usize>(&mut self, plan: &Plan<C, W>, place: u8, t: Instant) {
        let member = &mut self.members[usize::from(place)];
        if let Some(rules) = rules(plan, member).filter(|_| self.ready & 1 << place != 0) {
            member.account = rules.fresh(t);
            self.whole |= 1 << place;
        }
    }

    /// Renews the budgets of reserves with work at their deadlines.
    fn renew<const C: usize, const W: usize>(&mut self, plan: &Plan<C, W>, t: Instant) {
        for place in Bits(self.reserves & self.ready) {
            let bit = 1 << place;
            let member = &mut self.members[usize::from(place)];
            let Some(rules) = rules(plan, member).filter(|_| member.account.deadline <= t) else { continue };
            if self.whole & bit != 0 && member.account.is_worth_a_start(&rules) {
                member.missed = member.missed.saturating_add(1);
            }
            member.account.renew(&rules, t);
            self.whole |= bit;
        }
    }

    /// Takes over what another state knows of a cell's inputs.
    pub(crate) fn inherit_inputs(&mut self, place: u8, other: &Self, from: u8) {
        let before = other.members[usize::from(from)];
        let member = &mut self.members[usize::from(place)];
        member.wakes = before.wakes;
        member.cursor = before.cursor;
        member.news_at = before.news_at;
        member.idle_until = before.idle_until;
        if other.ready & 1 << from == 0 {
            self.ready &= !(1 << place);
        }
    }

    /// Finds out from a cell's inputs whether it has work at `t`: from those that took effect by then, which all muxers can see.
    pub(crate) fn read_inputs(&mut self, place: u8, t: Instant, inputs: &impl Inputs) {
        let member = &mut self.members[usize::from(place)];
        let mut position = inputs.end(member.cell);
        while let Some(last) = position.checked_sub(1) {
            match inputs.read(member.cell, last) {
                Found::Input(input) if input.effect > t => position = last,
                Found::Input(input) => {
                    if let News::Idle { until } = input.news
                        && until > t
                    {
                        member.wakes = until;
                        self.ready &= !(1 << place);
                    }
                    break;
                }
                Found::Nothing | Found::Lost => break,
            }
        }
        member.cursor = position;
    }

    /// Which members are heard, by place.
    pub(crate) fn heard(&self) -> u64 {
        self.heard
    }

    /// Which members have a reserve, by place.
    pub(crate) fn reserves(&self) -> u64 {
        self.reserves
    }

    /// Gives each member the place that `map` says; `after` has them there.
    pub(crate) fn permute(&mut self, map: &[u8], after: &Self) {
        let moved = |bits: u64| Bits(bits).fold(0, |moved, place| moved | 1 << map[usize::from(place)]);
        let before = self.members.clone();
        for (from, member) in before.iter().enumerate() {
            let to = usize::from(map[from]);
            self.members[to] = Member { conflicts: after.members[to].conflicts, ..*member };
        }
        for place in &mut self.order {
            *place = map[usize::from(*place)];
        }
        self.dedicated = moved(self.dedicated);
        self.windows = moved(self.windows);
        self.reserves = moved(self.reserves);
        self.shares = moved(self.shares);
        self.heard = moved(self.heard);
        self.holds = moved(self.holds);
        self.ready = moved(self.ready);
        self.whole = moved(self.whole);
        self.overdue = moved(self.overdue);
    }
}

impl Member {
    /// Goes on with the activation that it had under the plan before.
    pub(crate) fn keep_activation(&mut self, before: &Self) {
        self.since = before.since;
        self.began = before.began;
    }
}

/// The rules of a member that has a reserve.
fn rules<const C: usize, const W: usize>(plan: &Plan<C, W>, member: &Member) -> Option<Rules> {
    match plan.entries()[usize::from(member.entry)].policy {
        Policy::EventTriggered { period, budget } => Some(Rules { budget, period, lead: plan.lead() }),
        _ => None,
    }
}

/// Virtual time for a time.
fn charge(elapsed: u64, weight: u32) -> u64 {
    elapsed.saturating_mul(SCALE) / u64::from(weight)
}

/// A cheap bijective hash (the finaliser of splitmix64).
fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}
