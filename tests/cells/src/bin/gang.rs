//! Skew as seen from inside: at every activation each hart notes when it was entered, the kernel's last look at the timebase before the hart goes on, and
//! its own first look at it. The last and the first hart must be close.
//!
//! Where an emulator runs hardware threads in turn, on one count of instructions, the harts' own looks come one after the other: how far apart those
//! are is told, and nothing is asked of it.
//!
//! Arguments: `windows=N` (default 30, at most 64), `limit=NS` (default 350).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use cell::{arguments, hart, time};
use test_cells::{check, check_equal, finish};

cell::entry!(main);

const WINDOWS: usize = 64;
const HARTS: usize = 8;

/// For each window and hart: the activation's number and instant, when it was entered, and when the hart saw it.
static SEEN: [[[AtomicU64; 4]; HARTS]; WINDOWS] =
    [const { [const { [const { AtomicU64::new(0) }; 4] }; HARTS] }; WINDOWS];
static DONE: AtomicU64 = AtomicU64::new(0);

/// Before a window ends its harts stop to look, so that none sees the next one's start while another waits for this one's end, in ns.
const REST: u64 = 100_000;

fn main(this: u32) {
    let windows = arguments::number("windows", 30).min(WINDOWS as u64);
    let limit = arguments::number("limit", 350);
    let (mut last, _, _) = hart::activation();
    for window in 0..windows {
        while hart::activation().0 == last {
            core::hint::spin_loop();
        }
        let now = time::now();
        // Where an emulator runs hardware threads in turn, the others see the instant now.
        core::hint::spin_loop();
        let (number, at, entered) = hart::activation();
        last = number;
        for (place, value) in SEEN[window as usize][this as usize % HARTS].iter().zip([number, at, entered, now]) {
            place.store(value, Ordering::Relaxed);
        }
        let _ = cell::calls::park(now + REST);
    }
    if DONE.fetch_add(1, Ordering::SeqCst) + 1 < u64::from(hart::count()) {
        loop {
            let _ = cell::calls::park(u64::MAX);
        }
    }
    let harts = hart::count() as usize;
    let (mut worst, mut late, mut early, mut seen, mut apart) = (0, 0, 0, 0, 0);
    for window in &SEEN[..windows as usize] {
        let column = |place: usize| window[..harts].iter().map(move |seen| seen[place].load(Ordering::Relaxed));
        apart += (0..2).filter(|place| column(*place).min() != column(*place).max()).count();
        let spread = |place: usize| column(place).max().unwrap_or(u64::MAX) - column(place).min().unwrap_or(0);
        worst = worst.max(spread(2));
        seen = seen.max(spread(3));
        let instant = column(1).max().unwrap_or(0);
        late = late.max(column(2).max().unwrap_or(u64::MAX).saturating_sub(instant));
        early = early.max(instant.saturating_sub(column(2).min().unwrap_or(0)));
    }
    cell::println!(
        "worst over {windows} windows of {harts} harts: skew {worst} ns, {late} ns late; as they saw it {seen} ns"
    );
    check_equal("windows whose harts do not agree on number and instant", 0, apart);
    check_equal("nanoseconds by which a hart started early", 0, early);
    check("harts start together", worst <= limit, format_args!("expected at most {limit} ns, saw {worst}"));
    finish()
}
