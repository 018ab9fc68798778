//! Handles: how a cell names an object. The only ambient authority is to act on oneself.

use bitflags::bitflags;

bitflags! {
    /// What the holder of a handle may do with the object.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Rights: u32 {
        /// Read status, accounting and activation records.
        const OBSERVE = 1 << 0;
        /// Fill, start, stop and destroy a cell.
        const CONTROL = 1 << 1;
        /// Create cells (on the machine).
        const CREATE = 1 << 2;
        /// Commit plans (on the machine).
        const PLAN = 1 << 3;
        /// Read the debug console and pump what cells wrote to it (on the machine).
        const CONSOLE = 1 << 4;
        /// Switch the machine off (on the machine).
        const POWER = 1 << 5;
        /// Connect a cell with others by channels.
        const CONNECT = 1 << 6;
    }
}

/// Names an object in the handle table of the cell that holds it: a slot and the slot's generation, so that a stale
/// handle is an error and never someone else's object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Handle(u32);

impl Handle {
    /// The cell itself: slot 0 of every table. Rights: [`Rights::OBSERVE`].
    pub const OWN_CELL: Self = Self::from_parts(0, 0);
    /// The machine: slot 1 of the root cell's table, with every right. Other cells have nothing there.
    pub const MACHINE: Self = Self::from_parts(1, 0);

    /// Puts a handle together.
    #[must_use]
    pub const fn from_parts(slot: u16, generation: u16) -> Self {
        Self((generation as u32) << 16 | slot as u32)
    }

    /// A handle from the register that carries it; bits above the 32nd must be zero.
    #[must_use]
    pub const fn from_register(value: u64) -> Option<Self> {
        if value <= u32::MAX as u64 { Some(Self(value as u32)) } else { None }
    }

    /// The register's value.
    #[must_use]
    pub const fn register(self) -> u64 {
        self.0 as u64
    }

    /// The slot.
    #[must_use]
    pub const fn slot(self) -> u16 {
        self.0 as u16
    }

    /// The slot's generation when the handle was given out.
    #[must_use]
    pub const fn generation(self) -> u16 {
        (self.0 >> 16) as u16
    }
}
