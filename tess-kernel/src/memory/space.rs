//! A cell's address space: its lower half of the page tables. Tables are paid by the cell.

use core::sync::atomic::Ordering;

use abi::call::Access;
use abi::{Error, ErrorKind};
use kernel_core::frames::Frame;
use kernel_core::range::UserRange;

use super::physical::{self, table};
use super::tables::{self, BORROWED, LIMBO, MapError, NO_EXECUTE, PRESENT, USER, WRITABLE};
use super::{PAGE, image};

/// The root of a cell's page tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space(Frame);

/// What a step of taking a space apart found.
pub(crate) enum Taken {
    /// A frame, which is no longer mapped.
    Frame(Frame),
    /// The root: it was the last.
    Root(Frame),
}

fn bits(access: Access) -> u64 {
    PRESENT
        | USER
        | match access {
            Access::Read => NO_EXECUTE,
            Access::ReadWrite => NO_EXECUTE | WRITABLE,
            Access::ReadExecute => 0,
        }
}

impl Space {
    /// A space with nothing in its lower half, in a zeroed frame.
    pub(crate) fn new(root: Frame) -> Self {
        for (own, shared) in table(root.address()).iter().zip(table(image::root())).skip(256) {
            own.store(shared.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        Self(root)
    }

    /// The space whose root is at this address.
    pub(crate) fn at(root: u64) -> Self {
        Self(Frame::containing(root))
    }

    /// The root's address, for the processor.
    pub(crate) fn root(self) -> u64 {
        self.0.address()
    }

    /// Maps a page.
    pub(crate) fn map(
        self,
        address: u64,
        frame: Frame,
        access: Access,
        borrowed: bool,
        mut allocate: impl FnMut() -> Result<Frame, Error>,
    ) -> Result<(), Error> {
        let entry = frame.address() | bits(access) | if borrowed { BORROWED } else { 0 };
        tables::map(self.root(), address, entry, 1, || allocate().map(Frame::address)).map_err(|error| match error {
            MapError::Occupied => Error { kind: ErrorKind::Occupied, argument: 0, value: address },
            MapError::NoTable(error) => error,
        })
    }

    /// The frame at an address, if the cell itself could access it so.
    fn frame_at(self, address: u64, write: bool) -> Option<Frame> {
        let (entry, level) = tables::find(self.root(), address);
        let wanted = PRESENT | USER | if write { WRITABLE } else { 0 };
        (level == 1 && entry & wanted == wanted).then(|| Frame::containing(tables::address_of(entry)))
    }

    /// Copies from the cell's memory. `argument` is to blame when part of it is not readable. The space is locked by the caller.
    pub(crate) fn read(self, range: UserRange, bytes: &mut [u8], argument: u8) -> Result<(), Error> {
        for (address, part) in range.pieces() {
            let bad = Error::new(ErrorKind::BadPointer, argument, address);
            let frame = self.frame_at(address, false).ok_or(bad)?;
            physical::copy_from(frame, (address % PAGE) as usize, bytes.get_mut(part).ok_or(bad)?);
        }
        Ok(())
    }

    /// Copies into the cell's memory, all or nothing as far as access goes.
    pub(crate) fn write(self, range: UserRange, bytes: &[u8], argument: u8) -> Result<(), Error> {
        let bad = |address| Error::new(ErrorKind::BadPointer, argument, address);
        for (address, _) in range.pieces() {
            self.frame_at(address, true).ok_or(bad(address))?;
        }
        for (address, part) in range.pieces() {
            let frame = self.frame_at(address, true).ok_or(bad(address))?;
            physical::copy_to(frame, (address % PAGE) as usize, bytes.get(part).ok_or(bad(address))?);
        }
        Ok(())
    }

    /// A word of the cell's memory, for a backtrace.
    pub(crate) fn read_word(self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read(UserRange::new(address, 8, 0).ok()?, &mut bytes, 0).ok()?;
        Some(u64::from_le_bytes(bytes))
    }

    /// Takes a page's access away but keeps its frame in limbo: some hardware thread may still have the translation. Borrowed pages and pages of the
    /// kernel's contract with the hart stay. Returns whether something was there.
    pub(crate) fn banish(self, address: u64) -> bool {
        let (entry, level) = tables::find(self.root(), address);
        if level != 1 || entry & PRESENT == 0 || entry & BORROWED != 0 {
            return false;
        }
        tables::replace(self.root(), address, entry, entry & !PRESENT | LIMBO)
    }

    /// The frame that is in limbo at an address, which is then free for a new mapping.
    pub(crate) fn reap(self, address: u64) -> Option<Frame> {
        let (entry, level) = tables::find(self.root(), address);
        let waits = level == 1 && entry & PRESENT == 0 && entry & LIMBO != 0;
        (waits && tables::replace(self.root(), address, entry, 0)).then(|| Frame::containing(tables::address_of(entry)))
    }

    /// Puts a blank page in the place of a borrowed one, with the same access. What is not there, or not borrowed, stays as it is.
    pub(crate) fn blank(self, address: u64, blank: Frame) {
        let (entry, level) = tables::find(self.root(), address);
        if level == 1 && entry & PRESENT != 0 && entry & BORROWED != 0 {
            let new = entry & !tables::address_of(u64::MAX) | blank.address();
            tables::replace(self.root(), address, entry, new);
        }
    }

    /// Takes a borrowed page away.
    pub(crate) fn drop_borrowed(self, address: u64) {
        let (entry, level) = tables::find(self.root(), address);
        if level == 1 && entry & PRESENT != 0 && entry & BORROWED != 0 {
            tables::replace(self.root(), address, entry, 0);
        }
    }

    /// Takes the next frame out of the space: pages first, then the tables that became empty, last the root. `cursor` (0 at first)
    /// remembers where to go on, so that taking everything costs each entry once. The space is in no hardware thread.
    pub(crate) fn take_apart(self, cursor: &mut u64) -> Taken {
        match take_from(self.root(), 4, 0, cursor) {
            Some(frame) => Taken::Frame(frame),
            None => Taken::Root(self.0),
        }
    }
}

/// The first frame found from `cursor` on, depth first; a table is taken when nothing is left in it.
fn take_from(physical: u64, level: u32, base: u64, cursor: &mut u64) -> Option<Frame> {
    let size = 1_u64 << (12 + 9 * (level - 1));
    let entries = if level == 4 { 256 } else { 512 };
    let first = (*cursor).saturating_sub(base) / size;
    for place in first..entries {
        let slot = &table(physical)[place as usize];
        let entry = slot.load(Ordering::Relaxed);
        if entry & (PRESENT | LIMBO) == 0 {
            continue;
        }
        let start = base + place * size;
        *cursor = (*cursor).max(start);
        let below = if level > 1 { take_from(tables::address_of(entry), level - 1, start, cursor) } else { None };
        if below.is_some() {
            return below;
        }
        slot.store(0, Ordering::Relaxed);
        if entry & BORROWED == 0 {
            return Some(Frame::containing(tables::address_of(entry)));
        }
    }
    None
}

/// Counts pages of a cell that are writable and executable.
pub(crate) fn audit(space: Space) -> u64 {
    tables::count(space.root(), tables::writable_and_executable)
}
