//! A task and the future of its value: one piece of memory, which a queue and whoever waits hold together.

use alloc::sync::Arc;
use core::fmt::Debug;

use pulse::{Context, Scheduler, Spin, on_hart, suspend};

use super::Tasks;

/// A task as a queue sees it.
pub(super) trait Run: Send + Sync + Debug {
    /// Runs it, unless someone has begun it already.
    fn run(&self, tasks: &Tasks);
}

/// A task as its future sees it.
trait Job<T>: Send + Sync {
    /// Its value; runs it for this if nobody has begun it. To be called once.
    fn value(&self, tasks: &Tasks) -> T;
}

/// The value of a task, now or later.
#[must_use = "a value that is never waited for is lost"]
pub struct Future<T>(Arc<dyn Job<T>>);

impl<T> Debug for Future<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Future")
    }
}

impl<T> Future<T> {
    /// Waits for the value. For threads and tasks of the scheduler that the task was given to. Runs the task here if it was not begun, so who waits must not hold
    /// a lock that it takes.
    #[must_use]
    pub fn wait(self, tasks: &Tasks) -> T {
        // If it is elsewhere, it stays there, and whoever comes across it finds that it was begun.
        drop(tasks.unqueue(|task| core::ptr::addr_eq(Arc::as_ptr(task), Arc::as_ptr(&self.0))));
        self.0.value(tasks)
    }
}

/// A task, for its queue and for who waits.
pub(super) fn pair<T, F>(work: F) -> (Future<T>, Arc<dyn Run>)
where
    T: Send + 'static,
    F: FnOnce(&Tasks) -> T + Send + 'static,
{
    let task = Arc::new(Task { state: Spin::new(State::New(work)) });
    (Future(task.clone()), task)
}

struct Task<T, F> {
    state: Spin<State<T, F>>,
}

enum State<T, F> {
    New(F),
    /// Someone runs it, and perhaps this one waits.
    Begun(Option<Context>),
    Finished(T),
    /// Its value was taken.
    Taken,
}

impl<T, F> Debug for Task<T, F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Task")
    }
}

impl<T, F: FnOnce(&Tasks) -> T> Task<T, F> {
    /// What it does, for the first who asks.
    fn begin(&self) -> Option<F> {
        let mut state = self.state.lock();
        if !matches!(*state, State::New(_)) {
            return None;
        }
        let State::New(work) = core::mem::replace(&mut *state, State::Begun(None)) else { return None };
        Some(work)
    }

    fn take(&self) -> Option<T> {
        let mut state = self.state.lock();
        if !matches!(*state, State::Finished(_)) {
            return None;
        }
        let State::Finished(value) = core::mem::replace(&mut *state, State::Taken) else { return None };
        Some(value)
    }
}

impl<T: Send, F: FnOnce(&Tasks) -> T + Send> Run for Task<T, F> {
    fn run(&self, tasks: &Tasks) {
        let Some(work) = self.begin() else { return };
        let value = work(tasks);
        let before = core::mem::replace(&mut *self.state.lock(), State::Finished(value));
        if let State::Begun(Some(waiter)) = before {
            on_hart(|hart| tasks.ready(hart, waiter));
        }
    }
}

impl<T: Send, F: FnOnce(&Tasks) -> T + Send> Job<T> for Task<T, F> {
    fn value(&self, tasks: &Tasks) -> T {
        if let Some(work) = self.begin() {
            return work(tasks);
        }
        loop {
            if let Some(value) = self.take() {
                return value;
            }
            suspend(|context| {
                let mut state = self.state.lock();
                if let State::Begun(waiter) = &mut *state {
                    *waiter = Some(context);
                } else {
                    // It has finished in between.
                    drop(state);
                    on_hart(|hart| tasks.ready(hart, context));
                }
            });
        }
    }
}
