//! Page tables: entries, walking, mapping one page. The policy (whose memory, which access) is the callers'.

use core::sync::atomic::Ordering;

use super::KERNEL_HALF;
use super::physical::table;

/// Bits of an entry.
pub(crate) const PRESENT: u64 = 1 << 0;
pub(crate) const WRITABLE: u64 = 1 << 1;
pub(crate) const USER: u64 = 1 << 2;
pub(crate) const UNCACHED: u64 = 1 << 3 | 1 << 4;
pub(crate) const LARGE: u64 = 1 << 7;
pub(crate) const GLOBAL: u64 = 1 << 8;
/// Ours: the frame belongs to somebody else and is not given back with the table.
pub(crate) const BORROWED: u64 = 1 << 9;
/// Ours, in an entry that is not present: the frame waits until no hardware thread can have its translation.
pub(crate) const LIMBO: u64 = 1 << 10;
pub(crate) const NO_EXECUTE: u64 = 1 << 63;

const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// The physical address in an entry.
pub(crate) fn address_of(entry: u64) -> u64 {
    entry & ADDRESS
}

/// The index into the table of a level (4 is the root, 1 has the pages).
pub(crate) fn index(virtual_address: u64, level: u32) -> usize {
    (virtual_address >> (12 + 9 * (level - 1))) as usize & 511
}

/// Why a page could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapError<E> {
    /// Something is mapped there.
    Occupied,
    /// A table was needed and not to be had.
    NoTable(E),
}

/// Writes an entry of level `level` (1: a page, 2: 2 MiB, 3: 1 GiB) and the tables on the way to it. `allocate` gives zeroed frames for
/// tables.
pub(crate) fn map<E>(
    root: u64,
    virtual_address: u64,
    entry: u64,
    level: u32,
    mut allocate: impl FnMut() -> Result<u64, E>,
) -> Result<(), MapError<E>> {
    // Access is decided by the last entry alone: the tables on the way allow everything.
    let way = PRESENT | WRITABLE | if virtual_address < KERNEL_HALF { USER } else { 0 };
    let mut physical = root;
    for at in (level + 1..=4).rev() {
        let slot = &table(physical)[index(virtual_address, at)];
        let mut next = slot.load(Ordering::Relaxed);
        if next & PRESENT == 0 {
            next = allocate().map_err(MapError::NoTable)? | way;
            slot.store(next, Ordering::Release);
        } else if next & LARGE != 0 {
            return Err(MapError::Occupied);
        }
        physical = address_of(next);
    }
    let slot = &table(physical)[index(virtual_address, level)];
    if slot.load(Ordering::Relaxed) != 0 {
        return Err(MapError::Occupied);
    }
    slot.store(entry, Ordering::Release);
    Ok(())
}

/// The entry that decides about an address, with its level; 0 where nothing is mapped.
pub(crate) fn find(root: u64, virtual_address: u64) -> (u64, u32) {
    let mut physical = root;
    for level in (1..=4).rev() {
        let entry = table(physical)[index(virtual_address, level)].load(Ordering::Acquire);
        if level == 1 || entry & PRESENT == 0 || entry & LARGE != 0 {
            return (entry, level);
        }
        physical = address_of(entry);
    }
    (0, 1)
}

/// Changes the entry of a page from `old` to `new`; false when it was not `old`.
pub(crate) fn replace(root: u64, virtual_address: u64, old: u64, new: u64) -> bool {
    let mut physical = root;
    for level in (2..=4).rev() {
        let entry = table(physical)[index(virtual_address, level)].load(Ordering::Acquire);
        if entry & PRESENT == 0 || entry & LARGE != 0 {
            return false;
        }
        physical = address_of(entry);
    }
    let slot = &table(physical)[index(virtual_address, 1)];
    slot.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

/// Counts the leaf entries under `root` for which `bad` holds. Visits every table: for audits only.
pub(crate) fn count(root: u64, bad: fn(entry: u64) -> bool) -> u64 {
    fn walk(physical: u64, level: u32, bad: fn(u64) -> bool) -> u64 {
        let mut found = 0;
        for slot in table(physical) {
            let entry = slot.load(Ordering::Relaxed);
            if entry & PRESENT == 0 {
                continue;
            }
            found += if level == 1 || entry & LARGE != 0 {
                u64::from(bad(entry))
            } else {
                walk(address_of(entry), level - 1, bad)
            };
        }
        found
    }
    walk(root, 4, bad)
}

/// Whether a leaf entry is both writable and executable.
pub(crate) fn writable_and_executable(entry: u64) -> bool {
    entry & WRITABLE != 0 && entry & NO_EXECUTE == 0
}
