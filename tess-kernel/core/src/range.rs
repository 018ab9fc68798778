//! Checks of the ranges of memory that cells name in calls. What passes is inside a cell's half of the address space and does not
//! wrap; whether it is mapped is for the page tables to say.

use abi::layout::{PAGE_SIZE, USER_BOTTOM, USER_TOP};
use abi::{Error, ErrorKind};

/// A range of a cell's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRange {
    start: u64,
    end: u64,
}

impl UserRange {
    /// The range of `length` bytes at `start`, which is argument `argument` of a call.
    ///
    /// # Errors
    /// [`ErrorKind::BadPointer`] when it leaves the cell's half.
    pub fn new(start: u64, length: u64, argument: u8) -> Result<Self, Error> {
        let bad = Error::new(ErrorKind::BadPointer, argument, start);
        let end = start.checked_add(length).ok_or(bad)?;
        if start < USER_BOTTOM || end > USER_TOP { Err(bad) } else { Ok(Self { start, end }) }
    }

    /// As [`UserRange::new`], for whole pages: `start` is argument `argument` and `length` the next one, at most `max`, not 0.
    ///
    /// # Errors
    /// Also [`ErrorKind::Misaligned`], and [`ErrorKind::OutOfRange`] for the length.
    pub fn pages(start: u64, length: u64, max: u64, argument: u8) -> Result<Self, Error> {
        if length == 0 || length > max {
            return Err(Error::new(ErrorKind::OutOfRange, argument + 1, length));
        }
        if !start.is_multiple_of(PAGE_SIZE) {
            return Err(Error::new(ErrorKind::Misaligned, argument, start));
        }
        if !length.is_multiple_of(PAGE_SIZE) {
            return Err(Error::new(ErrorKind::Misaligned, argument + 1, length));
        }
        Self::new(start, length, argument)
    }

    /// The first address.
    #[must_use]
    pub fn start(self) -> u64 {
        self.start
    }

    /// The addresses of its pages; for ranges of whole pages.
    pub fn each_page(self) -> impl Iterator<Item = u64> {
        (self.start..self.end).step_by(PAGE_SIZE as usize)
    }

    /// Pieces that each lie in one page: the piece's address, and where in the range it starts and ends.
    pub fn pieces(self) -> impl Iterator<Item = (u64, core::ops::Range<usize>)> {
        let Self { start, end } = self;
        let mut at = start;
        core::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let stop = end.min((at / PAGE_SIZE + 1) * PAGE_SIZE);
            let piece = (at, (at - start) as usize..(stop - start) as usize);
            at = stop;
            Some(piece)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_outside_a_cells_half_passes() {
        for (start, length) in [
            (0, 1),
            (USER_BOTTOM - 1, 1),
            (USER_TOP, 1),
            (USER_TOP - 1, 2),
            (u64::MAX, 1),
            (u64::MAX, u64::MAX),
            (USER_BOTTOM, u64::MAX),
            (0xffff_8000_0000_0000, 8),
        ] {
            let error = UserRange::new(start, length, 2).expect_err("outside");
            assert_eq!((error.kind, error.argument, error.value), (ErrorKind::BadPointer, 2, start));
        }
    }

    #[test]
    fn odd_pages_are_refused_with_the_argument_to_blame() {
        let page =
            |start, length| UserRange::pages(start, length, 65536, 1).map_err(|error| (error.kind, error.argument));
        assert_eq!(page(USER_BOTTOM + 1, 4096).err(), Some((ErrorKind::Misaligned, 1)));
        assert_eq!(page(USER_BOTTOM, 4097).err(), Some((ErrorKind::Misaligned, 2)));
        assert_eq!(page(USER_BOTTOM, 0).err(), Some((ErrorKind::OutOfRange, 2)));
        assert_eq!(page(USER_BOTTOM, 65536 + 4096).err(), Some((ErrorKind::OutOfRange, 2)));
        assert!(page(USER_BOTTOM, 65536).is_ok());
    }

    proptest! {
        #[test]
        fn pieces_cover_the_range_once_and_cross_no_page(start in USER_BOTTOM..USER_BOTTOM + 20_000, length in 0_u64..20_000) {
            let range = UserRange::new(start, length, 0).expect("inside");
            let mut covered = 0;
            for (address, part) in range.pieces() {
                prop_assert_eq!(address, start + covered as u64);
                prop_assert_eq!(part.start, covered);
                prop_assert!(address % PAGE_SIZE + part.len() as u64 <= PAGE_SIZE);
                covered = part.end;
            }
            prop_assert_eq!(covered as u64, length);
        }
    }
}
