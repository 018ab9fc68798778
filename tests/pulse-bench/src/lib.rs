//! What is measured of Pulse, for any home: `host-bench` runs it on the host, and the test cell `pulse-gauge` in a cell, where it counts instructions.
//!
//! Each [`Subject`] is a round of operations that ends as it began, so that any number of them can be timed. All run on one hart, and no tick comes while they do;
//! [`ticks`] measures those.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod alone;
mod tasks;
mod threads;
mod ticker;

use alloc::sync::Arc;
use alloc::vec::Vec;

use pulse::{Scheduler, Spin};

pub use ticker::ticks;

/// Something that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Out of a context, to a scheduler that does nothing, and into a context: what the framework itself costs. It changes stacks twice, as suspending one coroutine
    /// and resuming another does.
    Switch,
    /// From a thread that yields to the next one of the round-robin scheduler.
    Yield,
    /// A thread of the round-robin scheduler, from its creation until it has finished and its creator goes on.
    Thread,
    /// A lock of the round-robin scheduler, from being given back until the thread that waited for it runs.
    MutexHandover,
    /// A run-to-completion task that does nothing, from its creation until its value is there.
    Task,
    /// The part of this before the creator goes on: the task is queued, and has not run.
    TaskDirect,
}

impl Subject {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Switch, Self::Yield, Self::Thread, Self::MutexHandover, Self::Task, Self::TaskDirect];

    /// The figure's name without its unit.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Switch => "pulse.switch",
            Self::Yield => "pulse.yield",
            Self::Thread => "pulse.thread",
            Self::MutexHandover => "pulse.mutex_handover",
            Self::Task => "pulse.task",
            Self::TaskDirect => "pulse.task_direct",
        }
    }

    /// Operations in a round: two where it goes there and back.
    #[must_use]
    pub fn per_round(self) -> u32 {
        match self {
            Self::Yield | Self::MutexHandover => 2,
            Self::Switch | Self::Thread | Self::Task | Self::TaskDirect => 1,
        }
    }
}

/// How a subject is measured: after laps to warm up, so many laps, each of so many rounds.
#[derive(Clone, Copy, Debug)]
pub struct Laps {
    /// Laps that are not counted.
    pub warm: usize,
    /// Laps that are.
    pub count: usize,
    /// Rounds in a lap.
    pub rounds: u32,
}

impl Laps {
    /// Times rounds; returns the ns of each lap. For a context.
    fn time(self, mut round: impl FnMut()) -> Vec<u64> {
        self.time_between((), |()| round(), |()| ())
    }

    /// As [`Laps::time`], and does something after each lap that is not timed.
    fn time_between<T>(self, mut with: T, mut round: impl FnMut(&mut T), mut after: impl FnMut(&mut T)) -> Vec<u64> {
        let cost = clock_cost();
        let mut took = Vec::with_capacity(self.warm + self.count);
        for _ in 0..self.warm + self.count {
            let start = pulse::now();
            for _ in 0..self.rounds {
                round(&mut with);
            }
            took.push((pulse::now() - start).saturating_sub(cost));
            after(&mut with);
        }
        took.split_off(self.warm)
    }
}

/// What it takes to read the clock once, in ns. For a context.
fn clock_cost() -> u64 {
    (0..64)
        .map(|_| {
            let start = pulse::now();
            pulse::now() - start
        })
        .min()
        .unwrap_or(0)
}

/// Where a scheduler is run, on one hart.
pub trait Home {
    /// Runs it until all contexts have finished, the first of which does `main`.
    fn run<S: Scheduler>(self, scheduler: &S, main: impl FnOnce() + Send + 'static);
}

/// Measures a subject: the ns of each lap, of [`Subject::per_round`] operations in each of its rounds.
///
/// # Panics
/// When there is no memory for contexts.
pub fn measure(subject: Subject, home: impl Home, laps: Laps) -> Vec<u64> {
    match subject {
        Subject::Switch => alone::switches(home, laps),
        Subject::Yield => threads::yields(home, laps),
        Subject::Thread => threads::threads(home, laps),
        Subject::MutexHandover => threads::handovers(home, laps),
        Subject::Task => tasks::waited_for(home, laps),
        Subject::TaskDirect => tasks::started(home, laps),
    }
}

/// Takes what a context leaves when it has finished.
#[derive(Clone, Debug, Default)]
struct Outcome(Arc<Spin<Vec<u64>>>);

impl Outcome {
    fn put(&self, values: Vec<u64>) {
        let before = core::mem::replace(&mut *self.0.lock(), values);
        debug_assert!(before.is_empty(), "an outcome is put once: {before:?}");
    }

    fn take(self) -> Vec<u64> {
        core::mem::take(&mut *self.0.lock())
    }
}
