//! Vector registers belong to the hart: they start as zero, and nobody else's values ever show.
//!
//! Arguments: `pattern=N`, `rounds=N` (default 200).

#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "looks at registers")]

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use cell::{arguments, hart};
use test_cells::{check_equal, finish};

cell::entry!(main);

static DONE: AtomicU64 = AtomicU64::new(0);
static STRANGE: AtomicU64 = AtomicU64::new(0);

#[repr(align(32))]
struct Values([u64; 64]);

macro_rules! all_registers {
    ($store:literal, $load:literal, $($register:literal)*) => {
        // SAFETY: stores sixteen registers of 32 bytes into an array of 512, or loads them.
        unsafe fn store_avx(values: &mut Values) {
            unsafe { asm!($(concat!("vmovdqa [{0} + ", $register, " * 32], ymm", $register),)* in(reg) values.0.as_mut_ptr(), options(nostack)) }
        }
        // SAFETY: as above.
        unsafe fn load_avx(values: &Values) {
            unsafe {
                asm!($(concat!("vmovdqa ymm", $register, ", [{0} + ", $register, " * 32]"),)* in(reg) values.0.as_ptr(),
                    out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
                    out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _, out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
                    options(nostack))
            }
        }
    };
}
all_registers!("", "", "0" "1" "2" "3" "4" "5" "6" "7" "8" "9" "10" "11" "12" "13" "14" "15");

/// Loads all registers, waits with nothing but general registers, stores them again: in one piece, so that the compiler uses none in between.
fn hold(values: &Values, after: &mut Values, turns: u64) {
    // SAFETY: 512 bytes are read and 512 written; all vector registers are declared as lost.
    unsafe {
        asm!(
            "vmovdqa ymm0, [{0}]", "vmovdqa ymm1, [{0} + 32]", "vmovdqa ymm2, [{0} + 64]", "vmovdqa ymm3, [{0} + 96]",
            "vmovdqa ymm7, [{0} + 224]", "vmovdqa ymm15, [{0} + 480]",
            "2:", "pause", "dec {2}", "jnz 2b",
            "vmovdqa [{1}], ymm0", "vmovdqa [{1} + 32], ymm1", "vmovdqa [{1} + 64], ymm2", "vmovdqa [{1} + 96], ymm3",
            "vmovdqa [{1} + 224], ymm7", "vmovdqa [{1} + 480], ymm15",
            in(reg) values.0.as_ptr(), in(reg) after.0.as_mut_ptr(), inout(reg) turns => _,
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm7") _, out("ymm15") _, options(nostack),
        );
    }
}

fn main(this: u32) {
    // Before anything else: what did the registers hold when this hart began?
    let mut first = Values([0; 64]);
    let avx = hart::vector_mask() & 4 != 0;
    if avx {
        // SAFETY: the kernel says that cells may use these registers.
        unsafe { store_avx(&mut first) };
    }
    // The compiler may have used a few low ones on the way here; the high ones nobody touched.
    let leaked = first.0[32..].iter().filter(|word| **word != 0).count();
    let pattern = arguments::number("pattern", 1) << 32 | u64::from(this) << 16;
    let rounds = arguments::number("rounds", 200);
    let mut values = Values([0; 64]);
    for (place, word) in values.0.iter_mut().enumerate() {
        *word = pattern + place as u64;
    }
    let mut strange = 0;
    if avx {
        // SAFETY: as above.
        unsafe { load_avx(&values) };
        for _ in 0..rounds {
            let mut after = Values([0; 64]);
            hold(&values, &mut after, 3_000);
            for place in [0, 4, 8, 12, 28, 60] {
                strange += (0..4).filter(|word| after.0[place + word] != values.0[place + word]).count() as u64;
            }
        }
    }
    STRANGE.fetch_add(strange + leaked as u64, Ordering::SeqCst);
    if DONE.fetch_add(1, Ordering::SeqCst) + 1 == u64::from(hart::count()) {
        check_equal("the machine has wide vectors to test with", true, avx);
        check_equal("words that were not this hart's", 0, STRANGE.load(Ordering::SeqCst));
        finish()
    }
    loop {
        let _ = cell::calls::park(u64::MAX);
    }
}
