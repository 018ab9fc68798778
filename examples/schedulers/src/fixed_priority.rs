//! Fixed priorities: the most urgent threads run, and threads of the same priority take turns. Who holds a lock inherits the priority of those who wait for it.
//!
//! A priority is a number, and the smaller it is the more urgent. It is the rank of [`crate::ranks`], which does what there is to do; this file adds the time slices.

use alloc::sync::Arc;

use pulse::{Context, Hart, Next, Scheduler};

use crate::ranks::{Full, Lock, Ranks};

/// The scheduler.
#[derive(Debug)]
pub struct FixedPriority {
    ranks: Arc<Ranks>,
    slice_ns: u64,
}

impl FixedPriority {
    /// With room for so many threads, the first one included, and locks. Threads of the same priority take turns of so many ns.
    #[must_use]
    pub fn new(threads: usize, locks: usize, slice_ns: u64) -> Arc<Self> {
        Arc::new(Self { ranks: Ranks::new(threads, locks), slice_ns })
    }

    /// Starts a thread. To be called by a thread. The first one has priority 0, the most urgent, until it changes it.
    ///
    /// # Errors
    /// When there is no room in the table, or no memory for a stack.
    pub fn spawn(&self, priority: u32, work: impl FnOnce() + Send + 'static) -> Result<(), Full> {
        self.start(priority, Context::new(work).map_err(Full::Stack)?)
    }

    /// Makes a new context a thread.
    ///
    /// # Errors
    /// When there is no room in the table.
    pub fn start(&self, priority: u32, context: Context) -> Result<(), Full> {
        self.ranks.start(u64::from(priority), context)
    }

    /// Changes the calling thread's own priority.
    pub fn set_priority(&self, priority: u32) {
        self.ranks.set_rank(u64::from(priority));
    }

    /// The priority that counts for the calling thread now, with what it has inherited.
    #[must_use]
    pub fn priority(&self) -> u32 {
        // Ranks come from priorities only.
        self.ranks.rank() as u32
    }

    /// A free lock whose holder inherits.
    ///
    /// # Errors
    /// When there is no room in the table.
    pub fn lock(&self) -> Result<Lock, Full> {
        Lock::new(&self.ranks)
    }

    /// Lets a slice begin, if none is under way.
    fn sliced(&self, hart: &Hart, next: Next) -> Next {
        if matches!(next, Next::Run(_)) && hart.tick_at() == u64::MAX {
            hart.set_tick(hart.now() + self.slice_ns);
        }
        next
    }
}

impl Scheduler for FixedPriority {
    fn enter(&self, hart: &Hart) -> Next {
        self.sliced(hart, self.ranks.enter(hart))
    }

    fn ready(&self, hart: &Hart, context: Context) {
        self.ranks.ready(hart, context);
    }

    fn yielded(&self, hart: &Hart, context: Context) -> Next {
        self.sliced(hart, self.ranks.again(hart, context))
    }

    fn done(&self, hart: &Hart, context: Context) -> Next {
        self.sliced(hart, self.ranks.done(hart, context))
    }

    fn resize(&self, hart: &Hart, context: Option<Context>) {
        self.ranks.resize(hart, context);
    }
}
