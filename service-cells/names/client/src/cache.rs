//! The cache: what to do to reach a name.

use heapless::Vec;
use names_contract::{Avoid, Name, News, Policy, Query, RefusedBecause, Resolved, Server, ServerId, Version};

use crate::entry::Entry;

/// What to do to reach a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a query that is not sent is never answered"]
pub enum Found {
    /// Use this server.
    Use(Server),
    /// Use this server and send this query, as the answer has been used often.
    UseAndAsk(Server, Query),
    /// Send this query and wait for its answer. If it cannot be sent, say so with [`Cache::not_asked`].
    Ask(Query),
    /// Wait for the answer to the query that is on its way.
    Wait,
}

/// What an answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a query that is not sent is never answered"]
pub enum Answered {
    /// Use this server.
    Use(Server),
    /// The answer was overtaken by news, or names a server that could not be reached in the meantime: send this query.
    AskAgain(Query),
    /// There is no server, for this reason.
    Refused(RefusedBecause),
}

/// The answers to at most `N` questions; a question is a name and a policy. Every call is linear in `N`.
#[derive(Debug)]
pub struct Cache<const N: usize> {
    entries: Vec<Entry, N>,
    reuse: u32,
    /// The latest version that any news told.
    known: Version,
    /// Ticks with each [`Cache::find`].
    clock: u64,
}

impl<const N: usize> Cache<N> {
    /// An empty cache. An answer by load or in turn is used `reuse` times more before it is asked for again.
    pub const fn new(reuse: u32) -> Self {
        Self { entries: Vec::new(), reuse, known: Version(0), clock: 0 }
    }

    /// What to do to reach `name`.
    pub fn find(&mut self, name: Name, policy: Policy) -> Found {
        self.clock += 1;
        let known = self.known;
        let Some(entry) = self.entry_or_new(name, policy) else {
            // Only with no room at all.
            return Found::Ask(Query::new(name, policy));
        };
        let Some(held) = &mut entry.held else {
            return if entry.asked.is_some() { Found::Wait } else { Found::Ask(entry.ask(known)) };
        };
        let server = held.server;
        match &mut held.uses {
            Some(0) if entry.asked.is_none() => Found::UseAndAsk(server, entry.ask(known)),
            Some(0) | None => Found::Use(server),
            Some(uses) => {
                *uses -= 1;
                Found::Use(server)
            }
        }
    }

    /// Takes the answer to the query of `name` and `policy`.
    pub fn answered(&mut self, name: Name, policy: Policy, answer: Result<Resolved, RefusedBecause>) -> Answered {
        let (known, reuse) = (self.known, self.reuse);
        let place = self.place(&name, policy);
        let entry = place.and_then(|place| self.entries.get_mut(place));
        let Some((entry, asked)) = entry.and_then(|entry| entry.asked.take().map(|asked| (entry, asked))) else {
            return self.answered_late(name, policy, answer);
        };
        match answer {
            Ok(resolved) if resolved.as_of < asked.not_before || entry.avoid.contains(resolved.server.id) => {
                Answered::AskAgain(entry.ask(known))
            }
            Ok(resolved) => {
                entry.hold(&resolved, reuse);
                Answered::Use(resolved.server)
            }
            Err(_) if asked.overtaken => Answered::AskAgain(entry.ask(known)),
            Err(refused) => {
                entry.held = None;
                entry.keep = None;
                // If there is none but those, they are to be tried again.
                self.of(&name).for_each(|entry| entry.avoid = Avoid::NONE);
                self.tidy();
                Answered::Refused(refused)
            }
        }
    }

    /// Takes the answer to a question that was forgotten for want of room, or forgotten and asked again. It is not kept, but
    /// somebody waits for it: were it thrown away, more than `N` who ask at a time could keep each other from any answer.
    fn answered_late(&mut self, name: Name, policy: Policy, answer: Result<Resolved, RefusedBecause>) -> Answered {
        let known = self.known;
        let entry = self.place(&name, policy).and_then(|place| self.entries.get(place));
        if let Some(held) = entry.and_then(|entry| entry.held) {
            return Answered::Use(held.server);
        }
        match answer {
            Err(refused) => Answered::Refused(refused),
            // It may be that the news since then are of other names, but which they were is forgotten.
            Ok(resolved)
                if resolved.as_of < known || entry.is_some_and(|entry| entry.avoid.contains(resolved.server.id)) =>
            {
                let entry = self.entry_or_new(name, policy);
                Answered::AskAgain(entry.map_or(Query::new(name, policy), |entry| entry.ask(known)))
            }
            Ok(resolved) => Answered::Use(resolved.server),
        }
    }

