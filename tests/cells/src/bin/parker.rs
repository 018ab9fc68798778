//! Parks: not woken before the instant, woken by a tick, and not parked at all while an event is pending.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::abi::Context;
use cell::{calls, events, time};
use test_cells::{check, finish};

cell::entry!(main);

fn tick(_: &mut Context) {}

fn main(_: u32) {
    events::on_tick(tick);
    for round in 1..20 {
        let until = time::now() + round * 37_000;
        let _ = calls::park(until);
        let now = time::now();
        check("parked until the instant", now >= until, format_args!("expected {until}, saw {now}"));
        let due = time::now() + 50_000;
        events::set_tick(due);
        let _ = calls::park(u64::MAX);
        let now = time::now();
        check("a tick ends the park", now >= due && now < due + 100_000_000, format_args!("expected {due}, saw {now}"));
        events::mask();
        events::set_tick(1);
        let _ = calls::null();
        let _ = calls::park(u64::MAX);
        events::unmask();
    }
    finish()
}
