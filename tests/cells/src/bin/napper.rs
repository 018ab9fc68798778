//! Sleeps nearly all the time, all harts until the same instants, and checks that it wakes in time.
//!
//! Arguments: `naps=N`, `nap=NS` from one instant to the next one, `late=NS`: how long after the instant it must be awake.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use cell::arguments::number;
use cell::barrier::Barrier;
use cell::{calls, hart, time};
use test_cells::{check, finish};

cell::entry!(main);

static START: AtomicU64 = AtomicU64::new(0);
static LATEST: AtomicU64 = AtomicU64::new(0);
static MEETING: Barrier = Barrier::new();

fn main(this: u32) {
    let (naps, nap, late) = (number("naps", 20), number("nap", 10_000_000), number("late", 10_000_000));
    if this == 0 {
        START.store(time::now(), Ordering::Release);
    }
    MEETING.wait(hart::count());
    let start = START.load(Ordering::Acquire);
    for number in 1..=naps {
        let until = start + number * nap;
        while time::now() < until {
            let _ = calls::park(until);
        }
        LATEST.fetch_max(time::now() - until, Ordering::AcqRel);
        hart::heartbeat(1);
    }
    MEETING.wait(hart::count());
    if this == 0 {
        let latest = LATEST.load(Ordering::Acquire);
        cell::println!("awake {latest} ns after the instant at the latest");
        check("every nap ended in time", latest <= late, format_args!("expected {late} ns at most, saw {latest}"));
        finish()
    }
    loop {
        let _ = calls::park(u64::MAX);
    }
}
