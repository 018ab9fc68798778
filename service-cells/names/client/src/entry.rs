//! One question and what is known of its answer.

use names_contract::{Avoid, Kind, Name, News, Policy, Query, Resolved, Server, ServerId, Version};

/// One question and what is known of its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Name,
    pub(crate) policy: Policy,
    pub(crate) held: Option<Held>,
    pub(crate) asked: Option<Asked>,
    /// The server to stay with, of a stateful service.
    pub(crate) keep: Option<ServerId>,
    /// What could not be reached since the name changed last; the same in all questions of a name.
    pub(crate) avoid: Avoid,
    /// When it was wanted last, on the cache's clock.
    pub(crate) wanted_at: u64,
}

/// An answer that may be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) server: Server,
    pub(crate) as_of: Version,
    /// How often it may be used before it is asked for again; `None`: as often as one likes.
    pub(crate) uses: Option<u32>,
}

/// A query is on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// An answer from before this is outdated.
    pub(crate) not_before: Version,
    /// News of the name came while it was on its way. A refusal does not say when it was given, so then it proves nothing.
    pub(crate) overtaken: bool,
}

impl Entry {
    pub(crate) fn new(name: Name, policy: Policy, avoid: Avoid) -> Self {
        Self { name, policy, held: None, asked: None, keep: None, avoid, wanted_at: 0 }
    }

    /// Notes that the query was sent by a client that knows all news up to `known`, and gives it. The directory answers
    /// after it told those news, so the answer is no older.
    pub(crate) fn ask(&mut self, known: Version) -> Query {
        self.asked = Some(Asked { not_before: known, overtaken: false });
        Query { name: self.name, policy: self.policy, keep: self.keep, avoid: self.avoid }
    }

    /// Takes an answer that is not outdated, which may be used `reuse` times more before it is worn out.
    pub(crate) fn hold(&mut self, resolved: &Resolved, reuse: u32) {
        let stays = resolved.kind != Kind::Interchangeable || self.policy == Policy::Nearest;
        self.held = Some(Held { server: resolved.server, as_of: resolved.as_of, uses: (!stays).then_some(reuse) });
        self.keep = (resolved.kind == Kind::Stateful).then_some(resolved.server.id);
    }

    /// Takes news.
    pub(crate) fn told(&mut self, news: &News) {
        if !news.is_about(&self.name) {
            return;
        }
        self.avoid = Avoid::NONE;
        if let Some(asked) = &mut self.asked {
            asked.not_before = asked.not_before.max(news.version());
            asked.overtaken = true;
        }
        if self.held.is_some_and(|held| news.outdates(&self.name, held.as_of)) {
            self.held = None;
        }
        if matches!(news, News::Gone { .. }) && self.held.is_none() {
            self.keep = None;
        }
    }

    /// The server could not be reached.
    pub(crate) fn stale(&mut self, server: ServerId) {
        self.avoid.add(server);
        if self.held.is_some_and(|held| held.server.id == server) {
            self.held = None;
        }
        if self.keep == Some(server) {
            self.keep = None;
        }
    }

    /// Whether there is anything in it that a new entry would not have.
    pub(crate) fn is_of_use(&self) -> bool {
        self.held.is_some() || self.asked.is_some() || self.keep.is_some() || !self.avoid.is_empty()
    }
}
