//! The directory: what clients and servers can ask of it.

use names_contract::{
    Cell, Endpoint, Interest, Kind, Name, Node, Notice, Query, RefusedBecause, Resolved, ServerId, SubscriptionId,
    Version,
};

use crate::choice::choose;
use crate::claims::Claims;
use crate::quotas::Quotas;
use crate::registry::Registry;
use crate::sorted::{from, within};
use crate::subscriptions::Subscriptions;

/// The directory, with room for `NAMES` names, `SERVERS` servers of all names together, `CLAIMS` claimed namespaces and
/// `SUBSCRIPTIONS` subscriptions. It can stand in a `static`. A refused request changes nothing.
pub struct Directory<const NAMES: usize, const SERVERS: usize, const CLAIMS: usize, const SUBSCRIPTIONS: usize> {
    pub(crate) registry: Registry<NAMES, SERVERS>,
    pub(crate) claims: Claims<CLAIMS>,
    pub(crate) subscriptions: Subscriptions<SUBSCRIPTIONS>,
    pub(crate) quotas: Quotas,
    distance: fn(Node, Node) -> u32,
    /// The tick of the last change.
    pub(crate) now: Version,
    /// Lookups so far.
    turn: u64,
}

/// A server was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its number.
    pub server: ServerId,
    /// The name's version from now on.
    pub version: Version,
}

/// What a cell that died has lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Servers that it had registered or that served in it.
    pub servers: u32,
    /// Namespaces that it had claimed.
    pub claims: u32,
    /// Subscriptions that it had.
    pub subscriptions: u32,
}

/// A name that has servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name.
    pub name: Name,
    /// What its servers are to each other.
    pub kind: Kind,
    /// How many they are; at least one.
    pub servers: u32,
    /// When it changed last.
    pub version: Version,
}

