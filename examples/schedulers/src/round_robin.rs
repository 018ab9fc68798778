//! Global round-robin: one queue for all harts. A hart takes the thread at the front; when its time slice is over, or it yields, it goes to the back.
//!
//! This is the file to copy for a scheduler of your own. It has three parts: a queue behind a [`Spin`] lock, the callbacks, and `spawn`. Mutexes and condition variables for
//! its threads are in [`crate::sync`].
//!
//! - `enter`: a hart has nothing to run. It takes the thread at the front and sees to it that a tick will come.
//! - `ready`: a thread can run. It goes to the back, and a sleeping hart, if there is one, is woken.
//! - The defaults do the rest: `yielded` and `tick` are `ready` and then `enter`; `done` frees the thread and enters; `resize` makes what the hart ran ready for others.

use alloc::sync::Arc;

use pulse::{Context, Hart, Next, NoStack, Queue, Scheduler, Spin, on_hart, wake_one};

/// The scheduler.
#[derive(Debug)]
pub struct RoundRobin {
    ready: Spin<Queue>,
    slice_ns: u64,
}

impl RoundRobin {
    /// With time slices of so many ns.
    #[must_use]
    pub fn new(slice_ns: u64) -> Arc<Self> {
        Arc::new(Self { ready: Spin::default(), slice_ns })
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

    /// Sees to it that a tick ends the slice of what runs next. A slice that is under way goes on when a thread yields before its end, so that yielding costs no look at
    /// the clock; a thread's first slice can thus be shorter than the others.
    fn sliced(&self, hart: &Hart, next: Option<Context>) -> Next {
        if next.is_some() && hart.tick_at() == u64::MAX {
            hart.set_tick(hart.now() + self.slice_ns);
        }
        Next::run_or_idle(next)
    }
}

impl Scheduler for RoundRobin {
    fn enter(&self, hart: &Hart) -> Next {
        let next = self.ready.lock().pop();
        self.sliced(hart, next)
    }

    fn ready(&self, _hart: &Hart, context: Context) {
        self.ready.lock().push(context);
        wake_one();
    }

    fn yielded(&self, hart: &Hart, context: Context) -> Next {
        // As the default, under one lock instead of two. Nobody needs to be woken: as many threads wait as before.
        let mut ready = self.ready.lock();
        ready.push(context);
        let next = ready.pop();
        drop(ready);
        self.sliced(hart, next)
    }
}
