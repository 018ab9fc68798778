//! Watches which part of a hardware thread's time it gets, as the kernel counts it, between two instants of the timebase.
//!
//! Arguments: `from=NS`, `to=NS`, `permille=N` expected, `tolerance=N` in thousandths (default 10).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::abi::Handle;
use cell::arguments::number;
use cell::{calls, hart, time};
use test_cells::{check, finish};

cell::entry!(main);

/// Waits for an instant, busily; returns when that was, and the time received until then.
fn spend_until(instant: u64) -> (u64, u64) {
    loop {
        for step in 0..100_u64 {
            core::hint::black_box(step);
        }
        core::hint::spin_loop();
        hart::heartbeat(1);
        if time::now() >= instant {
            let received = calls::cell_status(Handle::OWN_CELL).map_or(0, |status| status.time_ns);
            return (time::now(), received);
        }
    }
}

fn main(this: u32) {
    if this != 0 {
        spend_until(u64::MAX);
    }
    let (start, before) = spend_until(number("from", 0));
    let (end, after) = spend_until(number("to", 0));
    let share = (after - before) * 1_000 / (end - start) / u64::from(hart::count());
    let (expected, tolerance) = (number("permille", 0), number("tolerance", 10));
    cell::println!("received {share} of 1000 parts of {} us", (end - start) / 1_000);
    check(
        "the share is as promised",
        share.abs_diff(expected) <= tolerance,
        format_args!("expected {expected} thousandths (within {tolerance}), saw {share}"),
    );
    finish()
}
