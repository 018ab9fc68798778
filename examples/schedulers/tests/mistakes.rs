//! The conformance suite notices plausible mistakes. Each is made on purpose in an otherwise right scheduler, and found by search.

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pulse::conformance::{Promises, Subject, deterministic};
use pulse::{Context, Hart, Next, PerHart, Queue, Scheduler, Spin, on_hart, suspend, wake_one};

/// None: the suite must be content.
const NONE: u8 = 0;
/// A thread is made ready and no hart is woken.
const WAKES_NOBODY: u8 = 1;
/// Who wants the lock and finds it taken does not look again before it waits.
const LOOKS_ONCE: u8 = 2;
/// The lock is given back before the thread is in the condition's queue.
const UNLOCKS_EARLY: u8 = 3;
/// The lock is free for a moment although it was promised to one who waits, who takes it for its own.
const HANDS_OVER_AND_FREES: u8 = 4;
/// A hart that is taken away keeps what is in its queue.
const KEEPS_ITS_QUEUE: u8 = 5;
/// The last thread that became ready is the next to run.
const LAST_FIRST: u8 = 6;
/// There is no tick.
const NEVER_INTERRUPTS: u8 = 7;
/// A hart that is taken away drops what it ran.
const DROPS_THE_INTERRUPTED: u8 = 8;

/// A thread yields only every third time.
const THREE_TURNS: u8 = 9;

/// A queue for each hart, and a mistake.
struct Flawed<const MISTAKE: u8> {
    ready: PerHart<Spin<Queue>>,
}

impl<const MISTAKE: u8> Flawed<MISTAKE> {
    fn push(&self, number: usize, context: Context) {
        let mut ready = self.ready.at(number).lock();
        let older = if MISTAKE == LAST_FIRST { core::mem::take(&mut *ready) } else { Queue::new() };
        ready.push(context);
        let mut older = older;
        while let Some(context) = older.pop() {
            ready.push(context);
        }
    }
}

impl<const MISTAKE: u8> Scheduler for Flawed<MISTAKE> {
    fn enter(&self, hart: &Hart) -> Next {
        let next = (0..hart.harts()).find_map(|other| {
            let number = (hart.number() + other) % hart.harts();
            self.ready.at(number).lock().pop()
        });
        if MISTAKE != NEVER_INTERRUPTS && next.is_some() && hart.tick_at() == u64::MAX {
            hart.set_tick(hart.now() + 50_000);
        }
        Next::run_or_idle(next)
    }

    fn ready(&self, hart: &Hart, context: Context) {
        self.push(hart.number(), context);
        if MISTAKE != WAKES_NOBODY {
            wake_one();
        }
    }

    fn yielded(&self, hart: &Hart, context: Context) -> Next {
        context.set_word(0, (context.word(0) + 1) % 3);
        if MISTAKE == THREE_TURNS && context.word(0) != 0 {
            hart.set_tick(hart.now() + 50_000);
            return Next::Run(context);
        }
        self.ready(hart, context);
        self.enter(hart)
    }

    fn resize(&self, hart: &Hart, context: Option<Context>) {
        if MISTAKE == DROPS_THE_INTERRUPTED {
            drop(context);
        } else if let Some(context) = context {
            self.push(hart.number(), context);
        }
        if MISTAKE == KEEPS_ITS_QUEUE {
            return;
        }
        loop {
            let Some(context) = self.ready.of(hart).lock().pop() else { return };
            self.push(0, context);
            wake_one();
        }
    }
}

struct Lock<const MISTAKE: u8> {
    scheduler: Arc<Flawed<MISTAKE>>,
    state: Spin<(bool, Queue)>,
}

struct Condition<const MISTAKE: u8> {
    scheduler: Arc<Flawed<MISTAKE>>,
    waiting: Spin<Queue>,
}

impl<const MISTAKE: u8> Subject for Flawed<MISTAKE> {
    const PROMISES: Promises = Promises { slices: true, turns_between: Some(1) };
    type Lock = Lock<MISTAKE>;
    type Condition = Condition<MISTAKE>;

