//! Root program: channels with the `parrot`s of the manifest, each of which ends in another way. The other end is told why, nobody faults who does nothing wrong, and every frame comes back.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::format;

use cell::abi::account::CellState;
use cell::abi::call::Access;
use cell::abi::channel::{ChannelInfo, ChannelRequest, Ended, Role, Shape};
use cell::abi::{Call, ErrorKind, Handle};
use cell::{calls, time};
use channels::{Bell, BlockingReceiver, BlockingSender, Message, WaitError, cell as ends};
use test_cells::parrot::{CLOSE, EXIT, SCRIBBLE, SILENCE};
use test_cells::system::{Loaded, run, status};
use test_cells::{check, check_equal, check_refused, pump};

cell::entry!(main);

/// How long anything may take, in ns.
const PATIENCE: u64 = 2_000_000_000;

fn main(_: u32) {
    run(|loaded| {
        refusals(loaded);
        let endings =
            [(EXIT, Ended::Exited), (SCRIBBLE, Ended::Faulted), (CLOSE, Ended::Closed), (SILENCE, Ended::Destroyed)];
        for (number, (tag, why)) in endings.into_iter().enumerate() {
            ending(loaded, number, tag, why);
            pump();
        }
    })
}

const SHAPE: Shape = Shape { capacity: 200, blocks: 5, block_bytes: 4096, reserved: 0 };

/// What all are said to belong to.
const PAIR: u32 = 0x8000_0007;

fn request(shape: Shape) -> ChannelRequest {
    ChannelRequest { pair: PAIR, ..ChannelRequest::new("talk", shape) }
}

fn create(sender: Handle, receiver: Handle, shape: Shape) -> Result<u64, cell::abi::Error> {
    calls::channel_create(sender, receiver, &request(shape)).map(|()| 0)
}

/// What is not right is refused, and nothing is left of it.
fn refusals(loaded: &Loaded) {
    let Some(parrot) = loaded.cells.first().copied() else { return check("there is a parrot", false, "none") };
    let own = Handle::OWN_CELL;
    let used = status(own).frames_used + status(parrot).frames_used;
    check_refused("a channel to oneself", ErrorKind::OutOfRange, create(own, own, SHAPE));
    check_refused("a channel to the machine", ErrorKind::BadHandle, create(own, Handle::MACHINE, SHAPE));
    check_refused("a channel to nobody", ErrorKind::BadHandle, create(Handle::from_parts(77, 0), parrot, SHAPE));
    let empty = Shape { capacity: 0, ..SHAPE };
    check_refused("a channel that holds nothing", ErrorKind::Malformed, create(own, parrot, empty));
    let huge = Shape { capacity: 65_536, blocks: 4_000, ..SHAPE };
    check_refused("a channel larger than a window", ErrorKind::Malformed, create(own, parrot, huge));
    check_refused(
        "a number that nobody began",
        ErrorKind::OutOfRange,
        calls::any(Call::ChannelBuild as u64, [200, 0, 0, 0, 0]),
    );
    check_refused(
        "a wild number",
        ErrorKind::OutOfRange,
        calls::any(Call::ChannelBuild as u64, [u64::MAX, 0, 0, 0, 0]),
    );
    for call in [Call::ChannelNotify, Call::ChannelClose, Call::ChannelBind] {
        check_refused(
            "an end that is none",
            ErrorKind::BadHandle,
            calls::any(call as u64, [parrot.register(), 0, 0, 0, 0]),
        );
    }
    check_equal("frames in use after refusals", used, status(own).frames_used + status(parrot).frames_used);
    // More than the parrot's memory: it fails in the middle, and both know.
    let large = Shape { capacity: 65_536, blocks: 0, block_bytes: 0, reserved: 0 };
    check_refused("a channel that its sender cannot pay", ErrorKind::NoMemory, create(parrot, own, large));
    check_equal("ends of what could not be made", 0, ends::ends().count());
    // Page tables of the windows stay.
    let after = status(own).frames_used + status(parrot).frames_used;
    check(
        "nothing is left of what could not be made",
        after <= used + 16,
        format!("{used} frames before, {after} after"),
    );
    check("the calls were counted as refused", status(own).refused >= 5, format!("{} were", status(own).refused));
}

fn close(handle: u32) {
    if let Some(handle) = Handle::from_register(u64::from(handle))
        && let Err(error) = ends::close(handle)
    {
        check("an end can be closed", false, error);
    }
}

