//! Requests, answered out of the directory.

use alloc::collections::VecDeque;
use core::fmt;

use names_contract::protocol::{CHANNEL, CHANNEL_NAME_MAX, CONNECT_CHANNEL};
use names_contract::{
    Cell, Endpoint, Interest, Kind, Name, Names, Node, NotConnected, Notice, Query, RefusedBecause, Resolved, ServerId,
    SubscriptionId, Version,
};
use names_core::{Directory, Quotas};
use service::{ClientId, Pending, Text};

/// Clients at a time. A cell has room for two ends of each.
pub const SEATS: usize = 60;

/// Connections that a client may ask for in its life. Each takes memory of the server's too, and nobody tells the names cell when it is
/// closed.
const CONNECTIONS_MAX: u32 = 64;

/// Connections that wait to be made.
const WANTED_MAX: usize = 64;

/// Who has what was claimed before anybody came.
const OWN: Cell = Cell(0);

/// A directory for as many clients as there are seats.
pub type Table = Directory<256, 512, 128, 128>;

/// Where a cell is: its hardware thread and that one's memory node.
#[must_use]
pub const fn node(thread: u32, memory: u32) -> Node {
    Node(memory << 16 | thread & 0xffff)
}

/// How far apart cells are: not at all on the same hardware thread, where messages can be handed over; then those of a memory node.
const fn distance(one: Node, other: Node) -> u32 {
    match (one.0 == other.0, one.0 >> 16 == other.0 >> 16) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
}

/// An empty one: 114 KB, so that it stands better in a `static` than on a stack.
#[must_use]
pub const fn table() -> Table {
    // Most clients serve a name or two. Those few that have more may have as much as this.
    Directory::new(Quotas { names: 16, servers: 32, claims: 8, subscriptions: 8 }, distance)
}

/// Answers requests.
pub struct Desk<'table> {
    directory: &'table mut Table,
    clients: [Option<Client>; SEATS],
    /// Clients so far.
    lives: u64,
    wanted: VecDeque<Wanted>,
    figures: Figures,
}

impl fmt::Debug for Desk<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Desk").field("figures", &self.figures).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Client {
    id: ClientId,
    cell: Cell,
    node: Node,
    /// Waits for news.
    waiting: Option<Pending<Notice>>,
    /// Connections that it asked for.
    connections: u32,
}

/// A connection that is to be made.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) channel: Text<CHANNEL_NAME_MAX>,
    pub(crate) asker: Cell,
    pub(crate) resolved: Resolved,
    pub(crate) answer: Pending<Result<Resolved, NotConnected>>,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests of the directory.
    pub requests: u64,
    /// Those of them that were refused.
    pub refused: u64,
    /// Servers that were taken out because their cells had died.
    pub servers_lost: u64,
    /// Connections that were made.
    pub connected: u64,
    /// Connections that were asked for and not made.
    pub not_connected: u64,
}

impl<'table> Desk<'table> {
    /// With this directory, which is empty.
    #[must_use]
    pub fn new(directory: &'table mut Table) -> Self {
        // Channels of these names mean something: no connection may have them.
        for reserved in [CHANNEL, CONNECT_CHANNEL] {
            let reserved = Name::new(reserved).map(|name| directory.claim(OWN, name));
            debug_assert!(matches!(reserved, Ok(Ok(()))), "an empty directory has room");
        }
        Self {
            directory,
            clients: [const { None }; SEATS],
            lives: 0,
            wanted: VecDeque::new(),
            figures: Figures::default(),
        }
    }

    /// A client has come, at this place among cells, from where [`node`] says.
    pub fn arrived(&mut self, id: ClientId, place: u16, node: Node) {
        self.lives += 1;
        let client = Client { id, cell: Cell::at(place, self.lives), node, waiting: None, connections: 0 };
        if let Some(seat) = self.clients.get_mut(id.seat()) {
            *seat = Some(client);
        }
    }

    /// What happened so far.
    #[must_use]
    pub const fn figures(&self) -> Figures {
        self.figures
    }

    /// The next connection that is to be made, if both cells are still there.
    pub(crate) fn next_wanted(&mut self) -> Option<Wanted> {
        loop {
            let wanted = self.wanted.pop_front()?;
            if wanted.answer.client_left() {
                self.figures.not_connected += 1;
            } else if !self.is_there(wanted.resolved.server.cell) {
                self.connection_done(wanted, Err(RefusedBecause::NoSuchServer { server: ServerId(0) }.into()));
            } else {
                return Some(wanted);
            }
        }
    }

    /// It could not be asked for now: it is the next one again.
    pub(crate) fn wanted_again(&mut self, wanted: Wanted) {
        self.wanted.push_front(wanted);
    }

    pub(crate) fn connection_done(&mut self, wanted: Wanted, result: Result<(), NotConnected>) {
        match result {
            Ok(()) => self.figures.connected += 1,
            Err(_) => self.figures.not_connected += 1,
        }
        let resolved = wanted.resolved;
        wanted.answer.answer(result.map(|()| resolved));
    }

    fn is_there(&self, cell: Cell) -> bool {
        self.clients.iter().flatten().any(|client| client.cell == cell)
    }

    fn client(&mut self, id: ClientId) -> Option<&mut Client> {
        self.clients.get_mut(id.seat())?.as_mut().filter(|client| client.id == id)
    }

