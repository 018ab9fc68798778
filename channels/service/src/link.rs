//! What the service runtime needs of a channel in both directions. Rings implement it between cells,
//! [`crate::Loopback`] inside one program.

use core::fmt;

use crate::message::Message;

/// One end of a path in both directions: sends to the peer, receives from it. Neither operation waits.
pub trait Link {
    /// Sends a message, or says why not; a message that was not sent had no effect.
    ///
    /// # Errors
    /// [`SendError::NoCredit`] when the peer permits no more messages for now, [`SendError::Broken`] and
    /// [`SendError::Closed`] when it never will again.
    fn try_send(&mut self, message: &Message) -> Result<(), SendError>;

    /// The next message of the peer, or `None` when there is none for now.
    ///
    /// # Errors
    /// [`ReceiveError::Closed`] only when every message sent before the end was received.
    fn try_receive(&mut self) -> Result<Option<Message>, ReceiveError>;

    /// Called once after a batch of operations: the moment to notify a peer that does not poll, and to grant credits.
    fn flush(&mut self) {}

    /// Asks the peer to tell when what is waited for has come. Then looks once more: `None` if it is there already, or will
    /// never come, otherwise until when to wait at most, in ns of the clock that the waiting is by ([`FOR_EVER`]: there is no
    /// such instant). [`Link::lower`] follows in either case. Nothing that the peer does is missed by who asks in this
    /// order. Links whose peers are polled need not do anything.
    fn raise(&mut self, awaited: Awaited) -> Option<u64> {
        let _ = awaited;
        Some(FOR_EVER)
    }

    /// Takes back what [`Link::raise`] asked for.
    fn lower(&mut self) {}
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// A message of the peer.
    pub message: bool,
    /// That one more message can be sent.
    pub credit: bool,
}

/// No instant at which waiting ends by itself.
pub const FOR_EVER: u64 = u64::MAX;

impl<L: Link + ?Sized> Link for &mut L {
    fn try_send(&mut self, message: &Message) -> Result<(), SendError> {
        (**self).try_send(message)
    }

    fn try_receive(&mut self) -> Result<Option<Message>, ReceiveError> {
        (**self).try_receive()
    }

    fn flush(&mut self) {
        (**self).flush();
    }

    fn raise(&mut self, awaited: Awaited) -> Option<u64> {
        (**self).raise(awaited)
    }

    fn lower(&mut self) {
        (**self).lower();
    }
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The receiver permits no more messages for now.
    NoCredit,
    /// The peer broke the channel's protocol; the link is of no further use.
    Broken,
    /// The peer is gone, or closed the channel.
    Closed,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCredit => "the receiver permits no more messages for now",
            Self::Broken => "the peer broke the channel's protocol",
            Self::Closed => "the peer closed the channel",
        })
    }
}

impl core::error::Error for SendError {}

/// Why no message will ever be received again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// The peer broke the channel's protocol; the link is of no further use.
    Broken,
    /// The peer is gone, or closed the channel.
    Closed,
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SendError::from(*self).fmt(f)
    }
}

impl core::error::Error for ReceiveError {}

impl From<ReceiveError> for SendError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Broken => Self::Broken,
            ReceiveError::Closed => Self::Closed,
        }
    }
}
