//! Tasks with work stealing, as in Threading Building Blocks: each hart has a queue, begins with the task that it started last, and takes the oldest from another when it has none.
//! Tasks may start others, and may use other libraries.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use pulse::{Context, Hart, PerHart, Queue, Spin, on_hart};

use super::outstanding::Outstanding;
use super::{Choice, Library, Lithe, TooMany};
use crate::room::make_room;

type Task = Box<dyn FnOnce(&Arc<Stealing>) + Send>;

/// The library.
pub struct Stealing {
    lithe: Arc<Lithe>,
    tasks: PerHart<Spin<VecDeque<Task>>>,
    /// Harts with larger numbers have never had a task in their queues.
    used: AtomicUsize,
    left: Outstanding,
    ready: Spin<Queue>,
}

impl core::fmt::Debug for Stealing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Stealing").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Stealing {
    /// Runs a function that may start tasks. For contexts; returns when all tasks have ended.
    ///
    /// # Errors
    /// [`TooMany`], before anything was run.
    pub fn run(lithe: &Arc<Lithe>, main: impl FnOnce(&Arc<Self>)) -> Result<(), TooMany> {
        let this = Arc::new(Self {
            lithe: lithe.clone(),
            tasks: PerHart::new(|_| Spin::default()),
            used: AtomicUsize::new(0),
            left: Outstanding::new(lithe, 0),
            ready: Spin::default(),
        });
        lithe.with(this.clone(), || {
            main(&this);
            this.work();
            this.left.wait();
        })
    }

    /// Starts a task. For `main` and tasks.
    pub fn spawn(&self, work: impl FnOnce(&Arc<Self>) + Send + 'static) {
        self.left.add_one();
        let mut task: Task = Box::new(work);
        while let Err((refused, hart, length)) = self.push(task) {
            self.used.fetch_max(hart + 1, SeqCst);
            make_room(self.tasks.at(hart), |tasks| tasks, (length + 1).max(16));
            task = refused;
        }
        self.lithe.request(1);
    }

    /// To this hart's queue if there is room; else gives the task back, with the hart's number and the queue's length.
    fn push(&self, task: Task) -> Result<(), (Task, usize, usize)> {
        on_hart(|hart| {
            let mut tasks = self.tasks.of(hart).lock();
            if tasks.len() == tasks.capacity() {
                return Err((task, hart.number(), tasks.len()));
            }
            tasks.push_back(task);
            Ok(())
        })
    }

    /// Tasks, until none is left that nobody has begun.
    fn work(self: &Arc<Self>) {
        while let Some(task) = on_hart(|hart| self.take(hart)) {
            task(self);
            self.left.end_one();
        }
    }

    fn take(&self, hart: &Hart) -> Option<Task> {
        let own = self.tasks.of(hart).lock().pop_back();
        own.or_else(|| self.queues().find_map(|number| self.tasks.at(number).lock().pop_front()))
    }

    /// All that may have tasks, also those of harts that were taken away: what is there is for the others.
    fn queues(&self) -> impl Iterator<Item = usize> + use<> {
        0..self.used.load(SeqCst)
    }
}

impl Library for Stealing {
    fn enter(self: Arc<Self>, _: &Lithe, _: &Hart) -> Choice {
        let ready = self.ready.lock().pop();
        if let Some(context) = ready {
            return Choice::Run(context);
        }
        // New tasks go before children that want harts: they are the larger pieces.
        if self.queues().all(|number| self.tasks.at(number).lock().is_empty()) {
            return Choice::Yield;
        }
        Context::new(move || self.work()).map_or(Choice::Yield, Choice::Run)
    }

    fn ready(&self, _: &Hart, context: Context) {
        self.ready.lock().push(context);
    }
}
