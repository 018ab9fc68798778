//! Memory that one hart gives back is gone for all harts at once: nobody reads old contents through a translation that its hardware thread remembers.
//!
//! Arguments: `rounds=N` (default 200).

#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "looks at memory by address")]

use core::sync::atomic::{AtomicU64, Ordering};

use cell::abi::call::Access;
use cell::barrier::Barrier;
use cell::{arguments, calls, hart};
use test_cells::{check_equal, check_quietly, finish};

cell::entry!(main);

const BASE: u64 = 0x20_0000_0000;
const ELSEWHERE: u64 = 0x30_0000_0000;
const PAGES: u64 = 8;

static MEETING: Barrier = Barrier::new();
/// The round whose fresh memory may be looked at.
static FRESH: AtomicU64 = AtomicU64::new(0);
static STALE: AtomicU64 = AtomicU64::new(0);

fn word(page: u64) -> &'static AtomicU64 {
    // SAFETY: called only while the pages are mapped: after `FRESH` says so and before the barrier that precedes their being given back.
    unsafe { &*((BASE + page * 4096) as *const AtomicU64) }
}

/// Gives the pages back and maps fresh ones. The frames that came back are mapped elsewhere first and filled: an old translation shows that, and
/// not the zeroes of fresh memory.
fn renew(round: u64) {
    if round > 1 {
        give_back(BASE);
    }
    let elsewhere = |round: u64| ELSEWHERE + round % 2 * 0x1000_0000;
    map(elsewhere(round));
    for page in 0..PAGES {
        // SAFETY: the page was just mapped, and only this hart uses it.
        unsafe { ((elsewhere(round) + page * 4096) as *mut u64).write_volatile(u64::MAX) };
    }
    map(BASE);
    if round > 1 {
        give_back(elsewhere(round - 1));
    }
}

fn map(address: u64) {
    let mapped = calls::memory_map(address, PAGES * 4096, Access::ReadWrite);
    check_quietly("memory is mapped", mapped.is_ok(), format_args!("{mapped:?}"));
}

fn give_back(address: u64) {
    let given = calls::memory_unmap(address, PAGES * 4096);
    check_quietly("memory is given back", given.is_ok(), format_args!("{given:?}"));
}

fn main(this: u32) {
    let harts = hart::count();
    for round in 1..=arguments::number("rounds", 200) {
        // The harts take turns. No barrier and no call comes between the one's mapping and the others' look: what would take time, or
        // enter the kernel, might make a hardware thread forget what it should have forgotten before.
        if round % u64::from(harts) == u64::from(this) {
            renew(round);
            FRESH.store(round, Ordering::SeqCst);
        } else {
            while FRESH.load(Ordering::SeqCst) != round {
                core::hint::spin_loop();
            }
        }
        let old = (0..PAGES).filter(|page| word(*page).load(Ordering::SeqCst) != 0).count();
        STALE.fetch_add(old as u64, Ordering::SeqCst);
        MEETING.wait(harts);
        (0..PAGES).for_each(|page| word(page).store(round << 8 | u64::from(this), Ordering::SeqCst));
        MEETING.wait(harts);
    }
    if this == 0 {
        check_equal("words of fresh memory that were old", 0, STALE.load(Ordering::SeqCst));
        finish()
    }
}