    /// Carries out what a client asks, and tells who waits for news.
    fn carry_out<T>(
        &mut self,
        id: ClientId,
        ask: impl FnOnce(&mut Table, Cell) -> Result<T, RefusedBecause>,
    ) -> Result<T, RefusedBecause> {
        // Whoever attaches a client says so before it takes its requests.
        let Some(cell) = self.client(id).map(|client| client.cell) else { return Err(RefusedBecause::Unknown) };
        let result = ask(self.directory, cell);
        self.figures.requests += 1;
        self.figures.refused += u64::from(result.is_err());
        result
    }

    fn node_of(&mut self, id: ClientId) -> Node {
        self.client(id).map_or(Node(0), |client| client.node)
    }

    /// The same, for what others may wait for.
    fn change<T>(
        &mut self,
        id: ClientId,
        ask: impl FnOnce(&mut Table, Cell) -> Result<T, RefusedBecause>,
    ) -> Result<T, RefusedBecause> {
        let result = self.carry_out(id, ask);
        self.tell();
        result
    }

    /// Gives news to who waits for it.
    fn tell(&mut self) {
        for client in self.clients.iter_mut().flatten().filter(|client| client.waiting.is_some()) {
            if let Some(notice) = self.directory.next_notice(client.cell)
                && let Some(answer) = client.waiting.take()
            {
                answer.answer(notice);
            }
        }
    }

    fn want(&mut self, id: ClientId, query: &Query) -> Result<(Cell, Resolved, Text<CHANNEL_NAME_MAX>), NotConnected> {
        let node = self.node_of(id);
        let resolved = self.carry_out(id, |directory, _| directory.lookup(node, query))?;
        let waiting = self.wanted.len();
        let Some(client) = self.client(id) else { return Err(RefusedBecause::Unknown.into()) };
        if client.cell == resolved.server.cell {
            return Err(NotConnected::Yourself);
        }
        if client.connections >= CONNECTIONS_MAX {
            return Err(NotConnected::TooMany);
        }
        if waiting >= WANTED_MAX {
            return Err(NotConnected::Busy);
        }
        let segment = query.name.as_str().split('/').next().unwrap_or_default();
        let channel = Text::new(segment).map_err(|_| NotConnected::NameTooLong)?;
        client.connections += 1;
        Ok((client.cell, resolved, channel))
    }
}

impl Names for Desk<'_> {
    fn register(&mut self, client: ClientId, name: Name, kind: Kind) -> Result<ServerId, RefusedBecause> {
        let node = self.node_of(client);
        self.change(client, |directory, cell| {
            directory.register(cell, name, Endpoint { cell, node }, kind).map(|registered| registered.server)
        })
    }

    fn claim(&mut self, client: ClientId, namespace: Name) -> Result<(), RefusedBecause> {
        self.carry_out(client, |directory, cell| directory.claim(cell, namespace))
    }

    fn release(&mut self, client: ClientId, namespace: Name) -> Result<(), RefusedBecause> {
        self.carry_out(client, |directory, cell| directory.release(cell, namespace))
    }

    fn delete(&mut self, client: ClientId, name: Name) -> Result<Version, RefusedBecause> {
        self.change(client, |directory, cell| directory.delete(cell, name))
    }

    fn delete_specific(&mut self, client: ClientId, name: Name, server: ServerId) -> Result<Version, RefusedBecause> {
        self.change(client, |directory, cell| directory.delete_specific(cell, name, server))
    }

    fn lookup(&mut self, client: ClientId, query: Query) -> Result<Resolved, RefusedBecause> {
        let node = self.node_of(client);
        self.carry_out(client, |directory, _| directory.lookup(node, &query))
    }

    fn report_load(&mut self, client: ClientId, name: Name, server: ServerId, load: u32) -> Result<(), RefusedBecause> {
        self.carry_out(client, |directory, cell| directory.report_load(cell, name, server, load))
    }

    fn subscribe(&mut self, client: ClientId, interest: Interest) -> Result<SubscriptionId, RefusedBecause> {
        self.change(client, |directory, cell| directory.subscribe(cell, interest))
    }

    fn unsubscribe(&mut self, client: ClientId, subscription: SubscriptionId) -> Result<(), RefusedBecause> {
        self.carry_out(client, |directory, cell| directory.unsubscribe(cell, subscription))
    }

    fn next_notice(&mut self, client: ClientId, answer: Pending<Notice>) {
        if let Some(client) = self.client(client) {
            client.waiting = Some(answer);
        }
        self.tell();
    }

    fn connect(&mut self, client: ClientId, query: Query, answer: Pending<Result<Resolved, NotConnected>>) {
        match self.want(client, &query) {
            Ok((asker, resolved, channel)) => self.wanted.push_back(Wanted { channel, asker, resolved, answer }),
            Err(why) => {
                self.figures.not_connected += 1;
                answer.answer(Err(why));
            }
        }
    }

    fn client_left(&mut self, client: ClientId) {
        let Some(cell) = self.client(client).map(|client| client.cell) else { return };
        self.clients[client.seat()] = None;
        let lost = self.directory.died(cell);
        self.figures.servers_lost += u64::from(lost.servers);
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shares_a_hardware_thread_is_nearest_then_who_shares_a_memory_node() {
        let here = node(3, 1);
        let others = [node(3, 1), node(2, 1), node(3, 0), node(u32::MAX, 1)];
        assert_eq!(others.map(|other| distance(here, other)), [0, 1, 2, 1]);
    }
}
