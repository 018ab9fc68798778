//! Channels: memory that two cells share, each writing one half, and how an end learns what became of the other.
//!
//! The half that a cell writes is its own memory: it pays for it, and the peer's mapping is borrowed. An end goes in steps, each bounded and each under the
//! channel's lock: the peer's view of it is replaced by blank pages (so that a peer that polls reads zeroes and does not fault), every hardware thread of the
//! peer has forgotten the old translations, and only then are the frames given back. So no mapping outlives its memory, whoever ends first.

use core::sync::atomic::Ordering;

use abi::account::CellState;
use abi::call::{Access, NAME_MAX};
use abi::channel::{ChannelInfo, ChannelRequest, Ended, Role, Shape};
use abi::layout::{CHANNEL_PEER_OFFSET, CHANNEL_WINDOW, CHANNELS, CHANNELS_END};
use abi::{Error, ErrorKind, Event, Handle, MAX_CHANNELS, Rights};
use spin::{Mutex, MutexGuard};

use crate::cells::{self, Cell, Object};
use crate::cpu::{self, Cpu};
use crate::events;
use crate::memory::{PAGE, frames, image};

/// Pages that one call makes or takes apart at most.
const STEP: u64 = 4;

/// An end of a channel, as a handle names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    channel: u16,
    role: Role,
}

/// What an end is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is of use, or will be.
    Here,
    /// So many pages of the peer's view of it are blank.
    Blanking(u64),
    /// The peer has to forget the old ones: it counted so far when it was asked.
    Forgetting(u64),
    /// So many pages of its own window have been taken away.
    Clearing(u64),
    /// Its own harts have to forget them.
    ForgettingOwn(u64),
    /// So many of its frames were given back.
    Returning(u64),
    /// Nothing is left of it.
    Gone,
}

#[derive(Clone, Copy, Debug)]
struct Side {
    cell: u16,
    handle: Handle,
    hart: u32,
    stage: Stage,
}

impl Side {
    const NONE: Self = Self { cell: 0, handle: Handle::OWN_CELL, hart: 0, stage: Stage::Gone };

    fn cell(&self) -> &'static Cell {
        cells::at(usize::from(self.cell))
    }

    /// Where its window is in its cell.
    fn window(&self) -> u64 {
        CHANNELS + u64::from(self.handle.slot()) * CHANNEL_WINDOW
    }

    fn is_gone(&self) -> bool {
        self.stage == Stage::Gone
    }
}

/// A place for a channel. Its lock is taken before those of address spaces and handles.
struct Channel {
    creator: Option<u16>,
    /// Why it could not be made: it is being taken down by its creator.
    failed: Option<Error>,
    name: [u8; NAME_MAX],
    shape: Shape,
    rate_per_s: u64,
    burst: u32,
    pair: u32,
    /// Pages that were made of both halves.
    made: u64,
    ended: Option<Ended>,
    /// By role.
    sides: [Side; 2],
}

impl Channel {
    const NONE: Self = Self {
        creator: None,
        failed: None,
        name: [0; NAME_MAX],
        shape: Shape { capacity: 0, blocks: 0, block_bytes: 0, reserved: 0 },
        rate_per_s: 0,
        burst: 0,
        pair: 0,
        made: 0,
        ended: None,
        sides: [Side::NONE; 2],
    };

    fn is_free(&self) -> bool {
        self.sides.iter().all(Side::is_gone)
    }

    fn side(&mut self, role: Role) -> &mut Side {
        &mut self.sides[role as usize]
    }

    fn peer(&self, role: Role) -> &Side {
        &self.sides[1 - role as usize]
    }

    fn pages(&self, role: Role) -> u64 {
        self.shape.half_bytes(role) / PAGE
    }

    fn is_whole(&self) -> bool {
        self.made == self.pages(Role::Sender) + self.pages(Role::Receiver)
    }

