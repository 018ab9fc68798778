//! A roll call: all harts meet, several times, each on a hardware thread of its own.
//!
//! Arguments: `rounds=N` (default 20).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use cell::barrier::Barrier;
use cell::{arguments, hart};
use test_cells::{check_equal, finish};

cell::entry!(main);

static MEETING: Barrier = Barrier::new();
static HARTS: AtomicU64 = AtomicU64::new(0);
static THREADS: AtomicU64 = AtomicU64::new(0);
static STRANGE: AtomicU64 = AtomicU64::new(0);

fn main(this: u32) {
    let harts = hart::count();
    let everyone = u64::MAX >> (64 - harts);
    HARTS.fetch_or(1 << this, Ordering::SeqCst);
    THREADS.fetch_or(1 << hart::hardware_thread(), Ordering::SeqCst);
    for round in 0..arguments::number("rounds", 20) {
        MEETING.wait(harts);
        if this == 0 {
            STRANGE.fetch_add(u64::from(HARTS.swap(0, Ordering::SeqCst) != everyone), Ordering::SeqCst);
        }
        MEETING.wait(harts);
        HARTS.fetch_or(1 << this, Ordering::SeqCst);
        STRANGE.fetch_add(u64::from(hart::number() != this), Ordering::SeqCst);
        if round == 0 && this == 0 {
            check_equal("hardware threads that run a hart", harts, THREADS.load(Ordering::SeqCst).count_ones());
        }
    }
    MEETING.wait(harts);
    if this == 0 {
        check_equal("meetings that someone missed", 0, STRANGE.load(Ordering::SeqCst));
        finish()
    }
}
