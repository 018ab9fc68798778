//! The timebase, read without a call.

use super::pages;

/// The value of the time-stamp counter.
#[must_use]
pub fn counter() -> u64 {
    // SAFETY: every processor of this architecture has the instruction, and the kernel leaves it to cells.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Now, in ns of the timebase. About ten instructions.
#[must_use]
pub fn now() -> u64 {
    let base = pages::timebase();
    let ticks = counter().wrapping_add(base.offset);
    ((u128::from(ticks) * u128::from(base.multiplier)) >> 32) as u64
}

/// The most by which two hardware threads' timebases differ, in ns, as measured at boot.
#[must_use]
pub fn error_ns() -> u64 {
    pages::timebase().error_ns
}
