//! The directory as one would write it without a thought for cost: lists and maps of text, gone through from end to end.

use std::collections::BTreeMap;

use names_contract::{
    Cell, Endpoint, Interest, Kind, Name, Node, Policy, Quantity, Query, RefusedBecause, Resolved, Server, ServerId,
    Version,
};
use names_core::{Listed, Lost, Quotas, Registered};

/// How many of each the directory under test has room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacities {
    pub(crate) names: usize,
    pub(crate) servers: usize,
    pub(crate) claims: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) owner: Cell,
    pub(crate) kind: Kind,
    pub(crate) server: Server,
}

pub(crate) struct Model {
    pub(crate) entries: Vec<Entry>,
    pub(crate) claims: BTreeMap<String, Cell>,
    pub(crate) versions: BTreeMap<String, Version>,
    pub(crate) now: u64,
    last: u32,
    quotas: Quotas,
    capacities: Capacities,
}

pub(crate) fn distance(from: Node, to: Node) -> u32 {
    from.0.abs_diff(to.0)
}

/// By segments, not by bytes.
pub(crate) fn within(name: &str, namespace: &str) -> bool {
    let (name, namespace): (Vec<&str>, Vec<&str>) = (name.split('/').collect(), namespace.split('/').collect());
    name.starts_with(&namespace)
}

