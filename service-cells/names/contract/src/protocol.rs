//! The services: what clients ask of the names cell, and what the names cell asks of the root cell.

use core::fmt;

use service::{ClientId, Pending, Text, Wire, service};

use crate::{Cell, Interest, Kind, Name, Notice, Query, RefusedBecause, Resolved, ServerId, SubscriptionId, Version};

/// The names service, on two-way channels of this name. Who asks is known by the channel. When that ends, all that the cell
/// had is gone.
pub const CHANNEL: &str = "names";

/// The connector, on a two-way channel of this name to the root cell.
pub const CONNECT_CHANNEL: &str = "connect";

/// Bytes of the name of a channel.
pub const CHANNEL_NAME_MAX: usize = 32;

/// Names, servers, claims and subscriptions. A refused request has changed nothing.
#[service(version = 1)]
pub trait Names {
    /// Makes the client a server of the name.
    fn register(&mut self, client: ClientId, name: Name, kind: Kind) -> Result<ServerId, RefusedBecause>;
    /// Claims a namespace: from now on only this client registers and claims this name and those beneath.
    fn claim(&mut self, client: ClientId, namespace: Name) -> Result<(), RefusedBecause>;
    /// Gives a claim up.
    fn release(&mut self, client: ClientId, namespace: Name) -> Result<(), RefusedBecause>;
    /// Removes all servers of the name that the client has registered.
    fn delete(&mut self, client: ClientId, name: Name) -> Result<Version, RefusedBecause>;
    /// Removes one server of the name.
    fn delete_specific(&mut self, client: ClientId, name: Name, server: ServerId) -> Result<Version, RefusedBecause>;
    /// Says who serves a name.
    fn lookup(&mut self, client: ClientId, query: Query) -> Result<Resolved, RefusedBecause>;
    /// Notes a server's load.
    fn report_load(&mut self, client: ClientId, name: Name, server: ServerId, load: u32) -> Result<(), RefusedBecause>;
    /// Subscribes the client to changes.
    fn subscribe(&mut self, client: ClientId, interest: Interest) -> Result<SubscriptionId, RefusedBecause>;
    /// Ends a subscription.
    fn unsubscribe(&mut self, client: ClientId, subscription: SubscriptionId) -> Result<(), RefusedBecause>;
    /// Answered when a subscription of the client has news. One such request of a client at a time; of two, the earlier is
    /// abandoned.
    #[suspends]
    fn next_notice(&mut self, client: ClientId, answer: Pending<Notice>);
    /// Says who serves a name, and makes a two-way channel to that cell. The channel has the name's first segment as its name,
    /// and is there when this is answered.
    #[suspends]
    fn connect(&mut self, client: ClientId, query: Query, answer: Pending<Result<Resolved, NotConnected>>);
}

/// Makes channels between cells. The root cell serves it to whom the manifest gives a channel of the name "connect".
#[service(version = 1)]
pub trait Connector {
    /// Makes a two-way channel of this name between the cells at these places (`ChannelInfo::peer_cell`).
    fn connect(
        &mut self,
        client: ClientId,
        name: Text<CHANNEL_NAME_MAX>,
        one: u32,
        other: u32,
    ) -> Result<(), NoChannel>;
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum NotConnected {
    /// There is no server.
    Refused(RefusedBecause),
    /// The channel was not made.
    NoChannel(NoChannel),
    /// The client is the server.
    Yourself,
    /// The first segment of the name is too long for the name of a channel.
    NameTooLong,
    /// The client asked for as many connections as it may have in its life.
    TooMany,
    /// As many connections as the service can make at a time are being made. Try again.
    Busy,
    /// The service has no channel to the root cell.
    NoConnector,
}

/// Why a channel was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum NoChannel {
    /// No cell runs at this place, or the place is the root cell's or the asker's.
    NoCell {
        /// The place.
        place: u32,
    },
    /// A channel connects two cells.
    SameCell,
    /// The name is empty, or one that stands for something else.
    BadName,
    /// The kernel refuses; the error's number.
    Kernel {
        /// The number, as `ErrorKind` has it.
        error: u32,
    },
}

impl fmt::Display for NotConnected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(because) => because.fmt(formatter),
            Self::NoChannel(why) => why.fmt(formatter),
            Self::Yourself => write!(formatter, "you serve this name yourself"),
            Self::NameTooLong => {
                write!(formatter, "the first segment of the name is longer than {CHANNEL_NAME_MAX} bytes")
            }
            Self::TooMany => write!(formatter, "you asked for as many connections as a cell may have in its life"),
            Self::Busy => write!(formatter, "too many connections are being made: try again"),
            Self::NoConnector => write!(formatter, "the names service has no channel to the root cell"),
        }
    }
}

impl core::error::Error for NotConnected {}

impl fmt::Display for NoChannel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCell { place } => write!(formatter, "no cell that can be connected is at place {place}"),
            Self::SameCell => write!(formatter, "a channel connects two cells"),
            Self::BadName => write!(formatter, "a channel cannot have this name"),
            Self::Kernel { error } => write!(formatter, "the kernel refuses the channel (error {error})"),
        }
    }
}

impl core::error::Error for NoChannel {}

impl From<RefusedBecause> for NotConnected {
    fn from(because: RefusedBecause) -> Self {
        Self::Refused(because)
    }
}

/// How the names cell numbers cells: the place, which the kernel knows and gives again, and a life, which it counts.
impl Cell {
    /// The cell of this life at this place.
    #[must_use]
    pub const fn at(place: u16, life: u64) -> Self {
        Self(life << 16 | place as u64)
    }

    /// Its place.
    #[must_use]
    pub const fn place(self) -> u32 {
        (self.0 & 0xffff) as u32
    }
}
