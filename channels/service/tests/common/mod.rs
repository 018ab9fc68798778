//! A service that the tests share.
#![allow(dead_code, reason = "not every test uses everything")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use service::{ClientId, Link, Loopback, Message, Pending, Server, Tag, Terms, Text, Wire, service};

/// Why a door stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub(crate) enum DoorError {
    /// It is locked, by this client's seat.
    Locked { seat: u32 },
    /// There is no such door.
    NoDoor(u8),
}

/// Something with every kind of method.
#[service(version = 3)]
pub(crate) trait House {
    /// Nothing in, nothing out. The keeper answers who waits for 1,000 and so many knocks.
    fn knock(&mut self);
    /// Arguments and a reply that may be an error.
    fn open(&mut self, client: ClientId, door: u8, force: bool) -> Result<Text<20>, DoorError>;
    /// Answered when the test says so.
    #[suspends]
    fn wait_for(&mut self, client: ClientId, value: u64, answer: Pending<u64>);
    /// Names that generated code could trip over.
    fn r#type(&mut self, call: u8, reply: u8, arguments: u8, answer: u8, r#fn: u8) -> [u8; 5];
    /// Suspended, but answered at once.
    #[suspends]
    fn echo(&mut self, value: u16, answer: Pending<u16>);
}

/// Remembers what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    pub(crate) knocks: u64,
    pub(crate) opened_by: Vec<ClientId>,
    pub(crate) waiting: Vec<(u64, Pending<u64>)>,
    pub(crate) left: Vec<ClientId>,
}

impl Keeper {
    /// Answers the suspended request that waits for this value.
    pub(crate) fn answer(&mut self, value: u64) {
        let position = self.waiting.iter().position(|(waiting, _)| *waiting == value).expect("somebody waits for it");
        self.waiting.remove(position).1.answer(value);
    }
}

impl House for Keeper {
    fn knock(&mut self) {
        self.knocks += 1;
        let answered = 1_000 + self.knocks;
        if self.waiting.iter().any(|(waiting, _)| *waiting == answered) {
            self.answer(answered);
        }
    }

    fn open(&mut self, client: ClientId, door: u8, force: bool) -> Result<Text<20>, DoorError> {
        self.opened_by.push(client);
        match (door, force) {
            (0, _) => Err(DoorError::NoDoor(door)),
            (1, false) => Err(DoorError::Locked { seat: 7 }),
            _ => Ok(Text::new("open").expect("short")),
        }
    }

    fn wait_for(&mut self, client: ClientId, value: u64, answer: Pending<u64>) {
        assert_eq!(answer.client(), client);
        self.waiting.push((value, answer));
    }

    fn r#type(&mut self, call: u8, reply: u8, arguments: u8, answer: u8, r#fn: u8) -> [u8; 5] {
        [call, reply, arguments, answer, r#fn]
    }

    fn echo(&mut self, value: u16, answer: Pending<u16>) {
        answer.answer(value);
    }

    fn client_left(&mut self, client: ClientId) {
        self.left.push(client);
    }
}

/// The server of the tests.
pub(crate) type HouseKeeper = Server<HouseServer<Keeper>, Loopback>;

/// A server without clients.
pub(crate) fn keeper() -> HouseKeeper {
    Server::new(HouseServer(Keeper::default()))
}

/// A server with one client of these terms, and the client's end.
pub(crate) fn keeper_and_link(capacity: usize, terms: Terms) -> (HouseKeeper, ClientId, Loopback) {
    let mut server = keeper();
    let (client, link) = join(&mut server, capacity, terms);
    (server, client, link)
}

/// One more client of a server, and its end.
pub(crate) fn join(server: &mut HouseKeeper, capacity: usize, terms: Terms) -> (ClientId, Loopback) {
    let (here, there) = Loopback::pair(capacity);
    (server.attach(there, terms).expect("there is a seat"), here)
}

/// A request as a client could forge it.
pub(crate) fn request(version: u8, method: u8, number: u16, payload: [u8; 56]) -> Message {
    Message::new(Tag { version, method, refused: false, request: number }, &payload)
}

/// Everything that arrived.
pub(crate) fn received(link: &mut impl Link) -> Vec<Message> {
    std::iter::from_fn(|| link.try_receive().ok().flatten()).collect()
}

/// Counts how often it is woken.
#[derive(Debug, Default)]
pub(crate) struct Alarm(AtomicUsize);

impl Alarm {
    pub(crate) fn set() -> (Arc<Self>, Waker) {
        let alarm = Arc::new(Self::default());
        (alarm.clone(), alarm.into())
    }

    pub(crate) fn rang(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
