//! The kernel's calls as functions. Their meaning, limits and errors are those of [`abi::Call`].

use abi::account::{ActivationLog, CellStatus};
use abi::call::{ANSWER, Access, CellRequest, HandleInfo, NAME_MAX, NO_CHANNEL};
use abi::channel::{ChannelInfo, ChannelRequest};
use abi::machine::MachineInfo;
use abi::plan::{PlanCopy, PlanEntry, PlanHeader};
use abi::resize::HeldContext;
use abi::{Call, Error, ErrorKind, Handle};

use crate::system::raw_call::{call, hand_over};

fn make(kind: Call, arguments: [u64; 5]) -> Result<u64, Error> {
    call(kind as u64, arguments)
}

/// Does nothing.
///
/// # Errors
/// None.
pub fn null() -> Result<u64, Error> {
    make(Call::Null, [0; 5])
}

/// Ends the cell with a code; 0 is success.
pub fn exit(code: u64) -> ! {
    loop {
        let _ = make(Call::Exit, [code, 0, 0, 0, 0]);
    }
}

/// Parks this hart until an event is pending or the instant has come.
///
/// # Errors
/// None.
pub fn park(until_ns: u64) -> Result<u64, Error> {
    make(Call::Park, [until_ns, 0, 0, 0, 0])
}

/// Arms this hart's tick.
///
/// # Errors
/// None.
pub fn timer_set(at_ns: u64) -> Result<u64, Error> {
    make(Call::TimerSet, [at_ns, 0, 0, 0, 0])
}

/// Writes to the console; see `println!`, which makes lines of it.
///
/// # Errors
/// As [`Call::ConsoleWrite`].
pub fn console_write(text: &[u8]) -> Result<u64, Error> {
    make(Call::ConsoleWrite, [text.as_ptr() as u64, text.len() as u64, 0, 0, 0])
}

/// Maps fresh zeroed memory.
///
/// # Errors
/// As [`Call::MemoryMap`].
pub fn memory_map(address: u64, length: u64, access: Access) -> Result<u64, Error> {
    make(Call::MemoryMap, [address, length, access as u64, 0, 0])
}

/// Gives memory back, waiting until the cell's other harts have forgotten it. The caller must not use it any more.
///
/// # Errors
/// As [`Call::MemoryUnmap`], except [`ErrorKind::Again`].
pub fn memory_unmap(address: u64, length: u64) -> Result<u64, Error> {
    again(|| make(Call::MemoryUnmap, [address, length, 0, 0, 0]))
}

/// Describes the machine.
///
/// # Errors
/// As [`Call::MachineInfo`].
pub fn machine_info() -> Result<MachineInfo, Error> {
    let mut info = MachineInfo::default();
    make(Call::MachineInfo, [Handle::MACHINE.register(), &raw mut info as u64, 0, 0, 0])?;
    Ok(info)
}

/// Describes a cell.
///
/// # Errors
/// As [`Call::CellStatus`].
pub fn cell_status(cell: Handle) -> Result<CellStatus, Error> {
    let mut status = CellStatus::default();
    make(Call::CellStatus, [cell.register(), &raw mut status as u64, 0, 0, 0])?;
    Ok(status)
}

/// Copies a hart's activation log.
///
/// # Errors
/// As [`Call::CellLog`].
pub fn cell_log(cell: Handle, hart: u32, log: &mut ActivationLog) -> Result<u64, Error> {
    make(Call::CellLog, [cell.register(), u64::from(hart), &raw mut *log as u64, 0, 0])
}

/// Creates an empty cell. A name that is too long is cut.
///
/// # Errors
/// As [`Call::CellCreate`].
pub fn cell_create(name: &str, harts: u32, frames_quota: u64) -> Result<Handle, Error> {
    cell_create_resizable(name, harts, harts, frames_quota)
}

/// Creates an empty cell that takes part in the resize protocol (see [`abi::resize`]): it begins with `harts` harts and can have `most_harts`. Its creator maps stacks for all
/// of them. A name that is too long is cut.
///
/// # Errors
/// As [`Call::CellCreate`].
pub fn cell_create_resizable(name: &str, harts: u32, most_harts: u32, frames_quota: u64) -> Result<Handle, Error> {
    let mut request = CellRequest { name: [0; NAME_MAX], harts, node: u32::MAX, frames_quota, most_harts, reserved: 0 };
    let length = name.len().min(NAME_MAX);
    request.name[..length].copy_from_slice(&name.as_bytes()[..length]);
    let handle = make(Call::CellCreate, [Handle::MACHINE.register(), &raw const request as u64, 0, 0, 0])?;
    Handle::from_register(handle).ok_or(Error::plain(ErrorKind::Malformed))
}

/// Gives a new cell zeroed memory.
///
/// # Errors
/// As [`Call::CellMap`].
pub fn cell_map_zeroed(cell: Handle, address: u64, length: u64, access: Access) -> Result<u64, Error> {
    make(Call::CellMap, [cell.register(), address, length, access as u64, 0])
}

