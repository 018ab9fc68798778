//! The dispatch page: memory shared by the kernel and one hart.
//!
//! **Delivery.** When an event is due and `masked` is 0, the kernel saves the hart's registers into `saved`, sets
//! `masked` to 1, and enters `event_entry` on `event_stack` with `rdi` = the dispatch page. While `masked` is not 0,
//! events only collect in `pending`.
//!
//! **Resume.** The runtime takes the bits out of `pending`, does what they ask for, puts the context to resume into `saved`
//! (or leaves the one that is there) and runs its resume sequence: clear `masked`, look at `pending` once more, load every
//! register from `saved`, and leave by `iretq`. The sequence lies in `resume_start..resume_end`. When an event is due
//! while the hart's instruction pointer is in that range and `masked` is 0, the kernel does not save anything: the context
//! being resumed is still whole in `saved`, and the hart enters `event_entry` again. So the sequence must only
//! read `saved`, and the range must start at the first instruction after `masked` was cleared.
//!
//! **Faults.** A hart that does what it may not (Intel SDM volume 3, section 6.15) stops its cell, unless `takes_faults` is set, events are not masked and the
//! instruction is not one of the resume sequence: then the kernel says in `fault_vector`, `fault_error` and `fault_address` what it was, and delivers
//! [`Event::Fault`] as any other event. `saved` holds the instruction that faulted; resumed unchanged, it faults again. Exceptions that leave nothing to resume always
//! stop the cell.
//!
//! Vector state is not in `saved`: the runtime's event entry saves it with `xsave`.

use core::sync::atomic::{AtomicU32, AtomicU64};

/// What the kernel tells a hart: bits of [`DispatchPage::pending`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Event {
    /// The instant given to [`crate::Call::TimerSet`] has come.
    Tick = 1 << 0,
    /// Someone has notified the cell ([`crate::Call::CellNotify`]).
    Notification = 1 << 1,
    /// The peer of a channel has notified this end ([`crate::Call::ChannelNotify`]), or a channel was made or has ended.
    Channel = 1 << 2,
    /// Another hart of the cell wants this one to look around ([`crate::Call::HartWake`]).
    Wake = 1 << 3,
    /// This hart did what it may not, and registered for that: see [`DispatchPage::takes_faults`].
    Fault = 1 << 4,
    /// What the cell has changes, or is to change: see [`crate::resize`].
    Resize = 1 << 5,
}

/// The registers of an interrupted computation, in the order in which a resume sequence pops them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[allow(missing_docs, reason = "the fields are registers of these names")]
pub struct Context {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rbp: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rbx: u64,
    pub rax: u64,
    /// The five words that `iretq` takes.
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

/// How to read the timebase without a call: `((rdtsc + offset) * multiplier) >> 32` nanoseconds, in 128-bit arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Timebase {
    /// Added (wrapping) to this hardware thread's time-stamp counter, in ticks.
    pub offset: u64,
    /// Nanoseconds per tick, times 2^32.
    pub multiplier: u64,
    /// The most by which two hardware threads' timebases differed when it was measured, in ns.
    pub error_ns: u64,
}

/// The page itself. The cell can write all of it; the kernel believes only what it checks.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct DispatchPage {
    /// Not 0: events collect in `pending`. Starts as 1; the runtime clears it when it is ready.
    pub masked: AtomicU32,
    /// Bits of [`Event`] that the kernel set and the runtime has not yet taken.
    pub pending: AtomicU32,
    /// Where events enter. Set by the runtime before it clears `masked`.
    pub event_entry: AtomicU64,
    /// The stack pointer on entry.
    pub event_stack: AtomicU64,
    /// First address of the resume sequence.
    pub resume_start: AtomicU64,
    /// First address behind the resume sequence.
    pub resume_end: AtomicU64,
    /// The application's own measure of its progress; whoever may observe the cell sees it.
    pub heartbeats: AtomicU64,
    /// The interrupted context.
    pub saved: Context,

    /// [`crate::VERSION`] of the kernel.
    pub version: u32,
    /// This hart's number, from 0.
    pub hart: u32,
    /// Harts that the cell has now, as of this hart's last activation.
    pub harts: AtomicU32,
    /// The hardware thread that runs this hart now.
    pub hardware_thread: AtomicU32,
    /// How to read the timebase on that hardware thread.
    pub timebase: Timebase,
    /// The components of vector state that the cell may use (`xcr0`).
    pub vector_mask: u64,
    /// Bytes that `xsave` needs for them, or 0 where only `fxsave` exists (512 bytes).
    pub vector_bytes: u64,
    /// The instant of the present activation, in ns of the timebase: when the gang was to start.
    pub activation_at: AtomicU64,
    /// When this hart really started, in ns of the timebase.
    pub activation_entered: AtomicU64,
    /// Activations of this hart so far.
    pub activations: AtomicU64,
    /// Upcalls so far.
    pub upcalls: AtomicU64,
    /// How often an event found this hart in its resume sequence.
    pub resumes_interrupted: AtomicU64,
    /// The instruction at which it was found last.
    pub resume_interrupted_at: AtomicU64,
    /// Ends of channels bound to this hart that are of no more use because of the peer, counted since it began. Who waits looks at it before.
    pub channels_ended: AtomicU64,
    /// Not 0: this hart wants its faults as events. Set by the runtime.
    pub takes_faults: AtomicU64,
    /// The processor's number of the last fault that was delivered.
    pub fault_vector: AtomicU64,
    /// The processor's error code with it, 0 where it has none.
    pub fault_error: AtomicU64,
    /// For a page fault (vector 14): the address that was touched; else 0.
    pub fault_address: AtomicU64,
    /// The most harts that the cell can have. It is of fixed size if it began with as many.
    pub most_harts: u32,
    /// How many harts it is to have: as many as it has, unless it was given notice. Those with higher numbers are to go.
    pub wanted_harts: AtomicU32,
    /// From when on they can be taken without having been released, in ns of the timebase.
    pub harts_deadline: AtomicU64,
    /// Harts that were taken with a context on them that nobody has adopted, a bit each.
    pub taken: AtomicU64,
    /// How many frames the cell is to get along with; 0: it was given no notice.
    pub wanted_frames: AtomicU64,
    /// Until when it is to have given back what it uses beyond that, in ns of the timebase.
    pub frames_deadline: AtomicU64,
}

/// From here on the page is the cell's own: the kernel never looks there.
pub const OWN_WORDS_OFFSET: usize = 2048;

const _: () = assert!(size_of::<DispatchPage>() == 4096, "the dispatch page is one page");
const _: () = assert!(
    core::mem::offset_of!(DispatchPage, frames_deadline) + 8 <= OWN_WORDS_OFFSET,
    "the kernel's words end before the cell's own"
);
const _: () = assert!(size_of::<Context>() == 160, "twenty registers");
const _: () = assert!(core::mem::offset_of!(DispatchPage, masked) == 0, "the runtime's assembly uses these offsets");
const _: () = assert!(core::mem::offset_of!(DispatchPage, pending) == 4, "the runtime's assembly uses these offsets");
const _: () = assert!(core::mem::offset_of!(DispatchPage, saved) == 48, "the runtime's assembly uses these offsets");
const _: () = assert!(core::mem::offset_of!(DispatchPage, hart) == 212, "the layout is part of the contract");
