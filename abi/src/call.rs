//! The calls. Number in `rax`, arguments in `rdi`, `rsi`, `rdx`, `r10`, `r8`; the result in `rax` (status) and `rdx` (value), see
//! [`crate::Error::encode`]. `rcx` and `r11` are lost, as `syscall` has it; all other registers are kept.

/// What a cell can ask of the kernel. Every call's path is bounded: the limits are in the documentation of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Call {
    /// Does nothing. No arguments.
    Null = 0,
    /// Ends the cell, all harts: `(code)`. Does not return.
    Exit = 1,
    /// Parks the hart until an event is pending or the instant has come: `(until_ns)`, `u64::MAX` for no instant. The hardware thread
    /// sleeps meanwhile. Returns at once when an event is pending.
    Park = 2,
    /// Arms this hart's tick: `(at_ns)` in ns of the timebase, 0 to disarm. An instant in the past is due at once. Replaces
    /// the one before.
    TimerSet = 3,
    /// Writes to the debug console: `(pointer, length)`, at most [`CONSOLE_WRITE_MAX`] bytes, all or nothing. [`crate::ErrorKind::Full`] when the cell's
    /// ring is full. Lines appear whole.
    ConsoleWrite = 4,
    /// Maps fresh zeroed memory: `(address, length, access)`, multiples of a page, at most [`MAP_MAX`] bytes a call; `access` is [`Access`].
    MemoryMap = 5,
    /// Gives memory back: `(address, length)`, as for [`Call::MemoryMap`]. Pages that are not mapped are passed over.
    MemoryUnmap = 6,
    /// Describes the machine: `(machine, pointer to MachineInfo)`. Needs OBSERVE.
    MachineInfo = 7,
    /// Describes a cell: `(cell, pointer to CellStatus)`. Needs OBSERVE.
    CellStatus = 8,
    /// Copies a hart's activation log: `(cell, hart, pointer to 4096 bytes)`. Needs OBSERVE.
    CellLog = 9,
    /// Creates an empty cell: `(machine, pointer to CellRequest)`. Needs CREATE. Returns its handle, with OBSERVE and CONTROL.
    CellCreate = 10,
    /// Gives a new cell memory: `(cell, address, length, access, source)`. Source: 0 for zeroes, or where in the caller's memory the
    /// contents lie (as many bytes). As [`Call::MemoryMap`] otherwise; paid from the new cell's quota. Needs CONTROL.
    CellMap = 11,
    /// Makes a filled cell runnable: `(cell, entry)`. Every hart starts at `entry` with `rdi` = hart number and its stack pointer at the
    /// top of its stack, when the plan says so. Needs CONTROL.
    CellStart = 12,
    /// Destroys a cell that no plan in force names: `(cell)`. [`crate::ErrorKind::Again`] until every frame is back; then returns how many came
    /// back in all, and the handle is gone. Needs CONTROL.
    CellDestroy = 13,
    /// Makes a plan effective: `(machine, pointer to PlanHeader and entries, length)`. Needs PLAN. Returns the plan's number. On a refusal the kernel writes into
    /// the header where the conflict is and what would fit.
    PlanCommit = 14,
    /// Reads what was typed: `(machine, pointer, length)`. Needs CONSOLE. Returns the bytes read, possibly 0; at most 16.
    ConsoleRead = 15,
    /// Moves at most [`CONSOLE_PUMP_MAX`] characters from the cells' rings to the serial line: `(machine)`. Needs CONSOLE. Returns
    /// how many characters were moved, so 0 when nothing waits. So the time that the slow line costs is the holder's, not the writers'.
    ConsolePump = 16,
    /// Switches the machine off: `(machine, code)`; 0 is success. What waits for the console is written first. Needs POWER.
    PowerOff = 17,
    /// Posts [`crate::Event::Notification`] to hart 0 of a cell and wakes the cell if it is idle: `(cell)`. Notifications that were not delivered yet are one. Needs
    /// CONTROL.
    CellNotify = 18,
    /// Begins a channel: `(sender's cell, receiver's cell, pointer to `[`crate::channel::ChannelRequest`]`)`. Needs CONNECT to both, which are two. Each pays for its half and its page tables.
    /// Returns the channel's number, for [`Call::ChannelBuild`].
    ChannelCreate = 19,
    /// Goes on with a channel that the caller began: `(number)`. [`crate::ErrorKind::Again`] until its memory is there; from then on both ends have it, and
    /// [`crate::Event::Channel`] is posted to both. Any other error is the end of the channel, of which nothing is left.
    ChannelBuild = 20,
    /// Describes an end of a channel: `(slot, pointer to `[`crate::channel::ChannelInfo`]`)`: the first that the cell has in this slot of its handles or a later one. Returns the slot after it;
    /// 0 when there is none.
    ChannelInfo = 21,
    /// Posts [`crate::Event::Channel`] to the hart that the other end is bound to: `(channel)`. The cell is woken if it is idle. Notifications that were not delivered yet are one.
    /// [`crate::ErrorKind::ChannelEnded`] when the peer is gone.
    ChannelNotify = 22,
    /// Binds this end to a hart of the cell: `(channel, hart)`. It is hart 0 otherwise.
    ChannelBind = 23,
    /// Gives up this end: `(channel)`. The peer is told. [`crate::ErrorKind::Again`] until its memory is back, and no mapping of it is left with the peer; then the handle is gone.
    ChannelClose = 24,
    /// Hands a message over to a hart that waits for it on the same hardware thread, and waits for one: `(channel to send on, channel to receive on)`, [`NO_CHANNEL`] for
    /// one of them where only the other is wanted. The message is in `rdx` (its tag) and `r8`, `r9`, `r10`, `r12`, `r13`, `r14`, `r15`, and comes the same way. The receiver runs at once,
    /// in the caller's time, until it hands something over itself. With [`ANSWER`] added to the channel to send on it does so only if the present activation is its own, which it has lent to the
    /// caller; otherwise it goes on in its own time, so that who asks pays and not who answers. [`crate::ErrorKind::NotWaiting`] when it does not wait here; nothing was sent then.
    /// [`crate::ErrorKind::Interrupted`] when an event came before a message, and [`crate::ErrorKind::Again`] when one is pending already; nothing was sent then either.
    ChannelHandOver = 25,
    /// Posts [`crate::Event::Wake`] to a hart of the caller's cell: `(hart)`. It ends a park, and interrupts a hart that runs, unless it has masked events.
    HartWake = 26,
    /// Gives a cell notice of how many harts it is to have: `(cell, harts, deadline_ns)`, 1 to as many as it has, which takes an earlier notice back. The deadline is an instant of the
    /// timebase; one past is allowed. [`crate::Event::Resize`] is posted to its harts. See [`crate::resize`]. Needs CONTROL. [`crate::ErrorKind::FixedSize`] where the cell takes no part.
    CellNotice = 27,
    /// Changes how many frames a cell may use: `(cell, frames, deadline_ns)`. More, and fewer if it does not use them, at once. Otherwise nothing changes but that the cell is given
    /// notice, and the answer is [`crate::ErrorKind::InUse`] with the number of frames that it does not use: to be repeated when it has given some back. Needs CONTROL.
    CellMemory = 28,
    /// Gives this hart back: no arguments. For a hart that is to go by a notice; [`crate::ErrorKind::WrongState`] for others. It runs no more, whatever events come, until
    /// the notice is taken back or the cell is given the hart again; then the call returns.
    HartRelease = 29,
    /// Takes over what ran on a hart of the caller's cell when that was taken: `(hart, pointer to `[`crate::resize::HeldContext`]`, entry, stack)`. From then on the hart has none, and begins at `entry` if it is given back:
    /// with `rdi` = its number, its stack pointer at `stack` and events masked. So what ran there goes on in one place. [`crate::ErrorKind::WrongState`] when the hart runs or has nothing to
    /// adopt, [`crate::ErrorKind::Masked`] when it had masked events, [`crate::ErrorKind::Again`] while a plan is on its way or the hart is just being taken.
    HartAdopt = 30,
    /// Lets a hart that was taken run in the caller's place: `(hart)`. Returns when that hart releases itself or parks, when the caller has an event, or with its next activation.
    /// [`crate::ErrorKind::Interrupted`] when an event is pending already; otherwise refused as [`Call::HartAdopt`], but not for masked events.
    HartLend = 31,
    /// Describes a handle of the caller's: `(slot, pointer to `[`HandleInfo`]`)`: the first in this slot or a later one. Returns the slot after it; 0 when there is none. By it a root cell that
    /// was started again finds what it had.
    HandleInfo = 32,
    /// Writes the plan published last: `(machine, pointer to a `[`crate::plan::PlanHeader`]` and entries, bytes there)`. It needs [`crate::Rights::PLAN`]. Returns the number of entries in the plan; those for which there is
    /// room are written. Cells are named by the caller's handles, and [`NO_CELL`] where it has none. Flags and instants are 0.
    PlanRead = 33,
}