impl<const NAMES: usize, const SERVERS: usize, const CLAIMS: usize, const SUBSCRIPTIONS: usize>
    Directory<NAMES, SERVERS, CLAIMS, SUBSCRIPTIONS>
{
    /// An empty directory. `distance(asker, server)` is smaller for nearer places; it should be quick, as a lookup asks it for
    /// every server of the name.
    pub const fn new(quotas: Quotas, distance: fn(Node, Node) -> u32) -> Self {
        Self {
            registry: Registry::new(),
            claims: Claims::new(),
            subscriptions: Subscriptions::new(),
            quotas,
            distance,
            now: Version(0),
            turn: 0,
        }
    }

    /// The quotas that divide the directory equally among `clients` cells. As long as there are no more of them, none is ever
    /// refused with [`RefusedBecause::Full`]. With more clients than room some of the quotas are zero.
    pub const fn shares(clients: u32) -> Quotas {
        const fn share(capacity: usize, clients: u32) -> u32 {
            let share = capacity / if clients == 0 { 1 } else { clients as usize };
            if share > u32::MAX as usize { u32::MAX } else { share as u32 }
        }
        Quotas {
            names: share(NAMES, clients),
            servers: share(SERVERS, clients),
            claims: share(CLAIMS, clients),
            subscriptions: share(SUBSCRIPTIONS, clients),
        }
    }

    /// Makes `endpoint` a server of `name`, with load 0. It belongs to `owner`, whose cell may be another one.
    ///
    /// # Errors
    ///
    /// [`NotYours`](RefusedBecause::NotYours) within another's claim, [`Taken`](RefusedBecause::Taken),
    /// [`OtherKind`](RefusedBecause::OtherKind), [`AlreadyRegistered`](RefusedBecause::AlreadyRegistered),
    /// [`Quota`](RefusedBecause::Quota) or [`Full`](RefusedBecause::Full), of servers or names.
    pub fn register(
        &mut self,
        owner: Cell,
        name: Name,
        endpoint: Endpoint,
        kind: Kind,
    ) -> Result<Registered, RefusedBecause> {
        self.claims.permit(owner, &name)?;
        let version = Version(self.now.0 + 1);
        let server = self.registry.register(owner, name, endpoint, kind, &self.quotas, version)?;
        self.now = version;
        self.subscriptions.publish(name, version, false);
        Ok(Registered { server, version })
    }

    /// Claims `namespace`: from now on only `owner` registers and claims this name and those beneath.
    ///
    /// # Errors
    ///
    /// [`AlreadyYours`](RefusedBecause::AlreadyYours), [`AlreadyClaimed`](RefusedBecause::AlreadyClaimed),
    /// [`NotYours`](RefusedBecause::NotYours) if another has claimed above it,
    /// [`ClaimedBeneath`](RefusedBecause::ClaimedBeneath), [`NamesBeneath`](RefusedBecause::NamesBeneath),
    /// [`Quota`](RefusedBecause::Quota) or [`Full`](RefusedBecause::Full).
    pub fn claim(&mut self, owner: Cell, namespace: Name) -> Result<(), RefusedBecause> {
        self.claims.may_claim(owner, &namespace)?;
        let mut servers = within(&self.registry.servers, &namespace);
        if let Some(other) = servers.find(|registration| registration.owner != owner) {
            return Err(RefusedBecause::NamesBeneath { name: other.name });
        }
        self.claims.claim(owner, namespace, self.quotas.claims)
    }

    /// Gives the claim of `namespace` up. The names beneath stay, and so do claims further down.
    ///
    /// # Errors
    ///
    /// [`Unknown`](RefusedBecause::Unknown), [`NotYours`](RefusedBecause::NotYours).
    pub fn release(&mut self, owner: Cell, namespace: Name) -> Result<(), RefusedBecause> {
        self.claims.release(owner, &namespace)
    }

    /// Removes all servers of `name` that `owner` has registered, and tells the name's version from now on.
    ///
    /// # Errors
    ///
    /// [`Unknown`](RefusedBecause::Unknown), [`NotYourServer`](RefusedBecause::NotYourServer) if all are others'.
    pub fn delete(&mut self, owner: Cell, name: Name) -> Result<Version, RefusedBecause> {
        let servers = self.registry.servers_of(&name);
        if servers.is_empty() {
            return Err(RefusedBecause::Unknown);
        }
        if !servers.iter().any(|registration| registration.owner == owner) {
            return Err(RefusedBecause::NotYourServer);
        }
        self.remove(|registered_by, called, _, _| registered_by == owner && called == name);
        Ok(self.now)
    }

    /// Removes one server of `name`, and tells the name's version from now on. `cell` is the one that registered it or the one
    /// that serves.
    ///
    /// # Errors
    ///
    /// [`Unknown`](RefusedBecause::Unknown), [`NoSuchServer`](RefusedBecause::NoSuchServer),
    /// [`NotYourServer`](RefusedBecause::NotYourServer).
    pub fn delete_specific(&mut self, cell: Cell, name: Name, server: ServerId) -> Result<Version, RefusedBecause> {
        self.registry.of(cell, &name, server)?;
        // The number says it all: no two servers have the same.
        self.remove(|_, _, _, id| id == server);
        Ok(self.now)
    }

    /// Notes the load of a server. `cell` is the one that registered it or the one that serves. Not a change: the version stays.
    ///
    /// # Errors
    ///
    /// As [`Directory::delete_specific`].
    pub fn report_load(&mut self, cell: Cell, name: Name, server: ServerId, load: u32) -> Result<(), RefusedBecause> {
        self.registry.of(cell, &name, server)?.load = load;
        Ok(())
    }

    /// Answers a query of a client at `asker`.
    ///
    /// # Errors
    ///
    /// [`Unknown`](RefusedBecause::Unknown), [`NoOther`](RefusedBecause::NoOther) if all are to be avoided.
    pub fn lookup(&mut self, asker: Node, query: &Query) -> Result<Resolved, RefusedBecause> {
        let Some(record) = self.registry.record(&query.name) else { return Err(RefusedBecause::Unknown) };
        let (kind, version, distance) = (record.kind, record.version, self.distance);
        self.turn += 1;
        let servers = self.registry.servers_of_mut(&query.name);
        let chosen = choose(servers, query, self.turn, |node| distance(asker, node)).ok_or(RefusedBecause::NoOther)?;
        Ok(Resolved { server: chosen.server, kind, version, as_of: self.now })
    }

    /// The first name of `interest` after `after`, or the first of all: to go through the names, in order, message by message.
    pub fn next_name(&self, interest: &Interest, after: Option<Name>) -> Option<Listed> {
        let names = &self.registry.names;
        let names = after.map_or(names.as_slice(), |after| {
            let rest = from(names, &after);
            match rest.split_first() {
                Some((first, behind)) if first.name == after => behind,
                _ => rest,
            }
        });
        let (Interest::Exactly(root) | Interest::Within(root)) = interest;
        let record = within(names, root).find(|record| interest.covers(&record.name))?;
        let servers = u32::try_from(self.registry.servers_of(&record.name).len()).unwrap_or(u32::MAX);
        Some(Listed { name: record.name, kind: record.kind, servers, version: record.version })
    }

    /// Subscribes `client` to changes. The first notice is [`LookAgain`](names_contract::News::LookAgain).
    ///
    /// # Errors
    ///
    /// [`AlreadySubscribed`](RefusedBecause::AlreadySubscribed), [`Quota`](RefusedBecause::Quota) or
    /// [`Full`](RefusedBecause::Full).
    pub fn subscribe(&mut self, client: Cell, interest: Interest) -> Result<SubscriptionId, RefusedBecause> {
        self.subscriptions.subscribe(client, interest, self.quotas.subscriptions, self.now)
    }

    /// Ends a subscription; what it has not told yet is forgotten.
    ///
    /// # Errors
    ///
    /// [`NoSuchSubscription`](RefusedBecause::NoSuchSubscription).
    pub fn unsubscribe(&mut self, client: Cell, subscription: SubscriptionId) -> Result<(), RefusedBecause> {
        self.subscriptions.unsubscribe(client, subscription)
    }

    /// The piece of news that `client` has waited for longest, which is thereby told. At most [`PENDING`](crate::PENDING) for
    /// each of its subscriptions follow one another without a change in between.
    #[must_use = "what is not sent on is lost"]
    pub fn next_notice(&mut self, client: Cell) -> Option<Notice> {
        self.subscriptions.next_notice(client, self.now)
    }

    /// The cells for which [`Directory::next_notice`] has something, each once.
    pub fn clients_with_news(&self) -> impl Iterator<Item = Cell> + '_ {
        self.subscriptions.clients_with_news()
    }

    /// A cell has died: its servers, those that it had registered, its claims and its subscriptions are gone when this returns.
    /// Linear in the directory. The directory knows no list of living cells: after this, the caller lets no request of the
    /// dead cell through that was still on its way, and nobody registers a server in it.
    pub fn died(&mut self, cell: Cell) -> Lost {
        let subscriptions = self.subscriptions.died(cell);
        let claims = self.claims.died(cell);
        let servers = self.remove(|owner, _, serves, _| owner == cell || serves == cell);
        Lost { servers, claims, subscriptions }
    }

    /// The tick of the last change.
    pub const fn now(&self) -> Version {
        self.now
    }

    /// Removes the servers that `goes` says so of, by owner, name, serving cell and number, and publishes what has changed.
    fn remove(&mut self, goes: impl Fn(Cell, Name, Cell, ServerId) -> bool) -> u32 {
        let Self { registry, subscriptions, now, .. } = self;
        registry.remove(
            |registration| {
                goes(registration.owner, registration.name, registration.server.cell, registration.server.id)
            },
            |name, gone| {
                now.0 += 1;
                subscriptions.publish(name, *now, gone);
                *now
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use names_contract::{News, Policy};

    const MANAGER: Cell = Cell(1);
    const WORKER: Cell = Cell(2);
    const STRANGER: Cell = Cell(3);

    type Small = Directory<4, 8, 4, 4>;

    fn name(text: &str) -> Name {
        Name::new(text).expect("a name")
    }

    fn directory() -> Small {
        Small::new(Small::shares(2), |from, to| from.0.abs_diff(to.0))
    }

    fn at(cell: Cell) -> Endpoint {
        Endpoint { cell, node: Node(0) }
    }

    #[test]
    fn a_manager_registers_its_fleet_beneath_its_claim_and_a_worker_speaks_for_itself_alone() {
        let mut directory = directory();
        directory.claim(MANAGER, name("web")).expect("it is free");
        let own = directory.register(MANAGER, name("web/a"), at(MANAGER), Kind::Interchangeable).expect("its own");
        let works = directory.register(MANAGER, name("web/a"), at(WORKER), Kind::Interchangeable).expect("its own");
        assert_eq!(directory.report_load(WORKER, name("web/a"), works.server, 3), Ok(()));
        let refused = Err(RefusedBecause::NotYourServer);
        assert_eq!(directory.report_load(WORKER, name("web/a"), own.server, 3), refused);
        assert_eq!(directory.delete(WORKER, name("web/a")), Err(RefusedBecause::NotYourServer));
        assert_eq!(directory.delete_specific(WORKER, name("web/a"), works.server), Ok(Version(3)));
        assert_eq!(directory.delete(MANAGER, name("web/a")), Ok(Version(4)));
    }

    #[test]
    fn a_claim_takes_nothing_away_from_anyone() {
        let mut directory = directory();
        directory.register(WORKER, name("web/a"), at(WORKER), Kind::Sole).expect("it is free");
        let refused = RefusedBecause::NamesBeneath { name: name("web/a") };
        assert_eq!(directory.claim(STRANGER, name("web")), Err(refused));
        assert_eq!(directory.claim(WORKER, name("web")), Ok(()));
    }

    #[test]
    fn a_name_that_comes_back_has_a_later_version() {
        let mut directory = directory();
        let first = directory.register(WORKER, name("a"), at(WORKER), Kind::Sole).expect("it is free");
        let gone = directory.delete(WORKER, name("a")).expect("it is there");
        let second = directory.register(STRANGER, name("a"), at(STRANGER), Kind::Stateful).expect("it is free");
        assert!(first.version < gone && gone < second.version, "{first:?} {gone:?} {second:?}");
        assert_ne!(first.server, second.server);
    }

    #[test]
    fn the_dead_are_steered_away_from_whether_they_registered_or_serve() {
        let mut directory = directory();
        for (owner, serves) in [(MANAGER, WORKER), (WORKER, MANAGER), (STRANGER, STRANGER)] {
            directory.register(owner, name("a"), at(serves), Kind::Interchangeable).expect("there is room");
        }
        directory.claim(WORKER, name("b")).expect("it is free");
        directory.subscribe(WORKER, Interest::Exactly(name("a"))).expect("there is room");
        directory.subscribe(STRANGER, Interest::Exactly(name("a"))).expect("there is room");
        let _begun = directory.next_notice(STRANGER);
        assert_eq!(directory.died(WORKER), Lost { servers: 2, claims: 1, subscriptions: 1 });
        for _ in 0..3 {
            let resolved = directory.lookup(Node(0), &Query::new(name("a"), Policy::Any)).expect("one is left");
            assert_eq!(resolved.server.cell, STRANGER);
        }
        let news = directory.next_notice(STRANGER).map(|notice| notice.news);
        assert_eq!(news, Some(News::Changed { name: name("a"), version: Version(4) }));
        assert_eq!(directory.died(STRANGER), Lost { servers: 1, claims: 0, subscriptions: 1 });
        assert_eq!(directory.lookup(Node(0), &Query::new(name("a"), Policy::Any)), Err(RefusedBecause::Unknown));
    }

    #[test]
    fn a_load_is_not_a_change() {
        let mut directory = directory();
        let it = directory.register(WORKER, name("a"), at(WORKER), Kind::Sole).expect("it is free");
        assert_eq!(directory.report_load(WORKER, name("a"), it.server, 7), Ok(()));
        let resolved = directory.lookup(Node(0), &Query::new(name("a"), Policy::Any)).expect("it is there");
        assert_eq!((resolved.server.load, resolved.version), (7, it.version));
    }

    #[test]
    fn going_through_the_names_misses_none_when_the_last_one_seen_goes() {
        let mut directory = directory();
        for (owner, text) in [(MANAGER, "a"), (MANAGER, "a-b"), (WORKER, "a/b"), (WORKER, "a/c")] {
            directory.register(owner, name(text), at(owner), Kind::Sole).expect("there is room");
        }
        let next = |directory: &Small, after| {
            directory.next_name(&Interest::Within(name("a")), after).map(|listed| listed.name)
        };
        assert_eq!(next(&directory, None), Some(name("a")));
        assert_eq!(next(&directory, Some(name("a"))), Some(name("a/b")));
        directory.delete(WORKER, name("a/b")).expect("it is there");
        assert_eq!(next(&directory, Some(name("a/b"))), Some(name("a/c")));
        assert_eq!(next(&directory, Some(name("a/c"))), None);
        assert_eq!(directory.next_name(&Interest::Exactly(name("a")), Some(name("a"))), None);
    }

    #[test]
    fn a_directory_can_stand_in_a_static() {
        static EMPTY: Directory<1, 1, 1, 1> = Directory::new(Directory::<1, 1, 1, 1>::shares(1), |_, _| 0);
        assert_eq!(EMPTY.now(), Version(0));
    }
}
