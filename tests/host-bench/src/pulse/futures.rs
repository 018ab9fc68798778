//! `tokio`'s runtime on one thread: tasks that are polled.

use std::sync::Arc;
use std::time::Instant as Clock;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;
use tokio::task::yield_now;

/// Operations in a sample, half of them by each of two tasks.
const COUNT: u32 = 2_000;

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