    fn fresh() -> Arc<Self> {
        Arc::new(Self { ready: PerHart::new(|_| Spin::default()) })
    }

    fn start(this: &Arc<Self>, _: u64, context: Context) {
        on_hart(|hart| this.ready(hart, context));
    }

    fn lock(this: &Arc<Self>) -> Self::Lock {
        Lock { scheduler: this.clone(), state: Spin::default() }
    }

    fn acquire(lock: &Self::Lock) {
        if !core::mem::replace(&mut lock.state.lock().0, true) {
            return;
        }
        suspend(|context| {
            let mut state = lock.state.lock();
            if MISTAKE == LOOKS_ONCE || core::mem::replace(&mut state.0, true) {
                state.1.push(context);
            } else {
                drop(state);
                on_hart(|hart| lock.scheduler.ready(hart, context));
            }
        });
    }

    fn release(lock: &Self::Lock) {
        let mut state = lock.state.lock();
        let next = state.1.pop();
        state.0 = MISTAKE != HANDS_OVER_AND_FREES && next.is_some();
        drop(state);
        if let Some(context) = next {
            on_hart(|hart| lock.scheduler.ready(hart, context));
        }
    }

    fn condition(this: &Arc<Self>) -> Self::Condition {
        Condition { scheduler: this.clone(), waiting: Spin::default() }
    }

    fn wait(condition: &Self::Condition, lock: &Self::Lock) {
        if MISTAKE == UNLOCKS_EARLY {
            Self::release(lock);
        }
        suspend(|context| {
            condition.waiting.lock().push(context);
            if MISTAKE != UNLOCKS_EARLY {
                Self::release(lock);
            }
        });
        Self::acquire(lock);
    }

    fn notify_one(condition: &Self::Condition) {
        let next = condition.waiting.lock().pop();
        if let Some(context) = next {
            on_hart(|hart| condition.scheduler.ready(hart, context));
        }
    }
}

/// What the suite says of a mistake.
fn found<const MISTAKE: u8>() -> String {
    let result = catch_unwind(AssertUnwindSafe(|| deterministic::<Flawed<MISTAKE>>(150)));
    let failure = result.expect_err("the suite should have found the mistake, but it was content");
    failure.downcast_ref::<String>().cloned().expect("the suite says what it found")
}

fn is_found<const MISTAKE: u8>(expected: &str) {
    let seen = found::<MISTAKE>();
    assert!(seen.contains(expected), "expected to read `{expected}`, but the suite said: {seen}");
    assert!(seen.contains("replay: Search::"), "the suite should say how to replay it, but said: {seen}");
}

#[test]
fn a_scheduler_without_a_mistake_passes() {
    deterministic::<Flawed<NONE>>(60);
}

#[test]
fn a_hart_that_is_not_woken_is_found() {
    is_found::<WAKES_NOBODY>("not ended after");
}

#[test]
fn a_lock_that_looks_once_is_found() {
    is_found::<LOOKS_ONCE>("asleep for ever");
}

#[test]
fn a_condition_that_unlocks_early_is_found() {
    is_found::<UNLOCKS_EARLY>("asleep for ever");
}

#[test]
fn a_lock_with_two_holders_is_found() {
    is_found::<HANDS_OVER_AND_FREES>("two threads have the lock");
}

#[test]
fn a_queue_of_a_hart_that_was_taken_is_found() {
    is_found::<KEEPS_ITS_QUEUE>("asleep for ever");
}

#[test]
fn a_context_that_was_dropped_is_found() {
    is_found::<DROPS_THE_INTERRUPTED>("each thread should begin once");
}

#[test]
fn unfair_waiting_is_found() {
    is_found::<LAST_FIRST>("not ended after");
}

#[test]
fn turns_in_a_row_are_found() {
    is_found::<THREE_TURNS>("turns of others");
}

#[test]
fn a_missing_tick_is_found() {
    is_found::<NEVER_INTERRUPTS>("not ended after");
}
