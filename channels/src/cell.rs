//! Channels of a cell: the ends that the kernel has given it.
//!
//! ```ignore
//! let mut requests = channels::cell::receiver(&channels::cell::wait_for("requests", Role::Receiver, None)?)?;
//! let message = requests.receive_until(None)?;
//! ```
//!
//! An end is bound to the hart that takes it, and waits there.
#![allow(unsafe_code, reason = "the kernel maps channels at addresses; this is the room for that")]

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use cell::abi::channel::{ChannelInfo, Ended, Role};
use cell::abi::layout::CHANNEL_PEER_OFFSET;
use cell::abi::{Error, ErrorKind, Handle, MAX_HANDLES};
use cell::{calls, events, hart, time};

use crate::blocking::{BlockingReceiver, BlockingSender};
use crate::bulk::{BulkReceiver, BulkSender, Shape};
use crate::credits::Contract;
use crate::layout::{HEAD_WORDS, Misfit};
use crate::notify::Bell;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::words::{ReadHalf, WriteHalf};

/// Bytes of a word.
const WORD: u64 = 8;

/// Why an end cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// It is the other end.
    Role(Role),
    /// It was taken already.
    Taken,
    /// Not all of its memory is there yet: [`wait_for`] waits until it is.
    Unfinished,
    /// The channel has ended.
    Ended(Ended),
    /// The memory does not fit the channel, or it has no bulk memory.
    Misfit(Misfit),
    /// The kernel refuses.
    Kernel(Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(Role::Sender) => out.write_str("this end receives, it does not send"),
            Self::Role(Role::Receiver) => out.write_str("this end sends, it does not receive"),
            Self::Taken => out.write_str("this end was taken already"),
            Self::Unfinished => out.write_str("the channel is still being made"),
            Self::Ended(why) => out.write_str(why.describe()),
            Self::Misfit(misfit) => misfit.fmt(out),
            Self::Kernel(error) => error.fmt(out),
        }
    }
}

impl core::error::Error for OpenError {}

impl From<Misfit> for OpenError {
    fn from(misfit: Misfit) -> Self {
        Self::Misfit(misfit)
    }
}

/// The ends that this cell has, in the order of their handles; those that are still being made and those that have ended included.
pub fn ends() -> impl Iterator<Item = ChannelInfo> {
    let mut slot = 0;
    core::iter::from_fn(move || {
        let (info, next) = calls::channel_info(slot).ok()??;
        slot = next;
        Some(info)
    })
}

/// The name of a channel, or of a peer.
#[must_use]
pub fn name(bytes: &[u8]) -> &str {
    let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    core::str::from_utf8(&bytes[..length]).unwrap_or("?")
}

/// The first end of this name and role that is whole, has not ended and was not taken.
#[must_use]
pub fn find(wanted: &str, role: Role) -> Option<ChannelInfo> {
    ends().find(|end| {
        let is_it = end.role == role as u32 && name(&end.name) == wanted;
        is_it && end.is_whole == 1 && end.ended == 0 && !TAKEN.has(end.handle)
    })
}

/// Whether this end was taken, and not closed since.
#[must_use]
pub fn is_taken(end: &ChannelInfo) -> bool {
    TAKEN.has(end.handle)
}

/// As [`find`], waiting for it on this hart until this instant (in ns; `None`: for ever). New ends are told to hart 0 only, so other harts look once in a millisecond.
#[must_use]
pub fn wait_for(wanted: &str, role: Role, deadline: Option<u64>) -> Option<ChannelInfo> {
    loop {
        if let Some(found) = find(wanted, role) {
            return Some(found);
        }
        let now = time::now();
        if deadline.is_some_and(|deadline| now >= deadline) {
            return None;
        }
        let look = if hart::number() == 0 { u64::MAX } else { now + 1_000_000 };
        events::wait_for_channel(deadline.unwrap_or(u64::MAX).min(look));
    }
}

/// A bit for each slot of handles whose end was taken.
struct Taken([AtomicU64; MAX_HANDLES.div_ceil(64)]);

