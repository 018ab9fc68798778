//! The kernel's side: publishing inputs and plans, telling, looking, arming. What tess-kernel's `muxing`, `inputs` and `plans` do, without registers.

use muxer::inputs::{Advice, Reporter, Situation};
use muxer::{Decision, Instant, Repair};

use super::config::{Config, Fault, INTERRUPT, LEAD, TICK, at, ticks};
use super::happenings::Happening;
use super::replicas::{Answer, Desk, Glimpse, Published, Sight};
use super::state::{Disturbance, Rule, State, Stretch, Subject, Telling};

/// How many fingerprints a hardware thread leaves for others to compare.
const AUDITS: usize = 2;

/// How a hardware thread looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// What comes into sight while it looks.
    pub(crate) glimpse: Option<Glimpse>,
    /// How many boundaries ahead it searches for the next change.
    pub(crate) boundaries: usize,
    /// It decides at least once, even without a reason.
    pub(crate) is_forced: bool,
}

impl Look {
    /// An ordinary one.
    pub(crate) fn new(boundaries: usize) -> Self {
        Self { glimpse: None, boundaries, is_forced: false }
    }
}

/// A machine, and the answers of its replicas so far.
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) cells: Vec<muxer::CellId>,
    pub(crate) desk: Desk,
    /// What must happen somewhere.
    pub(crate) happenings: Vec<Happening>,
    /// When the check began, by the wall clock.
    pub(crate) began: std::time::Instant,
}

impl World {
    pub(crate) fn new(config: Config, happenings: &[Happening]) -> Self {
        let cells = config.cells();
        let began = std::time::Instant::now();
        Self { cells, config, desk: Desk::default(), happenings: happenings.to_vec(), began }
    }

    /// What a hardware thread's clock shows.
    pub(crate) fn clock(&self, state: &State, thread: usize) -> Instant {
        at(state.now + self.config.skews[state.skew][thread])
    }

    /// When something changes on a hardware thread, as far as it knows.
    pub(crate) fn change(&self, state: &State, thread: usize) -> Instant {
        let until = state.threads[thread].until.unwrap_or(Instant::NEVER);
        until.min(state.pending(thread).unwrap_or(Instant::NEVER))
    }

    /// Whether a hardware thread has a reason to look.
    pub(crate) fn has_reason(&self, state: &State, thread: usize) -> bool {
        let (now, thread_state) = (self.clock(state, thread), &state.threads[thread]);
        let is_due = now + ticks(LEAD) >= self.change(state, thread);
        let asks_again = thread_state.asks_again.is_some_and(|again| again <= now);
        is_due || asks_again || thread_state.poked || thread_state.interrupt.is_some()
    }

    /// Whether a tick may pass: everything that is to happen within a bound still can.
    pub(crate) fn may_tick(&self, state: &State) -> bool {
        let next = state.now + 1;
        let late = if let Some(Fault::SlowTimer(late)) = self.config.fault { late } else { 0 };
        (0..self.config.threads).all(|number| {
            let thread = &state.threads[number];
            let is_told = thread.telling.as_ref().is_none_or(|telling| {
                let stall = self.config.stall.filter(|_| telling.stalled.is_some()).map_or(0, |stall| stall.by);
                next <= telling.since + self.config.visible + stall
            });
            let clock = self.clock(state, number) + ticks(1);
            let timer = thread.sleeps_until.min(thread.asks_again.unwrap_or(Instant::NEVER));
            let is_asleep = clock <= timer + ticks(INTERRUPT + late);
            is_told && is_asleep && thread.interrupt.is_none_or(|sent| next <= sent + INTERRUPT)
        })
    }

    /// Whether a hardware thread may begin to publish: it will be done before anything is due here.
    pub(crate) fn may_publish(&self, state: &State, thread: usize) -> bool {
        state.threads[thread].telling.is_none()
            && self.clock(state, thread) + ticks(self.config.visible) <= self.change(state, thread)
    }

    /// Whether a hardware thread may prepare for the next plan: it sees one, it has not, and there is time.
    pub(crate) fn may_prepare(&self, state: &State, thread: usize) -> bool {
        let is_prepared = state.threads[thread].replica.replica().is_prepared(state.latest().number());
        self.config.prepares && state.pending(thread).is_some() && !is_prepared
    }

    /// What the kernel would do now if a cell were busy, or idle.
    pub(crate) fn advice(&self, state: &State, thread: usize, cell: usize, situation: Situation) -> Advice {
        let mut reporter = Reporter::new();
        if let Some(last) = state.logs[cell].last() {
            reporter.published(*last);
        }
        let is_heard = state.followed(thread).plan.hears(self.cells[cell]);
        reporter.advise(self.clock(state, thread), situation, is_heard, &self.config.timing())
    }

