//! Names and their servers.

use heapless::Vec;
use names_contract::{Cell, Endpoint, Kind, Name, Quantity, RefusedBecause, Server, ServerId, Version};

use crate::quotas::{Quotas, full, one_more};
use crate::sorted::{Named, range};

/// A name that has at least one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) name: Name,
    pub(crate) kind: Kind,
    pub(crate) version: Version,
    /// Whether the removal under way has taken a server of it.
    touched: bool,
}

/// A server of a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registration {
    pub(crate) name: Name,
    pub(crate) server: Server,
    pub(crate) owner: Cell,
    /// The last lookup that took it in turn; 0: none.
    pub(crate) given_at: u64,
    /// The last lookup that took it for its distance or its load; 0: none.
    pub(crate) preferred_at: u64,
}

impl Named for Record {
    fn name(&self) -> &Name {
        &self.name
    }
}

impl Named for Registration {
    fn name(&self) -> &Name {
        &self.name
    }
}

impl Registration {
    /// Whether `cell` may report the load of this server and delete it: the one that registered it or the one that serves.
    pub(crate) fn heeds(&self, cell: Cell) -> bool {
        self.owner == cell || self.server.cell == cell
    }
}

/// All names and servers. `names` is sorted, `servers` is sorted by name and then number, and the names are exactly those of
/// the servers.
pub(crate) struct Registry<const NAMES: usize, const SERVERS: usize> {
    pub(crate) names: Vec<Record, NAMES>,
    pub(crate) servers: Vec<Registration, SERVERS>,
    last: ServerId,
}

impl<const NAMES: usize, const SERVERS: usize> Registry<NAMES, SERVERS> {
    pub(crate) const fn new() -> Self {
        Self { names: Vec::new(), servers: Vec::new(), last: ServerId(0) }
    }

    /// Adds a server and gives its name the version `version`. Whether claims are in the way is for the caller to ask.
    pub(crate) fn register(
        &mut self,
        owner: Cell,
        name: Name,
        endpoint: Endpoint,
        kind: Kind,
        quotas: &Quotas,
        version: Version,
    ) -> Result<ServerId, RefusedBecause> {
        let place = self.place(&name);
        if let Ok(record) = place {
            self.may_join(owner, &name, endpoint, kind, record)?;
        }
        let had = self.servers.iter().filter(|registration| registration.owner == owner).count();
        one_more(Quantity::Servers, had, quotas.servers, self.servers.len(), SERVERS)?;
        if !self.servers_of(&name).iter().any(|registration| registration.owner == owner) {
            // A name that others have made costs no room, but counts for everyone who is in it.
            let used = if place.is_ok() { 0 } else { self.names.len() };
            one_more(Quantity::Names, self.count_names(owner), quotas.names, used, NAMES)?;
        }
        match place {
            Ok(record) => {
                if let Some(record) = self.names.get_mut(record) {
                    record.version = version;
                }
            }
            Err(place) => {
                let record = Record { name, kind, version, touched: false };
                self.names.insert(place, record).map_err(|_| full(Quantity::Names, NAMES))?;
            }
        }
        let id = self.fresh();
        let server = Server { id, cell: endpoint.cell, node: endpoint.node, load: 0 };
        let place = self.servers.partition_point(|other| (other.name, other.server.id) < (name, id));
        let registration = Registration { name, server, owner, given_at: 0, preferred_at: 0 };
        self.servers.insert(place, registration).map_err(|_| full(Quantity::Servers, SERVERS))?;
        Ok(id)
    }

    fn may_join(
        &self,
        owner: Cell,
        name: &Name,
        endpoint: Endpoint,
        kind: Kind,
        record: usize,
    ) -> Result<(), RefusedBecause> {
        let Some(record) = self.names.get(record) else { return Ok(()) };
        if record.kind == Kind::Sole || kind == Kind::Sole {
            return Err(RefusedBecause::Taken);
        }
        if record.kind != kind {
            return Err(RefusedBecause::OtherKind { kind: record.kind });
        }
        // Only of the same owner: else a stranger could bar a cell from a fleet by registering it there.
        let same = self.servers_of(name).iter().find(|other| {
            other.owner == owner && other.server.cell == endpoint.cell && other.server.node == endpoint.node
        });
        same.map_or(Ok(()), |other| Err(RefusedBecause::AlreadyRegistered { server: other.server.id }))
    }

    /// Removes all servers that `goes` says so of, and says how many. For each name that lost some, `changed` is told the name and
    /// whether it is gone, and gives the version.
    pub(crate) fn remove(
        &mut self,
        mut goes: impl FnMut(&Registration) -> bool,
        mut changed: impl FnMut(Name, bool) -> Version,
    ) -> u32 {
        let Self { names, servers, .. } = self;
        let mut lost = 0;
        servers.retain(|registration| {
            if !goes(registration) {
                return true;
            }
            lost += 1;
            let record = names.binary_search_by(|record| record.name.cmp(&registration.name));
            if let Some(record) = record.ok().and_then(|record| names.get_mut(record)) {
                record.touched = true;
            }
            false
        });
        if lost > 0 {
            names.retain_mut(|record| {
                if !core::mem::take(&mut record.touched) {
                    return true;
                }
                let gone = range(servers, &record.name).is_empty();
                record.version = changed(record.name, gone);
                !gone
            });
        }
        lost
    }

