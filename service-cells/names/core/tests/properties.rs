//! Random requests of a few quarrelsome clients, against a model that is too simple to be wrong.

#![forbid(unsafe_code)]

mod model;

use std::collections::BTreeMap;

use model::{Capacities, Model, covers, distance};
use names_contract::{
    Avoid, Cell, Endpoint, Interest, Kind, Name, News, Node, Policy, Quantity, Query, RefusedBecause, ServerId,
    SubscriptionId, Version,
};
use names_core::{Directory, Quotas};
use proptest::prelude::*;

/// Few and close to one another, with neighbours that are not beneath.
const NAMES: [&str; 9] = ["a", "a-b", "a/b", "a/b/c", "a/b-c", "a/bc", "ab", "d", "d/e"];
const CLIENTS: usize = 4;

/// Small enough that quotas and capacities are both met.
type Small = Directory<5, 9, 4, 6>;
const ROOM: Capacities = Capacities { names: 5, servers: 9, claims: 4 };
const SUBSCRIPTIONS: usize = 6;
const QUOTAS: Quotas = Quotas { names: 3, servers: 4, claims: 2, subscriptions: 3 };

/// Clients are indices: a client that died lives again as a new cell. Servers are the how-manieth that was registered.
#[derive(Clone, Debug)]
enum Step {
    Register { by: usize, name: usize, serves: usize, node: u32, kind: Kind },
    Claim { by: usize, name: usize },
    Release { by: usize, name: usize },
    Delete { by: usize, name: usize },
    DeleteSpecific { by: usize, name: usize, server: u32 },
    ReportLoad { by: usize, name: usize, server: u32, load: u32 },
    Lookup { asker: u32, name: usize, policy: Policy, keep: Option<u32>, avoid: Vec<u32> },
    Subscribe { by: usize, name: usize, beneath: bool },
    Unsubscribe { by: usize, which: u32 },
    Fetch { by: usize },
    Die { who: usize },
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![1 => Just(Kind::Sole), 4 => Just(Kind::Interchangeable), 2 => Just(Kind::Stateful)]
}

fn policies() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Nearest), Just(Policy::LeastLoaded), Just(Policy::Any)]
}

fn steps() -> impl Strategy<Value = Step> {
    let by = 0..CLIENTS;
    let name = 0..NAMES.len();
    let server = 1..30u32;
    prop_oneof![
        8 => (by.clone(), name.clone(), by.clone(), 0..4u32, kinds())
            .prop_map(|(by, name, serves, node, kind)| Step::Register { by, name, serves, node, kind }),
        3 => (by.clone(), name.clone()).prop_map(|(by, name)| Step::Claim { by, name }),
        1 => (by.clone(), name.clone()).prop_map(|(by, name)| Step::Release { by, name }),
        2 => (by.clone(), name.clone()).prop_map(|(by, name)| Step::Delete { by, name }),
        3 => (by.clone(), name.clone(), server.clone())
            .prop_map(|(by, name, server)| Step::DeleteSpecific { by, name, server }),
        6 => (by.clone(), name.clone(), server.clone(), 0..4u32)
            .prop_map(|(by, name, server, load)| Step::ReportLoad { by, name, server, load }),
        8 => (0..4u32, name.clone(), policies(), prop::option::of(server.clone()), prop::collection::vec(server, 0..3))
            .prop_map(|(asker, name, policy, keep, avoid)| Step::Lookup { asker, name, policy, keep, avoid }),
        3 => (by.clone(), name, any::<bool>()).prop_map(|(by, name, beneath)| Step::Subscribe { by, name, beneath }),
        1 => (by.clone(), 1..10u32).prop_map(|(by, which)| Step::Unsubscribe { by, which }),
        8 => by.clone().prop_map(|by| Step::Fetch { by }),
        1 => by.prop_map(|who| Step::Die { who }),
    ]
}

/// What a subscriber believes: it knows only what it was told.
#[derive(Debug)]
struct View {
    client: Cell,
    interest: Interest,
    names: BTreeMap<String, Version>,
    /// After which name it goes on to look again, if it is at it.
    looking: Option<Option<Name>>,
}

struct World {
    directory: Small,
    model: Model,
    views: BTreeMap<SubscriptionId, View>,
    cells: [Cell; CLIENTS],
    dead: Vec<Cell>,
}

fn named(index: usize) -> Name {
    Name::new(NAMES[index]).expect("a name")
}

