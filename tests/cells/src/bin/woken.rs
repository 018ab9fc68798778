//! A gang that sleeps until it is notified, works for a while, and sleeps again. Each notification that it sees is a heartbeat.
//!
//! Arguments: `work=NS`, how much time hart 0 uses each time (default 200 us).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::arguments::number;
use cell::{calls, events, hart};

cell::entry!(main);

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
        test_cells::work(work);
    }
}
