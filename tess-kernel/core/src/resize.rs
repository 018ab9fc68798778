//! How many harts a cell has, may have and is to have, and which plans that permits.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use abi::plan::RefusalReason;
use abi::{Error, ErrorKind};

/// The size of a cell. Hardware threads read it at any time; only whoever publishes a plan or gives notice changes it.
///
/// `1 <= wanted <= present <= most` holds from [`Size::open`] on.
#[derive(Debug, Default)]
pub struct Size {
    is_fixed: AtomicU32,
    most: AtomicU32,
    present: AtomicU32,
    wanted: AtomicU32,
    deadline: AtomicU64,
}

impl Size {
    /// Of a cell that there is not.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            is_fixed: AtomicU32::new(1),
            most: AtomicU32::new(0),
            present: AtomicU32::new(0),
            wanted: AtomicU32::new(0),
            deadline: AtomicU64::new(0),
        }
    }

    /// Starts anew, for a new cell that begins with `harts` and can have `most`: at least as many.
    pub fn open(&self, harts: u32, most: u32) {
        self.is_fixed.store(u32::from(harts == most), Ordering::Relaxed);
        self.deadline.store(0, Ordering::Relaxed);
        self.wanted.store(harts, Ordering::Relaxed);
        self.present.store(harts, Ordering::Relaxed);
        self.most.store(most, Ordering::Release);
    }

    /// Whether the cell takes no part in the protocol.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.is_fixed.load(Ordering::Relaxed) != 0
    }

    /// The most harts that it can have: all of them exist.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Acquire) as usize
    }

    /// How many it has by the plan that was published last.
    #[must_use]
    pub fn present(&self) -> usize {
        self.present.load(Ordering::SeqCst) as usize
    }

    /// How many it is to have.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.wanted.load(Ordering::SeqCst) as usize
    }

    /// From when on harts can be taken that were not released, in ns.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        self.deadline.load(Ordering::SeqCst)
    }

    /// Notes that the cell is to have so many harts, argument 1 of a call, by an instant. As many as it has: an earlier notice is taken back.
    ///
    /// # Errors
    /// [`ErrorKind::FixedSize`]; [`ErrorKind::OutOfRange`] when it has fewer, or it would have none.
    pub fn notice(&self, harts: u64, deadline: u64) -> Result<(), Error> {
        if self.is_fixed() {
            return Err(Error::new(ErrorKind::FixedSize, 0, harts));
        }
        if harts == 0 || harts > self.present() as u64 {
            return Err(Error::new(ErrorKind::OutOfRange, 1, harts));
        }
        self.deadline.store(deadline, Ordering::SeqCst);
        self.wanted.store(harts as u32, Ordering::SeqCst);
        Ok(())
    }

    /// Whether a plan may give the cell so many harts now, where `is_released` says of a hart that nothing runs on it.
    ///
    /// # Errors
    /// The reason.
    pub fn admits(&self, harts: usize, now: u64, is_released: impl Fn(usize) -> bool) -> Result<(), RefusalReason> {
        let present = self.present();
        if harts == 0 || harts > self.most() || harts != present && self.is_fixed() {
            return Err(RefusalReason::WrongGangSize);
        }
        if (harts..present).all(is_released) {
            return Ok(());
        }
        match (self.wanted() <= harts, now >= self.deadline()) {
            (true, true) => Ok(()),
            (true, false) => Err(RefusalReason::NotReleased),
            (false, _) => Err(RefusalReason::NoNotice),
        }
    }

    /// A plan with so many harts, which it [admits](Self::admits), was published. Growing takes a notice back. Returns whether this changes anything.
    pub fn becomes(&self, harts: usize) -> bool {
        let (before, wanted) = (self.present(), self.wanted());
        let wanted = if harts > before { harts } else { wanted.min(harts) };
        self.wanted.store(wanted as u32, Ordering::SeqCst);
        self.present.store(harts as u32, Ordering::SeqCst);
        harts != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(harts: u32, most: u32) -> Size {
        let size = Size::new();
        size.open(harts, most);
        size
    }

    const NOBODY: fn(usize) -> bool = |_| false;

    #[test]
    fn a_cell_of_fixed_size_gets_no_notice_and_no_other_size() {
        let size = size(2, 2);
        assert_eq!(size.notice(1, 0).map_err(|error| error.kind), Err(ErrorKind::FixedSize));
        assert_eq!(size.admits(2, 0, NOBODY), Ok(()));
        for other in [0, 1, 3] {
            assert_eq!(size.admits(other, u64::MAX, |_| true), Err(RefusalReason::WrongGangSize), "{other} harts");
        }
    }

    #[test]
    fn a_cell_grows_up_to_the_most_without_notice() {
        let size = size(1, 3);
        assert_eq!(size.admits(4, 0, NOBODY), Err(RefusalReason::WrongGangSize));
        assert_eq!(size.admits(3, 0, NOBODY), Ok(()));
        assert!(size.becomes(3));
        assert_eq!((size.present(), size.wanted()), (3, 3));
        assert!(!size.becomes(3));
    }

    #[test]
    fn harts_are_taken_when_they_are_released_or_the_deadline_has_passed_and_not_before() {
        let size = size(3, 3 + 1);
        assert_eq!(size.admits(1, u64::MAX, NOBODY), Err(RefusalReason::NoNotice));
        assert_eq!(size.notice(1, 100), Ok(()));
        assert_eq!(size.admits(1, 99, NOBODY), Err(RefusalReason::NotReleased));
        assert_eq!(size.admits(1, 99, |hart| hart == 2), Err(RefusalReason::NotReleased), "hart 1 is missing");
        assert_eq!(size.admits(2, 99, |hart| hart == 2), Ok(()), "a part of it is possible");
        assert_eq!(size.admits(1, 99, |hart| hart >= 1), Ok(()));
        assert_eq!(size.admits(1, 100, NOBODY), Ok(()));
        assert_eq!(size.admits(3, 0, NOBODY), Ok(()), "nobody has to shrink it");
    }

    #[test]
    fn a_notice_holds_until_the_cell_grows_or_it_is_taken_back() {
        let size = size(4, 5);
        assert_eq!(size.notice(1, 100), Ok(()));
        assert!(size.becomes(3));
        assert_eq!(size.wanted(), 1, "the rest of the notice still holds");
        assert_eq!(size.admits(1, 100, NOBODY), Ok(()));
        assert!(size.becomes(5));
        assert_eq!(size.wanted(), 5);
        assert_eq!(size.notice(2, 100), Ok(()));
        assert_eq!(size.notice(5, 0), Ok(()));
        assert_eq!(size.admits(2, u64::MAX, NOBODY), Err(RefusalReason::NoNotice));
        for wrong in [0, 6, u64::MAX] {
            assert_eq!(size.notice(wrong, 0).map_err(|error| error.kind), Err(ErrorKind::OutOfRange), "{wrong} harts");
        }
    }
}
