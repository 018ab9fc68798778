//! What a cell may use of memory, and what it uses.

use core::sync::atomic::{AtomicU64, Ordering};

use abi::{Error, ErrorKind};

/// A cell's account of frames. Harts charge it at the same time.
#[derive(Debug, Default)]
pub struct Quota {
    limit: AtomicU64,
    used: AtomicU64,
}

impl Quota {
    /// An account that allows nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { limit: AtomicU64::new(0), used: AtomicU64::new(0) }
    }

    /// Starts anew with a limit, for a new cell.
    pub fn open(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
        self.used.store(0, Ordering::Release);
    }

    /// Charges a frame.
    ///
    /// # Errors
    /// [`ErrorKind::NoMemory`] with the limit, when it is reached.
    pub fn charge(&self) -> Result<(), Error> {
        let limit = self.limit.load(Ordering::Relaxed);
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |used| (used < limit).then_some(used + 1))
            .map(|_| ())
            .map_err(|_| Error { kind: ErrorKind::NoMemory, argument: Error::NO_ARGUMENT, value: limit })
    }

    /// Takes a charge back.
    pub fn refund(&self) {
        let before = self.used.fetch_sub(1, Ordering::AcqRel);
        debug_assert!(before > 0, "only what was charged is refunded");
    }

    /// Frames in use.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    /// Frames allowed.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
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
}