    /// A hardware thread appends an input to a cell's log and begins to tell those who decide about the cell.
    pub(crate) fn publish_input(&self, state: &mut State, thread: usize, cell: usize, situation: Situation) {
        let Advice::Publish(input) = self.advice(state, thread, cell, situation) else { return };
        let id = self.cells[cell];
        let mut concerned = state.followed(thread).plan.concerned_by(id);
        if state.pending(thread).is_some() {
            concerned = concerned.union(state.latest().plan.concerned_by(id));
        }
        let position = state.logs[cell].len();
        state.logs[cell].push(input);
        state.threads[thread].visible[cell] = position + 1;
        state.left.inputs -= 1;
        self.tell(state, thread, Subject::Input(cell, position), input.effect, concerned.bits());
    }

    /// A hardware thread publishes the next of the configuration's plans.
    pub(crate) fn publish_change(&self, state: &mut State, thread: usize) {
        let shape = state.latest().shape + 1;
        self.publish_plan(state, thread, shape, None);
    }

    /// A hardware thread publishes the present plan again. Does nothing while a plan is on its way, or it is telling something else.
    pub(crate) fn repair(&self, state: &mut State, thread: usize, repair: Repair) -> bool {
        if !state.is_followed() || state.threads[thread].telling.is_some() {
            return false;
        }
        let shape = state.latest().shape;
        self.publish_plan(state, thread, shape, Some(repair));
        true
    }

    /// The repair that a hardware thread would ask for.
    pub(crate) fn own_repair(&self, state: &State, thread: usize) -> Repair {
        state.threads[thread].replica.replica().repair(&state.followed(thread).plan)
    }

    fn publish_plan(&self, state: &mut State, thread: usize, shape: usize, repair: Option<Repair>) {
        let number = state.latest().number() + 1;
        let effective = self.clock(state, thread) + self.config.plan_delay();
        let plan = self.desk.plan(&self.config, shape, number, effective);
        let published = Published::new(shape, plan, repair.map(|repair| (repair, &state.threads[thread].replica)));
        state.plans.push(published);
        state.threads[thread].knows = number;
        self.tell(state, thread, Subject::Plan, effective, u64::MAX);
    }

    fn tell(&self, state: &mut State, thread: usize, subject: Subject, effect: Instant, concerned: u64) {
        let rest = ((1 << self.config.threads) - 1) & !(1 << thread);
        let since = state.now;
        state.threads[thread].telling = Some(Telling { subject, effect, rest, concerned, since, stalled: None });
        if rest == 0 {
            self.told(state, thread);
        }
    }

    /// News reach the next hardware thread, in their publisher's order. From now on that one sees them; at the same moment the publisher looks how long it sleeps: either it
    /// sees there what the sleeper wrote last, or the sleeper, who looks for news after it wrote, finds these.
    pub(crate) fn reach(&self, state: &mut State, publisher: usize) {
        let Some(telling) = state.threads[publisher].telling.clone() else { return };
        let target = telling.rest.trailing_zeros() as usize;
        let is_concerned = telling.concerned & 1 << target != 0;
        self.see(state, target, telling.subject);
        let thread = &mut state.threads[target];
        if let (Subject::Input(..), true) = (telling.subject, is_concerned) {
            thread.poked = true;
        }
        let sleeps_past = self.config.timing().sleeps_past(thread.sleeps_until, telling.effect);
        if is_concerned && sleeps_past && self.config.fault != Some(Fault::NoInterrupts) {
            thread.interrupt = thread.interrupt.or(Some(state.now));
            if state.plans[0].number() == 1 && state.plans.len() == 1 && state.logs.iter().all(Vec::is_empty) {
                state.blame(Rule::Interrupts, target);
            }
        }
        if let Some(telling) = &mut state.threads[publisher].telling {
            telling.rest &= !(1 << target);
        }
        if telling.rest == 1 << target {
            self.told(state, publisher);
        }
    }

    /// A hardware thread sees what was published.
    fn see(&self, state: &mut State, thread: usize, subject: Subject) {
        let latest = state.latest().number();
        let thread = &mut state.threads[thread];
        match subject {
            Subject::Input(cell, position) => thread.visible[cell] = thread.visible[cell].max(position + 1),
            Subject::Plan => thread.knows = latest,
        }
    }

