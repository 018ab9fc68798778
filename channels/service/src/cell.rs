//! Links of a cell: two-way channels that the kernel has given it.
//!
//! A server:
//!
//! ```ignore
//! let mut server: Server<_, _> = Server::new(CounterServer(Tally::default()));
//! let mut doors = Doors::new("counter");
//! loop {
//!     doors.admit(&mut server, Terms::default());
//!     if !server.turn().more {
//!         server.rest(&mut doors);
//!     }
//! }
//! ```
//!
//! A client: `CounterSync::new(connect("counter", None)?, Events::default())`.

use alloc::string::{String, ToString};
use core::fmt;

use cell::abi::Handle;
use cell::abi::channel::{ChannelInfo, Role};
use cell::{calls, events, hart, time};
use channels::cell::{KernelBell, OpenError, close, ends, is_taken, name, receiver, sender};

use crate::link::{Awaited, FOR_EVER, Link, ReceiveError, SendError};
use crate::message::Message;
use crate::rings::RingLink;
use crate::server::{ClientId, Dispatch, Server, Terms};
use crate::wait::{Patience, Wait};

/// Channels that are new are looked for at most once in this time, in ns: it takes a call for each end that the cell has.
const LOOK_INTERVAL: u64 = 1_000_000;

/// One end of a two-way channel: both of its rings. When it is dropped both are closed, and the peer is told.
#[derive(Debug)]
pub struct CellLink {
    // Only `drop` takes it.
    rings: Option<RingLink<KernelBell>>,
    handles: [Handle; 2],
    place: u32,
    home: Home,
}

/// Where a cell's first hart runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    /// The hardware thread; `u32::MAX` where no plan has it anywhere.
    pub thread: u32,
    /// That one's memory node.
    pub node: u32,
}

impl CellLink {
    /// The peer's place among cells: the same as long as that cell lives.
    #[must_use]
    pub const fn place(&self) -> u32 {
        self.place
    }

    /// Where the peer ran when the link was opened.
    #[must_use]
    pub const fn home(&self) -> Home {
        self.home
    }

    fn open(out: &ChannelInfo, back: &ChannelInfo) -> Result<Self, OpenError> {
        let mut sender = sender(out)?;
        let handle = sender.bell().handle();
        let home = Home { thread: out.peer_thread, node: out.peer_node };
        let opened = receiver(back).map(|mut receiver| {
            let handles = [handle, receiver.bell().handle()];
            Self { rings: Some(RingLink::new(sender, receiver)), handles, place: out.peer_cell, home }
        });
        if opened.is_err() {
            // The sender, which is gone, was for nothing. What does not close is no more than a handle that is lost.
            let _ = close(handle);
        }
        opened
    }
}

impl Drop for CellLink {
    fn drop(&mut self) {
        // What uses the memory goes first.
        self.rings = None;
        for handle in self.handles {
            // It is no more than a handle that is lost.
            let _ = close(handle);
        }
    }
}

impl Link for CellLink {
    fn try_send(&mut self, message: &Message) -> Result<(), SendError> {
        self.rings.as_mut().map_or(Err(SendError::Closed), |rings| rings.try_send(message))
    }

    fn try_receive(&mut self) -> Result<Option<Message>, ReceiveError> {
        self.rings.as_mut().map_or(Err(ReceiveError::Closed), Link::try_receive)
    }

    fn flush(&mut self) {
        if let Some(rings) = &mut self.rings {
            rings.flush();
        }
    }

    fn raise(&mut self, awaited: Awaited) -> Option<u64> {
        self.rings.as_mut().and_then(|rings| rings.raise(awaited))
    }

    fn lower(&mut self) {
        if let Some(rings) = &mut self.rings {
            rings.lower();
        }
    }
}

/// A two-way channel of this name to any cell, waiting for it on this hart until this instant (in ns; `None`: for ever).
///
/// # Errors
/// There was none in time, or its ends cannot be had.
pub fn connect(wanted: &str, deadline: Option<u64>) -> Result<CellLink, ConnectError> {
    connect_where(wanted, |_| true, deadline)
}

/// The same, to the cell at this place.
///
/// # Errors
/// As for [`connect`].
pub fn connect_to(wanted: &str, place: u32, deadline: Option<u64>) -> Result<CellLink, ConnectError> {
    connect_where(wanted, |peer| peer == place, deadline)
}

fn connect_where(wanted: &str, is_peer: impl Fn(u32) -> bool, deadline: Option<u64>) -> Result<CellLink, ConnectError> {
    loop {
        if let Some((out, back)) = next_pair(wanted, &is_peer) {
            return CellLink::open(&out, &back).map_err(ConnectError::Open);
        }
        let now = time::now();
        if deadline.is_some_and(|deadline| now >= deadline) {
            return Err(ConnectError::DeadlinePassed);
        }
        // New ends are told to hart 0 only.
        let look = if hart::number() == 0 { FOR_EVER } else { now.saturating_add(LOOK_INTERVAL) };
        events::wait_for_channel(deadline.unwrap_or(FOR_EVER).min(look));
    }
}

