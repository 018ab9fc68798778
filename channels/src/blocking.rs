//! The ends that wait, by a bell.

use core::fmt;

use crate::message::{Broken, Message, SendError};
use crate::notify::Bell;
use crate::receiver::{Receiver, View};
use crate::sender::Sender;

/// Why waiting came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitError<E> {
    /// What was waited for did not come in time.
    DeadlinePassed,
    /// The peer does not follow the protocol.
    Broken(Broken),
    /// This end was closed.
    Closed,
    /// The bell does not work any more.
    Bell(E),
}

impl<E: fmt::Display> fmt::Display for WaitError<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeadlinePassed => write!(out, "the deadline passed"),
            Self::Broken(broken) => broken.fmt(out),
            Self::Closed => SendError::Closed.fmt(out),
            Self::Bell(error) => error.fmt(out),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for WaitError<E> {}

impl<E> From<Broken> for WaitError<E> {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// What a look found: this, or nothing yet.
fn outcome<T, E>(looked: Result<T, SendError>) -> Result<Option<T>, WaitError<E>> {
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(SendError::NoCredit) => Ok(None),
        Err(SendError::Broken(broken)) => Err(WaitError::Broken(broken)),
        Err(SendError::Closed) => Err(WaitError::Closed),
    }
}

/// What a peer that is gone has left behind is not its mistake.
fn excuse<B: Bell>(bell: &mut B, error: WaitError<B::Error>) -> WaitError<B::Error> {
    match error {
        WaitError::Broken(_) => bell.peer_gone().map_or(error, WaitError::Bell),
        error => error,
    }
}

/// A sender that waits for credits, and wakes a receiver that waits for messages.
#[derive(Debug)]
pub struct BlockingSender<B> {
    end: Sender,
    bell: B,
    polls: u32,
}

impl<B: Bell> BlockingSender<B> {
    /// An end that waits by this bell.
    #[must_use]
    pub const fn new(end: Sender, bell: B) -> Self {
        Self { end, bell, polls: 0 }
    }

    /// The same, but it looks so many times more before it waits: worth it if the receiver runs at the same time.
    #[must_use]
    pub fn polling(self, polls: u32) -> Self {
        Self { polls, ..self }
    }

    /// The end, for what needs no waiting. What is sent by it is made known by [`notify`](Self::notify).
    pub const fn end(&mut self) -> &mut Sender {
        &mut self.end
    }

    /// The bell.
    pub const fn bell(&mut self) -> &mut B {
        &mut self.bell
    }

    /// Sends a message, and waits for a credit until this instant if there is none; for ever if there is no deadline.
    ///
    /// # Errors
    /// [`WaitError::DeadlinePassed`], or the channel is of no more use. With [`WaitError::Bell`] the message may have been sent, to nobody.
    pub fn send_until(&mut self, message: &Message, deadline: Option<u64>) -> Result<(), WaitError<B::Error>> {
        self.wait_for(deadline, |end| end.try_send(message))?;
        self.notify().map_err(WaitError::Bell)
    }

    /// Sends all of these, in as few batches as credits allow.
    ///
    /// # Errors
    /// As for [`send_until`](Self::send_until); beside it stands how many were sent before that.
    pub fn send_all_until(
        &mut self,
        messages: &[Message],
        deadline: Option<u64>,
    ) -> Result<(), (usize, WaitError<B::Error>)> {
        let mut sent = 0;
        while let Some(rest) = messages.get(sent..).filter(|rest| !rest.is_empty()) {
            let count = self.wait_for(deadline, |end| match end.send_batch(rest)? {
                0 => Err(SendError::NoCredit),
                count => Ok(count),
            });
            sent += count.map_err(|error| (sent, error))?;
            self.notify().map_err(|error| (sent, WaitError::Bell(error)))?;
        }
        Ok(())
    }

    /// Wakes the receiver if it waits for what was sent.
    ///
    /// # Errors
    /// The bell's.
    pub fn notify(&mut self) -> Result<(), B::Error> {
        if self.end.must_notify() { self.bell.ring() } else { Ok(()) }
    }

    /// Looks, and if there is nothing ([`SendError::NoCredit`]) waits for the receiver to grant credits or to give blocks back and looks again, until this instant.
    ///
    /// # Errors
    /// As for [`send_until`](Self::send_until).
    pub fn wait_for<T>(
        &mut self,
        deadline: Option<u64>,
        look: impl FnMut(&mut Sender) -> Result<T, SendError>,
    ) -> Result<T, WaitError<B::Error>> {
        self.look_until(deadline, look).map_err(|error| excuse(&mut self.bell, error))
    }

