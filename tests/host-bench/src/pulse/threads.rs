//! The system's threads, on one processor where they switch.

use std::hint::black_box;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Barrier, Condvar, Mutex};
use std::thread;
use std::time::Instant as Clock;

use rustix::thread::{clock_nanosleep_absolute, set_current_timer_slack};
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::processors;

/// Operations in a sample, and lives.
const COUNT: u32 = 400;
const LIVES: u32 = 20;

/// Runs two on one processor, each with its place, 0 or 1; returns what the first one does.
fn two<T: Send>(work: impl Fn(usize) -> T + Sync) -> T {
    let processor = processors::allowed().next().expect("this thread runs on some processor");
    let (work, met) = (&work, &Barrier::new(2));
    thread::scope(|scope| {
        let [first, _second] = [0, 1].map(|place| {
            scope.spawn(move || {
                processors::pin(processor);
                met.wait();
                work(place)
            })
        });
        first.join().expect("a measurement does not panic")
    })
}

/// A thread wakes the other one by a futex, and sleeps until that one wakes it.
pub(super) fn handover() -> f64 {
    let (threads, turn) = (Mutex::new([const { None }; 2]), AtomicU32::new(0));
    let ready = Barrier::new(2);
    two(|place| {
        threads.lock().expect("nobody panics here")[place] = Some(thread::current());
        ready.wait();
        let other = threads.lock().expect("nobody panics here")[1 - place].clone().expect("both are there");
        let start = Clock::now();
        for number in (place as u32..COUNT).step_by(2) {
            while turn.load(SeqCst) != number {
                thread::park();
            }
            turn.store(number + 1, SeqCst);
            other.unpark();
        }
        start.elapsed().as_nanos() as f64 / f64::from(COUNT)
    })
}

/// `sched_yield`, by how often the other thread was really let in.
pub(super) fn yields() -> f64 {
    let (last, turns, is_over) = (AtomicU32::new(2), AtomicU32::new(0), AtomicBool::new(false));
    two(|place| {
        let place = place as u32;
        let start = Clock::now();
        while !is_over.load(SeqCst) {
            if last.swap(place, SeqCst) != place && turns.fetch_add(1, SeqCst) >= COUNT {
                is_over.store(true, SeqCst);
            }
            thread::yield_now();
        }
        start.elapsed().as_nanos() as f64 / f64::from(turns.load(SeqCst))
    })
}

/// A mutex and a condition variable, by which each lets the other one go on.
pub(super) fn condition_handovers() -> f64 {
    let (turn, changed) = (Mutex::new(0_usize), Condvar::new());
    two(|place| {
        let start = Clock::now();
        for _ in 0..COUNT / 2 {
            let turn = turn.lock().expect("nobody panics here");
            let mut turn = changed.wait_while(turn, |turn| *turn != place).expect("nobody panics here");
            *turn = 1 - place;
            // First, or who is woken would find it locked.
            drop(turn);
            changed.notify_one();
        }
        start.elapsed().as_nanos() as f64 / f64::from(COUNT)
    })
}

/// Creates threads one after the other, and waits for their ends.
pub(super) fn lives() -> f64 {
    let start = Clock::now();
    for _ in 0..LIVES {
        black_box(thread::spawn(|| ()).join()).expect("it does nothing");
    }
    start.elapsed().as_nanos() as f64 / f64::from(LIVES)
}

/// So many times a thread sleeps until an instant, so many ns after the last: how many ns late it goes on.
pub(super) fn late_sleeps(count: usize, distance_ns: u64) -> Vec<u64> {
    let sleep = move || {
        // Otherwise the system adds 50 us, to wake several at once.
        set_current_timer_slack(NonZeroU64::new(1)).expect("a thread may ask for precision");
        let now = || {
            let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Monotonic);
            tv_sec as u64 * 1_000_000_000 + tv_nsec as u64
        };
        let late = (0..count).map(|_| {
            let due = now() + distance_ns;
            let until = Timespec { tv_sec: (due / 1_000_000_000) as _, tv_nsec: (due % 1_000_000_000) as _ };
            clock_nanosleep_absolute(ClockId::Monotonic, &until).expect("no signal comes");
            now() - due
        });
        late.collect()
    };
    thread::spawn(sleep).join().expect("a measurement does not panic")
}
