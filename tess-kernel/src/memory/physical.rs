//! Physical memory through the direct map.

use core::sync::atomic::AtomicU64;

use kernel_core::frames::Frame;

use super::{DIRECT_MAP, PAGE};
use crate::arch::loader::{BootInfo, Range};

/// Where the direct map shows a physical address.
pub(crate) fn direct(physical: u64) -> u64 {
    DIRECT_MAP + physical
}

/// A page table. Entries are atomic because the processor and other hardware threads look at them at any time.
///
/// The caller passes the address of a frame that is a page table: taken for one, or found in one's entry.
pub(super) fn table(physical: u64) -> &'static [AtomicU64; 512] {
    // SAFETY: page tables lie in frames that the frame allocator or the boot allocator gave for them; they are in the direct map,
    // page-aligned, and given back only after the last table that names them.
    unsafe { &*(direct(physical) as *const [AtomicU64; 512]) }
}

/// Fills a frame with zeroes.
pub(crate) fn zero(frame: Frame) {
    // SAFETY: the frame was just taken from the allocator, so nobody else looks at it, and it is in the direct map.
    unsafe { core::ptr::write_bytes(direct(frame.address()) as *mut u8, 0, PAGE as usize) };
}

/// Copies out of a frame from `offset`; the range must be inside the frame. Other hardware threads may write meanwhile: then the
/// bytes are some mixture, which whoever shares memory must expect.
pub(crate) fn copy_from(frame: Frame, offset: usize, bytes: &mut [u8]) {
    assert!(offset + bytes.len() <= PAGE as usize, "a copy must stay inside its frame");
    let source = (direct(frame.address()) as usize + offset) as *const u8;
    // SAFETY: the source is inside a frame in the direct map, the destination is a slice of the kernel's, so they do not overlap.
    unsafe { core::ptr::copy_nonoverlapping(source, bytes.as_mut_ptr(), bytes.len()) };
}

/// Copies into a frame from `offset`; the range must be inside the frame. The frame is a cell's, never the kernel's.
pub(crate) fn copy_to(frame: Frame, offset: usize, bytes: &[u8]) {
    assert!(offset + bytes.len() <= PAGE as usize, "a copy must stay inside its frame");
    let target = (direct(frame.address()) as usize + offset) as *mut u8;
    // SAFETY: as above; frames that cells have hold no objects of the kernel's but the shared pages, whose fields are atomic or
    // read through copies.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
}

/// The boot archive.
pub(crate) fn archive(info: &BootInfo) -> &'static [u8] {
    let Range { start, end } = info.archive;
    // SAFETY: the loader put the archive there; the direct map shows it, and nobody writes to it: both allocators leave it out.
    unsafe { core::slice::from_raw_parts(direct(start) as *const u8, (end - start) as usize) }
}
