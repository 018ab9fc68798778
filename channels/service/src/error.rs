//! Why a call has no reply.

use core::fmt;

use crate::link::{ReceiveError, SendError};
use crate::wire::WireError;

/// What a server answers in place of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, service_macros::Wire)]
pub enum Refusal {
    /// The server speaks another version of the service.
    Version {
        /// The version that it speaks.
        served: u8,
        /// The version that the request had.
        asked: u8,
    },
    /// The service has no method of this number.
    UnknownMethod(u8),
    /// The arguments are no values of their types.
    Malformed(WireError),
    /// The client has as many suspended requests as its terms permit.
    Busy,
    /// The service dropped the request unanswered.
    Abandoned,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { served, asked } => {
                write!(f, "the server speaks version {served} of the service, the request is of version {asked}")
            }
            Self::UnknownMethod(method) => write!(f, "the service has no method of number {method}"),
            Self::Malformed(error) => write!(f, "the arguments were refused: {error}"),
            Self::Busy => f.write_str("too many requests of this client are suspended: wait for one of them"),
            Self::Abandoned => f.write_str("the service dropped the request unanswered"),
        }
    }
}

impl core::error::Error for Refusal {}

/// Why a call has no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The server speaks another version of the service.
    Version {
        /// The version that it speaks.
        served: u8,
        /// The version that the request had.
        asked: u8,
    },
    /// The service has no method of this number.
    UnknownMethod(u8),
    /// The server found the arguments to be no values of their types.
    Malformed(WireError),
    /// The server sent a reply that is no value of its type.
    BadReply(WireError),
    /// The client has as many suspended requests at the server as its terms permit.
    Busy,
    /// The service dropped the request unanswered.
    Abandoned,
    /// The server is gone, or closed the channel.
    Closed,
    /// The server broke the channel's protocol.
    Broken,
    /// The server permits no more messages for now.
    NoCredit,
    /// As many requests are outstanding as the client's table holds.
    TooMany {
        /// What the table holds.
        capacity: u16,
    },
    /// Whoever waits gave up before the reply came, or the reply was taken by somebody else.
    GaveUp,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Version { served, asked } => Refusal::Version { served, asked }.fmt(f),
            Self::UnknownMethod(method) => Refusal::UnknownMethod(method).fmt(f),
            Self::Malformed(error) => Refusal::Malformed(error).fmt(f),
            Self::Busy => Refusal::Busy.fmt(f),
            Self::Abandoned => Refusal::Abandoned.fmt(f),
            Self::BadReply(error) => write!(f, "the server's reply makes no sense: {error}"),
            Self::Closed => SendError::Closed.fmt(f),
            Self::Broken => SendError::Broken.fmt(f),
            Self::NoCredit => SendError::NoCredit.fmt(f),
            Self::TooMany { capacity } => write!(f, "all {capacity} requests of this client are outstanding"),
            Self::GaveUp => f.write_str("the caller gave up before the reply came"),
        }
    }
}

impl core::error::Error for CallError {}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Version { served, asked } => Self::Version { served, asked },
            Refusal::UnknownMethod(method) => Self::UnknownMethod(method),
            Refusal::Malformed(error) => Self::Malformed(error),
            Refusal::Busy => Self::Busy,
            Refusal::Abandoned => Self::Abandoned,
        }
    }
}

impl From<SendError> for CallError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NoCredit => Self::NoCredit,
            SendError::Broken => Self::Broken,
            SendError::Closed => Self::Closed,
        }
    }
}

impl From<ReceiveError> for CallError {
    fn from(error: ReceiveError) -> Self {
        SendError::from(error).into()
    }
}
