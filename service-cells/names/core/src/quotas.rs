//! How much one cell may have.

use names_contract::{Quantity, RefusedBecause};

/// How much one cell may have. Zero forbids it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Names with servers that the cell has registered.
    pub names: u32,
    /// Servers that the cell has registered, of all names.
    pub servers: u32,
    /// Namespaces that the cell has claimed.
    pub claims: u32,
    /// Subscriptions of the cell.
    pub subscriptions: u32,
}

/// Whether one more may come: the cell has `had` of `limit`, the directory `used` of `capacity`.
pub(crate) fn one_more(
    of: Quantity,
    had: usize,
    limit: u32,
    used: usize,
    capacity: usize,
) -> Result<(), RefusedBecause> {
    // The cell's own quota first: it must not learn of the others' use while it could help itself.
    if u32::try_from(had).is_ok_and(|had| had < limit) {
        if used < capacity { Ok(()) } else { Err(full(of, capacity)) }
    } else {
        Err(RefusedBecause::Quota { of, limit })
    }
}

/// The refusal for want of room.
pub(crate) fn full(of: Quantity, capacity: usize) -> RefusedBecause {
    RefusedBecause::Full { of, capacity: u32::try_from(capacity).unwrap_or(u32::MAX) }
}
