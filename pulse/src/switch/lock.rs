//! What keeps events away for a while: short sections, and the lock of data that harts share.

use core::sync::atomic::{AtomicBool, Ordering};

use super::{current, mask, unmask};
use crate::hart::Hart;

/// Does something with events masked, without a call: wherever it runs, even outside of a machine. For short calls into code that must not be interrupted.
pub fn masked<R>(work: impl FnOnce() -> R) -> R {
    mask();
    scopeguard::defer!(unmask());
    work()
}

/// As [`masked`], with the hart, which stays the same meanwhile. Panics on a thread that is no hart. What is forbidden while a [`Spin`] is held is forbidden here.
pub fn on_hart<R>(work: impl FnOnce(&Hart) -> R) -> R {
    masked(|| work(current().expect("this works on a hart only: inside a machine")))
}

/// A lock for short sections, for schedulers' data. While it is held, events are masked on this hart, without a call: so its holder is never interrupted by
/// a callback that wants it too. Others spin. Never wait, yield, allocate or print while you hold it.
pub type Spin<T> = lock_api::Mutex<RawSpin, T>;

/// Gives the lock back when it is dropped, then lets events through.
pub type SpinGuard<'a, T> = lock_api::MutexGuard<'a, RawSpin, T>;

/// [`Spin`] without what it protects.
#[derive(Debug)]
pub struct RawSpin(AtomicBool);

// SAFETY: whoever changes the word from false to true has the lock, until it becomes false.
unsafe impl lock_api::RawMutex for RawSpin {
    const INIT: Self = Self(AtomicBool::new(false));
    // Events are masked where it was taken, and must be let through there.
    type GuardMarker = lock_api::GuardNoSend;

    #[inline]
    fn lock(&self) {
        crate::point("lock");
        mask();
        while self.0.swap(true, Ordering::Acquire) {
            // Whoever has it may be a hart that the home can wait for.
            current().map_or_else(core::hint::spin_loop, |hart| hart.machine().home.relax());
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        mask();
        let taken = !self.0.swap(true, Ordering::Acquire);
        if !taken {
            unmask();
        }
        taken
    }

    #[inline]
    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
        unmask();
    }
}
