//! The resize protocol: how harts and memory of a running cell become more and fewer, and nothing that runs there is lost.
//!
//! A cell is created with the harts that it begins with and the most that it can have. If those are the same it takes no part: it is of fixed size.
//!
//! **Growing.** A plan names more hardware threads for the cell. At its next activation under that plan every hart finds the new number in
//! [`crate::DispatchPage::harts`], and those that ran before get [`crate::Event::Resize`]. A hart that never ran begins at the cell's entry; one
//! that was released returns from [`crate::Call::HartRelease`]; one that was taken goes on where it was.
//!
//! **Shrinking.** The holder of CONTROL gives notice ([`crate::Call::CellNotice`]): every hart gets the event, and finds how many harts the cell is to have and the deadline
//! in its dispatch page. Harts with the highest numbers go. Each calls [`crate::Call::HartRelease`] when what ran there has been moved. When all have, or the deadline has
//! passed, the kernel accepts a plan with fewer hardware threads; before, it refuses it ([`crate::plan::RefusalReason::NotReleased`]).
//!
//! **Taking.** A hart that is not released by then stops where it is. The others get the event at their next activation and find its bit in
//! [`crate::DispatchPage::taken`]. Its context can go on in one of three ways, and only in one: on the hart itself when it is given back; on another hart that adopts it
//! ([`crate::Call::HartAdopt`]); or on the hart itself, but in another hart's time ([`crate::Call::HartLend`]), which is the only one while it has events masked, because then it is in
//! the midst of something that belongs to its dispatch page.
//!
//! **Memory.** [`crate::Call::CellMemory`] adds frames at once, and takes frames that are not used at once. If too many are used the cell gets the event and finds the amount and the deadline
//! in its dispatch page. It gives frames back by [`crate::Call::MemoryUnmap`]. Mapped frames are never taken.

use crate::dispatch::Context;

/// Room for vector state, in bytes: as much as any component that cells may use needs.
pub const VECTOR_BYTES_MAX: usize = 2880;

/// What [`crate::Call::HartAdopt`] writes: what ran on a hart that was taken.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct HeldContext {
    /// Its vector state, as `xsave` writes it, or `fxsave` where there is no other. [`crate::DispatchPage::vector_bytes`] are used.
    pub vector: [u8; VECTOR_BYTES_MAX],
    /// Its registers.
    pub context: Context,
    /// The base of its fs segment.
    pub fs_base: u64,
    /// Keeps the size a multiple of the alignment.
    pub reserved: [u64; 3],
}

impl HeldContext {
    /// Room for one.
    #[must_use]
    pub fn empty() -> Self {
        Self { vector: [0; VECTOR_BYTES_MAX], context: Context::default(), fs_base: 0, reserved: [0; 3] }
    }
}

const _: () = assert!(size_of::<HeldContext>() == 3072, "the layout is part of the contract");
const _: () = assert!(
    core::mem::offset_of!(HeldContext, vector) == 0,
    "the runtime's assembly loads vector state from the start"
);
