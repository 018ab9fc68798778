//! Parks: not woken before the instant, woken by a tick, and not parked at all while an event is pending.
//!
//! Arguments: `limit=NS`, how long after the instant it must be awake (default 10 s).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use cell::abi::Context;
use cell::{arguments, calls, events, time};
use test_cells::{check_equal, check_quietly, finish};

cell::entry!(main);

static TICKS: AtomicU64 = AtomicU64::new(0);

fn tick(_: &mut Context) {
    TICKS.fetch_add(1, Ordering::Relaxed);
}

fn main(_: u32) {
    events::on_tick(tick);
    let limit = arguments::number("limit", 10_000_000_000);
    let mut ticks = 0;
    for round in 1..20 {
        let until = time::now() + round * 37_000;
        let _ = calls::park(until);
        let now = time::now();
        let expected = until..until + limit;
        check_quietly(
            "parked until the instant",
            expected.contains(&now),
            format_args!("expected {expected:?}, saw {now}"),
        );
        let due = time::now() + 50_000;
        events::set_tick(due);
        let _ = calls::park(u64::MAX);
        let now = time::now();
        let expected = due..due + limit;
        check_quietly(
            "a tick ends the park",
            expected.contains(&now),
            format_args!("expected {expected:?}, saw {now}"),
        );
        ticks += 1;
        check_quietly("the tick was handled", TICKS.load(Ordering::Relaxed) == ticks, format_args!("expected {ticks}"));
        events::mask();
        events::set_tick(1);
        let _ = calls::null();
        // Would last for ever if a pending event did not end it although it is masked.
        let _ = calls::park(u64::MAX);
        check_quietly("no tick while masked", TICKS.load(Ordering::Relaxed) == ticks, format_args!("expected {ticks}"));
        events::unmask();
        ticks += 1;
        check_quietly(
            "the tick after unmasking",
            TICKS.load(Ordering::Relaxed) == ticks,
            format_args!("expected {ticks}"),
        );
    }
    check_equal("ticks in all", ticks, TICKS.load(Ordering::Relaxed));
    finish()
}
