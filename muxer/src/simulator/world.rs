//! The machine in motion: events in the order of true time.

use std::boxed::Box;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::vec::Vec;

use crate::inputs::Timing;
use crate::simulator::execution::Execution;
use crate::simulator::hardware::Hardware;
use crate::simulator::judge::Judge;
use crate::simulator::layout::Layout;
use crate::simulator::random::Random;
use crate::simulator::report::Report;
use crate::simulator::scenario::{BEGINNING, Fault, Scenario, What};
use crate::simulator::sight::Talker;
use crate::simulator::work::{Turn, Work};
use crate::{CellId, Instant, Plan, Repair, Span, Spec, ThreadSet};

/// Something that is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Happening {
    /// A hardware thread's timer comes, unless it was armed anew since.
    Timer { thread: usize, armed: u64 },
    /// An interrupt comes.
    Interrupt { thread: usize },
    /// The kernel has done what it did, or has held long enough.
    Resume { thread: usize },
    /// The next step of a publication.
    Publish { thread: usize },
    /// A cell's situation changes, unless it has changed otherwise since.
    Work { cell: CellId, awaited: u64 },
    /// A hardware thread reports what a cell does.
    Report { thread: usize, cell: CellId },
    /// A plan is to be published.
    Change { number: usize },
    /// A hardware thread's time is stolen.
    Steal { thread: usize, length: u64 },
}

/// How many events pass from one judgement to the next.
const JUDGED_EVERY: u64 = 2_048;

/// A plan that was published.
pub(super) struct Published<const C: usize, const W: usize> {
    pub(super) plan: Box<Plan<C, W>>,
    pub(super) repair: Option<Repair<W>>,
    pub(super) layout: Rc<Layout<W>>,
}

/// All of it.
pub(super) struct World<'a, const C: usize, const W: usize> {
    pub(super) scenario: &'a Scenario<W>,
    pub(super) timing: Timing,
    pub(super) now: u64,
    queue: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    queued: u64,
    pub(super) random: Random,
    pub(super) hardware: Vec<Hardware<W>>,
    pub(super) talkers: BTreeMap<CellId, Talker>,
    /// By number less one.
    pub(super) plans: Vec<Option<Rc<Published<C, W>>>>,
    /// From which true time on each hardware thread sees the latest; all see those before.
    pub(super) seen: Vec<u64>,
    /// Whether somebody is publishing a plan.
    pub(super) is_publishing: bool,
    pub(super) judge: Judge<W>,
    pub(super) execution: Execution,
    pub(super) report: Report,
}

impl<'a, const C: usize, const W: usize> World<'a, C, W> {
    /// Before the beginning.
    ///
    /// # Panics
    /// If the first plan is refused.
    pub(super) fn new(scenario: &'a Scenario<W>) -> Self {
        let machine = &scenario.machine;
        let random = Random::new(scenario.seed);
        let clocks = machine.clock_list(&random);
        let hardware: Vec<_> = clocks
            .iter()
            .enumerate()
            .map(|(thread, clock)| Hardware::new(*clock, random.stream(thread as u64)))
            .collect();
        let cells = scenario.all_cells();
        let talkers = cells.iter().map(|cell| {
            let random = random.stream(0xce11_0000 + u64::from(cell.0));
            (*cell, Talker::new(Work::new(scenario.workload(*cell), random)))
        });
        let mut world = Self {
            scenario,
            timing: machine.timing(),
            now: BEGINNING - machine.lead.as_nanos().saturating_mul(8).min(BEGINNING / 2),
            queue: BinaryHeap::new(),
            queued: 0,
            hardware,
            talkers: talkers.collect(),
            plans: Vec::new(),
            seen: std::vec![0; machine.threads],
            is_publishing: false,
            judge: Judge::new(scenario),
            execution: Execution::new(machine.threads, machine.clock_error, scenario.repair_bound()),
            report: Report::default(),
            random,
        };
        let first = world.validated(0).expect("the first change is a plan that is not refused");
        world.announce_first(first);
        world
    }