static TAKEN: Taken = Taken([const { AtomicU64::new(0) }; MAX_HANDLES.div_ceil(64)]);

impl Taken {
    fn place(&self, handle: u32) -> Option<(&AtomicU64, u64)> {
        let slot = handle & 0xffff;
        self.0.get(slot as usize / 64).map(|word| (word, 1 << (slot % 64)))
    }

    fn has(&self, handle: u32) -> bool {
        self.place(handle).is_some_and(|(word, bit)| word.load(Ordering::Acquire) & bit != 0)
    }

    fn take(&self, handle: u32) -> bool {
        self.place(handle).is_some_and(|(word, bit)| word.fetch_or(bit, Ordering::AcqRel) & bit == 0)
    }

    fn give(&self, handle: u32) {
        if let Some((word, bit)) = self.place(handle) {
            word.fetch_and(!bit, Ordering::AcqRel);
        }
    }
}

/// The bell of an end that the kernel carries.
#[derive(Debug)]
pub struct KernelBell {
    handle: Handle,
    /// How many channels of this cell had ended when it was last asked whether this one has.
    ended: u64,
}

impl KernelBell {
    /// Whether the channel has ended. Asks the kernel only if some channel of the cell has.
    ///
    /// # Errors
    /// Why.
    pub fn check(&mut self) -> Result<(), Ended> {
        let ended = events::channels_ended();
        if ended == self.ended {
            return Ok(());
        }
        let info = ends().find(|end| u64::from(end.handle) == self.handle.register());
        match info.map(|info| Ended::from_number(info.ended)) {
            Some(None) => {
                self.ended = ended;
                Ok(())
            }
            Some(Some(why)) => Err(why),
            None => Err(Ended::Closed),
        }
    }

    /// The end's handle.
    #[must_use]
    pub const fn handle(&self) -> Handle {
        self.handle
    }
}

impl Bell for KernelBell {
    type Error = Ended;

    fn now(&mut self) -> u64 {
        time::now()
    }

    fn ring(&mut self) -> Result<(), Ended> {
        match calls::channel_notify(self.handle) {
            Err(Error { kind: ErrorKind::ChannelEnded, value, .. }) => {
                Err(u32::try_from(value).ok().and_then(Ended::from_number).unwrap_or(Ended::Closed))
            }
            Err(_) => Err(Ended::Closed),
            Ok(_) => Ok(()),
        }
    }

    fn peer_gone(&mut self) -> Option<Ended> {
        self.check().err()
    }

    fn wait_until(&mut self, deadline: Option<u64>) -> Result<(), Ended> {
        self.check()?;
        events::wait_for_channel(deadline.unwrap_or(u64::MAX));
        Ok(())
    }
}

/// A sending end. It is bound to this hart.
///
/// # Errors
/// It cannot be had.
pub fn sender(info: &ChannelInfo) -> Result<BlockingSender<KernelBell>, OpenError> {
    let (own, peers) = halves(info, Role::Sender)?;
    let (slots, _) = own.split_at(slots_words(info));
    Ok(BlockingSender::new(Sender::new(slots, peers, info.shape.capacity)?, bell(info)?))
}

/// A receiving end, that keeps the channel's contract if it has one. It is bound to this hart.
///
/// # Errors
/// It cannot be had.
pub fn receiver(info: &ChannelInfo) -> Result<BlockingReceiver<KernelBell>, OpenError> {
    let (own, peers) = halves(info, Role::Receiver)?;
    Ok(BlockingReceiver::new(end(info, own, peers)?, bell(info)?))
}

/// A sending end with its bulk memory, of at most `MOST` blocks.
///
/// # Errors
/// It cannot be had.
pub fn bulk_sender<const MOST: usize>(
    info: &ChannelInfo,
) -> Result<(BlockingSender<KernelBell>, BulkSender<MOST>), OpenError> {
    let (own, peers) = halves(info, Role::Sender)?;
    let (slots, region) = own.split_at(slots_words(info));
    let bulk = BulkSender::new(region, peers.clone(), shape(info))?;
    Ok((BlockingSender::new(Sender::new(slots, peers, info.shape.capacity)?, bell(info)?), bulk))
}