type Ends = (BlockingSender<ends::KernelBell>, BlockingReceiver<ends::KernelBell>);

fn open() -> Option<(Ends, [ChannelInfo; 2])> {
    let (sends, receives) = (ends::find("talk", Role::Sender)?, ends::find("talk", Role::Receiver)?);
    let opened = (ends::sender(&sends), ends::receiver(&receives));
    let (Ok(sender), Ok(receiver)) = opened else { return None };
    check("an end is had once", ends::sender(&sends).is_err(), "twice");
    Some(((sender, receiver), [sends, receives]))
}

/// Talks with a parrot, has it end, and sees what becomes of the channel.
fn ending(loaded: &mut Loaded, number: usize, tag: u32, why: Ended) {
    let Some(parrot) = loaded.cells.get(number).copied() else { return check("there is a parrot", false, number) };
    let own = Handle::OWN_CELL;
    let before = status(own).frames_used;
    for (from, to) in [(own, parrot), (parrot, own)] {
        if let Err(error) = create(from, to, SHAPE) {
            return check("a channel can be made", false, error);
        }
    }
    let Some(((mut sender, mut receiver), infos)) = open() else {
        return check("ends can be had", false, format!("{:?}", ends::ends().count()));
    };
    check_equal("the pairs that ends are told to belong to", [PAIR; 2], infos.map(|info| info.pair));
    windows(&infos);
    let deadline = Some(time::now() + PATIENCE);
    for round in 0..500_u64 {
        let message = Message::new(100 + round as u32, [round; 7]);
        let answer = sender.send_until(&message, deadline).and_then(|()| receiver.receive_until(deadline));
        if answer != Ok(message) {
            return check("the parrot answers", false, format!("{answer:?} in round {round}"));
        }
    }
    check("the parrot answered 500 times", true, "");
    let _ = sender.send_until(&Message::new(tag, [0; 7]), deadline);
    if tag == SILENCE {
        kill(loaded, parrot);
    }
    let seen = receiver.receive_until(deadline);
    let expected = Err(WaitError::Bell(why));
    check("the other end is told why it ended", seen == expected, format!("expected {expected:?}, saw {seen:?}"));
    let ring = sender.bell().ring();
    check("who is gone cannot be notified", ring == Err(why), format!("{ring:?}"));
    if tag != SILENCE && tag != CLOSE {
        let state = status(parrot).state;
        check("the parrot has ended", state != CellState::Running as u32, state);
    }
    kill(loaded, parrot);
    // Its memory is gone; what it shared reads as zeroes.
    let credits = sender.end().credits();
    check("memory that is gone is no promise", credits.is_err() || credits == Ok(0), format!("{credits:?}"));
    let message = receiver.end().try_receive();
    check("memory that is gone has no messages", !matches!(message, Ok(Some(_))), format!("{message:?}"));
    infos.iter().for_each(|info| close(info.handle));
    // Page tables stay: of two windows and the way to them, and later of one that is new, because the handle of the parrot before left its slot.
    let after = status(own).frames_used;
    let tables = if number == 0 { 8 } else { 2 };
    check("every frame came back", after <= before + tables, format!("{before} before, {after} after"));
    check_equal("ends that are left", 0, ends::ends().count());
}

/// The windows are the kernel's.
fn windows(infos: &[ChannelInfo]) {
    for info in infos {
        check_refused(
            "memory in a window",
            ErrorKind::Occupied,
            calls::memory_map(info.address + 0x4000_0000, 4096, Access::ReadWrite),
        );
        check_refused("a window's memory given back", ErrorKind::Occupied, calls::memory_unmap(info.address, 4096));
    }
}

/// Takes a cell out of the plan and destroys it, if it is still there.
fn kill(loaded: &mut Loaded, cell: Handle) {
    let before = loaded.entries.len();
    loaded.entries.retain(|entry| u64::from(entry.cell) != cell.register());
    if loaded.entries.len() == before {
        return;
    }
    if let Err(why) = loaded.commit() {
        return check("a plan without the cell", false, why);
    }
    let deadline = time::now() + PATIENCE;
    loop {
        match calls::cell_destroy(cell) {
            Err(error) if matches!(error.kind, ErrorKind::Again | ErrorKind::WrongState) && time::now() < deadline => {
                core::hint::spin_loop();
            }
            Err(error) => return check("the cell can be destroyed", false, error),
            Ok(_) => return,
        }
    }
}
