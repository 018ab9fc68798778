//! The client's side: a fixed table of outstanding requests over one link, under the three forms of client that the
//! service macro generates.

mod future;
mod table;

use core::cell::{Cell, RefCell};
use core::task::Waker;

pub use future::Answer;
use table::{Outstanding, Table};

use crate::error::CallError;
use crate::link::{Awaited, Link, SendError};
use crate::message::{Message, Payload, Tag};
use crate::wait::{Patience, Wait};
use crate::wire::Wire;

/// Names an outstanding request of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u16);

/// A method of a service: what the service macro knows about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// Version of the service's declaration.
    pub version: u8,
    /// Number of the method, 1 to 127.
    pub number: u8,
}

/// Messages of the server that were ignored because they made no sense. All zero with an honest server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Replies to requests that are not outstanding.
    pub unknown_request: u64,
    /// Replies of another method or version than their request.
    pub wrong_method: u64,
}

/// Sends requests and takes replies, up to `N` outstanding, 1 to 256. Never allocates.
///
/// A caller belongs to one hart, as the link below does: it is not `Sync`. Requests are numbered by place in the table
/// and generation, and a place is free again only when its reply came, so a late reply is never taken for another one's.
#[derive(Debug)]
pub struct Caller<L, const N: usize = 16> {
    link: RefCell<L>,
    table: RefCell<Table<N>>,
    /// Why no call will have a reply any more.
    gone: Cell<Option<CallError>>,
    ignored: Cell<Ignored>,
}

impl<L: Link, const N: usize> Caller<L, N> {
    /// Calls over this link.
    #[must_use]
    pub fn new(link: L) -> Self {
        const { assert!(N > 0 && N <= 256, "a client has room for 1 to 256 outstanding requests") };
        Self {
            link: RefCell::new(link),
            table: RefCell::new(Table::new()),
            gone: Cell::new(None),
            ignored: Cell::new(Ignored::default()),
        }
    }

    /// Sends a request, or says why not. The server is notified at the next [`Caller::pump`].
    ///
    /// # Errors
    /// [`CallError::TooMany`], [`CallError::NoCredit`], [`CallError::Closed`], [`CallError::Broken`]; the request then
    /// had no effect.
    pub fn submit(&self, method: Method, arguments: &Payload) -> Result<Token, CallError> {
        let request = self.enqueue(method, arguments)?;
        self.send_queued();
        if self.table.borrow_mut().withdraw(request) {
            return Err(self.gone.get().unwrap_or(CallError::NoCredit));
        }
        Ok(Token(request))
    }

    /// Sends a request, or keeps it until the server permits one more message.
    ///
    /// # Errors
    /// [`CallError::TooMany`], [`CallError::Closed`], [`CallError::Broken`]; the request then had no effect.
    pub fn begin(&self, method: Method, arguments: &Payload) -> Result<Token, CallError> {
        let request = self.enqueue(method, arguments)?;
        self.send_queued();
        Ok(Token(request))
    }

    /// Does what can be done without waiting: sends what had no credit, notifies the server, takes replies and wakes who
    /// waits for them. Call it when the channel has an event; every client's own functions call it too. Bounded by the
    /// table's size, however much the server sends.
    pub fn pump(&self) {
        self.send_queued();
        self.link.borrow_mut().flush();
        // An honest server answers each outstanding request once; twice that much leaves room for nonsense.
        for _ in 0..2 * N {
            let received = self.link.borrow_mut().try_receive();
            match received {
                Ok(Some(message)) => self.take_reply(&message),
                Ok(None) => break,
                Err(error) => return self.end(error.into()),
            }
        }
        // Sending failed for good, and what was answered before is taken.
        if let Some(error) = self.gone.get() {
            self.end(error);
        }
    }

    /// The reply of a request if it is there; the token is then used up.
    #[must_use]
    pub fn take(&self, token: Token) -> Option<Result<Payload, CallError>> {
        self.table.borrow_mut().take(token.0).map(|(_, result)| result)
    }

    /// Any request that is done: its token, which is used up, the method's number and the reply.
    #[must_use]
    pub fn take_any(&self) -> Option<(Token, u8, Result<Payload, CallError>)> {
        self.table.borrow_mut().take_any().map(|(request, method, result)| (Token(request), method, result))
    }

    /// Gives up on a request; its reply is ignored. Its place in the table is free when the reply came.
    pub fn forget(&self, token: Token) {
        let waker = self.table.borrow_mut().forget(token.0);
        drop(waker);
    }

