//! Subscriptions and the news that they bring.

use core::fmt;

use service::Wire;

use crate::{Name, Version};

/// What a subscription is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum Interest {
    /// One name.
    Exactly(Name),
    /// A namespace: the name itself and all names beneath it.
    Within(Name),
}

/// One subscription. The directory gives the number; it is never 0, and never that of another subscription in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Wire)]
pub struct SubscriptionId(pub u32);

/// A piece of news for a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Notice {
    /// The subscription that brings it.
    pub subscription: SubscriptionId,
    /// What happened.
    pub news: News,
}

/// What happened. Several changes of a name are told as one, the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum News {
    /// The name has servers, but others than before: an answer from before `version` may name one that has gone.
    Changed {
        /// The name.
        name: Name,
        /// When it changed last.
        version: Version,
    },
    /// The name has no servers any more.
    Gone {
        /// The name.
        name: Name,
        /// When its last server went.
        version: Version,
    },
    /// Too much happened to be told one by one, or the subscription has just begun: what is known of any name of interest
    /// from before `version` may be wrong, and is to be asked for again. No single change up to `version` will be told.
    LookAgain {
        /// What the subscription is about.
        interest: Interest,
        /// Answers from this instant on are right.
        version: Version,
    },
}

impl Interest {
    /// Whether `name` is of interest.
    pub fn covers(&self, name: &Name) -> bool {
        match self {
            Self::Exactly(wanted) => name == wanted,
            Self::Within(namespace) => name.is_within(namespace),
        }
    }
}

impl News {
    /// Whether `name` is, or may be, among those that something happened to.
    pub fn is_about(&self, name: &Name) -> bool {
        match self {
            Self::Changed { name: changed, .. } | Self::Gone { name: changed, .. } => name == changed,
            Self::LookAgain { interest, .. } => interest.covers(name),
        }
    }

    /// Whether an answer about `name` that was given at `as_of` may be wrong now.
    pub fn outdates(&self, name: &Name, as_of: Version) -> bool {
        self.is_about(name) && as_of < self.version()
    }

    /// Since when what is told holds.
    pub const fn version(&self) -> Version {
        match self {
            Self::Changed { version, .. } | Self::Gone { version, .. } | Self::LookAgain { version, .. } => *version,
        }
    }
}

impl fmt::Display for Interest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(name) => write!(formatter, "{name}"),
            Self::Within(namespace) => write!(formatter, "{namespace} and all beneath"),
        }
    }
}
