//! Sleeps until there is work, does it, and notes how long after its coming it was done: what an event-triggered reserve is for. The work is its own: a tick at a
//! pseudo-random instant on hart 0. Notify it from the console (`notify responder`) for more.
//!
//! Arguments: `pause=NS`, the average time between two pieces of work (default 20 ms); `work=NS`, how much time one takes (default 300 us); `every=N`, a line after
//! N pieces (default 100; 0 for none).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::{arguments, calls, events, hart, println, time};

cell::entry!(main);

/// Two looks at the clock that are farther apart than this had a suspension in between, in ns.
const SUSPENDED: u64 = 20_000;

fn main(number: u32) {
    if number != 0 {
        // The gang runs as a whole; the other harts have nothing to do in it.
        loop {
            let _ = calls::park(u64::MAX);
        }
    }
    let pause = arguments::number("pause", 20_000_000).max(1);
    let work = arguments::number("work", 300_000);
    let every = arguments::number("every", 100);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut done, mut worst) = (0_u64, 0);
    loop {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let due = time::now() + pause / 2 + random % pause;
        // Returns early for a notification: then that is the work.
        let notified = events::wait_for_notification(due);
        let came = if notified { time::now() } else { due };
        if time::now() < came {
            continue;
        }
        perform(work);
        worst = worst.max(time::now() - came);
        done += 1;
        hart::heartbeat(1);
        if every != 0 && done.is_multiple_of(every) {
            println!("{done} pieces of work, each done at most {} us after it came", worst / 1_000);
            worst = 0;
        }
    }
}

/// Uses so much time, not counting that in which the cell is suspended.
fn perform(work: u64) {
    let (mut last, mut used) = (time::now(), 0);
    while used < work {
        let now = time::now();
        if now - last < SUSPENDED {
            used += now - last;
        }
        last = now;
        core::hint::spin_loop();
    }
}
