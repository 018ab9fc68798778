//! What hardware threads really ran, in true time, with the errors of their clocks and the lateness of their timers.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use crate::simulator::layout::Layout;
use crate::simulator::report::Report;
use crate::{CellId, Instant, Policy, Run};

/// What hardware threads run.
pub(super) struct Execution {
    running: Vec<Option<Stretch>>,
    activations: BTreeMap<(CellId, Instant), Activation>,
    firsts: BTreeMap<CellId, usize>,
}

/// A hart that runs.
#[derive(Clone, Copy)]
struct Stretch {
    run: Run,
    /// When it started, by its hardware thread's clock.
    started: Instant,
    /// How much time had been stolen by then, in ns.
    stolen: u64,
    /// How long it is to run, by its hardware thread's clock, if that is known: a window, and the whole of it.
    length: Option<u64>,
}

/// The start of a gang.
struct Activation {
    size: usize,
    started: usize,
    first: u64,
    last: u64,
    lateness: u64,
}

/// A hart that starts this much after its instant, by its own clock, was late, in ns.
const PUNCTUAL: u64 = 1;

impl Execution {
    pub(super) fn new(threads: usize) -> Self {
        Self { running: vec![None; threads], activations: BTreeMap::new(), firsts: BTreeMap::new() }
    }

    /// The first hardware thread of a cell that has run.
    pub(super) fn first_of(&self, cell: CellId) -> Option<usize> {
        self.firsts.get(&cell).copied()
    }

    /// A hart starts under a plan that is in force from `effective` on; in true time `now`, when its hardware thread's clock shows `clock`, and `stolen` ns of its time have
    /// been stolen.
    pub(super) fn starts<const W: usize>(
        &mut self,
        thread: usize,
        run: Run,
        plan: (&Rc<Layout<W>>, Instant),
        time: Time,
        report: &mut Report,
    ) {
        let (layout, effective) = plan;
        let Some(placed) = layout.of_cell(run.cell).map(|number| &layout.entries[number]) else { return };
        self.firsts.insert(run.cell, placed.threads[0]);
        let length = match placed.entry.policy {
            Policy::TimeTriggered { length, .. } if run.since >= effective => Some(length.as_nanos()),
            _ => None,
        };
        self.running[thread] = Some(Stretch { run, started: time.clock, stolen: time.stolen, length });
        let lateness = time.clock.since(run.since).as_nanos();
        let size = placed.threads.len();
        let key = (run.cell, run.since);
        let activation = self.activations.entry(key).or_insert(Activation {
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
        if activation.started == activation.size {
            if activation.lateness > PUNCTUAL {
                report.lateness.add(activation.lateness);
            } else {
                report.skew.add(activation.last - activation.first);
            }
            self.activations.remove(&key);
        }
    }

    /// The hart that runs on a hardware thread stops. `adopted`: because of another plan.
    pub(super) fn stops(&mut self, thread: usize, time: Time, adopted: bool, report: &mut Report) {
        let Some(Stretch { run, started, stolen, length }) = self.running[thread].take() else { return };
        let Some(length) = length.filter(|_| !adopted) else { return };
        let ran = time.clock.since(started.max(run.since)).as_nanos().saturating_sub(time.stolen - stolen);
        if ran < length {
            let misses = &mut report.short_windows;
            let cause = if time.was_stolen || time.stolen > stolen { &mut misses.stolen } else { &mut misses.late };
            *cause += 1;
        }
    }

    /// The end.
    pub(super) fn finish(self, report: &mut Report) {
        report.incomplete_activations += self.activations.len() as u64;
    }
}

/// When something happens on a hardware thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    /// In true time, in ns.
    pub(super) now: u64,
    /// By its clock.
    pub(super) clock: Instant,
    /// How much of its time has been stolen by then, in ns; and whether some was of late.
    pub(super) stolen: u64,
    pub(super) was_stolen: bool,
}
