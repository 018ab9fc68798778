//! Run-to-completion tasks, after the asynchronous abstract machines (section 3.4): a task is a closure and a [`Future`] for its value, and has no stack while it waits to be run.
//!
//! - A *worker* is a context that runs one task after the other on its own stack. So a task that never waits costs no context and no switch.
//! - A task that waits for something keeps the worker's stack for as long as it waits. Its hart then calls `enter`, which makes another worker if there are more
//!   tasks: contexts are allocated lazily, one for each hart and one for each task that waits. A worker that finds nothing to do ends, and its stack is used again.
//! - Who waits for a task that nobody has begun runs it at once, where it is: create-and-wait is two function calls with a queue between them, and no switch.
//!
//! Each hart has a queue of tasks and one of contexts that can go on. It takes from its own first, tasks in the order in which they came, and what was begun before what was
//! not. Once in [`LOOK_AROUND`] turns it begins with another hart's, so that nothing waits for ever for a hart that is busy or was taken away. Nothing is interrupted: a tick
//! goes on with what it found.

mod future;

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

use pulse::{Context, Hart, Next, PerHart, Queue, Scheduler, Spin, on_hart, wake_one};

pub use future::Future;
use future::Run;

use crate::room::make_room;

/// A hart begins with another one's queue once in so many turns.
pub const LOOK_AROUND: u32 = 32;

/// When there is no memory for a worker, it is tried again after so many ns.
const RETRY_NS: u64 = 1_000_000;

/// The scheduler.
#[derive(Debug)]
pub struct Tasks {
    harts: PerHart<Local>,
    /// Harts with larger numbers have never had anything in their queues.
    used: AtomicUsize,
    me: Weak<Self>,
}

/// What a hart has to do.
#[derive(Debug, Default)]
struct Local {
    tasks: Spin<VecDeque<Arc<dyn Run>>>,
    contexts: Spin<Queue>,
    /// Counted by this hart only.
    turns: AtomicU32,
}

impl Tasks {
    /// Without tasks.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let harts = || PerHart::new(|_| Local::default());
        Arc::new_cyclic(|me| Self { harts: harts(), used: AtomicUsize::new(0), me: me.clone() })
    }

    /// Starts a task: for threads and tasks. It runs on some hart, or where its value is waited for, and gets the scheduler to start others. Dropping the future does not
    /// stop it.
    pub fn spawn<T, F>(&self, work: F) -> Future<T>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> T + Send + 'static,
    {
        let (future, mut task) = future::pair(work);
        while let Err((refused, hart, length)) = self.push(task) {
            self.use_queue(hart);
            make_room(&self.harts.at(hart).tasks, |tasks| tasks, (length + 1).max(16));
            task = refused;
        }
        wake_one();
        future
    }

    /// Lets all look into this hart's queues.
    fn use_queue(&self, number: usize) {
        if self.used.load(SeqCst) <= number {
            self.used.fetch_max(number + 1, SeqCst);
        }
    }

    fn push_context(&self, hart: &Hart, context: Context) {
        self.use_queue(hart.number());
        self.harts.of(hart).contexts.lock().push(context);
    }

    /// To this hart's queue if there is room; else gives the task back, with the hart's number and the queue's length.
    fn push(&self, task: Arc<dyn Run>) -> Result<(), (Arc<dyn Run>, usize, usize)> {
        on_hart(|hart| {
            let mut tasks = self.harts.of(hart).tasks.lock();
            if tasks.len() == tasks.capacity() {
                return Err((task, hart.number(), tasks.len()));
            }
            tasks.push_back(task);
            Ok(())
        })
    }

    /// Takes a task back from this hart's queue if it is the last there, as it is when it was just started.
    fn unqueue(&self, is_it: impl Fn(&Arc<dyn Run>) -> bool) -> Option<Arc<dyn Run>> {
        on_hart(|hart| {
            let mut tasks = self.harts.of(hart).tasks.lock();
            if tasks.back().is_some_and(is_it) { tasks.pop_back() } else { None }
        })
    }

    /// A worker's life: a task from this queue, and what follows on the harts where it comes to be.
    fn work(&self, from: usize) {
        let mut next = self.harts.at(from).tasks.lock().pop_front();
        while let Some(task) = next {
            task.run(self);
            next = on_hart(|hart| self.following(hart));
        }
    }

    /// The next task of a hart whose worker has just finished one. `None` ends the worker, so that the hart chooses anew.
    fn following(&self, hart: &Hart) -> Option<Arc<dyn Run>> {
        let local = self.harts.of(hart);
        let turn = local.turns.load(Relaxed);
        if turn.is_multiple_of(LOOK_AROUND) || !local.contexts.lock().is_empty() {
            return None;
        }
        local.turns.store(turn.wrapping_add(1), Relaxed);
        local.tasks.lock().pop_front()
    }

    /// What a hart does next: go on with a context, or begin a task. Who yields lets tasks begin.
    fn choose(&self, hart: &Hart, tasks_first: bool) -> Next {
        let used = self.used.load(SeqCst);
        let turn = self.harts.of(hart).turns.fetch_add(1, Relaxed);
        let looks_around = turn.is_multiple_of(LOOK_AROUND);
        let first = if looks_around { (turn / LOOK_AROUND) as usize } else { hart.number() };
        for number in (0..used).map(|distance| (first + distance) % used) {
            let local = self.harts.at(number);
            let begin = || {
                // Only looked at: a task that is in no queue and no worker would not keep the machine from stopping.
                let none = local.tasks.lock().is_empty();
                (!none).then(|| self.worker(hart, number))
            };
            let go_on = || local.contexts.lock().pop().map(Next::Run);
            let next = if tasks_first { begin().or_else(go_on) } else { go_on().or_else(begin) };
            if let Some(next) = next {
                return next;
            }
        }
        Next::run_or_idle(None)
    }

    /// A context for tasks of this queue.
    fn worker(&self, hart: &Hart, from: usize) -> Next {
        let Some(this) = self.me.upgrade() else { return Next::run_or_idle(None) };
        match Context::new(move || this.work(from)) {
            Ok(worker) => Next::Run(worker),
            Err(_) => Next::Idle { until: hart.now() + RETRY_NS },
        }
    }
}

impl Scheduler for Tasks {
    fn enter(&self, hart: &Hart) -> Next {
        self.choose(hart, false)
    }

    fn ready(&self, hart: &Hart, context: Context) {
        self.push_context(hart, context);
        wake_one();
    }

    fn yielded(&self, hart: &Hart, context: Context) -> Next {
        self.push_context(hart, context);
        self.choose(hart, true)
    }

    fn tick(&self, _hart: &Hart, context: Context) -> Next {
        Next::Run(context)
    }

    fn resize(&self, hart: &Hart, context: Option<Context>) {
        let (own, first) = (self.harts.of(hart), self.harts.at(0));
        self.use_queue(0);
        if let Some(context) = context {
            own.contexts.lock().push(context);
        }
        loop {
            let Some(context) = own.contexts.lock().pop() else { break };
            first.contexts.lock().push(context);
            wake_one();
        }
        // Its tasks stay where they are, as there may be no room elsewhere: others come to look.
        let tasks = own.tasks.lock().len();
        (0..tasks).for_each(|_| wake_one());
    }
}