/// Gives a new cell memory with these contents: whole pages.
///
/// # Errors
/// As [`Call::CellMap`].
pub fn cell_map(cell: Handle, address: u64, contents: &[u8], access: Access) -> Result<u64, Error> {
    make(Call::CellMap, [cell.register(), address, contents.len() as u64, access as u64, contents.as_ptr() as u64])
}

/// Makes a filled cell runnable.
///
/// # Errors
/// As [`Call::CellStart`].
pub fn cell_start(cell: Handle, entry: u64) -> Result<u64, Error> {
    make(Call::CellStart, [cell.register(), entry, 0, 0, 0])
}

/// Destroys a cell; returns how many frames came back. To be repeated while it says [`ErrorKind::Again`].
///
/// # Errors
/// As [`Call::CellDestroy`].
pub fn cell_destroy(cell: Handle) -> Result<u64, Error> {
    make(Call::CellDestroy, [cell.register(), 0, 0, 0, 0])
}

/// Posts a notification to a cell and wakes it if it is idle. The cell sees it by `events::on_notification` or
/// `events::wait_for_notification`.
///
/// # Errors
/// As [`Call::CellNotify`].
pub fn cell_notify(cell: Handle) -> Result<u64, Error> {
    make(Call::CellNotify, [cell.register(), 0, 0, 0, 0])
}

/// Gives a cell notice that it is to have so many harts by an instant, or, with as many as it has, takes that back.
///
/// # Errors
/// As [`Call::CellNotice`].
pub fn cell_notice(cell: Handle, harts: u32, deadline_ns: u64) -> Result<u64, Error> {
    make(Call::CellNotice, [cell.register(), u64::from(harts), deadline_ns, 0, 0])
}

/// Lets a cell use so many frames from now on; gives it notice if it uses more.
///
/// # Errors
/// As [`Call::CellMemory`]: [`ErrorKind::InUse`] with the number of frames that are free.
pub fn cell_memory(cell: Handle, frames: u64, deadline_ns: u64) -> Result<u64, Error> {
    make(Call::CellMemory, [cell.register(), frames, deadline_ns, 0, 0])
}

/// Has another hart of this cell look around: see [`crate::events::on_wake`].
///
/// # Errors
/// As [`Call::HartWake`].
pub fn hart_wake(hart: u32) -> Result<u64, Error> {
    make(Call::HartWake, [u64::from(hart), 0, 0, 0, 0])
}

/// The first handle that the cell has in this slot or a later one, and the slot after it.
///
/// # Errors
/// None.
pub fn handle_info(slot: u64) -> Result<Option<(HandleInfo, u64)>, Error> {
    let mut info = HandleInfo::default();
    let next = make(Call::HandleInfo, [slot, &raw mut info as u64, 0, 0, 0])?;
    Ok((next != 0).then_some((info, next)))
}

/// Copies the plan published last. Returns how many entries it has.
///
/// # Errors
/// As [`Call::PlanRead`].
pub fn plan_read(copy: &mut PlanCopy) -> Result<u64, Error> {
    let length = size_of::<PlanCopy>() as u64;
    make(Call::PlanRead, [Handle::MACHINE.register(), &raw mut *copy as u64, length, 0, 0])
}

/// Makes a channel between two cells, all of it: memory for large ones is made in steps, so this takes a while.
///
/// # Errors
/// As [`Call::ChannelCreate`] and [`Call::ChannelBuild`], except [`ErrorKind::Again`].
pub fn channel_create(sender: Handle, receiver: Handle, request: &ChannelRequest) -> Result<(), Error> {
    let arguments = [sender.register(), receiver.register(), &raw const *request as u64, 0, 0];
    let number = make(Call::ChannelCreate, arguments)?;
    again(|| make(Call::ChannelBuild, [number, 0, 0, 0, 0])).map(|_| ())
}

/// The first end of a channel that the cell has in this slot of its handles or a later one, and the slot after it.
///
/// # Errors
/// None, if the slot is small.
pub fn channel_info(slot: u64) -> Result<Option<(ChannelInfo, u64)>, Error> {
    let mut info = ChannelInfo::default();
    let next = make(Call::ChannelInfo, [slot, &raw mut info as u64, 0, 0, 0])?;
    Ok((next != 0).then_some((info, next)))
}

/// Tells the hart at the other end.
///
/// # Errors
/// As [`Call::ChannelNotify`].
pub fn channel_notify(channel: Handle) -> Result<u64, Error> {
    make(Call::ChannelNotify, [channel.register(), 0, 0, 0, 0])
}

/// Binds this end to a hart.
///
/// # Errors
/// As [`Call::ChannelBind`].
pub fn channel_bind(channel: Handle, hart: u32) -> Result<u64, Error> {
    make(Call::ChannelBind, [channel.register(), u64::from(hart), 0, 0, 0])
}

/// Gives up this end, all of it, waiting until the peer's hardware threads have forgotten its memory. The caller must not use that any more.
///
/// # Errors
/// As [`Call::ChannelClose`], except [`ErrorKind::Again`].
pub fn channel_close(channel: Handle) -> Result<u64, Error> {
    again(|| make(Call::ChannelClose, [channel.register(), 0, 0, 0, 0]))
}

