//! Memory: the kernel's own address space, the cells' address spaces, frames and the objects that live in them.
//!
//! Besides `arch`, this is the kernel's only room for unsafe code. All physical memory that the kernel may touch is in the
//! direct map; cells' memory is only ever touched there, after the cell's own tables said that it may be.

pub(crate) mod boot;
pub(crate) mod frames;
pub(crate) mod image;
pub(crate) mod object;
pub(crate) mod physical;
pub(crate) mod space;
pub(crate) mod tables;

/// Bytes of a page and of a frame.
pub(crate) const PAGE: u64 = abi::layout::PAGE_SIZE;

/// Where physical memory is mapped.
pub(crate) const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;

/// Where hardware threads' stacks lie, each with an unmapped page below it.
pub(crate) const STACKS: u64 = 0xffff_c000_0000_0000;

/// Where device registers are mapped.
pub(crate) const DEVICES: u64 = 0xffff_d000_0000_0000;

/// From the kernel's physical to its virtual addresses.
pub(crate) const KERNEL_OFFSET: u64 = 0xffff_ffff_8000_0000;

/// The first address of the kernel's half.
pub(crate) const KERNEL_HALF: u64 = 0xffff_8000_0000_0000;