    /// Pages that were made of a half.
    fn made_of(&self, role: Role) -> u64 {
        match role {
            Role::Sender => self.made.min(self.pages(Role::Sender)),
            Role::Receiver => self.made.saturating_sub(self.pages(Role::Sender)),
        }
    }

    /// Tells the cell on one side that something has changed.
    fn tell(&self, cpu: &mut Cpu, role: Role) {
        let side = &self.sides[role as usize];
        if !side.is_gone() {
            events::post(cpu, side.cell(), side.hart as usize, Event::Channel);
        }
    }

    /// Whoever began it has no more to do with it.
    fn let_go(&mut self, by: &Cell) {
        self.creator = None;
        by.channels_begun.fetch_sub(1, Ordering::SeqCst);
    }

    /// The channel is of no more use because of the end with this role.
    fn end(&mut self, cpu: &mut Cpu, role: Role, why: Ended) {
        if self.ended.is_none() {
            self.ended = Some(why);
            let peer = self.peer(role);
            if let Some(hart) = peer.cell().hart(peer.hart as usize).filter(|_| !peer.is_gone()) {
                hart.dispatch.channels_ended().fetch_add(1, Ordering::SeqCst);
            }
            self.tell(cpu, other(role));
        }
    }
}

static ALL: [Mutex<Channel>; MAX_CHANNELS] = [const { Mutex::new(Channel::NONE) }; MAX_CHANNELS];

fn other(role: Role) -> Role {
    match role {
        Role::Sender => Role::Receiver,
        Role::Receiver => Role::Sender,
    }
}

/// Whether an address is in a window: nobody but this module maps there.
pub(crate) fn is_window(address: u64) -> bool {
    (CHANNELS..CHANNELS_END).contains(&address)
}

/// The channel that a handle of a cell names, locked, and the role of its end.
fn find(cell: &Cell, handle: u64) -> Result<(MutexGuard<'static, Channel>, Role), Error> {
    let bad = Error::new(ErrorKind::BadHandle, 0, handle);
    let Object::Channel(end) = cell.handles.lock().get(handle, Rights::empty(), 0)? else { return Err(bad) };
    let channel = ALL[usize::from(end.channel)].lock();
    let side = &channel.sides[end.role as usize];
    // Another hart of the cell may have closed it meanwhile, and the place may be another channel's.
    let is_it = side.cell == cell.slot && side.handle.register() == handle && !side.is_gone();
    if is_it { Ok((channel, end.role)) } else { Err(bad) }
}