    /// Calls and waits for the reply.
    ///
    /// # Errors
    /// Whatever kept the call from being answered; [`CallError::GaveUp`] when `wait` gave up.
    pub fn call<R: Wire>(&self, method: Method, arguments: &Payload, wait: &mut impl Wait) -> Result<R, CallError> {
        let token = self.begin(method, arguments)?;
        loop {
            self.pump();
            if let Some(result) = self.take(token) {
                return decode_reply(&result?);
            }
            if !self.table.borrow_mut().is_open(token.0) {
                return Err(CallError::GaveUp);
            }
            if self.rest(&mut *wait) == Patience::GiveUp {
                self.forget(token);
                return Err(CallError::GaveUp);
            }
        }
    }

    /// Waits until there may be something to [`pump`](Caller::pump); comes back at once if there is. No event of the channel
    /// is missed, if it is one that ends the wait.
    pub fn rest(&self, wait: &mut impl Wait) -> Patience {
        let credit = self.table.borrow().next_queued().is_some();
        self.rest_for(Awaited { message: true, credit }, wait)
    }

    /// The same, also until one more request may be sent at once: after [`CallError::NoCredit`].
    pub fn rest_for_credit(&self, wait: &mut impl Wait) -> Patience {
        self.rest_for(Awaited { message: true, credit: true }, wait)
    }

    fn rest_for(&self, awaited: Awaited, wait: &mut impl Wait) -> Patience {
        if !wait.is_woken() {
            return wait.wait();
        }
        let mut link = self.link.borrow_mut();
        let patience = link.raise(awaited).map_or(Patience::Wait, |until_ns| wait.wait_until(until_ns));
        link.lower();
        patience
    }

    /// Calls; the future has the reply. The request is on its way already: one need not poll to begin.
    pub fn call_async<R: Wire>(&self, method: Method, arguments: &Payload) -> Answer<'_, R, L, N> {
        Answer::new(self, self.begin(method, arguments))
    }

    /// Requests that were not yet taken, answered or not, and forgotten ones whose reply is still to come.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.table.borrow().occupied()
    }

    /// What the server sent that made no sense.
    #[must_use]
    pub fn ignored(&self) -> Ignored {
        self.ignored.get()
    }

    /// The reply of a request if it is there, otherwise keeps whom to wake. A reply that was taken by its token, or with
    /// [`Caller::take_any`], never comes: that is as if one gave up on it.
    fn take_or_wait(&self, token: Token, waker: &Waker) -> Option<Result<Payload, CallError>> {
        if let Some(result) = self.take(token) {
            return Some(result);
        }
        if !self.table.borrow_mut().is_open(token.0) {
            return Some(Err(CallError::GaveUp));
        }
        let replaced = self.table.borrow_mut().wait(token.0, waker);
        drop(replaced);
        None
    }

    fn enqueue(&self, method: Method, arguments: &Payload) -> Result<u16, CallError> {
        if let Some(error) = self.gone.get() {
            return Err(error);
        }
        // At most 256, as `new` asserts.
        let too_many = CallError::TooMany { capacity: N as u16 };
        self.table.borrow_mut().enqueue(method, arguments).ok_or(too_many)
    }

    /// Sends what is queued, in order, as far as there are credits.
    fn send_queued(&self) {
        let sent = loop {
            let Some(Outstanding { request, method, words }) = self.table.borrow().next_queued() else { return };
            let tag = Tag { version: method.version, method: method.number, refused: false, request };
            match self.link.borrow_mut().try_send(&Message { tag: tag.packed(), words }) {
                Ok(()) => self.table.borrow_mut().sent(request),
                Err(error) => break error,
            }
        };
        // Replies that were sent before the end are still to be taken: the table is ended after that.
        match sent {
            SendError::NoCredit => {}
            gone => self.gone.set(Some(gone.into())),
        }
    }

    fn take_reply(&self, message: &Message) {
        let tag = Tag::unpacked(message.tag);
        let woken = self.table.borrow_mut().complete(tag, message);
        let mut ignored = self.ignored.get();
        match woken {
            // Nothing is borrowed here: whoever is woken may call this client again.
            Ok(waker) => return waker.into_iter().for_each(Waker::wake),
            Err(table::Mismatch::UnknownRequest) => ignored.unknown_request += 1,
            Err(table::Mismatch::WrongMethod) => ignored.wrong_method += 1,
        }
        self.ignored.set(ignored);
    }

    /// The link is of no further use: everyone who waits is told.
    fn end(&self, error: CallError) {
        self.gone.set(Some(error));
        loop {
            let Some(waker) = self.table.borrow_mut().fail_next(error) else { return };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

/// The reply as a value of its type.
///
/// # Errors
/// [`CallError::BadReply`] if it is none.
pub fn decode_reply<R: Wire>(payload: &Payload) -> Result<R, CallError> {
    R::decode(payload).map_err(CallError::BadReply)
}
