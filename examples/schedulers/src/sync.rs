//! A mutex and a condition variable, for threads of any scheduler.
//!
//! Both are made of the same thing: [`pulse::suspend`] takes the running thread off its hart and hands it to a closure, which puts it into a queue. Whoever wakes
//! it takes it out and gives it to [`Scheduler::ready`]. As the closure runs when the thread has already stopped, and looks again under the lock at what the thread
//! waits for, there is no moment at which a wake-up could be missed.

use alloc::sync::Arc;
use core::ops::{Deref, DerefMut};

use pulse::{Context, Queue, Scheduler, Spin, on_hart, suspend};

/// What a mutex does, without what it protects.
pub trait RawLock {
    /// Takes the lock, waiting if need be. For threads.
    fn acquire(&self);

    /// Gives it back. For threads and callbacks: never waits.
    fn release(&self);
}

/// A lock that is handed to those who wait in the order in which they came: so waiting is bounded.
#[derive(Debug)]
pub struct Lock<S> {
    scheduler: Arc<S>,
    state: Spin<LockState>,
}

#[derive(Debug, Default)]
struct LockState {
    held: bool,
    waiting: Queue,
}

impl<S: Scheduler> Lock<S> {
    /// A free lock for threads of a scheduler.
    pub fn new(scheduler: &Arc<S>) -> Self {
        Self { scheduler: scheduler.clone(), state: Spin::default() }
    }
}

impl<S: Scheduler> RawLock for Lock<S> {
    fn acquire(&self) {
        {
            let mut state = self.state.lock();
            if !state.held {
                state.held = true;
                return;
            }
        }
        suspend(|context| {
            let mut state = self.state.lock();
            if state.held {
                state.waiting.push(context);
            } else {
                // It was given back in between.
                state.held = true;
                drop(state);
                wake(&*self.scheduler, context);
            }
        });
    }

    fn release(&self) {
        let mut state = self.state.lock();
        let next = state.waiting.pop();
        // If someone waits, the lock is theirs without ever being free.
        state.held = next.is_some();
        drop(state);
        if let Some(context) = next {
            wake(&*self.scheduler, context);
        }
    }
}

fn wake<S: Scheduler>(scheduler: &S, context: Context) {
    on_hart(|hart| scheduler.ready(hart, context));
}

/// Threads that wait for something to become true.
#[derive(Debug)]
pub struct Condition<S> {
    scheduler: Arc<S>,
    waiting: Spin<Queue>,
}

impl<S: Scheduler> Condition<S> {
    /// For threads of a scheduler.
    pub fn new(scheduler: &Arc<S>) -> Self {
        Self { scheduler: scheduler.clone(), waiting: Spin::default() }
    }

    /// Gives the lock back, waits to be notified, and takes the lock again. What the thread waits for must be looked at again then.
    pub fn wait(&self, lock: &impl RawLock) {
        suspend(|context| {
            self.waiting.lock().push(context);
            // Only now: who takes the lock to make it true will find the thread here.
            lock.release();
        });
        lock.acquire();
    }

    /// Wakes the one that has waited longest. Says whether there was one.
    pub fn notify_one(&self) -> bool {
        let next = self.waiting.lock().pop();
        let found = next.is_some();
        if let Some(context) = next {
            wake(&*self.scheduler, context);
        }
        found
    }

    /// Wakes all that wait.
    pub fn notify_all(&self) {
        while self.notify_one() {}
    }
}

/// A value that one thread at a time can use.
#[derive(Debug)]
pub struct Mutex<T, L> {
    lock: L,
    /// Never contended: `lock` is held around it. It is what makes this file free of unsafe code.
    value: spin::Mutex<T>,
}

impl<T, L: RawLock> Mutex<T, L> {
    /// Protects a value by a lock that is free.
    pub fn new(lock: L, value: T) -> Self {
        Self { lock, value: spin::Mutex::new(value) }
    }

    /// Waits until the value is free.
    pub fn lock(&self) -> MutexGuard<'_, T, L> {
        self.lock.acquire();
        MutexGuard { mutex: self, value: Some(self.value.lock()) }
    }

    /// For [`Condition::wait`] of a guard: gives the value back, waits, and takes it again.
    pub fn wait<'a, S: Scheduler>(
        &'a self,
        condition: &Condition<S>,
        mut guard: MutexGuard<'a, T, L>,
    ) -> MutexGuard<'a, T, L> {
        guard.value = None;
        condition.wait(&self.lock);
        guard.value = Some(self.value.lock());
        guard
    }
}

/// Gives the mutex back when it is dropped.
#[derive(Debug)]
pub struct MutexGuard<'a, T, L: RawLock> {
    mutex: &'a Mutex<T, L>,
    value: Option<spin::MutexGuard<'a, T>>,
}

impl<T, L: RawLock> Deref for MutexGuard<'_, T, L> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("a guard has its value until it is dropped")
    }
}

impl<T, L: RawLock> DerefMut for MutexGuard<'_, T, L> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("a guard has its value until it is dropped")
    }
}

impl<T, L: RawLock> Drop for MutexGuard<'_, T, L> {
    fn drop(&mut self) {
        self.value = None;
        self.mutex.lock.release();
    }
}
