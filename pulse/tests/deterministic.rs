//! The deterministic home finds what depends on the schedule, and replays it.

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

use pulse::home::test::{Deviation, Explored, Scenario, Search, explore};
use pulse::{Context, Hart, Next, Queue, Scheduler, Shape, Spin, now, on_hart, point, sleep_until, wake_one};

#[derive(Default)]
struct Fifo {
    ready: Spin<Queue>,
}

impl Scheduler for Fifo {
    fn enter(&self, hart: &Hart) -> Next {
        let next = self.ready.lock().pop();
        hart.set_tick(if next.is_some() { hart.now() + 1_000_000 } else { u64::MAX });
        Next::run_or_idle(next)
    }

    fn ready(&self, _: &Hart, context: Context) {
        self.ready.lock().push(context);
        wake_one();
    }
}

fn scenario(main: impl FnOnce(&Fifo) + Send + 'static, check: impl FnOnce() + 'static) -> Scenario<Arc<Fifo>> {
    let fifo = Arc::new(Fifo::default());
    let scheduler = fifo.clone();
    Scenario { scheduler, main: Box::new(move || main(&fifo)), check: Box::new(move |_| check()) }
}

fn spawn(fifo: &Fifo, work: impl FnOnce() + Send + 'static) {
    let context = Context::new(work).expect("there is memory");
    on_hart(|hart| fifo.ready(hart, context));
}

/// Two threads that add one by reading and writing: wrong only if one comes between the other's two steps.
fn racy_count() -> Scenario<Arc<Fifo>> {
    let count = Arc::new(AtomicU32::new(0));
    let seen = count.clone();
    let main = move |fifo: &Fifo| {
        for _ in 0..2 {
            let count = count.clone();
            spawn(fifo, move || {
                let before = count.load(SeqCst);
                point("between");
                count.store(before + 1, SeqCst);
            });
        }
    };
    scenario(main, move || assert_eq!(seen.load(SeqCst), 2, "what two threads counted"))
}

fn failure(search: &Search, harts: usize) -> String {
    let result = catch_unwind(AssertUnwindSafe(|| explore(search, Shape::new(harts), racy_count)));
    let failure = result.expect_err("the search should have found the race");
    failure.downcast_ref::<String>().cloned().expect("a failure has a text")
}

#[test]
fn a_race_is_found_at_random_and_replayed_by_its_seed() {
    for harts in [1, 2] {
        let found = failure(&Search::random(2_000), harts);
        assert!(found.contains("what two threads counted"), "the reason should be told: {found}");
        let (_, replay) = found.split_once("replay: Search::seed(").expect("the seed should be told");
        let seed = replay.trim_end_matches(')').parse().expect("a number");
        assert_eq!(failure(&Search::seed(seed), harts), found, "the replay of seed {seed}");
    }
}

#[test]
fn a_race_is_found_by_deviating_once_and_replayed() {
    let found = failure(&Search::exhaustive(1, 100_000), 1);
    let (_, replay) = found.split_once("replay: Search::replay(&[Deviation { step: ").expect("it should be told");
    let numbers: Vec<u64> = replay.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
    let deviation = Deviation { step: numbers[0], option: numbers[1] as u32 };
    assert_eq!(failure(&Search::replay(&[deviation]), 1), found, "the replay of {deviation:?}");
}

#[test]
fn an_exhaustive_search_says_that_it_is_complete() {
    let right = || {
        let count = Arc::new(AtomicU32::new(0));
        let seen = count.clone();
        let main = move |fifo: &Fifo| {
            for _ in 0..2 {
                let count = count.clone();
                spawn(fifo, move || {
                    point("before");
                    count.fetch_add(1, SeqCst);
                });
            }
        };
        scenario(main, move || assert_eq!(seen.load(SeqCst), 2, "what two threads counted"))
    };
    let Explored { runs, complete, .. } = explore(&Search::exhaustive(2, 1_000_000), Shape::new(2), right);
    assert!(complete && runs > 100, "all schedules with two deviations, but it ran {runs}, complete: {complete}");
    let Explored { runs, complete, .. } = explore(&Search::exhaustive(2, 50), Shape::new(2), right);
    assert_eq!((runs, complete), (50, false), "runs of a search that is not allowed more");
}

#[test]
fn sleeping_takes_no_time_and_is_exact() {
    let late = Arc::new(AtomicU64::new(0));
    let worst = late.clone();
    explore(&Search::replay(&[]), Shape::new(2), || {
        let late = late.clone();
        let main = move |fifo: &Fifo| {
            for hours in 1..20_u64 {
                let late = late.clone();
                spawn(fifo, move || {
                    let at = now() + hours * 3_600_000_000_000;
                    sleep_until(at);
                    late.fetch_max(now() - at, SeqCst);
                });
            }
        };
        scenario(main, || {})
    });
    let worst = worst.load(SeqCst);
    assert!(
        worst < 3_000_000,
        "sleepers should wake within what a few steps and ticks take, but one was {worst} ns late"
    );
}
