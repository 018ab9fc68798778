//! Work stealing: each hart has a queue of its own, and takes from another only when it has nothing itself. Threads thus stay where they were started or woken, and harts
//! seldom touch each other's memory.
//!
//! What differs from [`crate::round_robin`]:
//!
//! - `ready` puts a thread into the queue of the hart that calls it.
//! - `enter` looks into its own queue first and then into those of others.
//! - `resize` must give away the whole queue of a hart that is taken, not only the thread that ran there: nobody looks there again.

use alloc::sync::Arc;

use pulse::{Context, Hart, Next, NoStack, PerHart, Queue, Scheduler, Spin, on_hart, wake_one};

/// The scheduler.
#[derive(Debug)]
pub struct WorkStealing {
    ready: PerHart<Spin<Queue>>,
    slice_ns: u64,
}

impl WorkStealing {
    /// With time slices of so many ns.
    #[must_use]
    pub fn new(slice_ns: u64) -> Arc<Self> {
        Arc::new(Self { ready: PerHart::new(|_| Spin::default()), slice_ns })
    }

    /// Starts a thread. To be called by a thread.
    ///
    /// # Errors
    /// [`NoStack`] when there is no memory for it.
    pub fn spawn(&self, work: impl FnOnce() + Send + 'static) -> Result<(), NoStack> {
        let context = Context::new(work)?;
        on_hart(|hart| self.ready(hart, context));
        Ok(())
    }

    /// Sees to it that a tick ends the slice of what runs next, as in [`crate::round_robin`].
    fn sliced(&self, hart: &Hart, next: Option<Context>) -> Next {
        if next.is_some() && hart.tick_at() == u64::MAX {
            hart.set_tick(hart.now() + self.slice_ns);
        }
        Next::run_or_idle(next)
    }

    /// Takes a thread from the first other hart that has one.
    fn steal(&self, hart: &Hart) -> Option<Context> {
        let (own, harts) = (hart.number(), hart.harts());
        (1..=harts).find_map(|distance| self.ready.at((own + distance) % harts).lock().pop())
    }
}

impl Scheduler for WorkStealing {
    fn enter(&self, hart: &Hart) -> Next {
        // A statement of its own, so that the lock is given back before another one is taken.
        let own = self.ready.of(hart).lock().pop();
        let next = own.or_else(|| self.steal(hart));
        self.sliced(hart, next)
    }

    fn ready(&self, hart: &Hart, context: Context) {
        self.ready.of(hart).lock().push(context);
        wake_one();
    }

    fn yielded(&self, hart: &Hart, context: Context) -> Next {
        let mut ready = self.ready.of(hart).lock();
        ready.push(context);
        let next = ready.pop();
        drop(ready);
        self.sliced(hart, next)
    }

    fn resize(&self, hart: &Hart, context: Option<Context>) {
        if let Some(context) = context {
            self.ready.of(hart).lock().push(context);
        }
        loop {
            let Some(context) = self.ready.of(hart).lock().pop() else { return };
            self.ready.at(0).lock().push(context);
            wake_one();
        }
    }
}
