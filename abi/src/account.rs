//! What the kernel counts for each cell and each hart.

use core::sync::atomic::AtomicU64;

/// A cell's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum CellState {
    /// Being filled by its creator.
    New = 0,
    /// Runs when its policy says so.
    Running = 1,
    /// Ended by itself; `code` is its exit code.
    Exited = 2,
    /// Stopped by the kernel; `code` is the processor's exception vector.
    Faulted = 3,
}

impl CellState {
    /// The state of this number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::New),
            1 => Some(Self::Running),
            2 => Some(Self::Exited),
            3 => Some(Self::Faulted),
            _ => None,
        }
    }
}

/// What [`crate::Call::CellStatus`] writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CellStatus {
    /// A [`CellState`].
    pub state: u32,
    /// Harts that it has now.
    pub harts: u32,
    /// Exit code or exception vector.
    pub code: u64,
    /// Frames in use, page tables and kernel objects of the cell included.
    pub frames_used: u64,
    /// Frames that it may use.
    pub frames_quota: u64,
    /// Sum of all harts' heartbeats.
    pub heartbeats: u64,
    /// Hardware-thread time received, summed over harts, in ns.
    pub time_ns: u64,
    /// Activations of the gang (of hart 0).
    pub activations: u64,
    /// Activations in which a hart started later than the plan's tolerance, summed over harts.
    pub missed: u64,
    /// Calls made.
    pub calls: u64,
    /// Upcalls delivered.
    pub upcalls: u64,
    /// Lines the cell wrote that found its console ring full.
    pub console_full: u64,
    /// Characters waiting in its console ring.
    pub console_waiting: u64,
    /// Calls that were refused because a handle named nothing or lacked a right.
    pub refused: u64,
    /// Time of its activations in which harts of other cells ran to which it had handed a message over, in ns. Not part of `time_ns`.
    pub lent_ns: u64,
    /// Time in which its harts ran in other cells' activations, in ns. Part of `time_ns`.
    pub borrowed_ns: u64,
    /// The cell's place among cells, as [`crate::channel::ChannelInfo::peer_cell`] has it: the same as long as it lives.
    pub place: u64,
    /// The most harts that it can have.
    pub most_harts: u32,
    /// How many it is to have: see [`crate::resize`].
    pub wanted_harts: u32,
    /// Of those that are to go, how many have released themselves (or never ran).
    pub released_harts: u32,
    /// Harts that were taken with a context on them that nobody has adopted.
    pub taken_harts: u32,
    /// From when on harts can be taken that were not released, in ns.
    pub harts_deadline_ns: u64,
    /// How many frames it was told to get along with; 0: none.
    pub wanted_frames: u64,
}

/// One activation of one hart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Activation {
    /// The instant at which the gang was to start, ns of the timebase.
    pub at_ns: u64,
    /// When this hart started: the last reading before the return to the cell.
    pub entered_ns: u64,
    /// From the entry into the kernel to the end of the switch, before the hold, in ns.
    pub switch_ns: u32,
    /// The number of the plan, modulo 2^32.
    pub plan: u32,
}

/// Entries of an [`ActivationLog`].
pub const ACTIVATION_LOG_ENTRIES: usize = 170;

/// The latest activations of one hart, a ring: entry `n` of all time is at `n % ACTIVATION_LOG_ENTRIES`. The kernel writes it, the cell
/// and whoever may observe it read it. A reader reads `written`, then entries, then `written` again, and discards what may
/// have been overwritten meanwhile.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct ActivationLog {
    /// Entries written so far.
    pub written: AtomicU64,
    /// Keeps the entries where they are.
    pub reserved: u64,
    /// The ring.
    pub entries: [Activation; ACTIVATION_LOG_ENTRIES],
}

const _: () = assert!(size_of::<ActivationLog>() == 4096, "an activation log is one page");
const _: () = assert!(size_of::<CellStatus>() == 160, "the layout is part of the contract");
