//! The server's side: clients by turns, each at most its share.

mod call;
mod desk;
mod guest;

use core::fmt;

pub use call::{Call, Dispatch, Outcome};
pub use desk::{MOST_SUSPENDED, Pending};
pub use guest::Counts;
use guest::Guest;

use crate::link::{FOR_EVER, Link};
use crate::wait::{Patience, Wait};

/// Which client a request is from. Ids of clients that left are not used again for 65,536 clients of the same seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId {
    seat: u16,
    generation: u16,
}

impl ClientId {
    /// The position among the server's clients, below its number of seats: an index for tables of the service.
    #[must_use]
    pub fn seat(self) -> usize {
        usize::from(self.seat)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.seat, self.generation)
    }
}

/// What a client may have of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Requests that are taken from it in one round, at least 1.
    pub share: u16,
    /// Requests of it that may be suspended at the same time, at most [`MOST_SUSPENDED`]; beyond, it is told `Busy`.
    pub suspended: u8,
}

impl Default for Terms {
    fn default() -> Self {
        Self { share: 8, suspended: 8 }
    }
}

/// What happened in one round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Round {
    /// Requests that were taken.
    pub requests: u32,
    /// Clients that left.
    pub left: u16,
    /// Whether a client used its whole share, so that there may be more to do at once. If not, everything else needs an
    /// event: a message, a credit, or a suspended request that is answered.
    pub more: bool,
}

/// Every seat is taken; the link is given back.
#[derive(Debug)]
pub struct NoSeat<L>(pub L);

impl<L> fmt::Display for NoSeat<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server has a client on each of its seats")
    }
}

/// A service and its clients, at most `SEATS`.
///
/// The server trusts no client: a client can waste its own share and lose its own replies, and nothing else.
#[derive(Debug)]
pub struct Server<D, L, const SEATS: usize = 16> {
    service: D,
    seats: [Seat<L>; SEATS],
    first: usize,
}

#[derive(Debug)]
struct Seat<L> {
    generation: u16,
    guest: Option<Guest<L>>,
}

impl<D: Dispatch, L: Link> Server<D, L> {
    /// A server for up to 16 clients. [`Server::with_seats`] takes another number.
    #[must_use]
    pub fn new(service: D) -> Self {
        Self::with_seats(service)
    }
}

impl<D: Dispatch, L: Link, const SEATS: usize> Server<D, L, SEATS> {
    /// A server for up to `SEATS` clients, from 1 to 65,536.
    #[must_use]
    pub fn with_seats(service: D) -> Self {
        const { assert!(SEATS > 0 && SEATS <= 1 << 16, "a server has 1 to 65,536 seats") };
        Self { service, seats: core::array::from_fn(|_| Seat { generation: 0, guest: None }), first: 0 }
    }

    /// Takes a client. Allocates the room for its suspended requests, so that no request ever does.
    ///
    /// # Errors
    /// Gives the link back when every seat is taken.
    pub fn attach(&mut self, link: L, terms: Terms) -> Result<ClientId, NoSeat<L>> {
        let Some((position, seat)) = self.seats.iter_mut().enumerate().find(|(_, seat)| seat.guest.is_none()) else {
            return Err(NoSeat(link));
        };
        // Below 65,536, as `with_seats` asserts.
        let id = ClientId { seat: position as u16, generation: seat.generation };
        seat.guest = Some(Guest::new(id, link, terms));
        Ok(id)
    }

    /// Sends a client away: the link is dropped, the service told. Returns whether the client was there.
    pub fn detach(&mut self, client: ClientId) -> bool {
        let position = client.seat();
        if self.guest(client).is_none() {
            return false;
        }
        self.vacate(position);
        true
    }

    /// Serves every client once: up to its share of requests, then all that became ready to be answered. The work of a
    /// round is bounded by the clients' shares and suspended requests.
    pub fn turn(&mut self) -> Round {
        let mut round = Round::default();
        for position in (self.first..SEATS).chain(0..self.first) {
            let Some(guest) = &mut self.seats[position].guest else { continue };
            match guest.take_requests(&mut self.service) {
                Ok(taken) => {
                    round.requests += u32::from(taken);
                    round.more |= taken >= guest.share();
                }
                Err(_) => {
                    round.left += 1;
                    self.vacate(position);
                }
            }
        }
        // Afterwards, because a request of one client may be what the request of an earlier one waited for.
        for position in 0..SEATS {
            let Some(guest) = &mut self.seats[position].guest else { continue };
            match guest.send_answers() {
                Ok(()) => guest.flush(),
                Err(_) => {
                    round.left += 1;
                    self.vacate(position);
                }
            }
        }
        self.first = (self.first + 1) % SEATS;
        round
    }

    /// Serves until `wait` gives up; `wait` is called when there is nothing to do.
    pub fn run(&mut self, mut wait: impl Wait) {
        while self.turn().more || self.rest(&mut wait) == Patience::Wait {}
    }

    /// Waits until there may be something for a [`turn`](Server::turn) to do; comes back at once if there is. No event of a
    /// channel is missed, if it is one that ends the wait.
    pub fn rest(&mut self, wait: &mut impl Wait) -> Patience {
        if !wait.is_woken() {
            return wait.wait();
        }
        let mut until = Some(FOR_EVER);
        // The earliest instant; `None`, that there is something to do, is less than any.
        self.guests().for_each(|guest| until = until.min(guest.raise()));
        let patience = until.map_or(Patience::Wait, |until_ns| wait.wait_until(until_ns));
        self.guests().for_each(Guest::lower);
        patience
    }

    fn guests(&mut self) -> impl Iterator<Item = &mut Guest<L>> {
        self.seats.iter_mut().filter_map(|seat| seat.guest.as_mut())
    }

    /// The service.
    pub fn service(&self) -> &D {
        &self.service
    }

    /// The service, for what happens to it beside requests. What it answers goes out in the next [`Server::turn`].
    pub fn service_mut(&mut self) -> &mut D {
        &mut self.service
    }

    /// What a client did so far, or `None` if it left.
    #[must_use]
    pub fn counts(&self, client: ClientId) -> Option<Counts> {
        self.guest(client).map(Guest::counts)
    }

    fn guest(&self, client: ClientId) -> Option<&Guest<L>> {
        let seat = self.seats.get(client.seat())?;
        seat.guest.as_ref().filter(|_| seat.generation == client.generation)
    }

    fn vacate(&mut self, position: usize) {
        let seat = &mut self.seats[position];
        let client = ClientId { seat: position as u16, generation: seat.generation };
        seat.generation = seat.generation.wrapping_add(1);
        seat.guest = None;
        self.service.client_left(client);
    }
}
