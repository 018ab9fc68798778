//! A cache and a real directory with messages on their way between them, which overtake each other: answers and notices
//! travel on channels of their own.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, VecDeque};

use names_client::{Answered, Cache, Found};
use names_contract::{
    Cell, Endpoint, Interest, Kind, Name, News, Node, Policy, Query, RefusedBecause, Resolved, Server, ServerId,
    Version,
};
use names_core::Directory;
use proptest::prelude::*;

const NAMES: [&str; 4] = ["s/a", "s/a/b", "s/a-b", "s/c"];
const POLICIES: [Policy; 3] = [Policy::Nearest, Policy::LeastLoaded, Policy::Any];
const CLIENT: Cell = Cell(1_000);
const HERE: Node = Node(3);
const REUSE: u32 = 3;

/// Room for every question, and room for few of them.
const AMPLE: usize = NAMES.len() * POLICIES.len();
const SCARCE: usize = 2;

type Room = Directory<4, 16, 0, 1>;

#[derive(Clone, Copy, Debug)]
enum Step {
    Register {
        cell: u64,
        name: usize,
        node: u32,
    },
    Delete {
        name: usize,
        which: usize,
    },
    Die {
        cell: u64,
    },
    Find {
        name: usize,
        policy: usize,
    },
    Fail {
        name: usize,
        policy: usize,
    },
    /// The directory takes the next query.
    Serve,
    /// The directory sends the next notice.
    Notify,
    /// The client takes the next answer.
    Hear,
    /// The client takes the next notice.
    Learn,
}

fn steps() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    let policy = 0..POLICIES.len();
    prop_oneof![
        4 => (0..4u64, name.clone(), 0..6u32).prop_map(|(cell, name, node)| Step::Register { cell, name, node }),
        2 => (name.clone(), 0..4usize).prop_map(|(name, which)| Step::Delete { name, which }),
        1 => (0..4u64).prop_map(|cell| Step::Die { cell }),
        8 => (name.clone(), policy.clone()).prop_map(|(name, policy)| Step::Find { name, policy }),
        2 => (name, policy).prop_map(|(name, policy)| Step::Fail { name, policy }),
        6 => Just(Step::Serve),
        5 => Just(Step::Notify),
        6 => Just(Step::Hear),
        5 => Just(Step::Learn),
    ]
}

struct World<const N: usize> {
    directory: Room,
    cache: Cache<N>,
    queries: VecDeque<Query>,
    answers: VecDeque<(Query, Result<Resolved, RefusedBecause>)>,
    notices: VecDeque<News>,
    /// Every server that there ever was: its name, and when it went.
    servers: BTreeMap<ServerId, (Name, Option<Version>)>,
    /// Up to when the client has heard all of a name.
    told: BTreeMap<Name, Version>,
    /// What the client could not reach, since the name changed to its knowledge.
    failed: BTreeMap<Name, Vec<ServerId>>,
    kind: Kind,
}

fn named(index: usize) -> Name {
    Name::new(NAMES[index]).expect("a name")
}

