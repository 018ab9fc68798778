//! A hart's first instructions.

use core::arch::naked_asm;
use core::sync::atomic::{AtomicU32, Ordering};

use abi::layout::{EVENT_STACK_TOP_OFFSET, hart_area};

use super::{events, pages};
use crate::calls;

unsafe extern "Rust" {
    fn tess_cell_main(hart: u32);
    static TESS_CELL_PROGRAM: &'static str;
}

/// The program's name.
pub(crate) fn program() -> &'static str {
    // SAFETY: `entry!` defines it; a program without it does not link.
    unsafe { TESS_CELL_PROGRAM }
}

/// Harts on which `main` has begun.
static BEGUN: AtomicU32 = AtomicU32::new(0);

/// Harts whose `main` has returned.
static RETURNED: AtomicU32 = AtomicU32::new(0);

/// Where the kernel starts every hart: `rdi` is its number, the stack is empty.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("xor ebp, ebp", "and rsp, -16", "call {run}", "ud2", run = sym run)
}

extern "C" fn run(hart: u32) -> ! {
    let page = pages::dispatch(hart);
    if page.version != abi::VERSION {
        calls::exit(0xbad);
    }
    events::register(page, hart_area(hart) + EVENT_STACK_TOP_OFFSET);
    crate::console::initialize();
    BEGUN.fetch_add(1, Ordering::AcqRel);
    // SAFETY: `entry!` defines the function; a program without it does not link.
    unsafe { tess_cell_main(hart) };
    // Harts of the gang that have not come so far yet count, and those that the cell has lost meanwhile.
    let others = BEGUN.load(Ordering::Acquire).max(page.harts.load(Ordering::SeqCst));
    if RETURNED.fetch_add(1, Ordering::AcqRel) + 1 == others {
        calls::exit(0);
    }
    loop {
        let _ = calls::park(u64::MAX);
    }
}

/// Ends this cell by an instruction that no processor has.
pub(crate) fn die() -> ! {
    // SAFETY: the kernel stops the cell here.
    unsafe { core::arch::asm!("ud2", options(noreturn, nostack)) }
}
