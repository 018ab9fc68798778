//! An executor for Rust's `async`, on threads of any scheduler: tasks that wait take no stack, and threads that have no task to poll take no hart.
//!
//! A task is polled by a *worker*, a thread. Whoever wakes a task puts it into the queue, and makes a worker ready if one waits there. A task is in the queue at most once
//! (`queued`), and is polled by one worker at a time: who is woken while it is polled is queued, and the worker that finds it in use puts it back.
//!
//! Events may interrupt a poll like anything else: a task that never waits cannot keep others from running, which is what an executor alone cannot promise.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use core::task::{Context as PollContext, Poll, Waker};

use pulse::{Context, NoStack, Queue, Scheduler, Spin, on_hart, suspend};

use crate::room::make_room;

/// The executor.
#[derive(Debug)]
pub struct Executor<S> {
    scheduler: Arc<S>,
    state: Spin<State<S>>,
}

#[derive(Debug)]
struct State<S> {
    tasks: VecDeque<Arc<Task<S>>>,
    /// Tasks that have not finished.
    unfinished: usize,
    closed: bool,
    /// Workers that wait for tasks.
    waiting: Queue,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Task<S> {
    executor: Arc<Executor<S>>,
    /// Taken out while it is polled, so that no lock is held meanwhile.
    work: Spin<Option<Work>>,
    queued: AtomicBool,
    finished: AtomicBool,
}

impl<S> core::fmt::Debug for Task<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Task").field("queued", &self.queued).field("finished", &self.finished).finish_non_exhaustive()
    }
}

impl<S: Scheduler + Send + Sync + 'static> Executor<S> {
    /// With so many workers, which run until [`Executor::close`] was called and all tasks have finished. To be called by a thread.
    ///
    /// # Errors
    /// [`NoStack`] when there is no memory for a worker.
    pub fn start(scheduler: &Arc<S>, workers: usize) -> Result<Arc<Self>, NoStack> {
        let state = State { tasks: VecDeque::new(), unfinished: 0, closed: false, waiting: Queue::new() };
        let executor = Arc::new(Self { scheduler: scheduler.clone(), state: Spin::new(state) });
        for _ in 0..workers {
            let own = executor.clone();
            let worker = Context::new(move || own.work())?;
            on_hart(|hart| scheduler.ready(hart, worker));
        }
        Ok(executor)
    }

    /// Starts a task.
    pub fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        let task = Arc::new(Task {
            executor: self.clone(),
            work: Spin::new(Some(Box::pin(work))),
            queued: AtomicBool::new(false),
            finished: AtomicBool::new(false),
        });
        self.make_room();
        task.wake();
    }

    /// Counts a new task and makes the queue large enough for all there are, as each is in it at most once.
    fn make_room(&self) {
        let mut state = self.state.lock();
        state.unfinished += 1;
        let wanted = state.unfinished;
        drop(state);
        make_room(&self.state, |state| &mut state.tasks, wanted);
    }

    /// Lets workers end when there is nothing left to do.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.call_workers(usize::MAX);
    }

    /// Makes workers ready that wait, at most so many.
    fn call_workers(&self, most: usize) {
        for _ in 0..most {
            // A statement of its own, so that the lock is given back before the scheduler is called.
            let worker = self.state.lock().waiting.pop();
            let Some(worker) = worker else { return };
            on_hart(|hart| self.scheduler.ready(hart, worker));
        }
    }

    /// A worker's life.
    fn work(&self) {
        loop {
            let mut state = self.state.lock();
            if let Some(task) = state.tasks.pop_front() {
                drop(state);
                self.poll(&task);
            } else if state.closed && state.unfinished == 0 {
                return;
            } else {
                drop(state);
                suspend(|context| {
                    let mut state = self.state.lock();
                    if state.tasks.is_empty() && !(state.closed && state.unfinished == 0) {
                        state.waiting.push(context);
                    } else {
                        drop(state);
                        on_hart(|hart| self.scheduler.ready(hart, context));
                    }
                });
            }
        }
    }

    fn poll(&self, task: &Arc<Task<S>>) {
        // From here on whoever wakes the task queues it again.
        task.queued.store(false, SeqCst);
        let work = task.work.lock().take();
        let Some(mut work) = work else {
            // Finished, or another worker polls it: then it is polled once more, for what woke it may have come after that worker looked.
            if !task.finished.load(SeqCst) {
                task.wake_by_ref();
                pulse::yield_now();
            }
            return;
        };
        let waker = Waker::from(task.clone());
        match work.as_mut().poll(&mut PollContext::from_waker(&waker)) {
            Poll::Pending => *task.work.lock() = Some(work),
            Poll::Ready(()) => {
                task.finished.store(true, SeqCst);
                let mut state = self.state.lock();
                state.unfinished -= 1;
                let last = state.closed && state.unfinished == 0;
                drop(state);
                if last {
                    self.call_workers(usize::MAX);
                }
            }
        }
    }
}

impl<S: Scheduler + Send + Sync + 'static> Wake for Task<S> {
    fn wake(self: Arc<Self>) {
        if self.queued.swap(true, SeqCst) || self.finished.load(SeqCst) {
            return;
        }
        let executor = self.executor.clone();
        executor.state.lock().tasks.push_back(self);
        executor.call_workers(1);
    }
}

/// Lets other tasks go first, once.
pub async fn yield_task() {
    let mut yielded = false;
    core::future::poll_fn(|context| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A value that one task gives and another waits for.
#[derive(Debug, Default)]
pub struct Promise<T>(Spin<(Option<T>, Option<Waker>)>);

impl<T> Promise<T> {
    /// Gives the value.
    pub fn give(&self, value: T) {
        let mut state = self.0.lock();
        state.0 = Some(value);
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits for the value and takes it. For one task.
    pub async fn take(&self) -> T {
        core::future::poll_fn(|context| {
            let mut state = self.0.lock();
            if let Some(value) = state.0.take() {
                return Poll::Ready(value);
            }
            let earlier = state.1.replace(context.waker().clone());
            drop(state);
            drop(earlier);
            Poll::Pending
        })
        .await
    }
}
