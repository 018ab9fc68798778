//! Vector registers belong to the hart: they start as zero, and nobody else's values ever show.
//!
//! Arguments: `pattern=N`, `rounds=N` (default 200), `turns=N` (default 3000), how long the values are held in a round; `ticks=1` to be
//! interrupted by ticks whose handler uses the registers too.

#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "looks at registers")]

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use cell::abi::Context;
use cell::{arguments, events, hart, time};
use test_cells::{check, check_equal, finish};

cell::entry!(main);

static DONE: AtomicU64 = AtomicU64::new(0);
static STRANGE: AtomicU64 = AtomicU64::new(0);
static TICKS: AtomicU64 = AtomicU64::new(0);

/// Sixteen registers of 32 bytes.
#[repr(align(32))]
struct Values([u64; 64]);

/// Stores all registers.
macro_rules! store {
    ($values:expr, $($register:literal)*) => {
        // SAFETY: the array has room for sixteen registers; the kernel says that cells may use them (`vector_mask`).
        unsafe { asm!($(concat!("vmovdqa [{0} + ", $register, " * 32], ymm", $register),)* in(reg) $values, options(nostack)) }
    };
}

/// Loads all registers, waits so many turns with nothing but a general register, and stores them again: in one piece, so that the compiler uses none
/// in between.
macro_rules! hold {
    ($before:expr, $after:expr, $turns:expr, $($register:literal)*) => {
        // SAFETY: 512 bytes are read and 512 written; all vector registers are declared as lost.
        unsafe {
            asm!(
                $(concat!("vmovdqa ymm", $register, ", [{0} + ", $register, " * 32]"),)*
                "2:", "pause", "dec {2}", "jnz 2b",
                $(concat!("vmovdqa [{1} + ", $register, " * 32], ymm", $register),)*
                in(reg) $before, in(reg) $after, inout(reg) $turns => _,
                out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
                out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _, out("ymm12") _, out("ymm13") _, out("ymm14") _,
                out("ymm15") _, options(nostack),
            )
        }
    };
}

/// Fills every register with something else.
fn tick(_: &mut Context) {
    TICKS.fetch_add(1, Ordering::Relaxed);
    let (noise, mut after) = (Values([u64::MAX; 64]), Values([0; 64]));
    hold!(noise.0.as_ptr(), after.0.as_mut_ptr(), 1_u64, "0" "1" "2" "3" "4" "5" "6" "7" "8" "9" "10" "11" "12" "13" "14" "15");
    events::set_tick(time::now() + 20_000);
}

fn main(this: u32) {
    // Before anything else: what did the registers hold when this hart began?
    let mut first = Values([0; 64]);
    if hart::vector_mask() & 4 == 0 {
        check("the machine has wide vectors to test with", false, "it has none");
        finish()
    }
    store!(first.0.as_mut_ptr(), "0" "1" "2" "3" "4" "5" "6" "7" "8" "9" "10" "11" "12" "13" "14" "15");
    // The compiler may have used the lower halves of a few on the way here. The upper halves, and the last eight, nobody touched.
    let untouched = |place: usize| place >= 32 || place % 4 >= 2;
    let leaked = (0..64).filter(|place| untouched(*place) && first.0[*place] != 0).count() as u64;
    if arguments::number("ticks", 0) != 0 {
        events::on_tick(tick);
        events::set_tick(1);
    }
    let pattern = arguments::number("pattern", 1) << 32 | u64::from(this) << 16;
    let values = Values(core::array::from_fn(|place| pattern + place as u64));
    let mut strange = 0;
    for _ in 0..arguments::number("rounds", 200) {
        let mut after = Values([0; 64]);
        let turns = arguments::number("turns", 3_000);
        hold!(values.0.as_ptr(), after.0.as_mut_ptr(), turns, "0" "1" "2" "3" "4" "5" "6" "7" "8" "9" "10" "11" "12" "13" "14" "15");
        strange += after.0.iter().zip(&values.0).filter(|(after, before)| after != before).count() as u64;
    }
    STRANGE.fetch_add(strange + leaked, Ordering::SeqCst);
    let wanted = u64::from(hart::count());
    if DONE.fetch_add(1, Ordering::SeqCst) + 1 == wanted {
        check_equal("words that were not this hart's", 0, STRANGE.load(Ordering::SeqCst));
        if arguments::number("ticks", 0) != 0 {
            let ticks = TICKS.load(Ordering::SeqCst);
            check(
                "ticks came meanwhile",
                ticks > 10 * wanted,
                format_args!("expected more than {}, saw {ticks}", 10 * wanted),
            );
        }
        let (activations, _, _) = hart::activation();
        check(
            "others ran in between",
            activations > 3,
            format_args!("expected more than 3 activations, saw {activations}"),
        );
        finish()
    }
    loop {
        let _ = cell::calls::park(u64::MAX);
    }
}
