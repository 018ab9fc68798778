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
const PAGES: u64 = 8;

static MEETING: Barrier = Barrier::new();
static STALE: AtomicU64 = AtomicU64::new(0);

fn word(page: u64) -> &'static AtomicU64 {
    // SAFETY: called only between the mapping of `PAGES` pages and their being given back; barriers keep the harts in step.
    unsafe { &*((BASE + page * 4096) as *const AtomicU64) }
}

fn main(this: u32) {
    let harts = hart::count();
    for round in 1..=arguments::number("rounds", 200) {
        // The harts take turns to map and to give back.
        let mine = round % u64::from(harts) == u64::from(this);
        if mine {
            let mapped = calls::memory_map(BASE, PAGES * 4096, Access::ReadWrite);
            check_quietly("memory is mapped", mapped.is_ok(), format_args!("{mapped:?}"));
        }
        MEETING.wait(harts);
        // Fresh memory is zero, and everybody's hardware thread learns the translations.
        STALE.fetch_add(
            (0..PAGES).filter(|page| word(*page).load(Ordering::SeqCst) != 0).count() as u64,
            Ordering::SeqCst,
        );
        MEETING.wait(harts);
        (0..PAGES).for_each(|page| word(page).store(round << 8 | u64::from(this), Ordering::SeqCst));
        MEETING.wait(harts);
        if mine {
            let given = calls::memory_unmap(BASE, PAGES * 4096);
            check_quietly("memory is given back", given.is_ok(), format_args!("{given:?}"));
        }
        MEETING.wait(harts);
    }
    if this == 0 {
        check_equal("words of fresh memory that were old", 0, STALE.load(Ordering::SeqCst));
        finish()
    }
}