pub(crate) fn covers(interest: &Interest, name: &str) -> bool {
    match interest {
        Interest::Exactly(wanted) => wanted.as_str() == name,
        Interest::Within(namespace) => within(name, namespace.as_str()),
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("the model's names are names")
}

fn limit(of: Quantity, had: usize, limit: u32, used: usize, capacity: usize) -> Result<(), RefusedBecause> {
    if had >= limit as usize {
        Err(RefusedBecause::Quota { of, limit })
    } else if used >= capacity {
        Err(RefusedBecause::Full { of, capacity: capacity as u32 })
    } else {
        Ok(())
    }
}

impl Model {
    pub(crate) fn new(quotas: Quotas, capacities: Capacities) -> Self {
        Self {
            entries: Vec::new(),
            claims: BTreeMap::new(),
            versions: BTreeMap::new(),
            now: 0,
            last: 0,
            quotas,
            capacities,
        }
    }

    pub(crate) fn servers_of(&self, of: &str) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| entry.name == of).collect()
    }

    /// The names that have servers, and their versions.
    pub(crate) fn names(&self) -> BTreeMap<String, Version> {
        self.entries.iter().map(|entry| (entry.name.clone(), self.versions[&entry.name])).collect()
    }

    fn permit(&self, cell: Cell, wanted: &str) -> Result<(), RefusedBecause> {
        let above = self.claims.iter().filter(|(namespace, _)| within(wanted, namespace));
        match above.max_by_key(|(namespace, _)| namespace.len()) {
            Some((namespace, owner)) if *owner != cell => Err(RefusedBecause::NotYours { namespace: name(namespace) }),
            _ => Ok(()),
        }
    }

    pub(crate) fn register(
        &mut self,
        owner: Cell,
        wanted: &str,
        endpoint: Endpoint,
        kind: Kind,
    ) -> Result<Registered, RefusedBecause> {
        self.permit(owner, wanted)?;
        let there = self.servers_of(wanted);
        if let Some(first) = there.first() {
            if first.kind == Kind::Sole || kind == Kind::Sole {
                return Err(RefusedBecause::Taken);
            }
            if first.kind != kind {
                return Err(RefusedBecause::OtherKind { kind: first.kind });
            }
        }
        let same = there
            .iter()
            .find(|entry| (entry.owner, entry.server.cell, entry.server.node) == (owner, endpoint.cell, endpoint.node));
        if let Some(same) = same {
            return Err(RefusedBecause::AlreadyRegistered { server: same.server.id });
        }
        let own: Vec<&Entry> = self.entries.iter().filter(|entry| entry.owner == owner).collect();
        limit(Quantity::Servers, own.len(), self.quotas.servers, self.entries.len(), self.capacities.servers)?;
        if !own.iter().any(|entry| entry.name == wanted) {
            let own_names: std::collections::BTreeSet<&String> = own.iter().map(|entry| &entry.name).collect();
            let used = if there.is_empty() { self.names().len() } else { 0 };
            limit(Quantity::Names, own_names.len(), self.quotas.names, used, self.capacities.names)?;
        }
        self.now += 1;
        self.last += 1;
        self.versions.insert(wanted.into(), Version(self.now));
        let server = Server { id: ServerId(self.last), cell: endpoint.cell, node: endpoint.node, load: 0 };
        self.entries.push(Entry { name: wanted.into(), owner, kind, server });
        Ok(Registered { server: server.id, version: Version(self.now) })
    }

    pub(crate) fn claim(&mut self, owner: Cell, wanted: &str) -> Result<(), RefusedBecause> {
        match self.claims.get(wanted) {
            Some(claimant) if *claimant == owner => return Err(RefusedBecause::AlreadyYours),
            Some(_) => return Err(RefusedBecause::AlreadyClaimed),
            None => {}
        }
        self.permit(owner, wanted)?;
        if let Some((beneath, _)) = self.claims.iter().find(|(other, by)| within(other, wanted) && **by != owner) {
            return Err(RefusedBecause::ClaimedBeneath { namespace: name(beneath) });
        }
        let beneath = self.entries.iter().filter(|entry| within(&entry.name, wanted) && entry.owner != owner);
        if let Some(beneath) = beneath.map(|entry| entry.name.clone()).min() {
            return Err(RefusedBecause::NamesBeneath { name: name(&beneath) });
        }
        let had = self.claims.values().filter(|claimant| **claimant == owner).count();
        limit(Quantity::Claims, had, self.quotas.claims, self.claims.len(), self.capacities.claims)?;
        self.claims.insert(wanted.into(), owner);
        Ok(())
    }

    pub(crate) fn release(&mut self, owner: Cell, wanted: &str) -> Result<(), RefusedBecause> {
        match self.claims.get(wanted) {
            None => Err(RefusedBecause::Unknown),
            Some(claimant) if *claimant != owner => Err(RefusedBecause::NotYours { namespace: name(wanted) }),
            Some(_) => {
                self.claims.remove(wanted);
                Ok(())
            }
        }
    }

    fn remove(&mut self, goes: impl Fn(&Entry) -> bool) -> u32 {
        let before = self.entries.len();
        let touched: std::collections::BTreeSet<String> =
            self.entries.iter().filter(|entry| goes(entry)).map(|entry| entry.name.clone()).collect();
        self.entries.retain(|entry| !goes(entry));
        for name in touched {
            self.now += 1;
            self.versions.insert(name, Version(self.now));
        }
        (before - self.entries.len()) as u32
    }

    pub(crate) fn delete(&mut self, owner: Cell, wanted: &str) -> Result<Version, RefusedBecause> {
        let there = self.servers_of(wanted);
        if there.is_empty() {
            return Err(RefusedBecause::Unknown);
        }
        if there.iter().all(|entry| entry.owner != owner) {
            return Err(RefusedBecause::NotYourServer);
        }
        self.remove(|entry| entry.name == wanted && entry.owner == owner);
        Ok(Version(self.now))
    }

    fn speaks(&self, cell: Cell, wanted: &str, server: ServerId) -> Result<(), RefusedBecause> {
        let there = self.servers_of(wanted);
        if there.is_empty() {
            return Err(RefusedBecause::Unknown);
        }
        match there.iter().find(|entry| entry.server.id == server) {
            None => Err(RefusedBecause::NoSuchServer { server }),
            Some(entry) if entry.owner == cell || entry.server.cell == cell => Ok(()),
            Some(_) => Err(RefusedBecause::NotYourServer),
        }
    }

    pub(crate) fn delete_specific(
        &mut self,
        cell: Cell,
        wanted: &str,
        server: ServerId,
    ) -> Result<Version, RefusedBecause> {
        self.speaks(cell, wanted, server)?;
        self.remove(|entry| entry.server.id == server);
        Ok(Version(self.now))
    }

    pub(crate) fn report_load(
        &mut self,
        cell: Cell,
        wanted: &str,
        server: ServerId,
        load: u32,
    ) -> Result<(), RefusedBecause> {
        self.speaks(cell, wanted, server)?;
        for entry in self.entries.iter_mut().filter(|entry| entry.server.id == server) {
            entry.server.load = load;
        }
        Ok(())
    }

    /// What is wrong with an answer, if anything is.
    pub(crate) fn judge(
        &self,
        asker: Node,
        query: &Query,
        seen: Result<Resolved, RefusedBecause>,
    ) -> Result<(), String> {
        let there = self.servers_of(query.name.as_str());
        let free: Vec<&&Entry> = there.iter().filter(|entry| !query.avoid.contains(entry.server.id)).collect();
        let resolved = match seen {
            Err(RefusedBecause::Unknown) if there.is_empty() => return Ok(()),
            Err(RefusedBecause::NoOther) if free.is_empty() && !there.is_empty() => return Ok(()),
            Err(refused) => return Err(format!("refused with {refused:?}, but there are {there:?}")),
            Ok(resolved) => resolved,
        };
        let Some(entry) = free.iter().find(|entry| entry.server == resolved.server) else {
            return Err(format!("got {resolved:?}, expected one of {free:?}"));
        };
        let version = self.versions[&entry.name];
        if (resolved.kind, resolved.version, resolved.as_of) != (entry.kind, version, Version(self.now)) {
            return Err(format!("got {resolved:?}, expected version {version:?} as of {}, {entry:?}", self.now));
        }
        if free.iter().any(|entry| query.keep == Some(entry.server.id)) {
            return match query.keep == Some(resolved.server.id) {
                true => Ok(()),
                false => Err(format!("got {resolved:?}, expected {:?} to be kept", query.keep)),
            };
        }
        let rank = |server: &Server| match query.policy {
            Policy::Nearest => (distance(asker, server.node), server.load),
            Policy::LeastLoaded => (server.load, distance(asker, server.node)),
            Policy::Any => (0, 0),
        };
        let best = free.iter().map(|entry| rank(&entry.server)).min();
        match best == Some(rank(&resolved.server)) {
            true => Ok(()),
            false => Err(format!("got {resolved:?}, expected one with {best:?} of {free:?}")),
        }
    }

    pub(crate) fn next_name(&self, interest: &Interest, after: Option<&str>) -> Option<Listed> {
        let names = self.names();
        let mut names =
            names.into_iter().filter(|(name, _)| covers(interest, name) && after.is_none_or(|after| &name[..] > after));
        let (text, version) = names.next()?;
        let servers = self.servers_of(&text);
        Some(Listed { name: name(&text), kind: servers[0].kind, servers: servers.len() as u32, version })
    }

    pub(crate) fn died(&mut self, cell: Cell, subscriptions: u32) -> Lost {
        let before = self.claims.len();
        self.claims.retain(|_, claimant| *claimant != cell);
        let claims = (before - self.claims.len()) as u32;
        let servers = self.remove(|entry| entry.owner == cell || entry.server.cell == cell);
        Lost { servers, claims, subscriptions }
    }
}
