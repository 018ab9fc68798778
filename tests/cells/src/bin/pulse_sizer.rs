//! A scheduler in a cell whose harts come and go, released or taken in the midst of anything: no thread is lost, doubled or kept waiting, and locks exclude. Ends when it is notified.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use cell::hart;
use pulse::home::cell as home;
use pulse::{Context, Hart, Next, Scheduler, Shape, now, on_hart, sleep_until, yield_now};
use schedulers::round_robin::RoundRobin;
use schedulers::sync::{Lock, RawLock};
use test_cells::{check, check_equal, finish};

cell::entry!(main);

const SLICE_NS: u64 = 100_000;
const THREADS: u64 = 6;

static SCHEDULER: spin::Mutex<Option<Arc<Told>>> = spin::Mutex::new(None);
static TOLD: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);
static INSIDE: AtomicBool = AtomicBool::new(false);
static TWO_INSIDE: AtomicBool = AtomicBool::new(false);
static EARLY: AtomicBool = AtomicBool::new(false);
static TURNS: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);

/// Round robin that listens.
struct Told(Arc<RoundRobin>);

impl Scheduler for Told {
    fn enter(&self, hart: &Hart) -> Next {
        self.0.enter(hart)
    }

    fn ready(&self, hart: &Hart, context: Context) {
        self.0.ready(hart, context);
    }

    fn yielded(&self, hart: &Hart, context: Context) -> Next {
        self.0.yielded(hart, context)
    }

    fn notify(&self, _: &Hart) {
        TOLD.store(true, SeqCst);
    }
}

fn main(number: u32) {
    let scheduler = {
        let mut scheduler = SCHEDULER.lock();
        scheduler.get_or_insert_with(|| Arc::new(Told(RoundRobin::new(SLICE_NS)))).clone()
    };
    let of_main = scheduler.clone();
    let shape = Shape::new(hart::count() as usize).up_to(hart::most() as usize);
    let summary = home::run(number, shape, &*scheduler, move || body(&of_main));
    if number == 0 {
        check_equal("threads that ran to their ends", THREADS + 1, ENDED.load(SeqCst));
        check_equal("contexts", (THREADS + 2, 0), (summary.created, summary.lost));
        check_equal("two threads had the lock", false, TWO_INSIDE.load(SeqCst));
        check_equal("what was counted under the lock", TURNS.load(SeqCst), COUNT.load(SeqCst));
        check_equal("a sleeper woke too early", false, EARLY.load(SeqCst));
        finish()
    }
}

fn spawn(scheduler: &Arc<Told>, work: impl FnOnce() + Send + 'static) {
    match Context::new(work) {
        Ok(context) => on_hart(|hart| scheduler.ready(hart, context)),
        Err(error) => check("there is memory for a thread", false, error),
    }
}

fn body(scheduler: &Arc<Told>) {
    // One that never yields: the others run because of ticks.
    spawn(scheduler, || {
        while !TOLD.load(SeqCst) {
            core::hint::spin_loop();
        }
        ENDED.fetch_add(1, SeqCst);
    });
    let lock = Arc::new(Lock::new(scheduler));
    for number in 0..THREADS {
        let lock = lock.clone();
        spawn(scheduler, move || {
            let mut turns = 0;
            while !TOLD.load(SeqCst) {
                lock.acquire();
                TWO_INSIDE.fetch_or(INSIDE.swap(true, SeqCst), SeqCst);
                let before = COUNT.load(SeqCst);
                yield_now();
                COUNT.store(before + 1, SeqCst);
                INSIDE.store(false, SeqCst);
                lock.release();
                turns += 1;
                on_hart(|_| hart::heartbeat(1));
                if (turns + number) % 5 == 0 {
                    let at = now() + 30_000;
                    sleep_until(at);
                    EARLY.fetch_or(now() < at, SeqCst);
                }
            }
            TURNS.fetch_add(turns, SeqCst);
            ENDED.fetch_add(1, SeqCst);
        });
    }
}