/// A receiving end with its bulk memory.
///
/// # Errors
/// It cannot be had.
pub fn bulk_receiver(info: &ChannelInfo) -> Result<(BlockingReceiver<KernelBell>, BulkReceiver), OpenError> {
    let (own, peers) = halves(info, Role::Receiver)?;
    let (head, returns) = own.split_at(HEAD_WORDS);
    let (slots, region) = peers.split_at(slots_words(info));
    let bulk = BulkReceiver::new(region, returns, shape(info))?;
    Ok((BlockingReceiver::new(end(info, head, slots)?, bell(info)?), bulk))
}

/// Gives an end up: the peer is told, and the memory goes back. What still uses the end will fault, so drop that first.
///
/// # Errors
/// The kernel refuses.
pub fn close(handle: Handle) -> Result<(), Error> {
    calls::channel_close(handle)?;
    TAKEN.give(handle.register() as u32);
    Ok(())
}

fn end(info: &ChannelInfo, own: WriteHalf, peers: ReadHalf) -> Result<Receiver, Misfit> {
    match u32::try_from(info.rate_per_s).unwrap_or(u32::MAX) {
        0 => Receiver::new(own, peers, info.shape.capacity),
        rate_per_s => {
            let contract = Contract { rate_per_s, burst: info.burst };
            Receiver::with_contract(own, peers, info.shape.capacity, contract, time::now())
        }
    }
}

fn slots_words(info: &ChannelInfo) -> usize {
    (info.shape.slots_bytes() / WORD) as usize
}

fn shape(info: &ChannelInfo) -> Shape {
    Shape { blocks: info.shape.blocks, block_words: info.shape.block_bytes / WORD as u32 }
}

fn bell(info: &ChannelInfo) -> Result<KernelBell, OpenError> {
    let handle = Handle::from_register(u64::from(info.handle)).ok_or(OpenError::Taken)?;
    calls::channel_bind(handle, hart::number()).map_err(OpenError::Kernel)?;
    Ok(KernelBell { handle, ended: 0 })
}

/// The half that this end writes, and the peer's. An end is taken once: nobody else has its halves.
fn halves(info: &ChannelInfo, role: Role) -> Result<(WriteHalf, ReadHalf), OpenError> {
    let (own, peers) = match role {
        Role::Sender => (info.shape.sender_bytes(), info.shape.receiver_bytes()),
        Role::Receiver => (info.shape.receiver_bytes(), info.shape.sender_bytes()),
    };
    // What the caller passes may be anything: only what the kernel says is believed.
    if !ends().any(|end| end == *info) {
        return Err(OpenError::Kernel(Error::new(ErrorKind::BadHandle, 0, u64::from(info.handle))));
    }
    if info.role != role as u32 {
        return Err(OpenError::Role(role));
    }
    if let Some(why) = Ended::from_number(info.ended) {
        return Err(OpenError::Ended(why));
    }
    if info.is_whole == 0 {
        return Err(OpenError::Unfinished);
    }
    if !TAKEN.take(info.handle) {
        return Err(OpenError::Taken);
    }
    let pointer = |address: u64| NonNull::new(address as *mut u64).ok_or(OpenError::Unfinished);
    let (first, second) = (pointer(info.address)?, pointer(info.address + CHANNEL_PEER_OFFSET)?);
    // SAFETY: the kernel has just said that so many bytes are mapped writable there, which stays so until `close`; the end was not taken before, so nobody else uses them.
    let own = unsafe { WriteHalf::from_raw(first, (own / WORD) as usize) };
    // SAFETY: as above, read-only; the peer's writes are what atomic loads are for.
    let peers = unsafe { ReadHalf::from_raw(second, (peers / WORD) as usize) };
    Ok((own, peers))
}
