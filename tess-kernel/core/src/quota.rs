//! What a cell may use of memory, and what it uses.

use core::sync::atomic::{AtomicU64, Ordering};

use abi::{Error, ErrorKind};

/// A cell's account of frames. Harts charge it at the same time, and it may be changed meanwhile: what is used and what is allowed are one word (the lower and the upper half),
/// so that what is taken away was free.
#[derive(Debug, Default)]
pub struct Quota(AtomicU64);

/// More than there are: 16 TiB.
const MOST: u64 = u32::MAX as u64;

const fn used(word: u64) -> u64 {
    word & MOST
}

const fn limit(word: u64) -> u64 {
    word >> 32
}

impl Quota {
    /// An account that allows nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Starts anew with a limit, for a new cell.
    pub fn open(&self, limit: u64) {
        self.0.store(limit.min(MOST) << 32, Ordering::Release);
    }

    /// Charges a frame.
    ///
    /// # Errors
    /// [`ErrorKind::NoMemory`] with the limit, when it is reached.
    pub fn charge(&self) -> Result<(), Error> {
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| (used(word) < limit(word)).then_some(word + 1))
            .map(|_| ())
            .map_err(|word| Error { kind: ErrorKind::NoMemory, argument: Error::NO_ARGUMENT, value: limit(word) })
    }

    /// Takes a charge back.
    pub fn refund(&self) {
        let before = self.0.fetch_sub(1, Ordering::AcqRel);
        debug_assert!(used(before) > 0, "only what was charged is refunded");
    }

    /// Allows so many frames from now on.
    ///
    /// # Errors
    /// How many frames are free, when more are used: then nothing changes.
    pub fn set_limit(&self, frames: u64) -> Result<(), u64> {
        let frames = frames.min(MOST);
        let change = |word| (used(word) <= frames).then_some(frames << 32 | used(word));
        let result = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, change);
        result.map(|_| ()).map_err(|word| limit(word) - used(word))
    }

    /// Frames in use.
    #[must_use]
    pub fn used(&self) -> u64 {
        used(self.0.load(Ordering::Acquire))
    }

    /// Frames allowed.
    #[must_use]
    pub fn limit(&self) -> u64 {
        limit(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_never_uses_more_than_its_quota() {
        let quota = Quota::new();
        assert!(quota.charge().is_err());
        quota.open(2);
        assert_eq!((quota.charge(), quota.charge()), (Ok(()), Ok(())));
        assert_eq!(quota.charge().map_err(|error| (error.kind, error.value)), Err((ErrorKind::NoMemory, 2)));
        quota.refund();
        assert_eq!(quota.charge(), Ok(()));
        assert_eq!(quota.used(), 2);
    }

    #[test]
    fn frames_that_are_used_are_never_taken() {
        let quota = Quota::new();
        quota.open(10);
        for _ in 0..4 {
            assert_eq!(quota.charge(), Ok(()));
        }
        assert_eq!(quota.set_limit(3), Err(6));
        assert_eq!((quota.used(), quota.limit()), (4, 10));
        assert_eq!(quota.set_limit(4), Ok(()));
        assert!(quota.charge().is_err());
        assert_eq!(quota.set_limit(5), Ok(()));
        assert_eq!(quota.charge(), Ok(()));
        assert_eq!((quota.used(), quota.limit()), (5, 5));
    }

    #[test]
    fn a_limit_beyond_all_memory_is_as_good_as_none() {
        let quota = Quota::new();
        quota.open(u64::MAX);
        assert_eq!((quota.charge(), quota.used()), (Ok(()), 1));
        assert_eq!(quota.set_limit(u64::MAX), Ok(()));
        assert_eq!((quota.used(), quota.limit()), (1, u64::from(u32::MAX)));
    }
}
