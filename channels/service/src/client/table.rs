//! Outstanding requests of one client, in a table of fixed size.
//!
//! A request's number is its place in the low byte and the place's generation in the high byte.

use core::task::Waker;

use super::Method;
use crate::error::{CallError, Refusal};
use crate::message::{Message, Payload, Tag};
use crate::wire::Wire;

#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    entries: [Entry; N],
    /// Requests that were queued so far; orders those that still are.
    queued_ever: u64,
    queued_now: usize,
    /// The place that was queued last: the only one to look at when nothing else is queued.
    queued_last: usize,
    /// Where the search for one that is done begins, so that each gets its turn.
    next_done: usize,
}

#[derive(Debug)]
struct Entry {
    generation: u8,
    state: State,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum State {
    Free,
    /// Not sent for want of credit.
    Queued {
        method: Method,
        words: [u64; 7],
        order: u64,
    },
    Sent {
        method: Method,
    },
    Done {
        method: Method,
        result: Result<Payload, CallError>,
    },
    /// Nobody waits for the reply any more.
    Forgotten {
        method: Method,
    },
}

/// A request to be sent.
pub(super) struct Outstanding {
    pub(super) request: u16,
    pub(super) method: Method,
    pub(super) words: [u64; 7],
}

/// Why a reply belongs to no request.
pub(super) enum Mismatch {
    UnknownRequest,
    WrongMethod,
}

impl<const N: usize> Table<N> {
    pub(super) fn new() -> Self {
        Self {
            entries: core::array::from_fn(|_| Entry { generation: 0, state: State::Free, waker: None }),
            queued_ever: 0,
            queued_now: 0,
            queued_last: 0,
            next_done: 0,
        }
    }

    pub(super) fn occupied(&self) -> usize {
        self.entries.iter().filter(|entry| !matches!(entry.state, State::Free)).count()
    }

    pub(super) fn enqueue(&mut self, method: Method, arguments: &Payload) -> Option<u16> {
        let place = self.entries.iter().position(|entry| matches!(entry.state, State::Free))?;
        let words = Message::new(Tag::unpacked(0), arguments).words;
        let entry = &mut self.entries[place];
        entry.generation = entry.generation.wrapping_add(1);
        entry.state = State::Queued { method, words, order: self.queued_ever };
        self.queued_ever += 1;
        self.queued_now += 1;
        self.queued_last = place;
        Some(self.number(place))
    }

    /// The request that was queued first.
    pub(super) fn next_queued(&self) -> Option<Outstanding> {
        if self.queued_now == 0 {
            return None;
        }
        if self.queued_now == 1
            && let Some((_, only)) = self.queued(self.queued_last)
        {
            return Some(only);
        }
        (0..N).filter_map(|place| self.queued(place)).min_by_key(|(order, _)| *order).map(|(_, first)| first)
    }

    fn queued(&self, place: usize) -> Option<(u64, Outstanding)> {
        let State::Queued { method, words, order } = self.entries[place].state else { return None };
        Some((order, Outstanding { request: self.number(place), method, words }))
    }

    pub(super) fn sent(&mut self, request: u16) {
        if let Some(entry) = self.entry(request)
            && let State::Queued { method, .. } = entry.state
        {
            entry.state = State::Sent { method };
            self.queued_now -= 1;
        }
    }

    /// Takes a request back that was not sent. Returns whether it was one.
    pub(super) fn withdraw(&mut self, request: u16) -> bool {
        let Some(entry) = self.entry(request) else { return false };
        let queued = matches!(entry.state, State::Queued { .. });
        if queued {
            entry.state = State::Free;
            self.queued_now -= 1;
        }
        queued
    }

    /// Takes a reply and returns whom to wake.
    pub(super) fn complete(&mut self, tag: Tag, message: &Message) -> Result<Option<Waker>, Mismatch> {
        let entry = self.entry(tag.request).ok_or(Mismatch::UnknownRequest)?;
        match entry.state {
            State::Forgotten { method } | State::Sent { method }
                if (method.version, method.number) != (tag.version, tag.method) =>
            {
                Err(Mismatch::WrongMethod)
            }
            State::Forgotten { .. } => {
                entry.state = State::Free;
                Ok(None)
            }
            State::Sent { method } => {
                let payload = message.payload();
                let result = if tag.refused { Err(refusal_of(&payload)) } else { Ok(payload) };
                entry.state = State::Done { method, result };
                Ok(entry.waker.take())
            }
            State::Free | State::Queued { .. } | State::Done { .. } => Err(Mismatch::UnknownRequest),
        }
    }

