//! Tasks of `async` on threads of a scheduler: each runs to its end, no wake-up is missed, and one that never waits does not hold up the others.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use pulse::home::linux;
use pulse::home::test::{Scenario, Search, explore};
use pulse::{Shape, point};
use schedulers::executor::{Executor, Promise, yield_task};
use schedulers::round_robin::RoundRobin;

const PAIRS: u32 = 4;

/// Pairs of tasks, of which one gives what the other waits for, and one task that waits for nothing but time to pass.
fn pairs(scheduler: &Arc<RoundRobin>, workers: usize, ended: &Arc<AtomicU32>) {
    let executor = Executor::start(scheduler, workers).expect("there is memory");
    for number in 0..PAIRS {
        let (given, answered) = (Arc::new(Promise::default()), Arc::new(Promise::default()));
        let (giver, answer, count) = (given.clone(), answered.clone(), ended.clone());
        executor.spawn(async move {
            yield_task().await;
            giver.give(number);
            assert_eq!(answer.take().await, number + 1, "what came back");
            count.fetch_add(1, SeqCst);
        });
        let count = ended.clone();
        executor.spawn(async move {
            let value = given.take().await;
            yield_task().await;
            answered.give(value + 1);
            count.fetch_add(1, SeqCst);
        });
    }
    let others = ended.clone();
    executor.spawn(async move {
        while workers > 1 && others.load(SeqCst) < 2 * PAIRS {
            point("busy");
            core::hint::spin_loop();
        }
    });
    executor.close();
}

#[test]
fn tasks_end_under_every_schedule_that_was_tried() {
    for (harts, workers) in [(1, 1), (1, 2), (2, 2), (3, 2)] {
        explore(&Search::random(100).steps_at_most(50_000), Shape::new(harts), || {
            let (scheduler, ended) = (RoundRobin::new(100_000), Arc::new(AtomicU32::new(0)));
            let (of_main, seen) = (scheduler.clone(), ended.clone());
            Scenario {
                scheduler,
                main: Box::new(move || pairs(&of_main, workers, &ended)),
                check: Box::new(move |_| assert_eq!(seen.load(SeqCst), 2 * PAIRS, "tasks that ended")),
            }
        });
    }
}

#[test]
fn tasks_end_on_linux() {
    for (harts, workers) in [(1, 1), (1, 3), (2, 2), (4, 3)] {
        let (scheduler, ended) = (RoundRobin::new(100_000), Arc::new(AtomicU32::new(0)));
        let (of_main, of_tasks) = (scheduler.clone(), ended.clone());
        linux::run_within(Shape::new(harts), Duration::from_secs(120), &scheduler, move || {
            pairs(&of_main, workers, &of_tasks);
        });
        assert_eq!(ended.load(SeqCst), 2 * PAIRS, "tasks that ended, with {workers} workers on {harts} harts");
    }
}