    /// The query of `name` and `policy` could not be sent, or its answer will not come: the next [`Cache::find`] asks again.
    pub fn not_asked(&mut self, name: Name, policy: Policy) {
        if let Some(entry) = self.place(&name, policy).and_then(|place| self.entries.get_mut(place)) {
            entry.asked = None;
        }
        self.tidy();
    }

    /// Takes news: forgets what they outdate.
    pub fn told(&mut self, news: &News) {
        self.known = self.known.max(news.version());
        self.entries.iter_mut().for_each(|entry| entry.told(news));
        self.tidy();
    }

    /// A server of `name` could not be reached: forgets it, and asks for another one when the name is wanted next.
    pub fn stale(&mut self, name: &Name, server: ServerId) {
        self.of(name).for_each(|entry| entry.stale(server));
    }

    /// Forgets everything: the names service has started again, and nothing that is on its way will arrive.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.known = Version(0);
    }

    /// Whether the answer is known, so that [`Cache::find`] gives a server at once.
    pub fn knows(&self, name: &Name, policy: Policy) -> bool {
        self.place(name, policy).and_then(|place| self.entries.get(place)).is_some_and(|entry| entry.held.is_some())
    }

    /// How many questions are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn place(&self, name: &Name, policy: Policy) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name == *name && entry.policy == policy)
    }

    fn of(&mut self, name: &Name) -> impl Iterator<Item = &mut Entry> {
        let name = *name;
        self.entries.iter_mut().filter(move |entry| entry.name == name)
    }

    fn entry_or_new(&mut self, name: Name, policy: Policy) -> Option<&mut Entry> {
        let place = match self.place(&name, policy) {
            Some(place) => place,
            None => {
                if self.entries.is_full() {
                    self.forget_one();
                }
                // All questions of a name avoid the same servers.
                let avoid = self.of(&name).next().map_or(Avoid::NONE, |entry| entry.avoid);
                self.entries.push(Entry::new(name, policy, avoid)).ok()?;
                self.entries.len() - 1
            }
        };
        let entry = self.entries.get_mut(place)?;
        entry.wanted_at = self.clock;
        Some(entry)
    }

    /// Forgets the question that was not wanted for longest; rather one without an answer, and one that somebody waits for
    /// only if there is nothing else.
    fn forget_one(&mut self) {
        let rank = |entry: &Entry| (entry.asked.is_some(), entry.held.is_some(), entry.wanted_at);
        let least = self.entries.iter().enumerate().min_by_key(|(_, entry)| rank(entry)).map(|(place, _)| place);
        if let Some(place) = least {
            self.entries.swap_remove(place);
        }
    }

    fn tidy(&mut self) {
        self.entries.retain(|entry| entry.is_of_use());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use names_contract::{Cell, Interest, Kind, Node};

    fn name(text: &str) -> Name {
        Name::new(text).expect("a name")
    }

    fn server(id: u32) -> Server {
        Server { id: ServerId(id), cell: Cell(u64::from(id)), node: Node(0), load: 0 }
    }

    fn answer(id: u32, kind: Kind, as_of: u64) -> Result<Resolved, RefusedBecause> {
        Ok(Resolved { server: server(id), kind, version: Version(1), as_of: Version(as_of) })
    }

    /// A cache that knows a fleet's server 1 as of version 1.
    fn knowing(policy: Policy, kind: Kind) -> Cache<2> {
        let mut cache = Cache::new(2);
        assert_eq!(cache.find(name("a"), policy), Found::Ask(Query::new(name("a"), policy)));
        assert_eq!(cache.answered(name("a"), policy, answer(1, kind, 1)), Answered::Use(server(1)));
        cache
    }

    #[test]
    fn an_answer_by_load_is_worn_out_by_use_and_one_by_distance_is_not() {
        let mut cache = knowing(Policy::LeastLoaded, Kind::Interchangeable);
        let mut find = || cache.find(name("a"), Policy::LeastLoaded);
        assert_eq!([find(), find()], [Found::Use(server(1)); 2]);
        assert_eq!(find(), Found::UseAndAsk(server(1), Query::new(name("a"), Policy::LeastLoaded)));
        assert_eq!(find(), Found::Use(server(1)), "one query at a time");
        let mut cache = knowing(Policy::Nearest, Kind::Interchangeable);
        for _ in 0..9 {
            assert_eq!(cache.find(name("a"), Policy::Nearest), Found::Use(server(1)));
        }
    }

    #[test]
    fn an_answer_that_was_overtaken_by_news_is_asked_for_again() {
        let mut cache = Cache::<2>::new(2);
        let query = Query::new(name("a"), Policy::Any);
        assert_eq!(cache.find(name("a"), Policy::Any), Found::Ask(query));
        cache.told(&News::Changed { name: name("a"), version: Version(5) });
        assert_eq!(cache.answered(name("a"), Policy::Any, answer(1, Kind::Sole, 4)), Answered::AskAgain(query));
        assert_eq!(cache.answered(name("a"), Policy::Any, answer(2, Kind::Sole, 5)), Answered::Use(server(2)));
    }

    #[test]
    fn a_refusal_that_was_overtaken_by_news_is_asked_for_again() {
        let mut cache = Cache::<2>::new(2);
        let query = Query::new(name("a"), Policy::Any);
        assert_eq!(cache.find(name("a"), Policy::Any), Found::Ask(query));
        cache.told(&News::Changed { name: name("a"), version: Version(5) });
        let unknown = RefusedBecause::Unknown;
        assert_eq!(cache.answered(name("a"), Policy::Any, Err(unknown)), Answered::AskAgain(query));
        assert_eq!(cache.answered(name("a"), Policy::Any, Err(unknown)), Answered::Refused(unknown));
        assert!(cache.is_empty(), "that there is no such name is not remembered: {cache:?}");
    }

    #[test]
    fn news_of_another_name_or_from_before_the_answer_are_no_reason_to_ask() {
        let mut cache = knowing(Policy::Any, Kind::Sole);
        cache.told(&News::Changed { name: name("b"), version: Version(9) });
        cache.told(&News::Changed { name: name("a"), version: Version(1) });
        cache.told(&News::LookAgain { interest: Interest::Within(name("a/b")), version: Version(9) });
        assert!(cache.knows(&name("a"), Policy::Any));
        cache.told(&News::LookAgain { interest: Interest::Within(name("a")), version: Version(9) });
        assert!(!cache.knows(&name("a"), Policy::Any));
    }

    #[test]
    fn a_client_stays_with_a_stateful_server_unless_it_cannot_be_reached() {
        let mut cache = knowing(Policy::Any, Kind::Stateful);
        cache.told(&News::Changed { name: name("a"), version: Version(2) });
        let query = Query::new(name("a"), Policy::Any);
        let keeping = Query { keep: Some(ServerId(1)), ..query };
        assert_eq!(cache.find(name("a"), Policy::Any), Found::Ask(keeping));
        let _kept = cache.answered(name("a"), Policy::Any, answer(1, Kind::Stateful, 2));
        cache.stale(&name("a"), ServerId(1));
        let mut avoiding = query;
        avoiding.avoid.add(ServerId(1));
        assert_eq!(cache.find(name("a"), Policy::Any), Found::Ask(avoiding));
    }

    #[test]
    fn a_server_that_could_not_be_reached_is_tried_again_when_there_is_no_other() {
        let mut cache = knowing(Policy::Any, Kind::Interchangeable);
        cache.stale(&name("a"), ServerId(1));
        let Found::Ask(query) = cache.find(name("a"), Policy::Any) else { panic!("the server is stale") };
        assert!(query.avoid.contains(ServerId(1)));
        let none = Err(RefusedBecause::NoOther);
        assert_eq!(cache.answered(name("a"), Policy::Any, none), Answered::Refused(RefusedBecause::NoOther));
        assert_eq!(cache.find(name("a"), Policy::Any), Found::Ask(Query::new(name("a"), Policy::Any)));
    }

    #[test]
    fn the_question_that_was_not_wanted_for_longest_is_forgotten() {
        let mut cache = knowing(Policy::Any, Kind::Sole);
        let _asked = cache.find(name("b"), Policy::Any);
        let _known = cache.answered(name("b"), Policy::Any, answer(2, Kind::Sole, 1));
        let _wanted = cache.find(name("a"), Policy::Any);
        let _asked = cache.find(name("c"), Policy::Any);
        assert!(cache.knows(&name("a"), Policy::Any));
        assert!(!cache.knows(&name("b"), Policy::Any));
        // The answer to a question that was forgotten is good for whom waits for it.
        let _asked = cache.find(name("d"), Policy::Any);
        assert_eq!(cache.answered(name("c"), Policy::Any, answer(3, Kind::Sole, 1)), Answered::Use(server(3)));
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn a_server_that_could_not_be_reached_is_tried_again_when_the_name_changes() {
        let mut cache = knowing(Policy::Any, Kind::Interchangeable);
        cache.stale(&name("a"), ServerId(1));
        cache.told(&News::Changed { name: name("b"), version: Version(8) });
        let Found::Ask(query) = cache.find(name("a"), Policy::Any) else { panic!("the server is stale") };
        assert!(query.avoid.contains(ServerId(1)));
        cache.told(&News::Changed { name: name("a"), version: Version(9) });
        let again = cache.answered(name("a"), Policy::Any, answer(2, Kind::Interchangeable, 7));
        assert_eq!(again, Answered::AskAgain(Query::new(name("a"), Policy::Any)));
    }

    #[test]
    fn where_there_is_no_choice_no_answer_is_worn_out() {
        for kind in [Kind::Sole, Kind::Stateful] {
            let mut cache = knowing(Policy::LeastLoaded, kind);
            for _ in 0..9 {
                assert_eq!(cache.find(name("a"), Policy::LeastLoaded), Found::Use(server(1)), "{kind}");
            }
        }
    }

    #[test]
    fn a_question_that_somebody_waits_for_is_forgotten_last() {
        let mut cache = Cache::<2>::new(2);
        let _asked = cache.find(name("b"), Policy::Any);
        let _asked = cache.find(name("a"), Policy::Any);
        let _known = cache.answered(name("a"), Policy::Any, answer(1, Kind::Sole, 1));
        let _asked = cache.find(name("c"), Policy::Any);
        assert!(!cache.knows(&name("a"), Policy::Any));
        assert_eq!(cache.find(name("b"), Policy::Any), Found::Wait);
    }

    #[test]
    fn a_late_answer_does_not_displace_the_one_that_is_held() {
        let mut cache = knowing(Policy::Any, Kind::Sole);
        assert_eq!(cache.answered(name("a"), Policy::Any, answer(2, Kind::Sole, 0)), Answered::Use(server(1)));
        assert_eq!(cache.find(name("a"), Policy::Any), Found::Use(server(1)));
    }

    #[test]
    fn a_query_that_could_not_be_sent_is_asked_again() {
        let mut cache = Cache::<2>::new(2);
        let query = Query::new(name("a"), Policy::Any);
        assert_eq!(cache.find(name("a"), Policy::Any), Found::Ask(query));
        assert_eq!(cache.find(name("a"), Policy::Any), Found::Wait);
        cache.not_asked(name("a"), Policy::Any);
        assert_eq!(cache.find(name("a"), Policy::Any), Found::Ask(query));
    }

    #[test]
    fn a_cache_without_room_still_asks() {
        let mut cache = Cache::<0>::new(2);
        assert_eq!(cache.find(name("a"), Policy::Any), Found::Ask(Query::new(name("a"), Policy::Any)));
        assert_eq!(cache.answered(name("a"), Policy::Any, answer(1, Kind::Sole, 0)), Answered::Use(server(1)));
    }

    #[test]
    fn after_a_restart_of_the_service_its_low_versions_are_believed() {
        let mut cache = knowing(Policy::Any, Kind::Sole);
        cache.told(&News::Changed { name: name("a"), version: Version(1_000) });
        cache.clear();
        let _asked = cache.find(name("a"), Policy::Any);
        assert_eq!(cache.answered(name("a"), Policy::Any, answer(7, Kind::Sole, 1)), Answered::Use(server(7)));
    }
}
