//! Makes channels between cells on demand, for cells that have a two-way channel "connect" to the root cell.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::abi::Handle;
use crate::abi::channel::{ChannelRequest, Shape};
use cell::calls;
use names_contract::NoChannel;
use names_contract::protocol::{CHANNEL, CHANNEL_NAME_MAX, CONNECT_CHANNEL, Connector as Protocol, ConnectorServer};
use service::cell::{CellLink, Doors};
use service::{ClientId, Server, Terms, Text};

/// Cells that may ask at a time.
const SEATS: usize = 4;

/// What is taken from each of them in a window, so that the window is not overrun: each request makes two channels.
const TERMS: Terms = Terms { share: 4, suspended: 0 };

/// Messages that such a channel holds: as many as fit into a page.
const CAPACITY: u32 = 60;

/// Pairs of channels made on demand have numbers from here on, which are none of the manifest's.
const PAIRS: u32 = 1 << 31;

/// Serves who may ask.
#[derive(Debug)]
pub struct Connector {
    server: Server<ConnectorServer<Maker>, CellLink, SEATS>,
    doors: Doors,
}

/// Makes channels.
#[derive(Debug, Default)]
struct Maker {
    /// The cells that run, by their places.
    cells: Vec<(u32, Handle)>,
    made: u64,
    refused: u64,
}

impl Default for Connector {
    fn default() -> Self {
        Self { server: Server::with_seats(ConnectorServer(Maker::default())), doors: Doors::new(CONNECT_CHANNEL) }
    }
}

impl Connector {
    /// Looks for channels of cells that may ask, as soon as it is served: some were made.
    pub const fn look(&mut self) {
        self.doors.look();
    }

    /// Takes what was asked, up to a share of each asker, and answers it. Never waits. `cells` are those that run, with their places.
    pub fn turn(&mut self, cells: impl IntoIterator<Item = (u32, Handle)>) {
        self.doors.admit(&mut self.server, TERMS);
        let maker = &mut self.server.service_mut().0;
        maker.cells.clear();
        maker.cells.extend(cells);
        let _ = self.server.turn();
    }

    /// For the summary; none if nobody asked.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let Maker { made, refused, .. } = self.server.service().0;
        (made + refused > 0).then(|| format!("  connections: {made} made on demand, {refused} refused"))
    }
}

impl Maker {
    fn make(&self, name: &str, one: u32, other: u32) -> Result<(), NoChannel> {
        if name.is_empty() || name.contains('\0') || [CHANNEL, CONNECT_CHANNEL].contains(&name) {
            return Err(NoChannel::BadName);
        }
        if one == other {
            return Err(NoChannel::SameCell);
        }
        let handle = |wanted: u32| {
            let found = self.cells.iter().find(|(place, _)| *place == wanted);
            found.map(|(_, handle)| *handle).ok_or(NoChannel::NoCell { place: wanted })
        };
        let (one, other) = (handle(one)?, handle(other)?);
        let request = ChannelRequest {
            pair: PAIRS | (self.made + self.refused) as u32,
            ..ChannelRequest::new(name, Shape { capacity: CAPACITY, ..Shape::default() })
        };
        for (from, to) in [(one, other), (other, one)] {
            calls::channel_create(from, to, &request)
                .map_err(|error| NoChannel::Kernel { error: u32::from(error.kind as u16) })?;
        }
        Ok(())
    }
}

impl Protocol for Maker {
    fn connect(&mut self, _: ClientId, name: Text<CHANNEL_NAME_MAX>, one: u32, other: u32) -> Result<(), NoChannel> {
        let result = self.make(&name, one, other);
        match result {
            Ok(()) => self.made += 1,
            Err(_) => self.refused += 1,
        }
        result
    }
}