impl<const N: usize> World<N> {
    fn new(kind: Kind) -> Self {
        let mut directory = Room::new(Room::shares(1), |from, to| from.0.abs_diff(to.0));
        directory.subscribe(CLIENT, Interest::Within(Name::new("s").expect("a name"))).expect("there is room");
        Self {
            directory,
            cache: Cache::new(REUSE),
            queries: VecDeque::new(),
            answers: VecDeque::new(),
            notices: VecDeque::new(),
            servers: BTreeMap::new(),
            told: BTreeMap::new(),
            failed: BTreeMap::new(),
            kind,
        }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Register { cell, name, node } => {
                let endpoint = Endpoint { cell: Cell(cell), node: Node(node) };
                if let Ok(registered) = self.directory.register(Cell(cell), named(name), endpoint, self.kind) {
                    self.servers.insert(registered.server, (named(name), None));
                }
            }
            Step::Delete { name, which } => {
                let of_name = self.servers.iter().filter(|(_, (of, gone))| *of == named(name) && gone.is_none());
                if let Some(id) = of_name.map(|(id, _)| *id).nth(which) {
                    for cell in 0..4 {
                        if let Ok(version) = self.directory.delete_specific(Cell(cell), named(name), id) {
                            self.servers.insert(id, (named(name), Some(version)));
                        }
                    }
                }
            }
            Step::Die { cell } => {
                let before = self.directory.now();
                self.directory.died(Cell(cell));
                self.bury(before)?;
            }
            Step::Find { name, policy } => {
                self.find(named(name), POLICIES[policy])?;
            }
            Step::Fail { name, policy } => {
                if let Some(server) = self.find(named(name), POLICIES[policy])? {
                    self.cache.stale(&named(name), server.id);
                    let failed = self.failed.entry(named(name)).or_default();
                    failed.retain(|other| *other != server.id);
                    failed.push(server.id);
                    // No more are avoided than a query can say.
                    if failed.len() > names_contract::Avoid::CAPACITY {
                        failed.remove(0);
                    }
                }
            }
            Step::Serve => {
                if let Some(query) = self.queries.pop_front() {
                    self.answers.push_back((query, self.directory.lookup(HERE, &query)));
                }
            }
            Step::Notify => self.notices.extend(self.directory.next_notice(CLIENT).map(|notice| notice.news)),
            Step::Hear => self.hear()?,
            Step::Learn => {
                if let Some(news) = self.notices.pop_front() {
                    self.cache.told(&news);
                    for index in (0..NAMES.len()).filter(|index| news.is_about(&named(*index))) {
                        let told = self.told.entry(named(index)).or_default();
                        *told = news.version().max(*told);
                        self.failed.remove(&named(index));
                    }
                }
            }
        }
        prop_assert!(self.cache.len() <= N, "{} questions, room for {}", self.cache.len(), N);
        Ok(())
    }

    /// Notes which servers went after `before`: the directory does not say, so it is asked for each.
    fn bury(&mut self, before: Version) -> Result<(), TestCaseError> {
        for (id, (name, gone)) in self.servers.iter_mut().filter(|(_, (_, gone))| gone.is_none()) {
            let query = Query { keep: Some(*id), ..Query::new(*name, Policy::Any) };
            let there = self.directory.lookup(HERE, &query).is_ok_and(|resolved| resolved.server.id == *id);
            if !there {
                *gone = Some(Version(before.0 + 1));
            }
        }
        Ok(())
    }

    fn find(&mut self, name: Name, policy: Policy) -> Result<Option<Server>, TestCaseError> {
        match self.cache.find(name, policy) {
            Found::Use(server) => {
                self.may_be_used(name, server)?;
                Ok(Some(server))
            }
            Found::UseAndAsk(server, query) => {
                prop_assert!(!self.is_on_its_way(name, policy), "{} was asked twice", name);
                self.may_be_used(name, server)?;
                self.queries.push_back(query);
                Ok(Some(server))
            }
            Found::Ask(query) => {
                let twice = N == AMPLE && self.is_on_its_way(name, policy);
                prop_assert!(!twice, "{} was asked twice", name);
                self.queries.push_back(query);
                Ok(None)
            }
            Found::Wait => {
                prop_assert!(self.is_on_its_way(name, policy), "nothing to wait for: {}", name);
                Ok(None)
            }
        }
    }

    fn is_on_its_way(&self, name: Name, policy: Policy) -> bool {
        let mut queries = self.queries.iter().chain(self.answers.iter().map(|(query, _)| query));
        queries.any(|query| query.name == name && query.policy == policy)
    }

    fn hear(&mut self) -> Result<(), TestCaseError> {
        let Some((query, answer)) = self.answers.pop_front() else { return Ok(()) };
        if answer == Err(RefusedBecause::NoOther) {
            // From here on they are tried again.
            self.failed.remove(&query.name);
        }
        match self.cache.answered(query.name, query.policy, answer) {
            Answered::Use(server) => self.may_be_used(query.name, server)?,
            Answered::AskAgain(query) => self.queries.push_back(query),
            Answered::Refused(refused) => prop_assert_eq!(answer, Err(refused)),
        }
        Ok(())
    }

    /// The client could not know that this server has gone or does not answer.
    fn may_be_used(&self, name: Name, server: Server) -> Result<(), TestCaseError> {
        let told = self.told.get(&name).copied().unwrap_or_default();
        let Some((of, gone)) = self.servers.get(&server.id) else {
            return Err(TestCaseError::fail(format!("{server:?} never was")));
        };
        prop_assert_eq!(*of, name);
        let known_gone = gone.is_some_and(|gone| gone <= told);
        prop_assert!(!known_gone, "{:?} went at {:?}, and the client knows all up to {:?}", server, gone, told);
        // With little room it may forget whom it could not reach, never with enough.
        let failed = self.failed.get(&name).is_some_and(|failed| failed.contains(&server.id));
        prop_assert!(N < AMPLE || !failed, "{:?} could not be reached", server);
        Ok(())
    }

    /// Everything arrives.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        loop {
            self.step(Step::Notify)?;
            if self.notices.is_empty() {
                break;
            }
            self.step(Step::Learn)?;
        }
        for _ in 0..1_000 {
            self.step(Step::Serve)?;
            self.step(Step::Hear)?;
            if self.queries.is_empty() && self.answers.is_empty() {
                return Ok(());
            }
        }
        Err(TestCaseError::fail("it asks for ever"))
    }
}

fn run<const N: usize>(steps: &[Step], kind: Kind) -> Result<(), TestCaseError> {
    let mut world = World::<N>::new(kind);
    for step in steps {
        world.step(*step)?;
    }
    world.settle()?;
    let reached = !steps.iter().any(|step| matches!(step, Step::Fail { .. }));
    for name in (0..NAMES.len()).map(named) {
        for policy in POLICIES {
            // At the first time it may have to ask, at the second it knows.
            world.find(name, policy)?;
            world.settle()?;
            let there = world.directory.lookup(HERE, &Query::new(name, Policy::Nearest));
            let seen = world.find(name, policy)?;
            match (there, seen) {
                (Ok(nearest), Some(server)) => {
                    let gone = world.servers.get(&server.id).and_then(|(_, gone)| *gone);
                    prop_assert_eq!(gone, None, "{:?} has gone", server);
                    if policy == Policy::Nearest && kind == Kind::Interchangeable && reached {
                        let distance = |server: Server| server.node.0.abs_diff(HERE.0);
                        prop_assert_eq!(distance(server), distance(nearest.server));
                    }
                }
                (Err(RefusedBecause::Unknown), None) => {}
                // All were avoided; now they are tried again.
                (Ok(_), None) if !reached => {}
                _ => prop_assert!(false, "{}: the directory has {:?}, the cache {:?}", name, there, seen),
            }
            world.settle()?;
        }
    }
    Ok(())
}

fn fleets() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Interchangeable), Just(Kind::Stateful)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_client_never_uses_what_it_could_know_to_have_gone(
        steps in prop::collection::vec(steps(), 0..150),
        kind in fleets(),
    ) {
        run::<AMPLE>(&steps, kind)?;
    }

    #[test]
    fn nor_does_a_client_that_has_to_forget(steps in prop::collection::vec(steps(), 0..150), kind in fleets()) {
        run::<SCARCE>(&steps, kind)?;
    }
}
