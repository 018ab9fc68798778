//! Publishing inputs and plans: what tess-kernel's `inputs` and `plans` do, step by step, each step at its time.

use std::boxed::Box;
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use crate::inputs::{Advice, Input};
use crate::simulator::hardware::News;
use crate::simulator::layout::Layout;
use crate::simulator::report::Cause;
use crate::simulator::scenario::{BEGINNING, Fault, What};
use crate::simulator::world::{Happening, Published, World};
use crate::{CellId, Instant, Plan, Repair, Span, ThreadSet};

/// A publication on its way.
pub(super) struct Publication<const W: usize> {
    subject: Subject,
    effect: Instant,
    /// Who must see it in time.
    concerned: ThreadSet<W>,
    /// Who must not be judged before it is stored.
    waiting: ThreadSet<W>,
    /// Who is still to be told, the next one last.
    targets: Vec<usize>,
    is_stored: bool,
}

/// What is published.
#[derive(Clone, Copy)]
enum Subject {
    Input {
        cell: CellId,
        input: Input,
        position: u64,
    },
    /// The latest.
    Plan,
}

impl<const C: usize, const W: usize> World<'_, C, W> {
    /// A hardware thread looks at what a cell is doing and tells the muxers if they should know. True if it is busy with that now.
    pub(super) fn report_cell(&mut self, thread: usize, cell: CellId) -> bool {
        let now = self.clock(thread);
        let number = self.hardware[thread].number;
        let Some(talker) = self.talkers.get_mut(&cell) else { return false };
        if number == 0 || talker.locked_by.is_some_and(|holder| holder != thread) {
            // It waits for the lock.
            self.hardware[thread].reports.push_back(cell);
            self.hardware[thread].in_kernel = true;
            self.happens(self.now + 200, Happening::Resume { thread });
            return true;
        }
        let followed =
            Rc::clone(&self.plans[number as usize - 1].as_ref().expect("a plan that is followed is kept").layout);
        let is_heard = followed.of_cell(cell).is_some_and(|entry| followed.entries[entry].is_heard);
        let input = match talker.reporter.advise(now, talker.work.situation(now), is_heard, &self.timing) {
            Advice::Nothing => return false,
            Advice::Later(at) => {
                if talker.asked_again.is_none_or(|before| at < before) {
                    talker.asked_again = Some(at);
                    let again = self.hardware[thread].clock.reaches(at);
                    self.happens(again, Happening::Report { thread, cell });
                }
                return false;
            }
            Advice::Publish(input) => input,
        };
        talker.locked_by = Some(thread);
        let mut concerned = followed.concerned_by(cell);
        let newest = self.seen_by(thread);
        if newest != number {
            concerned = concerned.union(self.plan(newest).layout.concerned_by(cell));
        }
        let mut waiting = concerned;
        if self.plans.len() as u64 != newest {
            // The publisher does not know of that plan; those who do must not be judged before.
            waiting = waiting.union(self.latest().layout.concerned_by(cell));
        }
        for other in waiting.iter() {
            self.hardware[other].news.push(News { effect: input.effect, cell, position: None });
        }
        self.report.inputs += 1;
        let subject = Subject::Input { cell, input, position: 0 };
        self.publish(thread, subject, input.effect, concerned, waiting);
        true
    }

    /// Publishes the plan of a change, or tries again later.
    pub(super) fn change_plan(&mut self, number: usize) {
        let change = &self.scenario.plans[number];
        let thread = change.by;
        let is_busy = self.hardware[thread].in_kernel || self.hardware[thread].stolen_until > self.now;
        if is_busy || self.is_publishing || !self.is_followed() {
            self.report.postponed_plans += 1;
            let again = self.now + self.timing.delay.as_nanos() / 4 + 1;
            return self.happens(again, Happening::Change { number });
        }
        match change.what {
            What::Plan { .. } => {
                if let Some(plan) = self.validated(number) {
                    self.report.plans += 1;
                    let layout = Rc::new(Layout::new(&plan, self.hardware.len()));
                    self.publish_plan(thread, plan, layout, change.ahead, None);
                }
            }
            What::Repair => {
                let followed = Rc::clone(self.latest());
                let repair = self.hardware[thread].replica.as_ref().map(|replica| replica.repair(&followed.plan));
                if let Some(repair) = repair {
                    self.publish_repair(thread, repair);
                }
            }
        }
    }

    /// Publishes the present plan again. Does nothing while a plan is on its way. True if the hardware thread is busy with it now.
    pub(super) fn publish_repair(&mut self, thread: usize, repair: Repair<W>) -> bool {
        if self.is_publishing || !self.is_followed() {
            return false;
        }
        let present = Rc::clone(self.latest());
        self.report.repairs += 1;
        self.publish_plan(thread, present.plan.clone(), Rc::clone(&present.layout), Span::ZERO, Some(repair));
        true
    }

    fn publish_plan(
        &mut self,
        thread: usize,
        mut plan: Box<Plan<C, W>>,
        layout: Rc<Layout<W>>,
        ahead: Span,
        repair: Option<Repair<W>>,
    ) {
        let number = self.plans.len() as u64 + 1;
        let effective = self.clock(thread) + self.timing.delay + ahead;
        plan.reissue(number, effective);
        self.judge.plan(number, effective, Rc::clone(&layout), repair.as_ref());
        self.is_publishing = true;
        self.seen = vec![u64::MAX; self.hardware.len()];
        self.plans.push(Some(Rc::new(Published { plan, repair, layout })));
        let all = ThreadSet::range(0, self.hardware.len());
        self.publish(thread, Subject::Plan, effective, all, ThreadSet::EMPTY);
    }

    fn publish(
        &mut self,
        thread: usize,
        subject: Subject,
        effect: Instant,
        concerned: ThreadSet<W>,
        waiting: ThreadSet<W>,
    ) {
        let mut targets: Vec<_> = concerned.iter().collect();
        targets.reverse();
        let late = self.fault(|fault| match *fault {
            Fault::LateStores { thread: other, at, length, by } if other == thread => Some((at, length, by)),
            _ => None,
        });
        let hardware = &mut self.hardware[thread];
        hardware.in_kernel = true;
        hardware.publication = Some(Publication { subject, effect, concerned, waiting, targets, is_stored: false });
        let store = self.scenario.machine.store.draw(&mut hardware.random);
        self.happens(self.now + store + late, Happening::Publish { thread });
    }

    /// By how much a fault of some kind makes things late now, in ns.
    fn fault(&self, matches: impl Fn(&Fault) -> Option<(Span, Span, Span)>) -> u64 {
        let is_now = |(at, length, _): &(Span, Span, Span)| {
            let from = BEGINNING + at.as_nanos();
            (from..from + length.as_nanos()).contains(&self.now)
        };
        self.scenario
            .faults
            .iter()
            .filter_map(matches)
            .filter(is_now)
            .map(|(_, _, by)| by.as_nanos())
            .max()
            .unwrap_or(0)
    }

    /// Stores what is published, then tells one hardware thread at a time, then looks at the clock again.
    pub(super) fn publish_step(&mut self, thread: usize) {
        let Some(mut publication) = self.hardware[thread].publication.take() else { return };
        let mut targets = publication.targets.len();
        if !publication.is_stored {
            publication.is_stored = true;
            self.store(thread, &mut publication);
        } else if let Some(target) = publication.targets.pop() {
            targets -= 1;
            self.tell(thread, target, &publication);
        }
        if targets == 0 {
            return self.published(thread, &publication);
        }
        self.hardware[thread].publication = Some(publication);
        let tell = self.scenario.machine.tell.draw(&mut self.hardware[thread].random);
        self.happens(self.now + tell, Happening::Publish { thread });
    }

    /// From which true time on each hardware thread sees what is stored now.
    fn sights(&mut self, thread: usize, readers: ThreadSet<W>) -> Vec<(usize, u64)> {
        let see = self.scenario.machine.see;
        let mut sights = Vec::new();
        for reader in readers.iter() {
            let late = self.fault(|fault| match *fault {
                Fault::LateSight { thread: other, at, length, by } if other == reader => Some((at, length, by)),
                _ => None,
            });
            let after = if reader == thread { 0 } else { see.draw(&mut self.hardware[thread].random) + late };
            sights.push((reader, self.now + after));
        }
        sights
    }

    fn store(&mut self, thread: usize, publication: &mut Publication<W>) {
        let seen = self.sights(thread, publication.concerned);
        let effect = publication.effect;
        let broken: Vec<_> = seen
            .iter()
            .filter(|(reader, at)| self.hardware[*reader].clock.shows(*at) + self.timing.lead > effect)
            .copied()
            .collect();
        if let Some((_, last)) = broken.iter().max_by_key(|(_, at)| *at) {
            self.report.broken_bounds += 1;
            let there = effect.max(Instant::from_nanos(*last));
            let is_plan = matches!(publication.subject, Subject::Plan);
            self.judge.disturb(publication.concerned, effect, there, is_plan);
        }
        match &mut publication.subject {
            Subject::Plan => seen.iter().for_each(|(reader, at)| self.seen[*reader] = *at),
            Subject::Input { cell, input, position } => {
                let by_all = self.now + self.scenario.machine.visible.as_nanos();
                let Some(talker) = self.talkers.get_mut(cell) else { return };
                *position = talker.store(self.now, *input, seen, by_all);
                talker.locked_by = None;
                let (cell, input, position) = (*cell, *input, *position);
                self.judge.input(cell, input);
                for waiting in publication.waiting.iter() {
                    let news = self.hardware[waiting].news.iter_mut();
                    for news in news.filter(|news| news.cell == cell && news.position.is_none()) {
                        news.position = Some(position);
                    }
                }
                self.garble(cell, position, publication);
            }
        }
    }

    /// Some hardware thread may read something else.
    fn garble(&mut self, cell: CellId, position: u64, publication: &Publication<W>) {
        for fault in &self.scenario.faults {
            let Fault::WrongEffects { thread, cell: other, at, length, by } = *fault else { continue };
            let from = BEGINNING + at.as_nanos();
            let is_now = (from..from + length.as_nanos()).contains(&self.now);
            if is_now && other == cell && publication.concerned.contains(thread) {
                if let Some(talker) = self.talkers.get_mut(&cell) {
                    talker.garble(thread, position, by);
                }
                self.report.broken_bounds += 1;
                self.judge.disturb(publication.concerned, publication.effect, publication.effect + by, false);
            }
        }
    }

    /// A hardware thread is told. Whoever tells looks, at the same moment, how long it sleeps.
    fn tell(&mut self, thread: usize, target: usize, publication: &Publication<W>) {
        // Between its store and its look at who sleeps there is a fence. But what a fault keeps from being seen stays unseen.
        let soon = self.now + self.scenario.machine.visible.as_nanos();
        let cause = match publication.subject {
            Subject::Input { cell, position, .. } => {
                self.hardware[target].told += 1;
                if let Some(talker) = self.talkers.get_mut(&cell) {
                    talker.told(position, target, self.now, soon);
                }
                Cause::Input
            }
            Subject::Plan => {
                if self.seen[target] <= soon {
                    self.seen[target] = self.now.min(self.seen[target]);
                }
                if self.latest().repair.is_some() { Cause::Repair } else { Cause::Plan }
            }
        };
        if target != thread && self.timing.sleeps_past(self.hardware[target].sleeps_until, publication.effect) {
            *self.report.interrupts.entry(cause).or_default() += 1;
            self.interrupt(target);
        }
    }

    fn interrupt(&mut self, target: usize) {
        let lost = self.fault(|fault| match *fault {
            Fault::LostInterrupts { thread, at, length } if thread == target => Some((at, length, Span::from_nanos(1))),
            _ => None,
        });
        if lost > 0 {
            self.report.lost_interrupts += 1;
            return;
        }
        let late = self.fault(|fault| match *fault {
            Fault::LateInterrupts { thread, at, length, by } if thread == target => Some((at, length, by)),
            _ => None,
        });
        let takes = self.scenario.machine.interrupt.draw(&mut self.hardware[target].random);
        self.happens(self.now + takes + late, Happening::Interrupt { thread: target });
    }

    /// All are told.
    fn published(&mut self, thread: usize, publication: &Publication<W>) {
        let is_late = self.timing.is_late(self.clock(thread), publication.effect);
        self.hardware[thread].in_kernel = false;
        match publication.subject {
            Subject::Plan => {
                self.is_publishing = false;
                self.report.late_plans += u64::from(is_late);
            }
            Subject::Input { .. } if is_late => {
                self.report.late_inputs += 1;
                let number = self.hardware[thread].number;
                let followed = Rc::clone(self.plan(number));
                let repair = match &self.hardware[thread].replica {
                    Some(replica) if publication.concerned.contains(thread) => replica.repair(&followed.plan),
                    _ => Repair { threads: publication.concerned, checkpoint: None },
                };
                self.publish_repair(thread, repair);
            }
            Subject::Input { .. } => {}
        }
        if !self.hardware[thread].in_kernel {
            self.look(thread);
        }
    }
}
