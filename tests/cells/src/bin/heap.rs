//! The runtime's heap under all harts at once: pieces of many sizes keep their contents, and are given back.
//!
//! Arguments: `rounds=N` (default 2000).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use cell::barrier::Barrier;
use cell::{arguments, hart};
use test_cells::{Random, check_equal, finish};

cell::entry!(main);

static MEETING: Barrier = Barrier::new();
static SPOILED: AtomicU64 = AtomicU64::new(0);

fn main(this: u32) {
    let mut random = Random(u64::from(this) + 1);
    let mut pieces: Vec<Vec<u64>> = Vec::new();
    for round in 0..arguments::number("rounds", 2_000) {
        let mark = u64::from(this) << 48 | round << 16;
        let length = random.next_number() % if round % 50 == 0 { 5_000 } else { 60 };
        pieces.push((0..length).map(|place| mark + place).collect());
        if pieces.len() > 40 {
            let piece = pieces.swap_remove((random.next_number() % 40) as usize);
            let first = piece.first().copied().unwrap_or(0);
            let spoiled = piece.iter().enumerate().filter(|(place, word)| **word != first + *place as u64).count();
            SPOILED.fetch_add(
                spoiled as u64 + u64::from(!piece.is_empty() && first >> 48 != u64::from(this)),
                Ordering::Relaxed,
            );
        }
        core::hint::spin_loop();
    }
    MEETING.wait(hart::count());
    if this == 0 {
        check_equal("words that changed by themselves", 0, SPOILED.load(Ordering::Relaxed));
        finish()
    }
}
