//! Skew as seen from inside: at every activation each hart notes its own first reading of the timebase; the last and the first must be close.
//!
//! Arguments: `windows=N` (default 30), `limit=NS` (default 350).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use cell::{arguments, hart, time};
use test_cells::{check, finish};

cell::entry!(main);

const WINDOWS: usize = 64;
const HARTS: usize = 8;

static ENTERED: [[AtomicU64; HARTS]; WINDOWS] = [const { [const { AtomicU64::new(0) }; HARTS] }; WINDOWS];
static DONE: AtomicU64 = AtomicU64::new(0);

fn main(this: u32) {
    let windows = arguments::number("windows", 30).min(WINDOWS as u64);
    let limit = arguments::number("limit", 350);
    let (mut seen, _, _) = hart::activation();
    for window in 0..windows {
        let mut now = time::now();
        while hart::activation().0 == seen {
            core::hint::spin_loop();
            now = time::now();
        }
        core::hint::spin_loop();
        seen = hart::activation().0;
        ENTERED[window as usize][this as usize % HARTS].store(now, Ordering::Relaxed);
        // To the end of the window with nothing to do.
        let _ = cell::calls::park(now + 50_000);
    }
    if DONE.fetch_add(1, Ordering::SeqCst) + 1 < u64::from(hart::count()) {
        loop {
            let _ = cell::calls::park(u64::MAX);
        }
    }
    let harts = hart::count() as usize;
    let mut worst = 0;
    for window in &ENTERED[..windows as usize] {
        let first = window[..harts].iter().map(|entered| entered.load(Ordering::Relaxed)).min().unwrap_or(0);
        let last = window[..harts].iter().map(|entered| entered.load(Ordering::Relaxed)).max().unwrap_or(0);
        worst = worst.max(last - first);
    }
    cell::println!("worst skew {worst} ns over {windows} windows of {harts} harts");
    check("harts start together", worst <= limit, format_args!("expected at most {limit} ns, saw {worst}"));
    finish()
}
