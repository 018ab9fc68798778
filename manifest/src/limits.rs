//! What a manifest may ask for. Those that repeat a constant of the kernel's contract are asserted equal to it by the root cell.

use core::ops::RangeInclusive;

/// Bytes of a cell's name.
pub const NAME_MAX: usize = 32;

/// Bytes of a program's name: it must fit into a path of the boot archive.
pub const PROGRAM_MAX: usize = 64;

/// Bytes of a cell's arguments.
pub const ARGUMENTS_MAX: usize = 4088;

/// Cells of a system, the root cell included.
pub const CELLS_MAX: usize = 64;

/// Hardware threads that can be named.
pub const THREADS_MAX: u32 = 64;

/// The most harts that a cell can be given while it runs.
pub const MOST_HARTS: RangeInclusive<u32> = 1..=THREADS_MAX;

/// Memory comes in multiples of this many bytes.
pub const PAGE_BYTES: u64 = 4096;

/// Bytes of a cell's memory.
pub const MEMORY_BYTES: RangeInclusive<u64> = 256 << 10..=1 << 40;

/// Bytes of a hart's first stack.
pub const STACK_BYTES: RangeInclusive<u64> = 16 << 10..=0xe_0000;

/// Bytes of a hart's event stack. It is not in the manifest, but paid from the cell's memory.
pub const EVENT_STACK_BYTES: u64 = 0x8000;

/// A best-effort weight.
pub const WEIGHT: RangeInclusive<u64> = 1..=10_000;

/// A best-effort slice, in ns.
pub const SLICE_NS: RangeInclusive<u64> = 100_000..=1_000_000_000;

/// How late a hart may start and not count as missed, in ns.
pub const TOLERANCE_NS: RangeInclusive<u64> = 1..=1_000_000_000;

/// A window's or a budget's period, in ns.
pub const PERIOD_NS: RangeInclusive<u64> = 100_000..=60_000_000_000;

/// A window's length or a budget, in ns.
pub const WINDOW_NS: RangeInclusive<u64> = 10_000..=60_000_000_000;

/// How long a system runs, in ns.
pub const RUN_NS: RangeInclusive<u64> = 1_000_000..=30 * 24 * 3600 * 1_000_000_000;

/// The interval of the live view, in ns, where it is not 0.
pub const STATUS_NS: RangeInclusive<u64> = 100_000_000..=60_000_000_000;

/// Channels of a system.
pub const CHANNELS_MAX: usize = 256;

/// Messages that a channel holds.
pub const CAPACITY: RangeInclusive<u32> = 1..=65_536;

/// Messages per second that a sender can be promised.
pub const RATE: RangeInclusive<u32> = 1..=1_000_000_000;

/// Blocks of a channel's bulk memory.
pub const BLOCKS: RangeInclusive<u32> = 1..=4_096;

/// Bytes of a block.
pub const BLOCK_BYTES: RangeInclusive<u64> = 4096..=4 << 20;

/// Bytes of all blocks of a channel.
pub const BULK_BYTES: u64 = 8 << 20;

/// From one of the broker's decisions to the next one, in ns.
pub const BROKER_PERIOD_NS: RangeInclusive<u64> = 1_000_000..=60_000_000_000;

/// How long a cell has time to release harts that it is to lose, in ns.
pub const NOTICE_NS: RangeInclusive<u64> = 1_000..=10_000_000_000;

/// The broker's measurements of a cell in a period.
pub const SAMPLES: RangeInclusive<u32> = 1..=100;

/// Parts into which the broker divides the time of a hardware thread.
pub const QUANTA: RangeInclusive<u32> = 1..=64;

/// How far before its deadline a response is to come, in thousandths of the deadline.
pub const MARGIN: RangeInclusive<u32> = 0..=900;

/// Heartbeats per second that a cell is to reach, in thousandths.
pub const HEARTBEATS_MILLI: RangeInclusive<u64> = 1..=1_000_000_000;

/// How long the work of a heartbeat may take, in ns.
pub const DEADLINE_NS: RangeInclusive<u64> = 1_000..=3_600_000_000_000;

/// The penalty of each second that a response is late, in thousandths.
pub const SLOPE_MILLI: RangeInclusive<u64> = 0..=1_000_000_000;

/// Cells that the broker serves.
pub const NEEDS_MAX: usize = 16;
