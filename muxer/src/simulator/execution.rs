//! What hardware threads really ran, in true time, with the errors of their clocks and the lateness of their timers.

use std::collections::{BTreeMap, VecDeque};
use std::format;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

use crate::simulator::layout::Layout;
use crate::simulator::report::Report;
use crate::{CellId, Instant, Run, Span};

/// What hardware threads ran.
pub(super) struct Execution {
    threads: Vec<Past>,
    activations: BTreeMap<(CellId, Instant), Activation>,
    firsts: BTreeMap<CellId, usize>,
    owed: VecDeque<Owed>,
    /// By how much two clocks may differ.
    clock_error: Span,
    /// For how long what is owed waits for those who are late.
    patience: Span,
}

/// What a hardware thread ran.
#[derive(Default)]
struct Past {
    running: Option<Stretch>,
    stretches: VecDeque<Stretch>,
    /// When its time was stolen, from when until when, in true time.
    stolen: Vec<(u64, u64)>,
}

/// A hart that ran, by its hardware thread's clock.
#[derive(Clone, Copy)]
struct Stretch {
    run: Run,
    from: Instant,
    to: Instant,
}

/// The start of a gang.
struct Activation {
    size: usize,
    started: usize,
    first: u64,
    last: u64,
    lateness: u64,
}

/// What was decided, so that a cell should have run for so long on each of its hardware threads.
pub(super) struct Owed {
    pub(super) cell: CellId,
    pub(super) threads: Vec<usize>,
    pub(super) from: Instant,
    pub(super) to: Instant,
    pub(super) least: Span,
    pub(super) is_window: bool,
}

/// When something happens on a hardware thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    /// In true time, in ns.
    pub(super) now: u64,
    /// By its clock.
    pub(super) clock: Instant,
}

/// A hart that starts this much after its instant, by its own clock, was late, in ns.
const PUNCTUAL: u64 = 1;

impl Execution {
    pub(super) fn new(threads: usize, clock_error: Span, patience: Span) -> Self {
        Self {
            threads: (0..threads).map(|_| Past::default()).collect(),
            activations: BTreeMap::new(),
            firsts: BTreeMap::new(),
            owed: VecDeque::new(),
            clock_error,
            patience,
        }
    }

    /// The first hardware thread of a cell that has run.
    pub(super) fn first_of(&self, cell: CellId) -> Option<usize> {
        self.firsts.get(&cell).copied()
    }

    /// A hardware thread's time is stolen, from a true time until another one.
    pub(super) fn stolen(&mut self, thread: usize, from: u64, until: u64) {
        self.threads[thread].stolen.push((from, until));
    }

    /// A hart starts. Returns what is wrong, if all of its gang were in time and yet do not start together.
    pub(super) fn starts<const W: usize>(
        &mut self,
        thread: usize,
        run: Run,
        layout: &Rc<Layout<W>>,
        time: Time,
        report: &mut Report,
    ) -> Option<String> {
        let placed = layout.of_cell(run.cell).map(|number| &layout.entries[number])?;
        self.firsts.insert(run.cell, placed.threads[0]);
        self.threads[thread].running = Some(Stretch { run, from: time.clock, to: Instant::NEVER });
        let lateness = time.clock.since(run.since).as_nanos();
        let size = placed.threads.len();
        let activation = self.activations.entry((run.cell, run.since)).or_insert(Activation {
            size,
            started: 0,
            first: time.now,
            last: time.now,
            lateness: 0,
        });
        activation.started += 1;
        activation.first = activation.first.min(time.now);
        activation.last = activation.last.max(time.now);
        activation.lateness = activation.lateness.max(lateness);
        if activation.started < activation.size {
            return None;
        }
        let Activation { first, last, lateness, .. } = *activation;
        self.activations.remove(&(run.cell, run.since));
        if lateness > PUNCTUAL {
            report.lateness.add(lateness);
            return None;
        }
        report.skew.add(last - first);
        let most = self.clock_error.as_nanos() + 2 * PUNCTUAL;
        (last - first > most).then(|| format!("its harts start within {} ns, not {most}", last - first))
    }

    /// The hart that runs on a hardware thread stops.
    pub(super) fn stops(&mut self, thread: usize, time: Time) {
        let past = &mut self.threads[thread];
        if let Some(stretch) = past.running.take() {
            past.stretches.push_back(Stretch { to: time.clock, ..stretch });
        }
    }

    /// Something was decided.
    pub(super) fn owes(&mut self, owed: impl IntoIterator<Item = Owed>) {
        self.owed.extend(owed);
    }

    /// Looks, at a true time, who did not get what was decided.
    pub(super) fn settle(&mut self, now: u64, report: &mut Report) {
        let now = Instant::from_nanos(now);
        let patience = self.patience;
        let (due, rest) = self.owed.drain(..).partition(|owed: &Owed| owed.to + patience <= now);
        self.owed = rest;
        let due: VecDeque<_> = due;
        for owed in due {
            for thread in &owed.threads {
                let past = &self.threads[*thread];
                if past.ran(&owed, now) + PUNCTUAL < owed.least.as_nanos() {
                    let misses = if owed.is_window { &mut report.short_windows } else { &mut report.short_budgets };
                    let is_stolen = past.stolen_between(owed.from, owed.to) > 0;
                    *(if is_stolen { &mut misses.stolen } else { &mut misses.late }) += 1;
                }
            }
        }
        let before = now - patience.times(2);
        for past in &mut self.threads {
            while past.stretches.front().is_some_and(|stretch| stretch.to < before) {
                past.stretches.pop_front();
            }
        }
        let old = self.activations.len();
        self.activations.retain(|(_, since), _| *since >= before);
        report.incomplete_activations += (old - self.activations.len()) as u64;
    }
}

impl Past {
    /// How long it ran a cell of the time in which that is owed, in ns.
    fn ran(&self, owed: &Owed, now: Instant) -> u64 {
        let stretches = self.stretches.iter().chain(&self.running).filter(|stretch| stretch.run.cell == owed.cell);
        stretches
            .map(|stretch| {
                let (from, to) = (stretch.from.max(owed.from), stretch.to.min(owed.to).min(now));
                to.since(from).as_nanos().saturating_sub(self.stolen_between(from, to))
            })
            .sum()
    }

    fn stolen_between(&self, from: Instant, to: Instant) -> u64 {
        let (from, to) = (from.as_nanos(), to.as_nanos());
        let overlap = |(start, end): &(u64, u64)| (*end).min(to).saturating_sub((*start).max(from));
        self.stolen.iter().map(overlap).sum()
    }
}