    /// Whether the request waits for its reply.
    pub(super) fn is_open(&mut self, request: u16) -> bool {
        self.entry(request).is_some_and(|entry| matches!(entry.state, State::Queued { .. } | State::Sent { .. }))
    }

    /// Keeps whom to wake for a request that is open, and returns whom that replaces.
    pub(super) fn wait(&mut self, request: u16, waker: &Waker) -> Option<Waker> {
        let entry = self.entry(request)?;
        match &entry.waker {
            Some(kept) if kept.will_wake(waker) => None,
            _ => entry.waker.replace(waker.clone()),
        }
    }

    pub(super) fn take(&mut self, request: u16) -> Option<(u8, Result<Payload, CallError>)> {
        let entry = self.entry(request)?;
        let State::Done { method, result } = entry.state else { return None };
        // Nobody is left to be woken: whoever was is taken out when a request is done.
        entry.state = State::Free;
        Some((method.number, result))
    }

    pub(super) fn take_any(&mut self) -> Option<(u16, u8, Result<Payload, CallError>)> {
        let done = |place: &usize| matches!(self.entries[*place].state, State::Done { .. });
        let place = (self.next_done..N).chain(0..self.next_done).find(done)?;
        self.next_done = (place + 1) % N;
        let request = self.number(place);
        let (method, result) = self.take(request)?;
        Some((request, method, result))
    }

    /// Nobody waits for the request any more. Returns whom one need not wake.
    pub(super) fn forget(&mut self, request: u16) -> Option<Waker> {
        self.withdraw(request);
        let entry = self.entry(request)?;
        entry.state = match entry.state {
            State::Sent { method } | State::Forgotten { method } => State::Forgotten { method },
            _ => State::Free,
        };
        entry.waker.take()
    }

    /// Ends a request without a reply, or returns `None` if there is none left. Inside, whom to wake.
    #[expect(clippy::option_option, reason = "the outer says whether a request was ended, the inner whether one waits")]
    pub(super) fn fail_next(&mut self, error: CallError) -> Option<Option<Waker>> {
        let open = |state: &State| !matches!(state, State::Free | State::Done { .. });
        let entry = self.entries.iter_mut().find(|entry| open(&entry.state))?;
        entry.state = match entry.state {
            State::Queued { method, .. } => {
                self.queued_now -= 1;
                State::Done { method, result: Err(error) }
            }
            State::Sent { method } => State::Done { method, result: Err(error) },
            _ => State::Free,
        };
        Some(entry.waker.take())
    }

    fn number(&self, place: usize) -> u16 {
        // Below 256, the largest table.
        u16::from_le_bytes([place as u8, self.entries[place].generation])
    }

    fn entry(&mut self, request: u16) -> Option<&mut Entry> {
        let [place, generation] = request.to_le_bytes();
        self.entries.get_mut(usize::from(place)).filter(|entry| entry.generation == generation)
    }
}

fn refusal_of(payload: &Payload) -> CallError {
    match Refusal::decode(payload) {
        Ok(refusal) => refusal.into(),
        Err(error) => CallError::BadReply(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_queued_is_counted_whichever_way_it_ends() {
        let method = Method { version: 1, number: 1 };
        let mut table = Table::<4>::new();
        let [sent, withdrawn, forgotten, failed] =
            core::array::from_fn(|_| table.enqueue(method, &[0; 56]).expect("there are four places"));
        assert_eq!((table.queued_now, table.enqueue(method, &[0; 56])), (4, None));
        table.sent(sent);
        assert!(table.withdraw(withdrawn));
        assert!(table.forget(forgotten).is_none());
        assert_eq!(table.next_queued().map(|next| next.request), Some(failed));
        assert_eq!(table.queued_now, 1);
        while table.fail_next(CallError::Closed).is_some() {}
        assert_eq!((table.queued_now, table.occupied()), (0, 2));
        assert_eq!(table.take(failed), Some((1, Err(CallError::Closed))));
    }
}
