//! What a client asks and what it is told.

use service::Wire;

use crate::{Kind, Name, Server, ServerId};

/// Which server of a name a client would like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum Policy {
    /// The one with the smallest distance from the asker; of several the least loaded.
    Nearest,
    /// The one that reported the least load; of several the nearest.
    LeastLoaded,
    /// Each in turn, so that a population of clients is spread evenly.
    Any,
}

/// The clock of a directory: it ticks with every change of any name. A name's version is the tick of its last change, so
/// it rises with each change, also over a time in which the name did not exist.
///
/// Versions of two lives of the names service cannot be compared; a client that has to connect again forgets what it knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Wire)]
pub struct Version(pub u64);

/// A question: who serves this name?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// The name.
    pub name: Name,
    /// Which of its servers.
    pub policy: Policy,
    /// This one if it is still there, whatever the policy: how a client stays with a [`Kind::Stateful`] server.
    pub keep: Option<ServerId>,
    /// Not these: how a client that could not reach a server asks for another one.
    pub avoid: Avoid,
}

/// The servers that a client could not reach, the last [`Avoid::CAPACITY`] of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Avoid {
    // From the last one added.
    servers: [Option<ServerId>; Avoid::CAPACITY],
}

/// The answer to a [`Query`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Resolved {
    /// The chosen server.
    pub server: Server,
    /// What it is to the other servers of the name.
    pub kind: Kind,
    /// When the name changed last.
    pub version: Version,
    /// When the question was answered: all changes up to this instant are considered.
    pub as_of: Version,
}

impl Query {
    /// A question without wishes other than the policy.
    pub const fn new(name: Name, policy: Policy) -> Self {
        Self { name, policy, keep: None, avoid: Avoid::NONE }
    }
}

impl Avoid {
    /// How many servers a query can avoid.
    pub const CAPACITY: usize = 3;

    /// Nothing to be avoided.
    pub const NONE: Self = Self { servers: [None; Self::CAPACITY] };

    /// Avoids `server` too. When there are too many, the one that was added first is forgotten: it had time to recover.
    pub fn add(&mut self, server: ServerId) {
        if !self.contains(server) {
            self.servers.rotate_right(1);
            self.servers[0] = Some(server);
        }
    }

    /// Whether `server` is to be avoided.
    pub fn contains(&self, server: ServerId) -> bool {
        self.servers.contains(&Some(server))
    }

    /// Whether there is none to be avoided.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The servers to be avoided, from the last one added.
    pub fn iter(&self) -> impl Iterator<Item = ServerId> + '_ {
        self.servers.iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn the_one_avoided_first_is_forgotten_first() {
        let mut avoid = Avoid::NONE;
        assert!(avoid.is_empty());
        for id in [1, 2, 2, 3, 4] {
            avoid.add(ServerId(id));
        }
        let seen: Vec<ServerId> = avoid.iter().collect();
        assert_eq!(seen, [ServerId(4), ServerId(3), ServerId(2)]);
        assert!(!avoid.contains(ServerId(1)));
    }
}
