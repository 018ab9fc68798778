//! Run-to-completion tasks.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::black_box;

use schedulers::tasks::{Future, Tasks};

use crate::{Home, Laps, Outcome};

/// Runs tasks; the first thread does `main`.
fn run(home: impl Home, main: impl FnOnce(&Arc<Tasks>) -> Vec<u64> + Send + 'static) -> Vec<u64> {
    let (scheduler, outcome) = (Tasks::new(), Outcome::default());
    let (of_main, into) = (scheduler.clone(), outcome.clone());
    home.run(&*scheduler, move || into.put(main(&of_main)));
    outcome.take()
}

/// The least that a task can do.
fn start(tasks: &Tasks) -> Future<u64> {
    tasks.spawn(|_| black_box(1))
}

/// A task whose value is waited for at once.
pub(crate) fn waited_for(home: impl Home, laps: Laps) -> Vec<u64> {
    run(home, move |tasks| {
        laps.time(|| {
            black_box(start(tasks).wait(tasks));
        })
    })
}

/// A task is started; its value is waited for outside of the time.
pub(crate) fn started(home: impl Home, laps: Laps) -> Vec<u64> {
    run(home, move |tasks| {
        let futures = Vec::with_capacity(laps.rounds as usize);
        let wait_for_all = |futures: &mut Vec<Future<u64>>| {
            while let Some(future) = futures.pop() {
                black_box(future.wait(tasks));
            }
        };
        laps.time_between(futures, |futures| futures.push(start(tasks)), wait_for_all)
    })
}