/// Begins a channel between two cells. Returns its number.
pub(crate) fn create(by: &Cell, cells: [&'static Cell; 2], request: &ChannelRequest) -> Result<u64, Error> {
    let full = Error::plain(ErrorKind::Full);
    let free = ALL.iter().enumerate().find_map(|(number, place)| {
        let channel = place.try_lock()?;
        channel.is_free().then_some((number as u16, channel))
    });
    let (number, mut channel) = free.ok_or(full)?;
    let [sender, receiver] = cells;
    let first = give_end(sender, End { channel: number, role: Role::Sender })?;
    let second = give_end(receiver, End { channel: number, role: Role::Receiver }).inspect_err(|_| {
        first.cell().handles.lock().remove(first.handle);
        first.cell().channel_ends.fetch_sub(1, Ordering::SeqCst);
    })?;
    let sides = [first, second];
    let ChannelRequest { name, shape, rate_per_s, burst, pair } = *request;
    by.channels_begun.fetch_add(1, Ordering::SeqCst);
    *channel = Channel {
        creator: Some(by.slot),
        failed: None,
        name,
        shape,
        rate_per_s,
        burst,
        pair,
        made: 0,
        ended: None,
        sides,
    };
    Ok(u64::from(number))
}

/// Gives a cell an end of a channel that the caller has locked.
///
/// # Errors
/// Its handles are used up, or it ends or is destroyed. Who ends a cell first marks it so and then looks for its ends, and here it is the other way round: so of
/// two at the same instant one sees the other. The handles stay locked, so that they are not those of the next cell in this place.
fn give_end(cell: &'static Cell, end: End) -> Result<Side, Error> {
    let mut handles = cell.handles.lock();
    let handle = handles.insert(Object::Channel(end), Rights::OBSERVE)?;
    cell.channel_ends.fetch_add(1, Ordering::SeqCst);
    if !cell.life.is_new() && !cell.life.is_running() {
        handles.remove(handle);
        cell.channel_ends.fetch_sub(1, Ordering::SeqCst);
        return Err(Error::new(ErrorKind::WrongState, end.role as u8, 0));
    }
    Ok(Side { cell: cell.slot, handle, hart: 0, stage: Stage::Here })
}

/// Makes the next pages of a channel that `by` began.
#[inline(never)]
pub(crate) fn build(cpu: &mut Cpu, by: &Cell, number: u64) -> Result<u64, Error> {
    let bad = Error::new(ErrorKind::OutOfRange, 0, number);
    let place = usize::try_from(number).ok().and_then(|number| ALL.get(number)).ok_or(bad)?;
    let mut channel = place.lock();
    if channel.creator != Some(by.slot) || channel.is_free() {
        return Err(bad);
    }
    if let Some(why) = channel.ended {
        // Nothing stays of what could not be made, nor of what ended before it was.
        for role in [Role::Sender, Role::Receiver] {
            take_down(cpu, &mut channel, role, true)?;
        }
        channel.let_go(by);
        return Err(channel.failed.unwrap_or(Error::new(ErrorKind::ChannelEnded, 0, why as u64)));
    }
    for _ in 0..STEP {
        if channel.is_whole() {
            channel.let_go(by);
            channel.tell(cpu, Role::Sender);
            channel.tell(cpu, Role::Receiver);
            return Ok(0);
        }
        if let Err(error) = make_page(cpu, &channel) {
            channel.ended = Some(Ended::Unfinished);
            channel.failed = Some(error);
            break;
        }
        channel.made += 1;
    }
    Err(Error::plain(ErrorKind::Again))
}

fn make_page(cpu: &mut Cpu, channel: &Channel) -> Result<(), Error> {
    let of_sender = channel.pages(Role::Sender);
    let (role, page) = match channel.made.checked_sub(of_sender) {
        None => (Role::Sender, channel.made),
        Some(page) => (Role::Receiver, page),
    };
    let (own, peer) = (&channel.sides[role as usize], channel.peer(role));
    let frame = frames::take(cpu, &own.cell().quota)?;
    if let Err(error) = cells::map(cpu, own.cell(), own.window() + page * PAGE, frame, Access::ReadWrite) {
        frames::give(cpu, &own.cell().quota, frame);
        return Err(error);
    }
    let view = peer.window() + CHANNEL_PEER_OFFSET + page * PAGE;
    let peer = peer.cell();
    let result = {
        let _guard = peer.space.lock();
        peer.space().map(view, frame, Access::Read, true, || frames::take(cpu, &peer.quota))
    };
    if let Err(error) = result {
        // The peer has never seen the page, and its own cell does not know of it: nobody can have its translation.
        let _guard = own.cell().space.lock();
        let space = own.cell().space();
        let address = own.window() + page * PAGE;
        if space.banish(address) && space.reap(address).is_some() {
            frames::give(cpu, &own.cell().quota, frame);
        }
        return Err(error);
    }
    Ok(())
}

/// The first end that a cell has in a slot of its handles or a later one, and the slot after it.
pub(crate) fn describe(cpu: &Cpu, cell: &Cell, slot: u64) -> Option<(ChannelInfo, u64)> {
    let mut next = usize::try_from(slot).ok()?;
    let (channel, role) = loop {
        let (slot, handle) = cell.handles.lock().find(next, |object| matches!(object, Object::Channel(_)))?;
        next = slot + 1;
        // Otherwise another hart of the cell has closed it since.
        if let Ok(found) = find(cell, handle.register()) {
            break found;
        }
    };
    let (side, peer) = (&channel.sides[role as usize], channel.peer(role));
    let entry = cpu.muxing.plan().and_then(|plan| plan.entry(crate::muxing::id_of(peer.cell())));
    let thread = entry.filter(|_| !peer.is_gone()).and_then(|entry| entry.threads.iter().next());
    let info = ChannelInfo {
        name: channel.name,
        peer: if peer.is_gone() { [0; NAME_MAX] } else { peer.cell().name() },
        shape: channel.shape,
        rate_per_s: channel.rate_per_s,
        burst: channel.burst,
        role: role as u32,
        handle: side.handle.register() as u32,
        ended: channel.ended.map_or(0, |why| why as u32),
        peer_cell: u32::from(peer.cell),
        is_whole: u32::from(channel.is_whole()),
        peer_thread: thread.map_or(u32::MAX, |thread| thread as u32),
        peer_node: thread.map_or(0, |thread| cpu::shared(thread).node()),
        address: side.window(),
        pair: channel.pair,
        reserved: 0,
    };
    Some((info, next as u64))
}

/// Rings at the other end.
#[inline(never)]
pub(crate) fn notify(cpu: &mut Cpu, cell: &Cell, handle: u64) -> Result<u64, Error> {
    let (channel, role) = find(cell, handle)?;
    if let Some(why) = channel.ended {
        return Err(Error::new(ErrorKind::ChannelEnded, 0, why as u64));
    }
    channel.tell(cpu, other(role));
    Ok(0)
}

/// Binds an end to a hart.
#[inline(never)]
pub(crate) fn bind(cell: &Cell, handle: u64, hart: u64) -> Result<u64, Error> {
    if hart >= cell.hart_count() as u64 {
        return Err(Error::new(ErrorKind::OutOfRange, 1, hart));
    }
    let (mut channel, role) = find(cell, handle)?;
    channel.side(role).hart = hart as u32;
    Ok(0)
}

/// For an end that has this role: the cell and the hart at the other end of its channel, and the handle by which those know it. `argument` is where the call
/// has the handle, for errors.
pub(crate) fn peer(
    cell: &Cell,
    handle: u64,
    role: Role,
    argument: u8,
) -> Result<(&'static Cell, usize, Handle), Error> {
    let (channel, is) = find(cell, handle).map_err(|error| Error { argument, ..error })?;
    if is != role {
        return Err(Error::new(ErrorKind::BadHandle, argument, handle));
    }
    if let Some(why) = channel.ended {
        return Err(Error::new(ErrorKind::ChannelEnded, argument, why as u64));
    }
    let peer = channel.peer(role);
    Ok((peer.cell(), peer.hart as usize, peer.handle))
}

/// Gives up an end.
#[inline(never)]
pub(crate) fn close(cpu: &mut Cpu, cell: &Cell, handle: u64) -> Result<u64, Error> {
    let (mut channel, role) = find(cell, handle)?;
    if channel.creator.is_some() {
        return Err(Error::new(ErrorKind::WrongState, 0, handle));
    }
    channel.end(cpu, role, Ended::Closed);
    take_down(cpu, &mut channel, role, true)
}

/// A cell has ended: those at the other ends of its channels are told.
pub(crate) fn cell_ended(cpu: &mut Cpu, cell: &Cell, state: CellState) {
    let why = if state == CellState::Faulted { Ended::Faulted } else { Ended::Exited };
    // No visit fails.
    let _ = each_end(cell, |channel, role| {
        channel.end(cpu, role, why);
        Ok(())
    });
}

/// A cell is being destroyed, and no hardware thread has it loaded: its ends are taken down.
pub(crate) fn cell_destroyed(cpu: &mut Cpu, cell: &Cell) -> Result<(), Error> {
    if cell.channels_begun.load(Ordering::SeqCst) != 0 {
        for place in &ALL {
            let mut channel = place.lock();
            if channel.creator == Some(cell.slot) {
                channel.let_go(cell);
                channel.ended = channel.ended.or(Some(Ended::Unfinished));
            }
        }
    }
    each_end(cell, |channel, role| {
        channel.end(cpu, role, Ended::Destroyed);
        take_down(cpu, channel, role, false).map(|_| ())
    })
}

/// Visits all ends that a cell has, until one fails.
fn each_end(cell: &Cell, mut visit: impl FnMut(&mut Channel, Role) -> Result<(), Error>) -> Result<(), Error> {
    // Most cells have none, and none should pay for all that there could be.
    if cell.channel_ends.load(Ordering::SeqCst) == 0 {
        return Ok(());
    }
    for place in &ALL {
        let mut channel = place.lock();
        for role in [Role::Sender, Role::Receiver] {
            let side = &channel.sides[role as usize];
            if side.cell == cell.slot && !side.is_gone() {
                visit(&mut channel, role)?;
            }
        }
    }
    Ok(())
}

/// Goes on with taking an end down. `own`: its cell lives, so its own window is cleared too; otherwise that goes with the cell.
///
/// # Errors
/// [`ErrorKind::Again`] until all is done.
fn take_down(cpu: &mut Cpu, channel: &mut Channel, role: Role, own: bool) -> Result<u64, Error> {
    let again = Err(Error::plain(ErrorKind::Again));
    let peer = *channel.peer(role);
    let (pages, peers_pages) = (channel.made_of(role), channel.made_of(other(role)));
    let side = channel.side(role);
    let cell = side.cell();
    let before = side.stage;
    match before {
        Stage::Here => side.stage = Stage::Blanking(0),
        Stage::Blanking(done) => {
            let until = if peer.is_gone() { pages } else { pages.min(done + STEP) };
            if !peer.is_gone() {
                let _guard = peer.cell().space.lock();
                for page in done..until {
                    peer.cell().space().blank(peer.window() + CHANNEL_PEER_OFFSET + page * PAGE, image::blank());
                }
            }
            side.stage = Stage::Blanking(until);
            if until == pages {
                let asked = if peer.is_gone() { 0 } else { cells::ask_to_forget(cpu, peer.cell()) };
                side.stage = Stage::Forgetting(asked);
            }
        }
        Stage::Forgetting(asked) => {
            if peer.is_gone() || cells::has_forgotten(peer.cell(), asked) {
                side.stage = if own { Stage::Clearing(0) } else { Stage::Gone };
            }
        }
        Stage::Clearing(done) => {
            let until = pages.max(peers_pages).min(done + STEP);
            let _guard = cell.space.lock();
            for page in done..until {
                cell.space().banish(side.window() + page * PAGE);
                cell.space().drop_borrowed(side.window() + CHANNEL_PEER_OFFSET + page * PAGE);
            }
            side.stage = Stage::Clearing(until);
            if until == pages.max(peers_pages) {
                side.stage = Stage::ForgettingOwn(cells::ask_to_forget(cpu, cell));
            }
        }
        Stage::ForgettingOwn(asked) => {
            if cells::has_forgotten(cell, asked) {
                side.stage = Stage::Returning(0);
            }
        }
        Stage::Returning(done) => {
            let until = pages.min(done + STEP);
            let _guard = cell.space.lock();
            for page in done..until {
                if let Some(frame) = cell.space().reap(side.window() + page * PAGE) {
                    frames::give(cpu, &cell.quota, frame);
                }
            }
            side.stage = if until == pages { Stage::Gone } else { Stage::Returning(until) };
        }
        Stage::Gone => {}
    }
    if !side.is_gone() {
        return again;
    }
    if before != Stage::Gone {
        cell.channel_ends.fetch_sub(1, Ordering::SeqCst);
        if own {
            cell.handles.lock().remove(side.handle);
        }
    }
    Ok(0)
}
