//! Schedulers in a cell: the same source as on a host. Threads that never yield are interrupted, locks exclude, wake-ups come, sleepers wake, tasks of `async` get their answers, harts can be taken away and
//! given back.
//!
//! Arguments: `scheduler=0` for round-robin (default), `1` for work stealing; `rounds=N` (default 200) of locking; `resize=1` to change how many harts are used meanwhile.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use cell::{arguments, hart};
use pulse::home::cell as home;
use pulse::{Context, Scheduler, Shape, Summary, now, on_hart, sleep_until, yield_now};
use schedulers::executor::{Executor, Promise, yield_task};
use schedulers::round_robin::RoundRobin;
use schedulers::sync::{Condition, Lock, Mutex, RawLock};
use schedulers::work_stealing::WorkStealing;
use test_cells::{check, check_equal, finish};

cell::entry!(main);

const THREADS: u64 = 8;
const SLICE_NS: u64 = 200_000;
/// Threads that poll tasks, one of which is kept busy.
const WORKERS: u64 = 2;
const PAIRS: u64 = 5;

static SCHEDULERS: spin::Mutex<Option<(Arc<RoundRobin>, Arc<WorkStealing>)>> = spin::Mutex::new(None);
static BEGUN: AtomicU64 = AtomicU64::new(0);
static COUNT: AtomicU64 = AtomicU64::new(0);
static INSIDE: AtomicBool = AtomicBool::new(false);
static TWO_INSIDE: AtomicBool = AtomicBool::new(false);
static EARLY: AtomicBool = AtomicBool::new(false);
static ENDED: AtomicU64 = AtomicU64::new(0);
static ANSWERED: AtomicU64 = AtomicU64::new(0);
static SENT: AtomicU64 = AtomicU64::new(0);

fn main(number: u32) {
    let (round_robin, work_stealing) = {
        let mut schedulers = SCHEDULERS.lock();
        schedulers.get_or_insert_with(|| (RoundRobin::new(SLICE_NS), WorkStealing::new(SLICE_NS))).clone()
    };
    let summary =
        if arguments::number("scheduler", 0) == 0 { run(number, &round_robin) } else { run(number, &work_stealing) };
    if number == 0 {
        judge(summary);
    }
}

fn run<S: Scheduler + Send + Sync + 'static>(number: u32, scheduler: &Arc<S>) -> Summary {
    let of_main = scheduler.clone();
    home::run(number, Shape::new(hart::count() as usize), &**scheduler, move || body(&of_main))
}

fn spawn<S: Scheduler>(scheduler: &Arc<S>, work: impl FnOnce() + Send + 'static) {
    match Context::new(work) {
        Ok(context) => on_hart(|hart| scheduler.ready(hart, context)),
        Err(error) => check("there is memory for a thread", false, error),
    }
}

fn body<S: Scheduler + Send + Sync + 'static>(scheduler: &Arc<S>) {
    let rounds = arguments::number("rounds", 200);
    let lock = Arc::new(Lock::new(scheduler));
    for number in 0..THREADS {
        let lock = lock.clone();
        spawn(scheduler, move || {
            BEGUN.fetch_add(1, SeqCst);
            // Without ticks the first thread would wait here for ever.
            while BEGUN.load(SeqCst) < THREADS {
                core::hint::spin_loop();
            }
            for _ in 0..rounds {
                lock.acquire();
                TWO_INSIDE.fetch_or(INSIDE.swap(true, SeqCst), SeqCst);
                let before = COUNT.load(SeqCst);
                yield_now();
                COUNT.store(before + 1, SeqCst);
                INSIDE.store(false, SeqCst);
                lock.release();
            }
            let at = now() + (number * 7 % 5) * 300_000;
            sleep_until(at);
            EARLY.fetch_or(now() < at, SeqCst);
            ENDED.fetch_add(1, SeqCst);
        });
    }
    converse(scheduler);
    // One place between a sender and a receiver.
    let place = Arc::new((Mutex::new(Lock::new(scheduler), None), Condition::new(scheduler)));
    let receiver = place.clone();
    spawn(scheduler, move || {
        for _ in 0..rounds {
            let mut guard = receiver.0.lock();
            while guard.is_none() {
                guard = receiver.0.wait(&receiver.1, guard);
            }
            SENT.fetch_add(guard.take().unwrap_or(0), SeqCst);
            drop(guard);
            receiver.1.notify_one();
        }
    });
    for number in 1..=rounds {
        let mut guard = place.0.lock();
        while guard.is_some() {
            guard = place.0.wait(&place.1, guard);
        }
        *guard = Some(number);
        drop(guard);
        place.1.notify_one();
        if arguments::number("resize", 0) != 0 {
            pulse::resize(1 + (number % u64::from(hart::count())) as usize);
        }
    }
}

/// Tasks of `async` in pairs, of which each gives what the other waits for, and one that never waits.
fn converse<S: Scheduler + Send + Sync + 'static>(scheduler: &Arc<S>) {
    let executor = match Executor::start(scheduler, WORKERS as usize) {
        Ok(executor) => executor,
        Err(error) => return check("there is memory for workers", false, error),
    };
    for number in 0..PAIRS {
        let (asked, answered) = (Arc::new(Promise::default()), Arc::new(Promise::default()));
        let (question, answer) = (asked.clone(), answered.clone());
        executor.spawn(async move {
            yield_task().await;
            question.give(number);
            ANSWERED.fetch_add(u64::from(answer.take().await == number + 1), SeqCst);
        });
        executor.spawn(async move {
            let number = asked.take().await;
            yield_task().await;
            answered.give(number + 1);
        });
    }
    executor.spawn(async {
        while ANSWERED.load(SeqCst) < PAIRS {
            core::hint::spin_loop();
        }
    });
    executor.close();
}

fn judge(summary: Summary) {
    let rounds = arguments::number("rounds", 200);
    check_equal("threads that ran to their ends", THREADS, ENDED.load(SeqCst));
    check_equal("tasks that had the right answer", PAIRS, ANSWERED.load(SeqCst));
    check_equal("contexts", Summary { created: THREADS + WORKERS + 2, lost: 0, ..summary }, summary);
    check_equal("two threads had the lock", false, TWO_INSIDE.load(SeqCst));
    check_equal("what was counted under the lock", THREADS * rounds, COUNT.load(SeqCst));
    check_equal("the sum of what was sent", rounds * (rounds + 1) / 2, SENT.load(SeqCst));
    check_equal("a sleeper woke too early", false, EARLY.load(SeqCst));
    finish()
}
