//! Measures the kernel from inside a cell, for `cargo xtask bench`. In the deterministic mode a tick of the counter is an instruction.
//!
//! Arguments: `suffix=instr` or `suffix=ns`, the ending of the figures' names; `rounds=N` (default 200).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use cell::abi::Context;
use cell::{arguments, calls, events, println, time};
use test_cells::finish;

cell::entry!(main);

static TICKS: AtomicU64 = AtomicU64::new(0);

fn tick(_: &mut Context) {
    TICKS.fetch_add(1, Ordering::Relaxed);
}

fn main(_: u32) {
    let suffix = arguments::get("suffix").unwrap_or("ns");
    let rounds = arguments::number("rounds", 200);
    // What reading the clock twice costs, to be taken off.
    let empty = (0..64).map(|_| lap(|| {})).min().unwrap_or(0);
    for _ in 0..rounds {
        let taken = lap(|| {
            let _ = calls::null();
        });
        println!("@tess sample kernel.null_call_{suffix} {}", taken.saturating_sub(empty));
    }
    events::on_tick(tick);
    for _ in 0..rounds {
        // The gap in the flow of time while the tick came, was handled and the hart went on.
        let before = TICKS.load(Ordering::Relaxed);
        events::set_tick(time::now() + 3_000);
        let mut last = time::now();
        let mut gap = 0;
        while TICKS.load(Ordering::Relaxed) == before {
            let now = time::now();
            gap = gap.max(now - last);
            last = now;
        }
        gap = gap.max(time::now() - last);
        println!("@tess sample kernel.tick_upcall_{suffix} {gap}");
    }
    finish()
}

fn lap(work: impl FnOnce()) -> u64 {
    let start = time::now();
    work();
    time::now() - start
}
