//! Who serves a name.

use core::fmt;

use service::Wire;

/// A cell, as a number that stands for one life of one cell: a cell that starts again has another number. Whoever binds
/// the directory to the kernel takes it from the channel, never from the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Wire)]
pub struct Cell(pub u64);

/// A place on the machine, for instance a hardware thread or a memory node. Only the distance function that the directory
/// was given knows what the number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Wire)]
pub struct Node(pub u32);

/// One server of one name. The directory gives the number when the server is registered; it is never 0, and is given
/// again only after 2³² registrations and never while it is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Wire)]
pub struct ServerId(pub u32);

/// Where a server is: what is told when it is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The cell that serves.
    pub cell: Cell,
    /// Where on the machine it serves.
    pub node: Node,
}

/// A server as a lookup tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Server {
    /// Its number.
    pub id: ServerId,
    /// The cell that serves.
    pub cell: Cell,
    /// Where on the machine it serves.
    pub node: Node,
    /// The load that it reported last, in a unit that the servers of the name agree on; 0 before the first report.
    pub load: u32,
}

/// What the servers of a name are to each other. All servers of a name agree in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum Kind {
    /// The name has one server, and a second one is refused.
    Sole,
    /// The name has a fleet of servers, each as good as another: a client may change at any time.
    Interchangeable,
    /// The name has a fleet of servers that remember their clients: a client stays with the one that it has found, as
    /// long as that one is there.
    Stateful,
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cell {}", self.0)
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "server {}", self.0)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Sole => "sole",
            Self::Interchangeable => "interchangeable",
            Self::Stateful => "stateful",
        })
    }
}