/// Why there is no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// There was no such channel in time.
    DeadlinePassed,
    /// An end cannot be had.
    Open(OpenError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeadlinePassed => f.write_str("there was no such channel in time"),
            Self::Open(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ConnectError {}

/// The two ends of a two-way channel that is whole and that nobody has.
fn next_pair(wanted: &str, is_peer: &impl Fn(u32) -> bool) -> Option<(ChannelInfo, ChannelInfo)> {
    let is_free = |end: &ChannelInfo| {
        is_peer(end.peer_cell) && name(&end.name) == wanted && end.is_whole == 1 && end.ended == 0 && !is_taken(end)
    };
    let outs = ends().filter(|end| end.role == Role::Sender as u32 && end.pair != 0 && is_free(end));
    outs.into_iter().find_map(|out| {
        let is_back = |end: &ChannelInfo| {
            end.role == Role::Receiver as u32 && end.peer_cell == out.peer_cell && end.pair == out.pair
        };
        let back = ends().find(|end| is_back(end) && is_free(end))?;
        Some((out, back))
    })
}

/// Where clients come in: the two-way channels of one name. It is also what a server waits by, so that it sees new ones.
#[derive(Debug)]
pub struct Doors {
    name: String,
    /// An event came since it looked last, which may have been that of a new channel.
    may_be_new: bool,
    looked_ns: u64,
    turned_away: u64,
}

impl Doors {
    /// The channels of this name, those that are there and those that will be. On hart 0: new ones are told to that.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_string(), may_be_new: true, looked_ns: 0, turned_away: 0 }
    }

    /// Looks for channels at the next opportunity: to be said if somebody else has waited for events of channels.
    pub const fn look(&mut self) {
        self.may_be_new = true;
    }

    /// The next channel that nobody has yet. What has ended before it was taken is closed.
    pub fn next_link(&mut self) -> Option<CellLink> {
        let now = time::now();
        if self.looked_ns != 0 && now < self.looked_ns.saturating_add(LOOK_INTERVAL) {
            return None;
        }
        // Who always has something to do never waits, and sees events only here.
        self.may_be_new |= events::wait_for_channel(0);
        if !self.may_be_new {
            self.looked_ns = now;
            return None;
        }
        // It can only fail if the peer has ended it since. The others are for the next look then.
        if let Some((out, back)) = next_pair(&self.name, &|_| true)
            && let Ok(link) = CellLink::open(&out, &back)
        {
            return Some(link);
        }
        self.close_ended();
        (self.may_be_new, self.looked_ns) = (false, now);
        None
    }

    /// Attaches clients whose channels are new. `welcome` is told of each; clients for whom there is no seat are turned away.
    pub fn admit_each<D: Dispatch, const SEATS: usize>(
        &mut self,
        server: &mut Server<D, CellLink, SEATS>,
        terms: Terms,
        mut welcome: impl FnMut(&mut D, ClientId, u32, Home),
    ) {
        while let Some(link) = self.next_link() {
            let (place, home) = (link.place(), link.home());
            match server.attach(link, terms) {
                Ok(client) => welcome(server.service_mut(), client, place, home),
                // The link is dropped, which closes the channel and tells the client.
                Err(_) => self.turned_away += 1,
            }
        }
    }

    /// Attaches clients whose channels are new.
    pub fn admit<D: Dispatch, const SEATS: usize>(&mut self, server: &mut Server<D, CellLink, SEATS>, terms: Terms) {
        self.admit_each(server, terms, |_, _, _, _| {});
    }

    /// Clients for whom there was no seat.
    #[must_use]
    pub const fn turned_away(&self) -> u64 {
        self.turned_away
    }

    fn close_ended(&self) {
        let is_ended = |end: &ChannelInfo| name(&end.name) == self.name && end.ended != 0 && !is_taken(end);
        while let Some(end) = ends().find(is_ended) {
            let Some(handle) = Handle::from_register(u64::from(end.handle)) else { return };
            if close(handle).is_err() {
                return;
            }
        }
    }
}

impl Wait for Doors {
    fn wait(&mut self) -> Patience {
        self.wait_until(FOR_EVER)
    }

    fn is_woken(&self) -> bool {
        true
    }

    fn wait_until(&mut self, until_ns: u64) -> Patience {
        let look = if self.may_be_new { self.looked_ns.saturating_add(LOOK_INTERVAL) } else { FOR_EVER };
        self.may_be_new |= events::wait_for_channel(until_ns.min(look));
        Patience::Wait
    }
}

/// What a client waits by: events of this hart's channels, until an instant.
#[derive(Clone, Copy, Debug)]
pub struct Events {
    /// When it gives up, in ns; [`FOR_EVER`]: never.
    pub deadline_ns: u64,
}

impl Default for Events {
    fn default() -> Self {
        Self { deadline_ns: FOR_EVER }
    }
}

impl Wait for Events {
    fn wait(&mut self) -> Patience {
        self.wait_until(FOR_EVER)
    }

    fn is_woken(&self) -> bool {
        true
    }

    fn wait_until(&mut self, until_ns: u64) -> Patience {
        if time::now() >= self.deadline_ns {
            return Patience::GiveUp;
        }
        events::wait_for_channel(self.deadline_ns.min(until_ns));
        Patience::Wait
    }
}

/// This cell's place among cells: what its peers see of it.
///
/// # Errors
/// Never, for a cell's own handle.
pub fn own_place() -> Result<u64, cell::abi::Error> {
    calls::cell_status(Handle::OWN_CELL).map(|status| status.place)
}