    fn look_until<T>(
        &mut self,
        deadline: Option<u64>,
        mut look: impl FnMut(&mut Sender) -> Result<T, SendError>,
    ) -> Result<T, WaitError<B::Error>> {
        for _ in 0..self.polls {
            if let Some(found) = outcome(look(&mut self.end))? {
                return Ok(found);
            }
            core::hint::spin_loop();
        }
        loop {
            if let Some(found) = outcome(look(&mut self.end))? {
                return Ok(found);
            }
            if deadline.is_some_and(|deadline| self.bell.now() >= deadline) {
                return Err(WaitError::DeadlinePassed);
            }
            self.end.raise();
            let found = outcome(look(&mut self.end));
            let waited = if matches!(found, Ok(None)) { self.bell.wait_until(deadline) } else { Ok(()) };
            self.end.lower();
            if let Some(found) = found? {
                return Ok(found);
            }
            if let Err(error) = waited {
                return outcome(look(&mut self.end))?.ok_or(WaitError::Bell(error));
            }
        }
    }
}

/// A receiver that waits for messages, and wakes a sender that waits for credits.
#[derive(Debug)]
pub struct BlockingReceiver<B> {
    end: Receiver,
    bell: B,
    polls: u32,
}

impl<B: Bell> BlockingReceiver<B> {
    /// An end that waits by this bell.
    #[must_use]
    pub const fn new(end: Receiver, bell: B) -> Self {
        Self { end, bell, polls: 0 }
    }

    /// The same, but it looks so many times more before it waits: worth it if the sender runs at the same time.
    #[must_use]
    pub fn polling(self, polls: u32) -> Self {
        Self { polls, ..self }
    }

    /// The end, for what needs no waiting. What is granted by it is made known by [`notify`](Self::notify).
    pub const fn end(&mut self) -> &mut Receiver {
        &mut self.end
    }

    /// The bell.
    pub const fn bell(&mut self) -> &mut B {
        &mut self.bell
    }

    /// Receives a message, and waits for one until this instant if there is none; for ever if there is no deadline.
    ///
    /// # Errors
    /// [`WaitError::DeadlinePassed`], or the channel is of no more use; what was sent before that is received first.
    pub fn receive_until(&mut self, deadline: Option<u64>) -> Result<Message, WaitError<B::Error>> {
        self.wait_for(deadline)?;
        let message = self.end.try_receive().map_err(|broken| excuse(&mut self.bell, broken.into()))?;
        self.notify_of_grants();
        message.ok_or_else(|| excuse(&mut self.bell, self.end.retracted().into()))
    }

    /// Receives as many messages as there are and fit, and waits for the first until this instant. Returns how many; 0 only if there is no place for one.
    ///
    /// # Errors
    /// As for [`receive_until`](Self::receive_until).
    pub fn receive_batch_until(
        &mut self,
        messages: &mut [Message],
        deadline: Option<u64>,
    ) -> Result<usize, WaitError<B::Error>> {
        self.wait_for(deadline)?;
        let count = self.end.receive_batch(messages).map_err(|broken| excuse(&mut self.bell, broken.into()))?;
        if count == 0 && !messages.is_empty() {
            return Err(excuse(&mut self.bell, self.end.retracted().into()));
        }
        self.notify_of_grants();
        Ok(count)
    }

    /// The next message where it is, waiting for it until this instant. When the view is dropped the sender is not told: the next call does that, or
    /// [`notify`](Self::notify).
    ///
    /// # Errors
    /// As for [`receive_until`](Self::receive_until).
    pub fn peek_until(&mut self, deadline: Option<u64>) -> Result<View<'_>, WaitError<B::Error>> {
        self.notify_of_grants();
        self.wait_for(deadline)?;
        let retracted = self.end.retracted();
        let bell = &mut self.bell;
        match self.end.peek() {
            Ok(Some(view)) => Ok(view),
            Ok(None) => Err(excuse(bell, WaitError::Broken(retracted))),
            Err(broken) => Err(excuse(bell, broken.into())),
        }
    }

    /// Wakes the sender if it waits for credits, or for blocks that were given back.
    ///
    /// # Errors
    /// The bell's.
    pub fn notify(&mut self) -> Result<(), B::Error> {
        if self.end.must_notify() { self.bell.ring() } else { Ok(()) }
    }

    /// That the sender is gone is no reason not to receive what it sent: it is said when there is nothing to receive.
    #[inline]
    fn notify_of_grants(&mut self) {
        if self.end.has_granted() {
            let _ = self.notify();
        }
    }

    /// Waits until a message is there, or it is known that the sender is broken.
    fn wait_for(&mut self, deadline: Option<u64>) -> Result<(), WaitError<B::Error>> {
        if self.end.is_ready() {
            return Ok(());
        }
        for _ in 0..self.polls {
            core::hint::spin_loop();
            if self.end.is_ready() {
                return Ok(());
            }
        }
        loop {
            let now = self.bell.now();
            self.end.renew(now);
            self.notify_of_grants();
            if self.end.is_ready() {
                return Ok(());
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Err(WaitError::DeadlinePassed);
            }
            self.end.raise();
            let until = match (deadline, self.end.renews_at()) {
                (Some(deadline), Some(renewal)) => Some(deadline.min(renewal)),
                (deadline, renewal) => deadline.or(renewal),
            };
            let waited = if self.end.is_ready() { Ok(()) } else { self.bell.wait_until(until) };
            self.end.lower();
            if self.end.is_ready() {
                return Ok(());
            }
            waited.map_err(WaitError::Bell)?;
        }
    }
}