/// No cell that the caller has a handle to, for [`Call::PlanRead`].
pub const NO_CELL: u32 = u32::MAX;

/// What [`Call::HandleInfo`] writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct HandleInfo {
    /// The handle, in the register form.
    pub handle: u32,
    /// A [`HandleKind`].
    pub kind: u32,
    /// Of a cell: its name, padded with zeroes.
    pub name: [u8; NAME_MAX],
}

/// What a handle names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum HandleKind {
    /// The machine.
    Machine = 0,
    /// A cell.
    Cell = 1,
    /// An end of a channel.
    Channel = 2,
}

/// No channel, for [`Call::ChannelHandOver`].
pub const NO_CHANNEL: u64 = u64::MAX;

/// Added to the channel to send on, for [`Call::ChannelHandOver`]: this is an answer.
pub const ANSWER: u64 = 1 << 32;

impl Call {
    /// All calls, by number.
    pub const ALL: [Self; 34] = [
        Self::Null,
        Self::Exit,
        Self::Park,
        Self::TimerSet,
        Self::ConsoleWrite,
        Self::MemoryMap,
        Self::MemoryUnmap,
        Self::MachineInfo,
        Self::CellStatus,
        Self::CellLog,
        Self::CellCreate,
        Self::CellMap,
        Self::CellStart,
        Self::CellDestroy,
        Self::PlanCommit,
        Self::ConsoleRead,
        Self::ConsolePump,
        Self::PowerOff,
        Self::CellNotify,
        Self::ChannelCreate,
        Self::ChannelBuild,
        Self::ChannelInfo,
        Self::ChannelNotify,
        Self::ChannelBind,
        Self::ChannelClose,
        Self::ChannelHandOver,
        Self::HartWake,
        Self::CellNotice,
        Self::CellMemory,
        Self::HartRelease,
        Self::HartAdopt,
        Self::HartLend,
        Self::HandleInfo,
        Self::PlanRead,
    ];

