//! A cell's address space: what lies where before its first instruction.

/// Bytes of a page.
pub const PAGE_SIZE: u64 = 4096;

/// The lowest address that a cell may map. Below it nothing is ever mapped, so that a null pointer faults.
pub const USER_BOTTOM: u64 = 0x1_0000;

/// The first address above a cell's memory.
pub const USER_TOP: u64 = 0x0000_7fff_ffff_f000;

/// Where cells are linked to run.
pub const IMAGE_BASE: u64 = 0x4000_0000;

/// Where the runtime's heap starts; it grows upwards by [`crate::Call::MemoryMap`].
pub const HEAP_BASE: u64 = 0x10_0000_0000;

/// A read-only page that the creator fills: [`Parameters`].
pub const PARAMETERS: u64 = 0x6fff_0000_0000;

/// Where the root cell, and only the root cell, sees the boot archive, read-only. Its length is in
/// [`crate::machine::MachineInfo::archive_bytes`].
pub const ARCHIVE: u64 = 0x6000_0000_0000;

/// Where the memory of channels is: the end whose handle has slot `n` has its window at `CHANNELS + n * CHANNEL_WINDOW`. Only the kernel maps here.
pub const CHANNELS: u64 = 0x6800_0000_0000;

/// Bytes from one window to the next. The half that the end writes is at the window's start.
pub const CHANNEL_WINDOW: u64 = 2 * CHANNEL_HALF_MAX;

/// Offset in a window: the half that the peer writes, read-only.
pub const CHANNEL_PEER_OFFSET: u64 = CHANNEL_HALF_MAX;

/// The most bytes of a half.
pub const CHANNEL_HALF_MAX: u64 = 16 << 20;

/// The first address above the windows.
pub const CHANNELS_END: u64 = CHANNELS + crate::MAX_HANDLES as u64 * CHANNEL_WINDOW;

/// The area of hart `n` starts at `HART_AREAS + n * HART_AREA_SIZE`.
pub const HART_AREAS: u64 = 0x7000_0000_0000;

/// Bytes from one hart's area to the next.
pub const HART_AREA_SIZE: u64 = 0x10_0000;

/// Offset in a hart's area: the [`crate::DispatchPage`], writable. The kernel maps it.
pub const DISPATCH_OFFSET: u64 = 0;

/// Offset in a hart's area: the [`crate::account::ActivationLog`], read-only. The kernel maps it.
pub const LOG_OFFSET: u64 = 0x1000;

/// Offset in a hart's area: the top of the event stack. The creator maps [`EVENT_STACK_SIZE`] bytes below it.
pub const EVENT_STACK_TOP_OFFSET: u64 = 0x1_0000;

/// Bytes of a hart's event stack.
pub const EVENT_STACK_SIZE: u64 = 0x8000;

/// Offset in a hart's area: the top of the hart's first stack. The creator maps as much below it as the manifest says,
/// at most [`STACK_SIZE_MAX`].
pub const STACK_TOP_OFFSET: u64 = 0x10_0000;

/// The most bytes that a hart's first stack can have; a guard of at least one page stays below it.
pub const STACK_SIZE_MAX: u64 = 0xe_0000;

/// The start of a hart's area.
#[must_use]
pub const fn hart_area(hart: u32) -> u64 {
    HART_AREAS + hart as u64 * HART_AREA_SIZE
}

/// What the creator tells a new cell, at [`PARAMETERS`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Parameters {
    /// Bytes of `arguments` that are used.
    pub length: u32,
    /// Keeps `arguments` aligned.
    pub reserved: u32,
    /// The manifest's `args`, UTF-8: words separated by spaces.
    pub arguments: [u8; 4088],
}

const _: () = assert!(size_of::<Parameters>() == 4096, "the parameters fill one page");
