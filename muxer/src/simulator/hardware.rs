//! A hardware thread's muxer: what tess-kernel's `muxing` does, without registers.

use std::boxed::Box;
use std::collections::VecDeque;
use std::rc::Rc;
use std::vec::Vec;

use crate::component::CATCH_UP;
use crate::inputs::{LOG_ENTRIES, Situation};
use crate::replica::LOOK_AHEAD;
use crate::simulator::clock::Clock;
use crate::simulator::execution::Time;
use crate::simulator::publishing::Publication;
use crate::simulator::random::Random;
use crate::simulator::report::Property;
use crate::simulator::scenario::Looks;
use crate::simulator::sight::Sight;
use crate::simulator::world::{Happening, World};
use crate::{CellId, Decision, Instant, Replica, Run, Trouble};

/// How many fingerprints a hardware thread leaves for others to compare.
const AUDITS: usize = 4;

/// The most reads of one cell's log in one decision: each boundary passed looks for news once, and each input that is found once more.
const MOST_READS: u64 = (CATCH_UP + LOOK_AHEAD + 2 * LOG_ENTRIES + 8) as u64;

/// How many instants that a late hardware thread passed are looked at one by one.
const MOST_REPLAYED: usize = 5_000;

/// A published fingerprint: of which plan and slice, and the fingerprint.
type Audit = (u64, u64, u64);

/// A hardware thread.
pub(super) struct Hardware<const W: usize> {
    pub(super) clock: Clock,
    pub(super) random: Random,
    pub(super) replica: Option<Box<Replica>>,
    /// The number of the plan that it follows; 0 before the first.
    pub(super) number: u64,
    pub(super) decision: Decision,
    /// The latest instant that the replica was asked about.
    asked: Instant,
    /// How often it was told of an input, and what that was when it decided last.
    pub(super) told: u64,
    answered: u64,
    pub(super) sleeps_until: Instant,
    /// Its audit differed from its neighbour's, and it has not asked for a repair.
    differs: bool,
    trouble: Option<Trouble>,
    fingerprint: Option<Audit>,
    audits: [Option<Audit>; AUDITS],
    pub(super) in_kernel: bool,
    /// The number of its timer's last setting.
    pub(super) armed: u64,
    /// What is loaded, and whether it only waits for its instant.
    running: Option<Run>,
    starting: bool,
    pub(super) publication: Option<Publication<W>>,
    /// Cells of which it is to report.
    pub(super) reports: VecDeque<CellId>,
    pub(super) stolen_until: u64,
    /// Whether some of its time was stolen since the last decision.
    pub(super) was_stolen: bool,
    /// Inputs about whose effects it has not decided.
    pub(super) news: Vec<News>,
}

/// An input that concerns a hardware thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    pub(super) effect: Instant,
    pub(super) cell: CellId,
    /// Its position; none: it is not stored.
    pub(super) position: Option<u64>,
}

impl<const W: usize> Hardware<W> {
    pub(super) fn new(clock: Clock, random: Random) -> Self {
        Self {
            clock,
            random,
            replica: None,
            number: 0,
            decision: Decision { run: None, until: None, boundary: None, trouble: None },
            asked: Instant::default(),
            told: 0,
            answered: 0,
            sleeps_until: Instant::default(),
            differs: false,
            trouble: None,
            fingerprint: None,
            audits: [None; AUDITS],
            in_kernel: false,
            armed: 0,
            running: None,
            starting: false,
            publication: None,
            reports: VecDeque::new(),
            stolen_until: 0,
            was_stolen: false,
            news: Vec::new(),
        }
    }

    fn until(&self) -> Instant {
        self.decision.until.unwrap_or(Instant::NEVER)
    }
}