impl World {
    fn new() -> Self {
        Self {
            directory: Small::new(QUOTAS, distance),
            model: Model::new(QUOTAS, ROOM),
            views: BTreeMap::new(),
            cells: core::array::from_fn(|index| Cell(index as u64)),
            dead: Vec::new(),
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let Self { directory, model, cells, .. } = self;
        match *step {
            Step::Register { by, name, serves, node, kind } => {
                let endpoint = Endpoint { cell: cells[serves], node: Node(node) };
                let seen = directory.register(cells[by], named(name), endpoint, kind);
                prop_assert_eq!(seen, model.register(cells[by], NAMES[name], endpoint, kind));
            }
            Step::Claim { by, name } => {
                prop_assert_eq!(directory.claim(cells[by], named(name)), model.claim(cells[by], NAMES[name]));
            }
            Step::Release { by, name } => {
                prop_assert_eq!(directory.release(cells[by], named(name)), model.release(cells[by], NAMES[name]));
            }
            Step::Delete { by, name } => {
                prop_assert_eq!(directory.delete(cells[by], named(name)), model.delete(cells[by], NAMES[name]));
            }
            Step::DeleteSpecific { by, name, server } => {
                let seen = directory.delete_specific(cells[by], named(name), ServerId(server));
                prop_assert_eq!(seen, model.delete_specific(cells[by], NAMES[name], ServerId(server)));
            }
            Step::ReportLoad { by, name, server, load } => {
                let seen = directory.report_load(cells[by], named(name), ServerId(server), load);
                prop_assert_eq!(seen, model.report_load(cells[by], NAMES[name], ServerId(server), load));
            }
            Step::Lookup { asker, name, policy, keep, ref avoid } => {
                let mut query = Query { keep: keep.map(ServerId), ..Query::new(named(name), policy) };
                avoid.iter().for_each(|server| query.avoid.add(ServerId(*server)));
                self.lookup(Node(asker), &query)?;
            }
            Step::Subscribe { by, name, beneath } => self.subscribe(by, name, beneath)?,
            Step::Unsubscribe { by, which } => {
                let (client, subscription) = (cells[by], SubscriptionId(which));
                let known = self.views.get(&subscription).is_some_and(|view| view.client == client);
                let expected = if known { Ok(()) } else { Err(RefusedBecause::NoSuchSubscription { subscription }) };
                prop_assert_eq!(directory.unsubscribe(client, subscription), expected);
                if known {
                    self.views.remove(&subscription);
                }
            }
            Step::Fetch { by } => {
                let client = cells[by];
                self.fetch(client)?;
            }
            Step::Die { who } => {
                let cell = cells[who];
                let subscribed = self.views.values().filter(|view| view.client == cell).count() as u32;
                prop_assert_eq!(directory.died(cell), model.died(cell, subscribed));
                self.views.retain(|_, view| view.client != cell);
                self.dead.push(cell);
                cells[who] = Cell(cell.0 + 10);
            }
        }
        prop_assert_eq!(self.directory.check(), Ok(()));
        prop_assert_eq!(self.directory.now(), Version(self.model.now));
        Ok(())
    }

    fn lookup(&mut self, asker: Node, query: &Query) -> Result<(), TestCaseError> {
        let seen = self.directory.lookup(asker, query);
        let verdict = self.model.judge(asker, query, seen);
        prop_assert!(verdict.is_ok(), "{}: {}", query.name, verdict.unwrap_err());
        if let Ok(resolved) = seen {
            prop_assert!(!self.dead.contains(&resolved.server.cell), "{:?} is dead", resolved.server);
        }
        Ok(())
    }

    fn subscribe(&mut self, by: usize, name: usize, beneath: bool) -> Result<(), TestCaseError> {
        let client = self.cells[by];
        let interest = if beneath { Interest::Within(named(name)) } else { Interest::Exactly(named(name)) };
        let own: Vec<(&SubscriptionId, &View)> = self.views.iter().filter(|(_, view)| view.client == client).collect();
        let expected = if let Some((id, _)) = own.iter().find(|(_, view)| view.interest == interest) {
            Err(RefusedBecause::AlreadySubscribed { subscription: **id })
        } else if own.len() >= QUOTAS.subscriptions as usize {
            Err(RefusedBecause::Quota { of: Quantity::Subscriptions, limit: QUOTAS.subscriptions })
        } else if self.views.len() >= SUBSCRIPTIONS {
            Err(RefusedBecause::Full { of: Quantity::Subscriptions, capacity: SUBSCRIPTIONS as u32 })
        } else {
            Ok(())
        };
        let seen = self.directory.subscribe(client, interest);
        prop_assert_eq!(seen.map(|_| ()), expected);
        if let Ok(id) = seen {
            let view = View { client, interest, names: BTreeMap::new(), looking: None };
            prop_assert!(self.views.insert(id, view).is_none(), "{:?} was given twice", id);
        }
        Ok(())
    }

    /// One message of the directory to `client`: a notice, or else a name that it looks at again. Whether there was any.
    fn fetch(&mut self, client: Cell) -> Result<bool, TestCaseError> {
        let announced = self.directory.clients_with_news().filter(|other| *other == client).count();
        let notice = self.directory.next_notice(client);
        prop_assert_eq!(announced, usize::from(notice.is_some()));
        if let Some(notice) = notice {
            let Some(view) = self.views.get_mut(&notice.subscription) else {
                return Err(TestCaseError::fail(format!("{notice:?} is of no subscription")));
            };
            prop_assert_eq!(view.client, client);
            match notice.news {
                News::Changed { name, version } => {
                    prop_assert!(covers(&view.interest, name.as_str()), "{} is not of interest", name);
                    view.names.insert(name.to_string(), version);
                }
                News::Gone { name, .. } => {
                    prop_assert!(covers(&view.interest, name.as_str()), "{} is not of interest", name);
                    view.names.remove(name.as_str());
                }
                News::LookAgain { interest, .. } => {
                    prop_assert_eq!(interest, view.interest);
                    view.names.clear();
                    view.looking = Some(None);
                }
            }
            return Ok(true);
        }
        let Some(view) = self.views.values_mut().find(|view| view.client == client && view.looking.is_some()) else {
            return Ok(false);
        };
        let after = view.looking.flatten();
        let listed = self.directory.next_name(&view.interest, after);
        prop_assert_eq!(listed, self.model.next_name(&view.interest, after.as_ref().map(Name::as_str)));
        view.looking = listed.map(|listed| Some(listed.name));
        if let Some(listed) = listed {
            view.names.insert(listed.name.to_string(), listed.version);
        }
        Ok(true)
    }

    /// All clients fetch what there is; then what they believe is so.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        for client in self.cells {
            while self.fetch(client)? {}
        }
        prop_assert_eq!(self.directory.clients_with_news().count(), 0);
        for view in self.views.values() {
            let mut expected = self.model.names();
            expected.retain(|name, _| covers(&view.interest, name));
            prop_assert_eq!(&view.names, &expected, "the view of {:?}", view);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_directory_answers_as_the_model_and_subscribers_end_with_a_correct_view(
        steps in prop::collection::vec(steps(), 0..120),
    ) {
        let mut world = World::new();
        for (number, step) in steps.iter().enumerate() {
            world.step(step)?;
            if number % 40 == 39 {
                world.settle()?;
            }
        }
        world.settle()?;
        for index in 0..NAMES.len() {
            world.lookup(Node(0), &Query::new(named(index), Policy::Nearest))?;
        }
    }

    #[test]
    fn nobody_but_the_claimant_has_a_server_or_a_claim_within_a_claim(steps in prop::collection::vec(steps(), 0..120)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step)?;
            for (namespace, claimant) in &world.model.claims {
                // The model allows it or not; what a stranger is answered is the directory's.
                let stranger = Cell(claimant.0 + 1_000);
                let endpoint = Endpoint { cell: stranger, node: Node(0) };
                for index in (0..NAMES.len()).filter(|index| model::within(NAMES[*index], namespace)) {
                    let seen = world.directory.register(stranger, named(index), endpoint, Kind::Interchangeable);
                    prop_assert!(matches!(seen, Err(RefusedBecause::NotYours { .. })), "{:?} beneath {}", seen, namespace);
                    prop_assert!(world.directory.claim(stranger, named(index)).is_err());
                }
            }
        }
    }

    #[test]
    fn with_equal_shares_nobody_is_told_that_the_directory_is_full(steps in prop::collection::vec(steps(), 0..150)) {
        type Shared = Directory<9, 13, 9, 8>;
        let quotas = Shared::shares(CLIENTS as u32);
        prop_assert_eq!(quotas, Quotas { names: 2, servers: 3, claims: 2, subscriptions: 2 });
        let mut directory = Shared::new(quotas, distance);
        for step in &steps {
            let refused = match *step {
                Step::Register { by, name, node, kind, .. } => {
                    let endpoint = Endpoint { cell: Cell(by as u64), node: Node(node) };
                    directory.register(Cell(by as u64), named(name), endpoint, kind).err()
                }
                Step::Claim { by, name } => directory.claim(Cell(by as u64), named(name)).err(),
                Step::Subscribe { by, name, .. } => {
                    directory.subscribe(Cell(by as u64), Interest::Within(named(name))).err()
                }
                _ => None,
            };
            prop_assert!(!matches!(refused, Some(RefusedBecause::Full { .. })), "{:?}: {:?}", step, refused);
            prop_assert_eq!(directory.check(), Ok(()));
        }
    }

    #[test]
    fn any_gives_each_server_of_a_fleet_equally_often_within_one(
        fleet in 1..8usize,
        lookups in prop::collection::vec((0..4u32, policies()), 0..200),
    ) {
        let mut directory = Directory::<1, 8, 0, 0>::new(Directory::<1, 8, 0, 0>::shares(1), distance);
        for index in 0..fleet {
            let endpoint = Endpoint { cell: Cell(1), node: Node(index as u32) };
            directory.register(Cell(1), named(0), endpoint, Kind::Interchangeable).expect("there is room");
        }
        let mut given: BTreeMap<ServerId, u32> = BTreeMap::new();
        for (asker, policy) in lookups {
            let resolved = directory.lookup(Node(asker), &Query::new(named(0), policy)).expect("it has servers");
            if policy == Policy::Any {
                *given.entry(resolved.server.id).or_default() += 1;
            }
        }
        let most = given.values().max().copied().unwrap_or(0);
        let least = if given.len() < fleet { 0 } else { given.values().min().copied().unwrap_or(0) };
        prop_assert!(most - least <= 1, "{:?} of a fleet of {}", given, fleet);
    }

    #[test]
    fn equally_loaded_and_equally_near_servers_are_taken_in_turn(
        fleet in 1..8usize,
        lookups in prop::collection::vec(any::<bool>(), 0..200),
        policy in prop_oneof![Just(Policy::Nearest), Just(Policy::LeastLoaded)],
    ) {
        let mut directory = Directory::<1, 9, 0, 0>::new(Directory::<1, 9, 0, 0>::shares(1), distance);
        for index in 0..=fleet {
            // The last one is further away than all others.
            let place = if index == fleet { 9 } else { 3 };
            let endpoint = Endpoint { cell: Cell(index as u64), node: Node(place) };
            directory.register(Cell(1), named(0), endpoint, Kind::Interchangeable).expect("there is room");
        }
        let mut given = vec![0usize; fleet + 1];
        for preferred in &lookups {
            // The turns of others in between are no concern of these.
            let policy = if *preferred { policy } else { Policy::Any };
            let resolved = directory.lookup(Node(0), &Query::new(named(0), policy)).expect("it has servers");
            given[resolved.server.cell.0 as usize] += usize::from(*preferred);
        }
        prop_assert_eq!(given[fleet], 0);
        let (most, least) = (given[..fleet].iter().max(), given[..fleet].iter().min());
        prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{:?}", given);
    }
}

#[test]
fn a_client_can_avoid_as_many_servers_as_it_can_say() {
    let mut directory = Directory::<1, 4, 0, 0>::new(Directory::<1, 4, 0, 0>::shares(1), distance);
    let mut query = Query::new(named(0), Policy::Any);
    for index in 0..=Avoid::CAPACITY as u32 {
        let endpoint = Endpoint { cell: Cell(1), node: Node(index) };
        directory.register(Cell(1), named(0), endpoint, Kind::Interchangeable).expect("there is room");
    }
    for _ in 0..Avoid::CAPACITY {
        let resolved = directory.lookup(Node(0), &query).expect("one is left");
        assert!(!query.avoid.contains(resolved.server.id), "{resolved:?} was to be avoided");
        query.avoid.add(resolved.server.id);
    }
    let last = directory.lookup(Node(0), &query).expect("one is left");
    directory.delete_specific(Cell(1), named(0), last.server.id).expect("it is there");
    assert_eq!(directory.lookup(Node(0), &query), Err(RefusedBecause::NoOther));
}
