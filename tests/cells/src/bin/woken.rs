//! A gang that sleeps until it is notified, works for a while, and sleeps again. Each notification that it sees is a heartbeat.
//!
//! Arguments: `work=NS`, how much time hart 0 uses each time (default 200 us).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::arguments::number;
use cell::{calls, events, hart, time};

cell::entry!(main);

/// Looks at the clock that are farther apart than this had a suspension in between, in ns.
const GAP: u64 = 3_000;

fn main(this: u32) {
    if this != 0 {
        loop {
            let _ = calls::park(u64::MAX);
        }
    }
    let work = number("work", 200_000);
    loop {
        if !events::wait_for_notification(u64::MAX) {
            continue;
        }
        hart::heartbeat(1);
        let (mut last, mut got) = (time::now(), 0);
        while got < work {
            let now = time::now();
            if now - last < GAP {
                got += now - last;
            }
            last = now;
            core::hint::spin_loop();
        }
    }
}
