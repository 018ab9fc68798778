//! Every reason for which the directory says no.

use core::fmt;

use service::Wire;

use crate::{Kind, Name, ServerId, SubscriptionId};

/// Why a request was refused. A refused request has changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum RefusedBecause {
    /// The name has no servers, or the namespace was not claimed.
    Unknown,
    /// The name has servers, but this is none of them (any more).
    NoSuchServer {
        /// The number that was given.
        server: ServerId,
    },
    /// All servers of the name are among those that the query avoids.
    NoOther,
    /// Another cell has claimed this namespace, which is the name or above it.
    NotYours {
        /// The claimed namespace.
        namespace: Name,
    },
    /// Another cell has registered the server, or all servers of the name.
    NotYourServer,
    /// Another cell has claimed exactly this namespace.
    AlreadyClaimed,
    /// The asker has claimed this namespace before.
    AlreadyYours,
    /// Another cell has claimed a namespace beneath this one.
    ClaimedBeneath {
        /// One such namespace.
        namespace: Name,
    },
    /// Another cell has registered servers of names in this namespace.
    NamesBeneath {
        /// One such name.
        name: Name,
    },
    /// The name has a server, and it or the new one is to be the [`Kind::Sole`] one.
    Taken,
    /// The servers of the name are of another kind than the new one.
    OtherKind {
        /// Their kind.
        kind: Kind,
    },
    /// The asker has registered this very endpoint under the name before.
    AlreadyRegistered {
        /// The number that it has.
        server: ServerId,
    },
    /// The asker has no such subscription.
    NoSuchSubscription {
        /// The number that was given.
        subscription: SubscriptionId,
    },
    /// The asker has this subscription already.
    AlreadySubscribed {
        /// The number that it has.
        subscription: SubscriptionId,
    },
    /// The asker has as many as one cell may have.
    Quota {
        /// Of what.
        of: Quantity,
        /// How many one cell may have.
        limit: u32,
    },
    /// The directory has no room for more.
    Full {
        /// Of what.
        of: Quantity,
        /// How many the directory has room for.
        capacity: u32,
    },
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum Quantity {
    /// Names with servers; of one cell: names with servers that it has registered.
    Names,
    /// Servers of all names.
    Servers,
    /// Claimed namespaces.
    Claims,
    /// Subscriptions.
    Subscriptions,
}

impl fmt::Display for RefusedBecause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => write!(formatter, "there is no such name"),
            Self::NoSuchServer { server } => write!(formatter, "{server} does not serve this name"),
            Self::NoOther => write!(formatter, "there is no server of this name but those to be avoided"),
            Self::NotYours { namespace } => write!(formatter, "the namespace {namespace} is claimed by another cell"),
            Self::NotYourServer => write!(formatter, "only the cell that registered a server can do this"),
            Self::AlreadyClaimed => write!(formatter, "another cell has claimed this namespace"),
            Self::AlreadyYours => write!(formatter, "you have claimed this namespace before"),
            Self::ClaimedBeneath { namespace } => {
                write!(formatter, "another cell has claimed {namespace}, which is beneath")
            }
            Self::NamesBeneath { name } => {
                write!(formatter, "another cell has registered {name}, which is in this namespace")
            }
            Self::Taken => write!(formatter, "the name has a server, and would have to be shared by two"),
            Self::OtherKind { kind } => write!(formatter, "the servers of this name are {kind}"),
            Self::AlreadyRegistered { server } => {
                write!(formatter, "you have registered this endpoint before, as {server}")
            }
            Self::NoSuchSubscription { subscription } => {
                write!(formatter, "you have no subscription {}", subscription.0)
            }
            Self::AlreadySubscribed { subscription } => {
                write!(formatter, "you have this subscription already, as {}", subscription.0)
            }
            Self::Quota { of, limit } => write!(formatter, "a cell may have {limit} {of}, and you have them"),
            Self::Full { of, capacity } => {
                write!(formatter, "the directory has room for {capacity} {of}, and they are used")
            }
        }
    }
}

impl core::error::Error for RefusedBecause {}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Names => "names",
            Self::Servers => "servers",
            Self::Claims => "claims",
            Self::Subscriptions => "subscriptions",
        })
    }
}
