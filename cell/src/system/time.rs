//! The timebase, read without a call.

use abi::Timebase;

use super::pages;

/// The value of the time-stamp counter.
#[must_use]
pub fn counter() -> u64 {
    // SAFETY: every processor of this architecture has the instruction, and the kernel leaves it to cells.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Now, in ns of the timebase. About twenty instructions, and no call.
#[must_use]
pub fn now() -> u64 {
    loop {
        let activation = (pages::own_hart(), pages::activations());
        let base = pages::timebase();
        let counter = counter();
        // A new activation may be on another hardware thread, whose counter has another offset, and so may another hart be, if this context has gone over to it: then read both again.
        if (pages::own_hart(), pages::activations()) == activation {
            return in_ns(counter, base);
        }
    }
}

/// The formula of [`Timebase`].
fn in_ns(counter: u64, base: Timebase) -> u64 {
    let ticks = counter.wrapping_add(base.offset);
    ((u128::from(ticks) * u128::from(base.multiplier)) >> 32) as u64
}

/// The most by which two hardware threads' timebases differ, in ns, as measured at boot.
#[must_use]
pub fn error_ns() -> u64 {
    pages::timebase().error_ns
}
