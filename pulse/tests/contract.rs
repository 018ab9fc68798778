//! What the contract of callbacks and contexts forbids is refused, with a reason; what it promises comes.

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

use pulse::home::linux;
use pulse::{
    Context, Hart, Next, Queue, Scheduler, Shape, Spin, interrupt, now, on_hart, sleep_until, suspend, wake_one,
    yield_now,
};

/// What a scheduler does wrong, in `yielded`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Wrong {
    #[default]
    Nothing,
    Yields,
    Suspends,
    #[cfg_attr(not(debug_assertions), allow(dead_code, reason = "only debug builds refuse it"))]
    KeepsALock,
    Sleeps,
    RunsTheFinished,
    TakesLong,
}

#[derive(Default)]
struct Fifo {
    ready: Spin<Queue>,
    wrong: Wrong,
    other: Spin<u32>,
    ticks: AtomicU64,
    notes: AtomicU32,
}

impl Scheduler for Fifo {
    fn enter(&self, _: &Hart) -> Next {
        Next::run_or_idle(self.ready.lock().pop())
    }

    fn ready(&self, _: &Hart, context: Context) {
        self.ready.lock().push(context);
        wake_one();
    }

    fn yielded(&self, hart: &Hart, context: Context) -> Next {
        match self.wrong {
            Wrong::Yields => yield_now(),
            Wrong::Suspends => suspend(drop),
            Wrong::KeepsALock => core::mem::forget(self.other.lock()),
            Wrong::Sleeps => sleep_until(now() + 1),
            Wrong::TakesLong => {
                let begun = now();
                while now() <= begun + pulse::CALLBACK_NS {}
            }
            Wrong::Nothing | Wrong::RunsTheFinished => {}
        }
        self.ready(hart, context);
        self.enter(hart)
    }

    fn tick(&self, hart: &Hart, context: Context) -> Next {
        self.ticks.fetch_add(1, SeqCst);
        self.ready(hart, context);
        self.enter(hart)
    }

    fn done(&self, hart: &Hart, context: Context) -> Next {
        if self.wrong == Wrong::RunsTheFinished {
            return Next::Run(context);
        }
        drop(context);
        self.enter(hart)
    }

    fn notify(&self, _: &Hart) {
        self.notes.fetch_add(1, SeqCst);
    }
}

fn refusal(wrong: Wrong, main: impl FnOnce() + Send + 'static) -> String {
    let fifo = Fifo { wrong, ..Fifo::default() };
    let result = catch_unwind(AssertUnwindSafe(|| linux::run(Shape::new(1), &fifo, main)));
    let failure = result.expect_err("it should have been refused");
    let text = failure.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| failure.downcast_ref::<String>().cloned()).expect("a refusal has a text")
}

fn is_refused(expected: &str, wrong: Wrong, main: impl FnOnce() + Send + 'static) {
    let seen = refusal(wrong, main);
    assert!(seen.contains(expected), "expected to read `{expected}`, but it was: {seen}");
}

#[test]
fn a_callback_must_not_yield() {
    is_refused("a scheduler's callback must not wait or yield", Wrong::Yields, yield_now);
}

#[test]
fn a_callback_must_not_suspend() {
    is_refused("a scheduler's callback must not wait or yield", Wrong::Suspends, yield_now);
}

#[test]
fn a_callback_must_not_sleep() {
    is_refused("a scheduler's callback must not wait or yield", Wrong::Sleeps, yield_now);
}

#[test]
#[cfg(debug_assertions)]
fn a_callback_must_not_keep_a_lock() {
    is_refused("a callback must give up every lock that it takes, but `yielded`", Wrong::KeepsALock, yield_now);
}

#[test]
fn a_summary_tells_of_callbacks_that_take_long() {
    let fifo = Fifo { wrong: Wrong::TakesLong, ..Fifo::default() };
    let seen = linux::run(Shape::new(1), &fifo, || (0..3).for_each(|_| yield_now())).callbacks;
    if cfg!(debug_assertions) {
        // The system may have made others long too, so that it may be another one that was the longest.
        assert!(seen.over >= 3, "three callbacks took more than {} ns, but it tells of {seen:?}", pulse::CALLBACK_NS);
        assert!(seen.longest_ns > pulse::CALLBACK_NS && !seen.longest.is_empty(), "the longest callback: {seen:?}");
    } else {
        assert_eq!(seen, pulse::Callbacks::default(), "nothing is measured in release builds");
    }
}

#[test]
fn a_callback_of_suspend_must_not_keep_a_lock_or_wait() {
    is_refused("a scheduler's callback must not wait or yield", Wrong::Nothing, || suspend(|_| yield_now()));
    if cfg!(debug_assertions) {
        let lock = Spin::new(());
        is_refused("every lock that it takes, but `suspend`", Wrong::Nothing, move || {
            suspend(|context| {
                core::mem::forget(lock.lock());
                drop(context);
            });
        });
    }
}

#[test]
#[cfg(debug_assertions)]
fn a_finished_context_does_not_run_again() {
    is_refused("has finished and cannot run", Wrong::RunsTheFinished, || {});
}

#[test]
fn a_context_must_not_wait_with_events_masked() {
    is_refused("while it masks events or holds a lock", Wrong::Nothing, || {
        pulse::masked(yield_now);
    });
    is_refused("while it masks events or holds a lock", Wrong::Nothing, || {
        let lock = Spin::new(());
        let _guard = lock.lock();
        sleep_until(now() + 1);
    });
}

#[test]
fn what_needs_a_hart_says_so_elsewhere() {
    let result = catch_unwind(|| on_hart(Hart::number));
    assert!(result.is_err(), "a thread that is no hart has no number");
    // Locks work everywhere.
    assert_eq!(*Spin::new(3).lock(), 3, "what the lock protects");
}

#[test]
fn a_hart_that_is_interrupted_calls_tick_and_a_notified_one_notify() {
    let fifo = Arc::new(Fifo::default());
    let seen = fifo.clone();
    linux::run(Shape::new(2), &*fifo, move || {
        let ticked = seen.clone();
        let other = Context::new(move || {
            let own = on_hart(|hart| hart.number());
            // Nothing but an interruption ends this.
            while ticked.ticks.load(SeqCst) == 0 {
                core::hint::spin_loop();
            }
            let _ = own;
        });
        on_hart(|hart| seen.ready(hart, other.expect("there is memory")));
        while seen.ticks.load(SeqCst) == 0 {
            (0..2).for_each(interrupt);
            yield_now();
        }
        linux::notify();
        while seen.notes.load(SeqCst) == 0 {
            yield_now();
        }
    });
    assert!(fifo.ticks.load(SeqCst) > 0 && fifo.notes.load(SeqCst) == 1, "ticks, and one notification");
}
