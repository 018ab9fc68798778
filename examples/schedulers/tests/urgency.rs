//! What the schedulers with ranks promise: theory's bounds, and no inversion longer than a lock is held. In the deterministic home, where time is what points make of it.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use pulse::home::test::{Scenario, Search, explore};
use pulse::{Scheduler, Shape, now, point, yield_now};
use schedulers::edf::{Edf, Periodic};
use schedulers::fixed_priority::FixedPriority;
use schedulers::sync::RawLock;

/// Works for so many steps of 1 us.
fn work(steps: u64) {
    for _ in 0..steps {
        point("work");
    }
}

/// Runs the plain schedule, without deviations: what happens is what theory speaks of.
fn plainly<S, M>(scheduler: Arc<S>, harts: usize, main: M)
where
    S: Scheduler + Send + 'static,
    M: FnOnce(&Arc<S>) + Send + Clone + 'static,
{
    let search = Search::replay(&[]).steps_at_most(10_000_000);
    explore(&search, Shape::new(harts), || {
        let (main, scheduler_of_main) = (main.clone(), scheduler.clone());
        Scenario {
            scheduler: scheduler.clone(),
            main: Box::new(move || main(&scheduler_of_main)),
            check: Box::new(|_| {}),
        }
    });
}

/// Jobs that finished and jobs that came too late, for tasks of (period, work) in us, with deadlines at the ends of periods, and some us of work
/// taken off each job for what scheduling costs: points in locks pass time too.
fn run_tasks(tasks: &'static [(u64, u64)], overhead_us: u64) -> (u64, u64) {
    let edf = Edf::new(16, 0);
    plainly(edf.clone(), 1, move |edf: &Arc<Edf>| {
        let first_ns = now() + 1_000_000;
        for (period, length) in tasks {
            let times = Periodic {
                first_ns,
                period_ns: period * 1000,
                deadline_ns: period * 1000,
                jobs: 400_000 / period,
                hart: None,
            };
            edf.spawn_periodic(times, move |_| work(length - overhead_us)).expect("there is room");
        }
    });
    (edf.jobs().finished, edf.jobs().missed)
}

/// What a job's scheduling takes in steps of locks and wake-ups, at most.
const OVERHEAD_US: u64 = 60;

#[test]
fn edf_misses_nothing_on_one_hart_up_to_full_use() {
    // 60, 80, 95 and 100 percent, periods with no common rhythm.
    for tasks in [
        &[(4_000, 1_200), (7_000, 1_400), (10_000, 1_000)][..],
        &[(4_000, 1_600), (7_000, 1_400), (10_000, 2_000)],
        &[(4_000, 1_800), (8_000, 2_000), (10_000, 2_500)],
        &[(4_000, 2_000), (8_000, 2_000), (10_000, 2_500)],
    ] {
        let (finished, missed) = run_tasks(tasks, OVERHEAD_US);
        let expected: u64 = tasks.iter().map(|(period, _)| 400_000 / period).sum();
        assert_eq!((finished, missed), (expected, 0), "jobs finished and missed of {tasks:?}");
    }
}

#[test]
fn edf_misses_when_too_much_is_asked() {
    let (_, missed) = run_tasks(&[(4_000, 2_400), (8_000, 2_400), (10_000, 2_500)], 0);
    assert!(missed > 0, "115 percent of a hart cannot be done in time, but no job was late");
}

/// The classical inversion: the low thread holds the lock that the high one wants, and the middle one has much to do. Returns when the high and the middle one were done, in ns.
fn inversion(
    start: impl Fn(u32, Box<dyn FnOnce() + Send>),
    lock: impl RawLock + Send + Sync + 'static,
) -> [Arc<AtomicU64>; 2] {
    let lock = Arc::new(lock);
    let [high_done, middle_done] = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
    let at = now() + 1_000_000;
    let (low_lock, high_lock) = (lock.clone(), lock);
    start(
        3,
        Box::new(move || {
            low_lock.acquire();
            work(5_000);
            low_lock.release();
        }),
    );
    let done = middle_done.clone();
    start(
        2,
        Box::new(move || {
            pulse::sleep_until(at + 200_000);
            work(50_000);
            done.store(now(), SeqCst);
        }),
    );
    let done = high_done.clone();
    start(
        1,
        Box::new(move || {
            pulse::sleep_until(at);
            high_lock.acquire();
            done.store(now(), SeqCst);
            high_lock.release();
        }),
    );
    [high_done, middle_done]
}

