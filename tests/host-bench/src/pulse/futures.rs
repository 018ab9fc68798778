//! `tokio`'s runtime on one thread: tasks that are polled.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;
use tokio::task::yield_now;

/// Operations in a sample, half of them by each of two tasks.
const COUNT: u32 = 2_000;

/// Tasks that are started one after the other, before they are waited for.
pub(super) const STARTS: u32 = 100;

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("it needs nothing of the system")
}

/// Runs both to their ends; returns ns per operation.
fn both<F: Future<Output = ()> + Send + 'static>(runtime: &Runtime, one: impl Fn() -> F) -> f64 {
    runtime.block_on(async {
        let start = Clock::now();
        for task in [tokio::spawn(one()), tokio::spawn(one())] {
            task.await.expect("a measurement does not panic");
        }
        start.elapsed().as_nanos() as f64 / f64::from(COUNT)
    })
}

/// From a task that yields to the next one.
pub(super) fn yields() -> Box<dyn FnMut() -> f64> {
    let runtime = runtime();
    Box::new(move || {
        both(&runtime, || async {
            for _ in 0..COUNT / 2 {
                yield_now().await;
            }
        })
    })
}

/// A mutex, from being given back until the task that waited for it runs.
pub(super) fn handovers() -> Box<dyn FnMut() -> f64> {
    let runtime = runtime();
    Box::new(move || {
        let mutex = Arc::new(Mutex::new(()));
        both(&runtime, || {
            let mutex = mutex.clone();
            async move {
                let mut guard = mutex.lock().await;
                // Now the other one comes, and waits.
                yield_now().await;
                for _ in 0..COUNT / 2 {
                    drop(guard);
                    guard = mutex.lock().await;
                }
            }
        })
    })
}

/// A task, from its creation until its value is there.
pub(super) fn tasks() -> Box<dyn FnMut() -> f64> {
    let runtime = runtime();
    Box::new(move || {
        runtime.block_on(async {
            let work = async {
                let start = Clock::now();
                for _ in 0..COUNT {
                    black_box(tokio::spawn(async { black_box(1) }).await).expect("it does not panic");
                }
                start.elapsed().as_nanos() as f64 / f64::from(COUNT)
            };
            // Not the future that `block_on` polls itself, which is woken in another way.
            tokio::spawn(work).await.expect("a measurement does not panic")
        })
    })
}

/// Starting a task; its value is waited for outside of the time.
pub(super) fn starts() -> Box<dyn FnMut() -> f64> {
    let runtime = runtime();
    Box::new(move || {
        runtime.block_on(async {
            let mut took = Duration::ZERO;
            for _ in 0..COUNT / STARTS {
                let mut started = Vec::with_capacity(STARTS as usize);
                let start = Clock::now();
                for _ in 0..STARTS {
                    started.push(tokio::spawn(async { black_box(1) }));
                }
                took += start.elapsed();
                for task in started {
                    black_box(task.await).expect("it does not panic");
                }
            }
            took.as_nanos() as f64 / f64::from(COUNT)
        })
    })
}