    /// The record of `name`, if it has servers.
    pub(crate) fn record(&self, name: &Name) -> Option<&Record> {
        self.place(name).ok().and_then(|record| self.names.get(record))
    }

    /// The servers of `name`, none if there is no such name.
    pub(crate) fn servers_of(&self, name: &Name) -> &[Registration] {
        self.servers.get(range(&self.servers, name)).unwrap_or(&[])
    }

    /// As [`Registry::servers_of`].
    pub(crate) fn servers_of_mut(&mut self, name: &Name) -> &mut [Registration] {
        let range = range(&self.servers, name);
        self.servers.get_mut(range).unwrap_or(&mut [])
    }

    /// The server `server` of `name`, if `cell` may speak for it.
    pub(crate) fn of(&mut self, cell: Cell, name: &Name, server: ServerId) -> Result<&mut Server, RefusedBecause> {
        let servers = self.servers_of_mut(name);
        if servers.is_empty() {
            return Err(RefusedBecause::Unknown);
        }
        let found = servers.iter_mut().find(|registration| registration.server.id == server);
        match found {
            None => Err(RefusedBecause::NoSuchServer { server }),
            Some(registration) if !registration.heeds(cell) => Err(RefusedBecause::NotYourServer),
            Some(registration) => Ok(&mut registration.server),
        }
    }

    /// How many names have servers that `owner` registered.
    pub(crate) fn count_names(&self, owner: Cell) -> usize {
        let mut previous = None;
        let mut count = 0;
        for registration in self.servers.iter().filter(|registration| registration.owner == owner) {
            // Sorted by name, so one name's are in a row.
            count += usize::from(previous != Some(registration.name));
            previous = Some(registration.name);
        }
        count
    }

    /// A number that no server has: the one after the last, unless all 2^32 have been round.
    fn fresh(&mut self) -> ServerId {
        loop {
            self.last = ServerId(self.last.0.wrapping_add(1).max(1));
            if !self.servers.iter().any(|registration| registration.server.id == self.last) {
                return self.last;
            }
        }
    }

    fn place(&self, name: &Name) -> Result<usize, usize> {
        self.names.binary_search_by(|record| record.name.cmp(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use names_contract::Node;

    const QUOTAS: Quotas = Quotas { names: 9, servers: 9, claims: 0, subscriptions: 0 };

    fn add(registry: &mut Registry<2, 4>, owner: u64, text: &str) -> Result<ServerId, RefusedBecause> {
        let endpoint = Endpoint { cell: Cell(owner), node: Node(registry.servers.len() as u32) };
        let name = Name::new(text).expect("a name");
        registry.register(Cell(owner), name, endpoint, Kind::Interchangeable, &QUOTAS, Version(1))
    }

    #[test]
    fn numbers_that_have_gone_round_pass_over_those_in_use_and_zero() {
        let mut registry = Registry::new();
        assert_eq!(add(&mut registry, 1, "a"), Ok(ServerId(1)));
        registry.last = ServerId(u32::MAX);
        assert_eq!(add(&mut registry, 1, "a"), Ok(ServerId(2)));
        registry.last = ServerId(u32::MAX - 1);
        assert_eq!(add(&mut registry, 1, "a"), Ok(ServerId(u32::MAX)));
        let numbers = registry.servers_of(&Name::new("a").expect("a name")).iter().map(|other| other.server.id.0);
        assert!(numbers.eq([1, 2, u32::MAX]));
    }

    #[test]
    fn a_refusal_for_want_of_room_changes_nothing() {
        let mut registry = Registry::new();
        add(&mut registry, 1, "a").expect("there is room");
        add(&mut registry, 1, "b").expect("there is room");
        let refused = RefusedBecause::Full { of: Quantity::Names, capacity: 2 };
        assert_eq!(add(&mut registry, 2, "c"), Err(refused));
        assert_eq!((registry.names.len(), registry.servers.len()), (2, 2));
        add(&mut registry, 2, "b").expect("a name that is there needs no room");
        add(&mut registry, 2, "b").expect("there is room");
        let refused = RefusedBecause::Full { of: Quantity::Servers, capacity: 4 };
        assert_eq!(add(&mut registry, 3, "b"), Err(refused));
    }

    #[test]
    fn a_name_goes_with_its_last_server_and_each_name_is_told_once() {
        let mut registry = Registry::new();
        for (owner, name) in [(1, "a"), (1, "a"), (1, "b"), (2, "b")] {
            add(&mut registry, owner, name).expect("there is room");
        }
        let mut told = std::vec::Vec::new();
        let lost = registry.remove(
            |registration| registration.owner == Cell(1),
            |name, gone| {
                told.push((std::string::ToString::to_string(&name), gone));
                Version(9)
            },
        );
        assert_eq!(lost, 3);
        assert_eq!(told, [("a".into(), true), ("b".into(), false)]);
        assert_eq!(registry.names.iter().map(|record| record.version).collect::<std::vec::Vec<_>>(), [Version(9)]);
    }
}