fn check_inversion(begun: u64, done: &[Arc<AtomicU64>; 2]) {
    let [high, middle] = done.each_ref().map(|done| done.load(SeqCst));
    assert!(high > 0 && middle > 0, "both should be done, but were at {high} and {middle} ns");
    let took = high - begun;
    assert!(took < 7_000_000, "the urgent thread should wait for the lock's holder only, 5 ms, but waited {took} ns");
    assert!(middle > high, "the middle thread must not go before the urgent one");
}

#[test]
fn fixed_priority_bounds_inversion() {
    let scheduler = FixedPriority::new(8, 1, 1_000_000);
    let result = Arc::new(std::sync::Mutex::new(None));
    let stored = result.clone();
    plainly(scheduler, 1, move |scheduler: &Arc<FixedPriority>| {
        let begun = now();
        let start = |priority, body: Box<dyn FnOnce() + Send>| scheduler.spawn(priority, body).expect("there is room");
        let done = inversion(start, scheduler.lock().expect("there is room"));
        *stored.lock().expect("nobody panics") = Some((begun, done));
    });
    let (begun, done) = result.lock().expect("nobody panics").take().expect("it ran");
    check_inversion(begun, &done);
}

#[test]
fn edf_bounds_inversion() {
    let scheduler = Edf::new(8, 1);
    let result = Arc::new(std::sync::Mutex::new(None));
    let stored = result.clone();
    plainly(scheduler, 1, move |scheduler: &Arc<Edf>| {
        let begun = now();
        let start = |urgency: u32, body: Box<dyn FnOnce() + Send>| {
            scheduler.spawn(1_000_000_000 * u64::from(urgency), body).expect("there is room");
        };
        let done = inversion(start, scheduler.lock().expect("there is room"));
        *stored.lock().expect("nobody panics") = Some((begun, done));
    });
    let (begun, done) = result.lock().expect("nobody panics").take().expect("it ran");
    check_inversion(begun, &done);
}

#[test]
fn inheritance_follows_a_chain_and_ends_with_the_lock() {
    let scheduler = FixedPriority::new(8, 2, 1_000_000);
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = seen.clone();
    plainly(scheduler, 1, move |scheduler: &Arc<FixedPriority>| {
        let locks = [scheduler.lock(), scheduler.lock()].map(|lock| Arc::new(lock.expect("there is room")));
        let [outer, inner] = locks;
        let (this, lock, told) = (scheduler.clone(), inner.clone(), told.clone());
        // Holds the inner lock until the others wait.
        scheduler
            .spawn(9, move || {
                lock.acquire();
                let mut seen = vec![this.priority()];
                pulse::sleep_until(now() + 3_000_000);
                seen.push(this.priority());
                lock.release();
                seen.push(this.priority());
                *told.lock().expect("nobody panics") = seen;
            })
            .expect("there is room");
        let (held, wanted) = (outer.clone(), inner);
        scheduler
            .spawn(5, move || {
                pulse::sleep_until(now() + 1_000_000);
                held.acquire();
                wanted.acquire();
                wanted.release();
                held.release();
            })
            .expect("there is room");
        scheduler
            .spawn(1, move || {
                pulse::sleep_until(now() + 2_000_000);
                outer.acquire();
                outer.release();
            })
            .expect("there is room");
        yield_now();
    });
    assert_eq!(
        *seen.lock().expect("nobody panics"),
        [9, 1, 9],
        "the priority before, while the others wait, and after"
    );
}