    /// A publisher has told all. It looks at the clock, and then what its own news mean to itself.
    fn told(&self, state: &mut State, thread: usize) {
        let Some(telling) = state.threads[thread].telling.take() else { return };
        let is_concerned = telling.concerned & 1 << thread != 0;
        self.arrived(state, &telling);
        if matches!(telling.subject, Subject::Input(..)) {
            state.threads[thread].poked |= is_concerned;
            let is_late = self.config.timing().is_late(self.clock(state, thread), telling.effect);
            if is_late && telling.stalled != Some(false) {
                let repair = if is_concerned {
                    self.own_repair(state, thread)
                } else {
                    Repair { threads: muxer::ThreadSet::from_bits(telling.concerned), checkpoint: None }
                };
                self.want_repair(state, thread, repair, false);
            }
        }
        if !state.threads[thread].is_busy() {
            self.look(state, thread, Look::new(self.config.boundaries[0]));
        }
    }

    /// Something late is there: its readers look at it within an interrupt's time, and at its effect at the latest.
    fn arrived(&self, state: &mut State, telling: &Telling) {
        let (now, error) = (state.now, self.config.clock_error());
        if let Some(disturbance) = state.disturbance.as_mut().filter(|_| telling.stalled.is_some()) {
            let seen = at(now + INTERRUPT + error + 1).max(telling.effect + ticks(1));
            disturbance.arrived = Some(now);
            disturbance.until = disturbance.until.max(Some(seen));
        }
    }

    /// A hardware thread has found that a repair is needed, or only that it may be. Neither must happen while all bounds are kept.
    fn want_repair(&self, state: &mut State, thread: usize, repair: Repair, is_needed: bool) {
        if state.disturbance.is_none() {
            state.blame(Rule::Trouble, thread);
            return;
        }
        if self.config.fault == Some(Fault::NoRepairs) {
            return;
        }
        let is_on_its_way = state.latest().repair.is_some() && state.threads[thread].follows != state.latest().number();
        let is_published = self.repair(state, thread, repair);
        let effective = state.latest().effective();
        let Some(disturbance) = &mut state.disturbance else { return };
        if is_published {
            disturbance.repairs += 1;
            disturbance.wants_repair = false;
            disturbance.until = disturbance.until.max(Some(effective));
        } else if is_needed && !is_on_its_way {
            disturbance.wants_repair = true;
        }
    }

    /// A hardware thread looks at the time, its plan and the logs, until nothing is due, and arms its timer.
    pub(crate) fn look(&self, state: &mut State, thread: usize, mut look: Look) {
        let now = self.clock(state, thread);
        loop {
            let change = self.change(state, thread);
            let is_due = now + ticks(LEAD) >= change;
            let is_poked = state.threads[thread].poked && self.config.fault != Some(Fault::NoPokes);
            state.threads[thread].poked = false;
            if !is_due && !is_poked && !look.is_forced {
                if state.threads[thread].asks_again.is_some() {
                    let repair = self.own_repair(state, thread);
                    self.want_repair(state, thread, repair, true);
                    state.threads[thread].asks_again = Some(now + ticks(self.config.delay));
                }
                // A repair that it published itself is a plan on its way.
                let change = self.change(state, thread);
                state.threads[thread].interrupt = None;
                state.threads[thread].sleeps_until =
                    if change == Instant::NEVER { change } else { change - ticks(LEAD) };
                return;
            }
            look.is_forced = false;
            let instant = if is_due { now.max(change) } else { now };
            if is_due && state.pending(thread).is_some_and(|effective| effective <= instant) {
                self.adopt(state, thread, &mut look.glimpse);
            }
            self.decide(state, thread, instant, &mut look);
        }
    }

    /// A hardware thread does what it can of going over to the plan that it sees coming.
    pub(crate) fn prepare(&self, state: &mut State, thread: usize) {
        let sight = Sight::new(&self.cells, &state.logs, &state.threads[thread].visible, None);
        let (replica, old, new) = (&state.threads[thread].replica, state.followed(thread), state.latest());
        let answer = self.desk.prepare(replica, old, new, &sight);
        self.take(state, thread, answer, &mut None);
    }

    fn adopt(&self, state: &mut State, thread: usize, glimpse: &mut Option<Glimpse>) {
        let number = state.latest().number();
        let sight = Sight::new(&self.cells, &state.logs, &state.threads[thread].visible, *glimpse);
        let (old, new) = (state.followed(thread), state.latest());
        let answer = self.desk.adopt(&state.threads[thread].replica, old, new, &sight);
        state.threads[thread].follows = number;
        self.take(state, thread, answer, glimpse);
    }