/// Hands a message (tag and words) over on one channel and waits to be handed one on another: `None` where only the other is wanted. What comes back is the message, or zeroes if
/// none was waited for.
///
/// # Errors
/// As [`Call::ChannelHandOver`].
pub fn channel_hand_over(send: Option<Handle>, receive: Option<Handle>, message: [u64; 8]) -> Result<[u64; 8], Error> {
    let register = |handle: Option<Handle>| handle.map_or(NO_CHANNEL, Handle::register);
    hand_over(register(send), register(receive), message)
}

/// Hands an answer over and waits for the next message: as [`channel_hand_over`], but who asked does not run in this cell's time.
///
/// # Errors
/// As [`Call::ChannelHandOver`].
pub fn channel_answer(send: Handle, receive: Handle, message: [u64; 8]) -> Result<[u64; 8], Error> {
    hand_over(send.register() | ANSWER, receive.register(), message)
}

/// Gives this hart back; see [`crate::hart::release`].
pub(crate) fn hart_release() -> Result<u64, Error> {
    make(Call::HartRelease, [0; 5])
}

/// Takes over what a hart had; see [`crate::resize::adopt`].
pub(crate) fn hart_adopt(hart: u32, held: &mut HeldContext, entry: u64, stack: u64) -> Result<u64, Error> {
    again(|| make(Call::HartAdopt, [u64::from(hart), &raw mut *held as u64, entry, stack, 0]))
}

/// Runs a hart that was taken in this one's place; see [`crate::resize::lend`].
pub(crate) fn hart_lend(hart: u32) -> Result<u64, Error> {
    again(|| make(Call::HartLend, [u64::from(hart), 0, 0, 0, 0]))
}

fn again(mut step: impl FnMut() -> Result<u64, Error>) -> Result<u64, Error> {
    loop {
        match step() {
            Err(Error { kind: ErrorKind::Again, .. }) => core::hint::spin_loop(),
            result => return result,
        }
    }
}

/// Commits a plan; returns its number. `header.entries` is taken from `entries`.
///
/// # Errors
/// As [`Call::PlanCommit`].
pub fn plan_commit(header: PlanHeader, entries: &[PlanEntry]) -> Result<u64, Error> {
    plan_commit_explained(header, entries).map_err(|(error, _)| error)
}

/// As [`plan_commit`], for who wants to say where a refused plan is in conflict and what would fit.
///
/// # Errors
/// As [`Call::PlanCommit`], with the header as the kernel left it: `conflict_at_ns` and `fits_ns` are 0 where it wrote none.
pub fn plan_commit_explained(header: PlanHeader, entries: &[PlanEntry]) -> Result<u64, (Error, PlanHeader)> {
    #[repr(C)]
    struct Message {
        header: PlanHeader,
        entries: [PlanEntry; abi::MAX_CELLS],
    }
    let mut message = Message { header, entries: [PlanEntry::default(); abi::MAX_CELLS] };
    let count = entries.len().min(abi::MAX_CELLS);
    (message.header.conflict_at_ns, message.header.fits_ns) = (0, 0);
    message.header.entries = entries.len() as u32;
    message.entries[..count].copy_from_slice(&entries[..count]);
    let length = size_of::<PlanHeader>() + size_of_val(entries);
    let result = make(Call::PlanCommit, [Handle::MACHINE.register(), &raw mut message as u64, length as u64, 0, 0]);
    result.map_err(|error| (error, message.header))
}

/// Reads what was typed; returns how many bytes, at most 16.
///
/// # Errors
/// As [`Call::ConsoleRead`].
pub fn console_read(bytes: &mut [u8]) -> Result<usize, Error> {
    let arguments = [Handle::MACHINE.register(), bytes.as_mut_ptr() as u64, bytes.len() as u64, 0, 0];
    make(Call::ConsoleRead, arguments).map(|count| count as usize)
}

/// Moves what cells wrote to the serial line; returns how many characters.
///
/// # Errors
/// As [`Call::ConsolePump`].
pub fn console_pump() -> Result<u64, Error> {
    make(Call::ConsolePump, [Handle::MACHINE.register(), 0, 0, 0, 0])
}

/// Switches the machine off; 0 is success. Returns only if it may not.
pub fn power_off(code: u64) -> Error {
    match make(Call::PowerOff, [Handle::MACHINE.register(), code, 0, 0, 0]) {
        Err(error) => error,
        Ok(_) => Error::plain(ErrorKind::WrongState),
    }
}

/// The boot archive, for the root cell: `bytes` from [`machine_info`].
#[must_use]
pub fn archive(info: &MachineInfo) -> &'static [u8] {
    crate::system::pages::archive(info.archive_bytes)
}

/// Makes a call with any number and any arguments: for tests that try to hurt the kernel. Memory that the arguments name may be overwritten.
///
/// # Errors
/// Whatever the kernel says.
pub fn any(number: u64, arguments: [u64; 5]) -> Result<u64, Error> {
    call(number, arguments)
}
