//! `corosensei`: coroutines without a scheduler.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Instant as Clock;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};

/// Switches in a sample, and lives.
const SWITCHES: u32 = 10_000;
const LIVES: u32 = 1_000;

/// Suspends for ever, until it is resumed with `false`.
fn endless() -> Coroutine<bool, (), ()> {
    Coroutine::new(|yielder, mut goes_on| {
        while goes_on {
            goes_on = yielder.suspend(());
        }
    })
}

/// Out of a coroutine, to the loop that resumes it, and into a coroutine.
pub(super) fn switches() -> f64 {
    let mut coroutine = endless();
    coroutine.resume(true);
    let start = Clock::now();
    for _ in 0..SWITCHES {
        assert!(matches!(coroutine.resume(true), CoroutineResult::Yield(())), "it goes on until it is told otherwise");
    }
    let took = start.elapsed();
    coroutine.resume(false);
    took.as_nanos() as f64 / f64::from(SWITCHES)
}

/// From one coroutine to the next one in a queue that only one thread knows.
pub(super) fn turns() -> f64 {
    let mut queue = VecDeque::from([endless(), endless()]);
    queue.iter_mut().for_each(|coroutine| _ = coroutine.resume(true));
    let start = Clock::now();
    for _ in 0..SWITCHES {
        let mut coroutine = queue.pop_front().expect("two take turns");
        black_box(coroutine.resume(true));
        queue.push_back(coroutine);
    }
    let took = start.elapsed();
    queue.iter_mut().for_each(|coroutine| _ = coroutine.resume(false));
    took.as_nanos() as f64 / f64::from(SWITCHES)
}

/// A coroutine from its creation to its end, on a stack that the one before has left.
pub(super) fn lives() -> Box<dyn FnMut() -> f64> {
    let mut stack = DefaultStack::new(1 << 16).ok();
    Box::new(move || {
        let start = Clock::now();
        for _ in 0..LIVES {
            let mut coroutine =
                Coroutine::<(), (), (), _>::with_stack(stack.take().expect("it comes back"), |_, ()| ());
            black_box(coroutine.resume(()));
            stack = Some(coroutine.into_stack());
        }
        start.elapsed().as_nanos() as f64 / f64::from(LIVES)
    })
}