    /// A change's plan, without its number and instant. None: it is refused, or no plan.
    pub(super) fn validated(&self, change: usize) -> Option<Box<Plan<C, W>>> {
        let What::Plan { slice, entries } = &self.scenario.plans.get(change)?.what else { return None };
        let spec = Spec {
            number: 1,
            effective: Instant::from_nanos(BEGINNING),
            slice: *slice,
            lead: self.scenario.machine.lead,
            machine: ThreadSet::range(0, self.scenario.machine.threads),
            entries,
        };
        Plan::validate(&spec).ok().map(Box::new)
    }

    fn announce_first(&mut self, plan: Box<Plan<C, W>>) {
        let threads = self.scenario.machine.threads;
        let layout = Rc::new(Layout::new(&plan, threads));
        self.judge.plan(1, plan.effective(), Rc::clone(&layout), None);
        self.plans.push(Some(Rc::new(Published { plan, repair: None, layout })));
    }

    /// Lets it all happen.
    pub(super) fn run(mut self) -> Report {
        let end = BEGINNING + self.scenario.length.as_nanos();
        self.begin();
        let mut events = 0_u64;
        while let Some(Reverse((at, _, happening))) = self.queue.pop() {
            if at > end {
                break;
            }
            self.now = at;
            self.handle(happening);
            events += 1;
            if events.is_multiple_of(JUDGED_EVERY) {
                self.judge();
            }
        }
        self.now = end;
        self.judge();
        self.judge.finish(&mut self.report);
        self.report
    }

    /// Judges all that is decided.
    fn judge(&mut self) {
        let horizon = self.horizon();
        self.judge.advance(horizon, &mut self.report);
        self.execution.owes(self.judge.owed());
        self.execution.settle(self.now, &mut self.report);
    }

    fn begin(&mut self) {
        for thread in 0..self.hardware.len() {
            self.happens(self.now, Happening::Timer { thread, armed: 0 });
        }
        let cells: Vec<_> = self.talkers.keys().copied().collect();
        for cell in cells {
            let now = BEGINNING;
            if let Some(talker) = self.talkers.get_mut(&cell) {
                let turn = talker.work.begin(now, BEGINNING);
                self.turned(cell, turn);
            }
        }
        for (number, change) in self.scenario.plans.iter().enumerate().skip(1) {
            self.happens(BEGINNING + change.at.as_nanos(), Happening::Change { number });
        }
        for fault in &self.scenario.faults {
            if let Fault::Stolen { thread, at, length } = *fault {
                let length = length.as_nanos();
                self.happens(BEGINNING + at.as_nanos(), Happening::Steal { thread, length });
            }
        }
    }

    /// Puts something on the list.
    pub(super) fn happens(&mut self, at: u64, happening: Happening) {
        self.queued += 1;
        self.queue.push(Reverse((at.max(self.now), self.queued, happening)));
    }

    fn handle(&mut self, happening: Happening) {
        let whose = match happening {
            Happening::Timer { thread, .. }
            | Happening::Interrupt { thread }
            | Happening::Resume { thread }
            | Happening::Publish { thread }
            | Happening::Report { thread, .. } => Some(thread),
            Happening::Work { .. } | Happening::Change { .. } | Happening::Steal { .. } => None,
        };
        if let Some(until) = whose.map(|thread| self.hardware[thread].stolen_until).filter(|until| *until > self.now) {
            return self.happens(until, happening);
        }
        match happening {
            Happening::Timer { thread, armed } => {
                if self.hardware[thread].armed == armed && !self.hardware[thread].in_kernel {
                    self.report.timers += 1;
                    self.look(thread);
                }
            }
            Happening::Interrupt { thread } => {
                // In the kernel it looks before it goes back.
                if !self.hardware[thread].in_kernel {
                    self.look(thread);
                }
            }
            Happening::Resume { thread } => self.resume(thread),
            Happening::Publish { thread } => self.publish_step(thread),
            Happening::Report { thread, cell } => {
                if let Some(talker) = self.talkers.get_mut(&cell) {
                    talker.asked_again = None;
                }
                if self.hardware[thread].in_kernel {
                    self.hardware[thread].reports.push_back(cell);
                } else if !self.report_cell(thread, cell) {
                    self.look(thread);
                }
            }
            Happening::Work { cell, awaited } => self.work(cell, awaited),
            Happening::Change { number } => self.change_plan(number),
            Happening::Steal { thread, length } => {
                let hardware = &mut self.hardware[thread];
                let from = self.now.max(hardware.stolen_until);
                hardware.stolen_until = (self.now + length).max(from);
                hardware.was_stolen = true;
                self.execution.stolen(thread, from, hardware.stolen_until);
            }
        }
    }

