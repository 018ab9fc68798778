//! Root program: notifies the first cell of the manifest at random instants, from a hardware thread of its own. No notification is lost, and each finds the cell at work in
//! time: its activation comes when all muxers can know, or as soon as windows and its budget allow.
//!
//! Arguments: `rounds=N` (default 100); `within=NS`, by when after a notification the cell must have seen it (default: 5 ms); `seed=N`; `most=NS`, the longest pause between a cell's
//! heartbeat and the next notification (default 4 ms). Every fourth notification comes at once, while the cell still works or is about to sleep.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use cell::abi::Handle;
use cell::{calls, println, time};
use test_cells::system::{Loaded, run, sleep_until, status};
use test_cells::{Random, check, check_equal, pump};

cell::entry!(main);

fn main(_: u32) {
    run(|loaded| notify(loaded))
}

fn heartbeats(cell: Handle) -> u64 {
    status(cell).heartbeats
}

fn notify(args: &Loaded) {
    let Some(target) = args.cells.first().copied() else {
        return check("there is a cell to notify", false, "the manifest has none");
    };
    let rounds = args.number("rounds", 100);
    let within = args.number("within", 5_000_000);
    let most = args.number("most", 4_000_000).max(1);
    let mut random = Random(args.number("seed", 1).max(1));
    // It has come to its first sleep.
    sleep_until(time::now() + 20_000_000);
    let (mut lost, mut latest) = (0, 0);
    for round in 0..rounds {
        if round % 4 != 0 {
            sleep_until(time::now() + random.next_number() % most);
        }
        let before = heartbeats(target);
        let notified = time::now();
        if let Err(error) = calls::cell_notify(target) {
            return check("a cell can be notified", false, error);
        }
        while heartbeats(target) == before && time::now() < notified + within {
            core::hint::spin_loop();
        }
        if heartbeats(target) == before {
            lost += 1;
        }
        latest = latest.max(time::now() - notified);
        pump();
    }
    check_equal("notifications that the cell did not see in time", 0, lost);
    let info = calls::machine_info().unwrap_or_default();
    let status = status(target);
    println!(
        "[root] {rounds} notifications, seen after {latest} ns at the latest; delay {} ns; {} inputs, {} late, {} interrupts, {} divergences, {} repairs; {} activations, {} missed",
        info.delay_ns,
        info.inputs,
        info.late_inputs,
        info.ipis,
        info.divergences,
        info.repairs,
        status.activations,
        status.missed
    );
    check("the cell went to sleep in between", info.inputs > rounds, alloc::format!("{} inputs", info.inputs));
    if args.number("exact", 1) != 0 {
        check_equal("inputs that came late", 0, info.late_inputs);
        check_equal("divergences", 0, info.divergences);
        check_equal("missed periods and late activations", 0, status.missed);
    }
}
