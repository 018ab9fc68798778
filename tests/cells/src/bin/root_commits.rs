//! Root program: commits plans one after the other, for measuring how long each takes to be in force everywhere; and counts what a system sends in which nothing changes.
//!
//! Arguments: `commits=N` (default 60); `steady=NS`, how long nothing changes (default 500 ms). The last cell of the manifest is best effort, and its weight changes from plan to plan.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::string::String;

use cell::abi::plan::PolicyKind;
use cell::{calls, println, time};
use test_cells::system::{Loaded, run, sleep_until};
use test_cells::{check, check_equal, pump};

cell::entry!(main);

fn main(_: u32) {
    run(|loaded| {
        if let Err(why) = measure(loaded) {
            check("plans can be committed", false, why);
        }
    })
}

fn measure(loaded: &mut Loaded) -> Result<(), String> {
    for round in 0..loaded.number("commits", 60) {
        sleep(2_000_000 + round * 7_000);
        let last = loaded.entries.last_mut().filter(|entry| entry.policy == PolicyKind::BestEffort as u32);
        last.ok_or("the last cell is not best effort")?.period_ns_or_weight = 1 + round % 5;
        let number = loaded.commit()?;
        let commit = loop {
            sleep(100_000);
            let info = calls::machine_info().unwrap_or_default();
            if info.plan == number && info.commit_ns != 0 {
                break info.commit_ns;
            }
        };
        println!("@tess sample plan.commit_ns {commit}");
        pump();
    }
    let steady = loaded.number("steady", 500_000_000).max(1);
    sleep(20_000_000);
    let before = calls::machine_info().unwrap_or_default();
    sleep(steady);
    let after = calls::machine_info().unwrap_or_default();
    println!("@tess sample muxer.ipi_per_s {}", (after.ipis - before.ipis) * 1_000_000_000 / steady);
    check_equal("divergences", 0, after.divergences);
    Ok(())
}

fn sleep(span: u64) {
    sleep_until(time::now() + span);
}