    /// A cell's situation changes.
    fn work(&mut self, cell: CellId, awaited: u64) {
        let clock = self.hardware[self.somebody(cell)].clock.shows(self.now);
        let Some(talker) = self.talkers.get_mut(&cell) else { return };
        if talker.work.awaits != awaited {
            return;
        }
        let turn = talker.work.turn(self.now, clock, BEGINNING);
        let sleeps = turn.is_news && talker.work.situation(clock) != crate::inputs::Situation::Busy;
        self.turned(cell, turn);
        if sleeps {
            let woken: Vec<_> = self
                .talkers
                .iter()
                .filter(|(_, talker)| talker.work.is_woken_by(cell))
                .map(|(other, _)| *other)
                .collect();
            for other in woken {
                if let Some(talker) = self.talkers.get_mut(&other) {
                    let turn = talker.work.wake(self.now);
                    self.turned(other, turn);
                }
            }
        }
    }

    /// Sees to what follows from a cell's turn.
    fn turned(&mut self, cell: CellId, turn: Turn) {
        if let (Some(at), Some(talker)) = (turn.next, self.talkers.get(&cell)) {
            let awaited = talker.work.awaits;
            self.happens(at, Happening::Work { cell, awaited });
        }
        if turn.is_news {
            let thread = turn.by.unwrap_or_else(|| self.reporter_of(cell));
            self.happens(self.now, Happening::Report { thread, cell });
        }
    }

    /// The first hardware thread of a cell, or of the machine.
    fn somebody(&self, cell: CellId) -> usize {
        let layout = &self.latest().layout;
        layout.of_cell(cell).map_or(0, |number| layout.entries[number].threads[0])
    }

    /// Some hardware thread to report what a cell does: mostly one of its own.
    fn reporter_of(&mut self, cell: CellId) -> usize {
        let layout = Rc::clone(&self.latest().layout);
        match layout.of_cell(cell) {
            Some(number) if !self.random.once_in(4) => *self.random.pick(&layout.entries[number].threads),
            _ => self.random.below(self.hardware.len() as u64) as usize,
        }
    }

    /// The plan published last.
    pub(super) fn latest(&self) -> &Rc<Published<C, W>> {
        self.plans.last().and_then(Option::as_ref).expect("the latest plan is kept")
    }

    /// A plan by its number.
    pub(super) fn plan(&self, number: u64) -> &Rc<Published<C, W>> {
        self.plans[number as usize - 1].as_ref().expect("a plan that is followed is kept")
    }

    /// The latest plan that a hardware thread sees, by number.
    pub(super) fn seen_by(&self, thread: usize) -> u64 {
        self.plans.len() as u64 - u64::from(self.seen[thread] > self.now)
    }

    /// Whether every hardware thread follows the latest plan.
    pub(super) fn is_followed(&self) -> bool {
        let number = self.plans.len() as u64;
        self.hardware.iter().all(|hardware| hardware.number == number)
    }

    /// All that hardware threads decide from now on is about this instant or later.
    fn horizon(&self) -> Instant {
        let latest = self.plans.len() as u64;
        let early = self.scenario.machine.clock_error + Span::from_nanos(1);
        let present = Instant::from_nanos(self.now) - early;
        let pending = self.latest().plan.effective();
        let each = self.hardware.iter().map(|hardware| {
            let change = hardware.decision.until.unwrap_or(Instant::NEVER);
            let pending = if hardware.number == latest { Instant::NEVER } else { pending };
            let news = hardware.news.iter().map(|news| news.effect).min().unwrap_or(Instant::NEVER);
            change.min(pending).min(news)
        });
        each.min().unwrap_or(present).min(present)
    }
}