    /// Asks the replica, and for a repair if it is in trouble.
    pub(crate) fn decide(&self, state: &mut State, thread: usize, instant: Instant, look: &mut Look) {
        let asked = instant.max(state.threads[thread].asked);
        state.threads[thread].asked = asked;
        let sight = Sight::new(&self.cells, &state.logs, &state.threads[thread].visible, look.glimpse);
        let (replica, plan) = (&state.threads[thread].replica, state.followed(thread));
        let answer = self.desk.decide(replica, plan, asked, look.boundaries, &sight);
        let decision = answer.decision;
        self.take(state, thread, answer, &mut look.glimpse);
        let Some(decision) = decision else { return };
        self.follow(state, thread, asked, &decision);
        let differs = self.config.stall.is_some() && self.audit(state, thread);
        state.threads[thread].asks_again = decision.trouble.map(|_| asked);
        if differs || decision.trouble.is_some() {
            if let Some(disturbance) = &mut state.disturbance {
                disturbance.is_audited |= differs;
                disturbance.trouble = disturbance.trouble.or(decision.trouble);
            }
            let repair = self.own_repair(state, thread);
            self.want_repair(state, thread, repair, true);
        }
        self.compare(state, thread);
    }

    /// Notes a replica's answer, and what came into sight while it was asked.
    fn take(&self, state: &mut State, thread: usize, answer: Answer, glimpse: &mut Option<Glimpse>) {
        state.threads[thread].replica = answer.kept;
        if let Some(Glimpse { cell, after }) = *glimpse {
            if answer.accesses > after {
                state.threads[thread].visible[cell] += 1;
                *glimpse = None;
            } else {
                *glimpse = Some(Glimpse { cell, after: after - answer.accesses });
            }
        }
    }

    /// Carries out a decision.
    fn follow(&self, state: &mut State, thread: usize, from: Instant, decision: &Decision) {
        let thread = &mut state.threads[thread];
        thread.until = decision.until;
        let stretch = Stretch { from, number: thread.follows, run: decision.run };
        thread.trail.retain(|earlier| earlier.from < from);
        if thread.trail.last().is_none_or(|last| (last.number, last.run) != (stretch.number, stretch.run)) {
            thread.trail.push(stretch);
        }
    }

    /// Publishes a fingerprint of the slices before, and compares it with that of the next hardware thread of the component. True if they differ.
    fn audit(&self, state: &mut State, thread: usize) -> bool {
        let Some((slice, digest)) = state.threads[thread].replica.replica().audit() else { return false };
        let number = state.threads[thread].follows;
        let audits = &mut state.threads[thread].audits;
        if audits.contains(&(number, slice, digest)) {
            return false;
        }
        audits.retain(|(_, other, _)| *other != slice);
        audits.push((number, slice, digest));
        if audits.len() > AUDITS {
            audits.remove(0);
        }
        let component = state.followed(thread).plan.component_threads(thread);
        let next = component.iter().find(|other| *other > thread).or(component.iter().next()).unwrap_or(thread);
        let theirs = &state.threads[next].audits;
        theirs.iter().any(|(other, of, theirs)| (*other, *of) == (number, slice) && *theirs != digest)
    }

    /// A thing is late from now on.
    pub(crate) fn stall(&self, state: &mut State, publisher: usize, is_noticed: bool) {
        state.left.stalls -= 1;
        state.disturbance.get_or_insert_with(Disturbance::default);
        if let Some(telling) = &mut state.threads[publisher].telling {
            telling.stalled = Some(is_noticed);
        }
    }

    /// A tick passes. What happened in it is judged, and what no longer matters forgotten.
    pub(crate) fn tick(&self, state: &mut State) {
        self.judge(state);
        state.now += 1;
        for number in 0..self.config.threads {
            let clock = self.clock(state, number);
            let thread = &mut state.threads[number];
            if thread.asked <= clock {
                thread.asked = Instant::default();
            }
            let present = thread.trail.iter().rposition(|stretch| stretch.from.as_nanos() <= state.now * TICK);
            thread.trail.drain(..present.unwrap_or(0));
        }
        if state.is_followed() {
            // The one in force until now stays for another tick: what the next one changes is judged by it.
            let before = state.plans.iter().rposition(|plan| plan.effective() < at(state.now)).unwrap_or(0);
            state.plans.drain(..before);
            if state.plans.len() == 1 {
                state.plans[0].forget_repair();
            }
        }
    }
}