impl<const C: usize, const W: usize> World<'_, C, W> {
    /// What a hardware thread's clock shows.
    pub(super) fn clock(&self, thread: usize) -> Instant {
        self.hardware[thread].clock.shows(self.now)
    }

    /// When the next plan takes effect, as far as a hardware thread sees.
    fn pending(&self, thread: usize) -> Option<Instant> {
        let seen = self.seen_by(thread);
        (seen != self.hardware[thread].number).then(|| self.plan(seen).plan.effective())
    }

    /// The kernel has done what it did.
    pub(super) fn resume(&mut self, thread: usize) {
        self.hardware[thread].in_kernel = false;
        if std::mem::take(&mut self.hardware[thread].starting)
            && let Some(run) = self.hardware[thread].running
        {
            self.starts(thread, run);
        }
        self.look(thread);
    }

    /// Looks at the time, the plan and the inputs until nothing is due, and arms the timer. The end of every entry into the kernel.
    pub(super) fn look(&mut self, thread: usize) {
        loop {
            let now = self.clock(thread);
            let pending = self.pending(thread);
            let hardware = &self.hardware[thread];
            let change = hardware.until().min(pending.unwrap_or(Instant::NEVER));
            let lead = self.timing.lead;
            let is_due = now + lead >= change;
            if !is_due && hardware.told == hardware.answered {
                if pending.is_some() && change.since(now).as_nanos() > lead.as_nanos() * 3 / 2 {
                    self.prepare(thread);
                }
                if self.mend(thread) {
                    return;
                }
                break;
            }
            let instant = if is_due { now.max(change) } else { now };
            let adopts = is_due && pending.is_some_and(|effective| effective <= instant);
            self.hardware[thread].answered = self.hardware[thread].told;
            let before = self.hardware[thread].running;
            self.decide(thread, instant, change, adopts);
            let cost = self.scenario.machine.decide.draw(&mut self.hardware[thread].random);
            if self.hardware[thread].decision.run != before {
                return self.switch(thread, cost);
            }
            self.look_further(thread, 2);
            if cost > 0 {
                return self.busy_for(thread, cost);
            }
        }
        if !self.settle(thread) {
            if self.hardware[thread].running.is_none() {
                self.look_further(thread, 6);
            }
            self.arm(thread);
        }
    }

    fn busy_for(&mut self, thread: usize, nanos: u64) {
        self.hardware[thread].in_kernel = true;
        self.happens(self.now + nanos, Happening::Resume { thread });
    }

    /// Does what can be done of going over to the plan that was published last, while there is time.
    fn prepare(&mut self, thread: usize) {
        let number = self.seen_by(thread);
        let (Some(old), new) = (self.followed(thread), Rc::clone(self.plan(number))) else { return };
        let sight = Sight::new(&self.talkers, thread, self.now, self.scenario.machine.glance_ns);
        let Some(replica) = &mut self.hardware[thread].replica else { return };
        if !replica.is_prepared(new.plan.number()) {
            replica.prepare(&old.plan, &new.plan, new.repair.as_ref(), &sight);
        }
    }

    fn followed(&self, thread: usize) -> Option<Rc<super::world::Published<C, W>>> {
        let number = self.hardware[thread].number;
        (number > 0).then(|| Rc::clone(self.plan(number)))
    }

    /// Asks the replica about an instant. `change`: what was due.
    fn decide(&mut self, thread: usize, instant: Instant, change: Instant, adopts: bool) {
        let before = self.hardware[thread].asked;
        let instant = instant.max(before);
        self.replay(thread, change, instant);
        if adopts {
            self.adopt(thread);
        }
        let Some(followed) = self.followed(thread) else { return };
        let sight = Sight::new(&self.talkers, thread, self.now, self.scenario.machine.glance_ns);
        let looks = if self.scenario.machine.looks == Looks::AtOnce { LOOK_AHEAD } else { 1 };
        let hardware = &mut self.hardware[thread];
        let Some(replica) = &mut hardware.replica else { return };
        hardware.decision = replica.decide_within(&followed.plan, instant, looks, &sight);
        hardware.asked = instant;
        let (digest, boundary, decision) = (replica.digest(), replica.boundary(), hardware.decision);
        let reads = sight.reads();
        self.report.decisions += 1;
        self.report.late_decisions += u64::from(instant > change);
        self.bounded(thread, &reads, instant);
        self.forget_news(thread, instant);
        let number = self.hardware[thread].number;
        self.judge.asked(thread, instant);
        self.judge.decided(thread, instant, number, decision.run);
        if let Some(component) = followed.layout.of_thread[thread] {
            self.judge.digest(thread, component, number, boundary, digest);
        }
        let differs = self.audit(thread);
        let had_trouble = std::mem::replace(&mut self.hardware[thread].trouble, decision.trouble).is_some();
        let was_stolen = std::mem::take(&mut self.hardware[thread].was_stolen);
        if differs || decision.trouble.is_some() && !had_trouble {
            self.report.divergences += 1;
            // While a plan is on its way nobody listens.
            self.hardware[thread].differs |= differs && !self.is_publishing && self.is_followed();
            if decision.trouble == Some(Trouble::Lost) && was_stolen {
                // It was away for so long that it cannot know.
                let set = followed.layout.components[followed.layout.of_thread[thread].unwrap_or(0)].set;
                self.judge.disturb(set, before.min(change), instant, false);
            }
            self.judge.trouble(thread, instant, decision.trouble);
        }
    }

    /// A late hardware thread passes over instants that it would have been asked about in time. What it would have decided is asked of a copy.
    fn replay(&mut self, thread: usize, change: Instant, instant: Instant) {
        let hardware = &self.hardware[thread];
        let is_seen = |news: &&News| {
            let end = self.talkers.get(&news.cell).map_or(0, |talker| talker.end(thread, self.now));
            news.position.is_some_and(|position| position < end)
        };
        let seen = hardware.news.iter().filter(is_seen).map(|news| news.effect);
        let Some(mut at) = seen.chain([change]).filter(|at| *at > hardware.asked).min() else { return };
        if at >= instant {
            return;
        }
        let newest = self.seen_by(thread);
        let sight = Sight::new(&self.talkers, thread, self.now, 0);
        let (mut replica, mut followed) = match (&hardware.replica, self.followed(thread)) {
            (Some(replica), Some(followed)) => (replica.clone(), followed),
            _ => {
                let first = Rc::clone(self.plan(newest));
                (Box::new(Replica::new(thread, &first.plan, None, &sight)), first)
            }
        };
        for _ in 0..MOST_REPLAYED {
            if followed.plan.number() != newest && self.plan(newest).plan.effective() <= at {
                let new = Rc::clone(self.plan(newest));
                at = new.plan.effective().max(hardware.asked + crate::Span::from_nanos(1));
                replica.adopt(&followed.plan, &new.plan, new.repair.as_ref(), &sight);
                followed = new;
            }
            let decision = replica.decide_within(&followed.plan, at, 1, &sight);
            self.judge.decided(thread, at, followed.plan.number(), decision.run);
            let pending = (followed.plan.number() != newest).then(|| self.plan(newest).plan.effective());
            match decision.boundary.into_iter().chain(pending).min() {
                Some(next) if next < instant => at = next.max(at + crate::Span::from_nanos(1)),
                _ => return,
            }
        }
    }

    /// It has decided about the effects of what it sees up to an instant.
    fn forget_news(&mut self, thread: usize, instant: Instant) {
        let (now, talkers) = (self.now, &self.talkers);
        self.hardware[thread].news.retain(|news| {
            let end = talkers.get(&news.cell).map_or(0, |talker| talker.end(thread, now));
            news.effect > instant || news.position.is_none_or(|position| position >= end)
        });
    }

    /// Starts to follow the plan that was published last.
    fn adopt(&mut self, thread: usize) {
        let number = self.seen_by(thread);
        let (old, new) = (self.followed(thread), Rc::clone(self.plan(number)));
        let sight = Sight::new(&self.talkers, thread, self.now, self.scenario.machine.glance_ns);
        let hardware = &mut self.hardware[thread];
        match (&mut hardware.replica, old) {
            (Some(replica), Some(old)) => replica.adopt(&old.plan, &new.plan, new.repair.as_ref(), &sight),
            (replica, _) => *replica = Some(Box::new(Replica::new(thread, &new.plan, hardware.running, &sight))),
        }
        hardware.number = number;
        hardware.differs = false;
        if self.is_followed() {
            let places = self.plans.len() - 1;
            // Nobody needs the one before any more but whoever is in the middle of something.
            self.plans[..places.saturating_sub(1)].iter_mut().for_each(|plan| *plan = None);
        }
    }

    /// Sees to it that a decision read only what it may.
    fn bounded(&mut self, thread: usize, reads: &[(CellId, u64)], instant: Instant) {
        let layout = Rc::clone(&self.plan(self.hardware[thread].number).layout);
        let cells = layout.of_thread[thread].map_or(&[][..], |component| &layout.components[component].cells);
        for (cell, count) in reads {
            self.report.most_boundaries = self.report.most_boundaries.max(*count);
            if !cells.contains(cell) || *count > MOST_READS {
                let what = std::format!("read cell {} {count} times, of {cells:?} and {MOST_READS}", cell.0);
                self.judge.object(Property::BoundedDecision, instant, &[*cell], &[thread], what);
            }
        }
    }

    /// Publishes a fingerprint of a replica's decisions once in a slice, and compares it with those of its neighbours in the component. True if they differ.
    fn audit(&mut self, thread: usize) -> bool {
        let hardware = &mut self.hardware[thread];
        let Some((slice, digest)) = hardware.replica.as_ref().and_then(|replica| replica.audit()) else { return false };
        let audit = (hardware.number, slice, digest);
        if hardware.fingerprint == Some(audit) {
            return false;
        }
        hardware.fingerprint = Some(audit);
        let place = slice as usize % AUDITS;
        hardware.audits[place] = Some(audit);
        let layout = Rc::clone(&self.plan(audit.0).layout);
        let component = layout.component_threads(thread);
        // The one before and the one after it, in a circle: of two neighbours who differ the later one notices. With one neighbour alone, nobody would as long as all look in
        // the same order, which clocks that differ by a constant see to.
        let here = component.iter().position(|other| *other == thread).unwrap_or(0);
        let neighbours = [here + 1, here + component.len() - 1].map(|place| component[place % component.len()]);
        neighbours.iter().any(|other| {
            self.hardware[*other].audits[place]
                .is_some_and(|theirs| (theirs.0, theirs.1) == (audit.0, audit.1) && theirs.2 != audit.2)
        })
    }

    /// Publishes a repair if one is needed and nothing is on its way. True if it is busy with that now.
    fn mend(&mut self, thread: usize) -> bool {
        let differs = std::mem::take(&mut self.hardware[thread].differs);
        if !differs && self.hardware[thread].trouble.is_none() {
            return false;
        }
        let Some(followed) = self.followed(thread) else { return false };
        let repair = self.hardware[thread].replica.as_ref().map(|replica| replica.repair(&followed.plan));
        let is_busy = repair.is_some_and(|repair| self.publish_repair(thread, repair));
        if is_busy {
            let what = "publishes a repair, but nothing is wrong that is not repaired".into();
            self.judge.object(Property::Repair, self.clock(thread), &[], &[thread], what);
        }
        is_busy
    }

    /// Looks further ahead for the next change here.
    fn look_further(&mut self, thread: usize, boundaries: usize) -> bool {
        if self.scenario.machine.looks == Looks::AtOnce {
            return false;
        }
        let Some(followed) = self.followed(thread) else { return false };
        let sight = Sight::new(&self.talkers, thread, self.now, self.scenario.machine.glance_ns);
        let hardware = &mut self.hardware[thread];
        let Some(replica) = &mut hardware.replica else { return false };
        for _ in 0..boundaries {
            let Some(until) = replica.look_further(&followed.plan, &sight) else { return false };
            hardware.decision.until = until;
            if until.is_none() {
                return false;
            }
        }
        true
    }

    /// Takes off what is loaded, loads what was decided, and holds until its instant.
    fn switch(&mut self, thread: usize, cost: u64) {
        self.stops(thread);
        let switch = self.scenario.machine.switch.draw(&mut self.hardware[thread].random);
        let hardware = &mut self.hardware[thread];
        hardware.running = hardware.decision.run;
        hardware.in_kernel = true;
        let ready = self.now + cost + switch;
        let Some(run) = hardware.running else { return self.happens(ready, Happening::Resume { thread }) };
        hardware.starting = true;
        let start = hardware.clock.reaches(run.since).max(ready);
        // A look takes about as long as a decision.
        let looks = (start - ready) / cost.max(200);
        self.look_further(thread, looks.min(64) as usize);
        self.happens(start, Happening::Resume { thread });
    }

    /// A hart starts.
    fn starts(&mut self, thread: usize, run: Run) {
        let plan = Rc::clone(self.plan(self.hardware[thread].number));
        let time = self.time(thread);
        let wrong = self.execution.starts(thread, run, &plan.layout, time, &mut self.report);
        if let Some(what) = wrong {
            self.judge.object(Property::Execution, run.since, &[run.cell], &[thread], what);
        }
        if self.is_first(thread, run.cell)
            && let Some(talker) = self.talkers.get_mut(&run.cell)
            && let Some(at) = talker.work.runs(self.now)
        {
            let awaited = talker.work.awaits;
            self.happens(at, Happening::Work { cell: run.cell, awaited });
        }
    }

    /// The hart that is loaded stops.
    fn stops(&mut self, thread: usize) {
        let Some(run) = self.hardware[thread].running.take() else { return };
        let time = self.time(thread);
        self.execution.stops(thread, time);
        if let Some(talker) = self.talkers.get_mut(&run.cell)
            && self.execution.first_of(run.cell) == Some(thread)
        {
            talker.work.stops(self.now);
        }
    }

    fn time(&self, thread: usize) -> Time {
        Time { now: self.now, clock: self.clock(thread) }
    }

    fn is_first(&self, thread: usize, cell: CellId) -> bool {
        self.execution.first_of(cell) == Some(thread)
    }

    /// The current hart's affairs: reports what its cell is doing, and what else it was asked to. True if it is busy with that.
    fn settle(&mut self, thread: usize) -> bool {
        while let Some(cell) = self.hardware[thread].reports.pop_front() {
            if self.report_cell(thread, cell) {
                return true;
            }
        }
        let now = self.clock(thread);
        let Some(run) = self.hardware[thread].running else { return false };
        let is_idle = self.talkers.get(&run.cell).is_some_and(|talker| talker.work.situation(now) != Situation::Busy);
        is_idle && self.report_cell(thread, run.cell)
    }

    /// Arms the timer for whatever concerns this hardware thread next.
    fn arm(&mut self, thread: usize) {
        let change = self.hardware[thread].until().min(self.pending(thread).unwrap_or(Instant::NEVER));
        let hardware = &mut self.hardware[thread];
        hardware.sleeps_until = change - self.timing.lead;
        hardware.armed += 1;
        let mut at = hardware.sleeps_until;
        if hardware.trouble.is_some() {
            // A plan was on its way when it asked for a repair: it asks again.
            at = at.min(hardware.clock.shows(self.now) + self.timing.delay);
        }
        if change == Instant::NEVER && hardware.trouble.is_none() {
            return;
        }
        let late = self.scenario.machine.timer.draw(&mut hardware.random);
        let (fires, armed) = (hardware.clock.reaches(at).max(self.now) + late, hardware.armed);
        self.happens(fires, Happening::Timer { thread, armed });
    }
}