    /// The call of this number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// The most bytes of one [`Call::ConsoleWrite`].
pub const CONSOLE_WRITE_MAX: u64 = 256;

/// The most characters that one [`Call::ConsolePump`] moves.
pub const CONSOLE_PUMP_MAX: u64 = 64;

/// The most bytes of one [`Call::MemoryMap`] or [`Call::CellMap`]: 8 pages, so that the kernel is soon ready for the next change of cell again.
pub const MAP_MAX: u64 = 8 * crate::layout::PAGE_SIZE;

/// How mapped memory may be used. There is no writable and executable memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Access {
    /// Read.
    Read = 0,
    /// Read and write.
    ReadWrite = 1,
    /// Read and execute.
    ReadExecute = 2,
}

impl Access {
    /// The access of this number.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Read),
            1 => Some(Self::ReadWrite),
            2 => Some(Self::ReadExecute),
            _ => None,
        }
    }
}

/// What [`Call::CellCreate`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct CellRequest {
    /// The cell's name: UTF-8, zero-padded. For reports; need not be unique.
    pub name: [u8; NAME_MAX],
    /// Harts at the start, 1 to [`crate::MAX_HARDWARE_THREADS`].
    pub harts: u32,
    /// The memory node to prefer, or `u32::MAX` for the nearest.
    pub node: u32,
    /// Frames that the cell may use, everything included.
    pub frames_quota: u64,
    /// The most harts that it can ever have, all of which it pays for: `harts`, for a cell of fixed size, to [`crate::MAX_HARDWARE_THREADS`].
    pub most_harts: u32,
    /// 0.
    pub reserved: u32,
}

/// Bytes of a cell's name.
pub const NAME_MAX: usize = 32;

const _: () = assert!(size_of::<CellRequest>() == 56, "the layout is part of the contract");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_numbered_by_their_place() {
        for (number, call) in Call::ALL.into_iter().enumerate() {
            assert_eq!(call as u64, number as u64);
            assert_eq!(Call::from_number(number as u64), Some(call));
        }
        assert_eq!(Call::from_number(Call::ALL.len() as u64), None);
        assert_eq!(Call::from_number(u64::MAX), None);
    }
}
