//! What travels, and what can be wrong with who sends or receives it.

use core::fmt;

use crate::layout::PAYLOAD_WORDS;

/// A message: one cache line together with its sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Message {
    /// What kind of message it is: the two ends agree on that.
    pub tag: u32,
    /// What it says.
    pub words: [u64; PAYLOAD_WORDS],
}

impl Message {
    /// A message.
    #[must_use]
    pub const fn new(tag: u32, words: [u64; PAYLOAD_WORDS]) -> Self {
        Self { tag, words }
    }
}

/// The peer does not follow the protocol. The channel is of no more use: every later call at this end says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A slot has a sequence that no sender can have written there by now.
    Sequence {
        /// The slot.
        slot: u32,
        /// What the next message would have.
        expected: u32,
        /// What a slot has into which nothing was sent yet on this lap.
        absent: u32,
        /// What it has.
        seen: u32,
    },
    /// The receiver granted more than the channel holds, or took back what it had granted.
    Granted {
        /// Messages that were sent in total, modulo 2^32.
        sent: u32,
        /// The most that may be granted beyond that.
        capacity: u32,
        /// What was granted in total.
        seen: u64,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sequence { slot, expected, absent, seen } => write!(
                out,
                "the sender wrote sequence {seen} into slot {slot}, where {expected} comes next and {absent} was before"
            ),
            Self::Granted { sent, capacity, seen } => write!(
                out,
                "the receiver granted {seen} messages in total: {sent} were sent, and at most {capacity} more can be granted"
            ),
        }
    }
}

impl core::error::Error for Broken {}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The receiver has granted no more for now.
    NoCredit,
    /// The receiver does not follow the protocol.
    Broken(Broken),
    /// This end was closed.
    Closed,
}

impl fmt::Display for SendError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCredit => write!(out, "there is no credit left"),
            Self::Broken(broken) => broken.fmt(out),
            Self::Closed => write!(out, "the channel is closed"),
        }
    }
}

impl core::error::Error for SendError {}

impl From<Broken> for SendError {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}
