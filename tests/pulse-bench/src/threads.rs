//! What threads of the round-robin scheduler do.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pulse::yield_now;
use schedulers::round_robin::RoundRobin;
use schedulers::sync::{Lock, RawLock};

use crate::{Home, Laps, Outcome};

/// Longer than any measurement.
const SLICE_NS: u64 = 3_600_000_000_000;

/// Runs threads; the first of them does `main`.
fn run(home: impl Home, main: impl FnOnce(&Arc<RoundRobin>) -> Vec<u64> + Send + 'static) -> Vec<u64> {
    let (scheduler, outcome) = (RoundRobin::new(SLICE_NS), Outcome::default());
    let (of_main, into) = (scheduler.clone(), outcome.clone());
    home.run(&*scheduler, move || into.put(main(&of_main)));
    outcome.take()
}

fn spawn(scheduler: &RoundRobin, work: impl FnOnce() + Send + 'static) {
    scheduler.spawn(work).expect("there is memory for a thread");
}

/// Starts a thread that does something again and again, until what is returned is set.
fn spawn_again(scheduler: &RoundRobin, work: impl Fn() + Send + 'static) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    spawn(scheduler, move || {
        while !stopped.load(Relaxed) {
            work();
        }
    });
    stop
}

/// To another thread and back.
pub(crate) fn yields(home: impl Home, laps: Laps) -> Vec<u64> {
    run(home, move |scheduler| {
        let stop = spawn_again(scheduler, yield_now);
        let took = laps.time(yield_now);
        stop.store(true, Relaxed);
        took
    })
}

/// One thread, which does nothing.
pub(crate) fn threads(home: impl Home, laps: Laps) -> Vec<u64> {
    run(home, move |scheduler| {
        laps.time(|| {
            spawn(scheduler, || ());
            yield_now();
        })
    })
}

/// Between two threads of which one always waits: there and back.
pub(crate) fn handovers(home: impl Home, laps: Laps) -> Vec<u64> {
    run(home, move |scheduler| {
        let lock = Arc::new(Lock::new(scheduler));
        let others = lock.clone();
        lock.acquire();
        let stop = spawn_again(scheduler, move || {
            others.acquire();
            others.release();
        });
        // Now the other one waits.
        yield_now();
        let took = laps.time(|| {
            lock.release();
            lock.acquire();
        });
        stop.store(true, Relaxed);
        lock.release();
        took
    })
}
