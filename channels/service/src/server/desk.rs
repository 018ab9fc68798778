//! Suspended requests of one client.
//!
//! The server keeps the places and gives each to one [`Pending`] at a time. Whoever holds that is the only writer of the
//! place until it raises the place's bit in `ready`; from then on the server is, so nothing is ever written by two.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::ClientId;
use crate::error::Refusal;
use crate::message::{Message, Payload, Tag, payload_of};
use crate::wire::Wire;

/// The most requests of one client that can be suspended at the same time.
pub const MOST_SUSPENDED: u8 = 64;

/// The places as both the server and those who hold a [`Pending`] see them.
#[derive(Debug)]
struct Places {
    /// One bit a place: answered, and not yet collected by the server.
    ready: AtomicU64,
    /// Whether the client left.
    left: AtomicBool,
    places: Box<[Place]>,
}

#[derive(Debug, Default)]
struct Place {
    refused: AtomicBool,
    words: [AtomicU64; 7],
}

/// The server's end.
#[derive(Debug)]
pub(super) struct Desk {
    shared: Arc<Places>,
    /// Tags of the requests, by place.
    tags: Box<[u32]>,
    /// One bit a place: given away and not yet sent.
    taken: u64,
    /// One bit a place: collected and not yet sent.
    collected: u64,
}

impl Desk {
    pub(super) fn new(places: u8) -> Self {
        let places = places.min(MOST_SUSPENDED);
        Self {
            shared: Arc::new(Places {
                ready: AtomicU64::new(0),
                left: AtomicBool::new(false),
                places: (0..places).map(|_| Place::default()).collect(),
            }),
            tags: (0..places).map(|_| 0).collect(),
            taken: 0,
            collected: 0,
        }
    }

    pub(super) fn suspend<R: Wire>(&mut self, client: ClientId, tag: u32) -> Option<Pending<R>> {
        let place = self.taken.trailing_ones() as usize;
        *self.tags.get_mut(place)? = tag;
        self.taken |= 1 << place;
        Some(Pending {
            ticket: Ticket { shared: self.shared.clone(), client, place, answered: false },
            reply: PhantomData,
        })
    }

    pub(super) fn suspended(&self) -> u32 {
        self.taken.count_ones()
    }

    /// An answer to be sent, until [`Desk::sent`] says that it was.
    pub(super) fn answer(&mut self) -> Option<(u32, Message)> {
        self.collected |= self.shared.ready.swap(0, Ordering::Acquire);
        if self.collected == 0 {
            return None;
        }
        let place = self.collected.trailing_zeros();
        let (tag, answer) = (self.tags[place as usize], &self.shared.places[place as usize]);
        let tag = if answer.refused.load(Ordering::Relaxed) { Tag::unpacked(tag).refusing().packed() } else { tag };
        let words = core::array::from_fn(|word| answer.words[word].load(Ordering::Relaxed));
        Some((place, Message { tag, words }))
    }

    /// Whether there are answers to be sent.
    pub(super) fn has_answers(&self) -> bool {
        self.collected != 0 || self.shared.ready.load(Ordering::Acquire) != 0
    }

    pub(super) fn sent(&mut self, place: u32) {
        self.collected &= !(1 << place);
        self.taken &= !(1 << place);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.shared.left.store(true, Ordering::Relaxed);
    }
}

/// A suspended request that waits for its answer, an `R`.
///
/// Keep it and call [`Pending::answer`] when the answer is known, from whatever hart. Dropped unanswered, it tells the
/// client so. The answer goes out in the server's next turn: who answers from another hart wakes the server's.
#[must_use = "dropped, the request is answered with an error"]
pub struct Pending<R: Wire> {
    ticket: Ticket,
    reply: PhantomData<fn(R)>,
}

impl<R: Wire> Pending<R> {
    /// Answers the request. Does nothing if the client left.
    pub fn answer(mut self, reply: R) {
        self.ticket.write(false, &payload_of(&reply));
        // The ticket's end hands the place back to the server.
    }

    /// Whose request it is.
    #[must_use]
    pub fn client(&self) -> ClientId {
        self.ticket.client
    }

    /// Whether the client left, so that nobody waits for the answer.
    #[must_use]
    pub fn client_left(&self) -> bool {
        self.ticket.shared.left.load(Ordering::Relaxed)
    }
}

impl<R: Wire> fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("client", &self.ticket.client).finish_non_exhaustive()
    }
}

/// The sole right to write one place.
#[derive(Debug)]
struct Ticket {
    shared: Arc<Places>,
    client: ClientId,
    place: usize,
    answered: bool,
}

impl Ticket {
    fn write(&mut self, refused: bool, payload: &Payload) {
        self.answered = true;
        let place = &self.shared.places[self.place];
        place.refused.store(refused, Ordering::Relaxed);
        for (target, word) in place.words.iter().zip(Message::new(Tag::unpacked(0), payload).words) {
            target.store(word, Ordering::Relaxed);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.answered {
            self.write(true, &payload_of(&Refusal::Abandoned));
        }
        // Release: what was written is seen by the server that collects the bit.
        self.shared.ready.fetch_or(1 << self.place, Ordering::Release);
    }
}
