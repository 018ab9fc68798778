//! The pages that the kernel shares with this cell.

use abi::account::ActivationLog;
use abi::layout::{ARCHIVE, DISPATCH_OFFSET, LOG_OFFSET, PARAMETERS, Parameters, hart_area};
use abi::{DispatchPage, Timebase};

/// The dispatch page of a hart of this cell. Its atomic fields may be used at any time; of the others only those that never change.
pub(crate) fn dispatch(hart: u32) -> &'static DispatchPage {
    // SAFETY: the kernel maps a dispatch page for each hart for as long as the cell lives. Fields that the kernel changes while a hart
    // runs are atomic; `saved` and `timebase` are only touched in `entry` and through `timebase` below.
    unsafe { &*((hart_area(hart) + DISPATCH_OFFSET) as *const DispatchPage) }
}

/// The activation log of a hart of this cell.
pub(crate) fn log(hart: u32) -> &'static ActivationLog {
    // SAFETY: the kernel maps it, read-only, for as long as the cell lives. It changes only while the hart is not active, but
    // other harts may look then: the entries are plain data, and readers check `written`.
    unsafe { &*((hart_area(hart) + LOG_OFFSET) as *const ActivationLog) }
}

/// The number of the hart that asks: the kernel leaves its dispatch page's address in gs.
pub(crate) fn own_hart() -> u32 {
    let hart: u32;
    // SAFETY: gs is based at this hart's dispatch page from its first instruction on, and nothing in this runtime changes it.
    unsafe {
        core::arch::asm!("mov {0:e}, gs:[{1}]", out(reg) hart, const core::mem::offset_of!(DispatchPage, hart),
            options(nostack, readonly, preserves_flags));
    }
    hart
}

/// This hart's activations so far.
pub(crate) fn activations() -> u64 {
    let activations: u64;
    // SAFETY: as for `own_hart`.
    unsafe {
        core::arch::asm!("mov {0}, gs:[{1}]", out(reg) activations, const core::mem::offset_of!(DispatchPage, activations),
            options(nostack, readonly, preserves_flags));
    }
    activations
}

/// How this hart reads the timebase where it runs now.
pub(crate) fn timebase() -> Timebase {
    let (offset, multiplier, error_ns): (u64, u64, u64);
    // SAFETY: as for `own_hart`. The kernel changes these words only while this hart is not active.
    unsafe {
        core::arch::asm!("mov {0}, gs:[{3}]", "mov {1}, gs:[{3} + 8]", "mov {2}, gs:[{3} + 16]",
            out(reg) offset, out(reg) multiplier, out(reg) error_ns, const core::mem::offset_of!(DispatchPage, timebase),
            options(nostack, readonly, preserves_flags));
    }
    Timebase { offset, multiplier, error_ns }
}

/// What the creator says.
pub(crate) fn parameters() -> &'static Parameters {
    // SAFETY: the creator maps the page, read-only, before the cell starts, and nobody changes it.
    unsafe { &*(PARAMETERS as *const Parameters) }
}

/// The boot archive; only the root cell has it. `bytes` is what the kernel said in its description of the machine.
pub(crate) fn archive(bytes: u64) -> &'static [u8] {
    // SAFETY: the kernel maps so many bytes there, read-only, for the cell that may ask for the description of the machine and was born with
    // it, and they never change.
    unsafe { core::slice::from_raw_parts(ARCHIVE as *const u8, bytes as usize) }
}
