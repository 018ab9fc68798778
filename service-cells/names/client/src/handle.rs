//! The names service as a client has it: the cache and the channel in one.

use core::fmt;

use names_contract::protocol::{NamesEvents, NamesReply};
use names_contract::{
    Interest, Kind, Name, NotConnected, Notice, Policy, Query, RefusedBecause, Resolved, Server, ServerId,
    SubscriptionId, Version,
};
use service::{CallError, Link, Patience, Token, Wait};

use crate::{Answered, Cache, Found};

/// Questions that are remembered.
const QUESTIONS: usize = 16;

/// How often an answer by load or in turn is used.
const REUSE: u32 = 64;

/// Queries that are sent again because news overtook their answers: with more, whoever asks is told that nothing is known.
const TRIES: u32 = 8;

/// Why the names service did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamesError {
    /// It says no.
    Refused(RefusedBecause),
    /// There is no connection.
    NotConnected(NotConnected),
    /// It could not be asked.
    Call(CallError),
    /// It answered another question than was asked.
    Confused,
    /// The name changes faster than it can be asked for.
    Restless,
}

impl fmt::Display for NamesError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(because) => because.fmt(formatter),
            Self::NotConnected(why) => why.fmt(formatter),
            Self::Call(error) => error.fmt(formatter),
            Self::Confused => write!(formatter, "the names service answered another question than was asked"),
            Self::Restless => write!(formatter, "the name changes faster than it can be asked for"),
        }
    }
}

impl core::error::Error for NamesError {}

impl From<RefusedBecause> for NamesError {
    fn from(because: RefusedBecause) -> Self {
        Self::Refused(because)
    }
}

impl From<NotConnected> for NamesError {
    fn from(why: NotConnected) -> Self {
        Self::NotConnected(why)
    }
}

impl From<CallError> for NamesError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// The names service over a link `L`, waited for by `W`. Its calls wait for their answers; news are taken meanwhile.
#[derive(Debug)]
pub struct Names<L, W> {
    client: NamesEvents<L, 8>,
    wait: W,
    cache: Cache<QUESTIONS>,
    /// The request that waits for news, once there is a subscription.
    watching: Option<Token>,
    watches: bool,
    /// The query that is on its way while its old answer is used.
    asked: Option<(Token, Name, Policy)>,
    told: u64,
}

/// Sends a request, when it may.
macro_rules! send {
    ($self:ident, $method:ident($($argument:expr),*)) => {
        loop {
            match $self.client.$method($($argument),*) {
                Err(CallError::NoCredit) => $self.wait_for_credit()?,
                result => break result?,
            }
        }
    };
}

/// Makes a request and takes its reply if it is the right one.
macro_rules! ask {
    ($self:ident, $method:ident($($argument:expr),*), $variant:ident) => {{
        let token = send!($self, $method($($argument),*));
        match $self.reply(token)? {
            NamesReply::$variant(reply) => Ok(reply),
            _ => Err(NamesError::Confused),
        }
    }};
}

impl<L: Link, W: Wait> Names<L, W> {
    /// The service at the other end of this link.
    #[must_use]
    pub fn over(link: L, wait: W) -> Self {
        Self {
            client: NamesEvents::over(service::Caller::new(link)),
            wait,
            cache: Cache::new(REUSE),
            watching: None,
            watches: false,
            asked: None,
            told: 0,
        }
    }

    /// Makes this cell a server of the name.
    ///
    /// # Errors
    /// Why not.
    pub fn register(&mut self, name: Name, kind: Kind) -> Result<ServerId, NamesError> {
        Ok(ask!(self, register(name, kind), Register)??)
    }

    /// Claims a namespace.
    ///
    /// # Errors
    /// Why not.
    pub fn claim(&mut self, namespace: Name) -> Result<(), NamesError> {
        Ok(ask!(self, claim(namespace), Claim)??)
    }

    /// Gives a claim up.
    ///
    /// # Errors
    /// Why not.
    pub fn release(&mut self, namespace: Name) -> Result<(), NamesError> {
        Ok(ask!(self, release(namespace), Release)??)
    }

    /// Removes all servers of the name that this cell has registered.
    ///
    /// # Errors
    /// Why not.
    pub fn delete(&mut self, name: Name) -> Result<Version, NamesError> {
        Ok(ask!(self, delete(name), Delete)??)
    }

    /// Removes one server of the name.
    ///
    /// # Errors
    /// Why not.
    pub fn delete_specific(&mut self, name: Name, server: ServerId) -> Result<Version, NamesError> {
        Ok(ask!(self, delete_specific(name, server), DeleteSpecific)??)
    }

    /// Says what load a server has.
    ///
    /// # Errors
    /// Why not.
    pub fn report_load(&mut self, name: Name, server: ServerId, load: u32) -> Result<(), NamesError> {
        Ok(ask!(self, report_load(name, server, load), ReportLoad)??)
    }

    /// The same, without waiting for whether it was heard.
    pub fn report_load_soon(&mut self, name: Name, server: ServerId, load: u32) {
        if let Ok(token) = self.client.report_load(name, server, load) {
            self.client.caller().forget(token);
        }
        self.pump();
    }

    /// Has this client told of changes, so that what it remembers stays true.
    ///
    /// # Errors
    /// Why not.
    pub fn subscribe(&mut self, interest: Interest) -> Result<SubscriptionId, NamesError> {
        let subscription = ask!(self, subscribe(interest), Subscribe)??;
        self.watches = true;
        self.watch()?;
        Ok(subscription)
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// Why not.
    pub fn unsubscribe(&mut self, subscription: SubscriptionId) -> Result<(), NamesError> {
        Ok(ask!(self, unsubscribe(subscription), Unsubscribe)??)
    }

    /// A server of the name: a remembered one, if it is known to be right.
    ///
    /// # Errors
    /// Why there is none.
    pub fn find(&mut self, name: Name, policy: Policy) -> Result<Server, NamesError> {
        self.pump();
        let mut query = match self.cache.find(name, policy) {
            Found::Use(server) => return Ok(server),
            Found::UseAndAsk(server, query) => {
                self.ask_ahead(query);
                return Ok(server);
            }
            Found::Ask(query) => query,
            Found::Wait => {
                // The answer that is on its way is taken with the others. It is the only one that there can be.
                if let Some((token, ..)) = self.asked.take() {
                    self.client.caller().forget(token);
                }
                Query::new(name, policy)
            }
        };
        for _ in 0..TRIES {
            let answer = match self.lookup(query) {
                Ok(answer) => answer,
                Err(error) => {
                    self.cache.not_asked(name, policy);
                    return Err(error);
                }
            };
            match self.cache.answered(name, policy, answer) {
                Answered::Use(server) => return Ok(server),
                Answered::AskAgain(again) => query = again,
                Answered::Refused(because) => return Err(because.into()),
            }
        }
        self.cache.not_asked(name, policy);
        Err(NamesError::Restless)
    }

    /// Has a two-way channel made to a server of the name, which is there when this returns: its name is the first segment of the
    /// name, and the server's place is that of its cell. Servers that are stale are avoided.
    ///
    /// # Errors
    /// Why there is none.
    pub fn request_channel(&mut self, name: Name, policy: Policy) -> Result<Resolved, NamesError> {
        self.pump();
        let query = match self.cache.find(name, policy) {
            Found::Ask(query) | Found::UseAndAsk(_, query) => query,
            Found::Use(_) | Found::Wait => Query::new(name, policy),
        };
        let result = ask!(self, connect(query), Connect);
        match result {
            Ok(Ok(resolved)) => {
                // Whatever the cache would rather have: there is a channel to this one.
                let _ = self.cache.answered(name, policy, Ok(resolved));
                Ok(resolved)
            }
            Ok(Err(NotConnected::Refused(because))) => {
                let _ = self.cache.answered(name, policy, Err(because));
                Err(NotConnected::Refused(because).into())
            }
            Ok(Err(why)) => {
                self.cache.not_asked(name, policy);
                Err(why.into())
            }
            Err(error) => {
                self.cache.not_asked(name, policy);
                Err(error)
            }
        }
    }

    /// A server of the name could not be reached: another one is found when it is wanted next.
    pub fn stale(&mut self, name: &Name, server: ServerId) {
        self.cache.stale(name, server);
    }

    /// Takes what came, without waiting.
    pub fn pump(&mut self) {
        while let Some((token, reply)) = self.client.poll() {
            self.take_other(token, reply);
        }
    }

    /// Waits until something may have come, and takes it.
    pub fn rest(&mut self) -> Patience {
        let patience = self.client.caller().rest(&mut self.wait);
        self.pump();
        patience
    }

    /// Notices that came so far.
    #[must_use]
    pub const fn notices(&self) -> u64 {
        self.told
    }

    /// Whether the answer is remembered.
    #[must_use]
    pub fn knows(&self, name: &Name, policy: Policy) -> bool {
        self.cache.knows(name, policy)
    }

    /// What it waits by.
    pub const fn wait(&mut self) -> &mut W {
        &mut self.wait
    }

    fn lookup(&mut self, query: Query) -> Result<Result<Resolved, RefusedBecause>, NamesError> {
        ask!(self, lookup(query), Lookup)
    }

    fn ask_ahead(&mut self, query: Query) {
        match self.client.lookup(query) {
            Ok(token) if self.asked.is_none() => self.asked = Some((token, query.name, query.policy)),
            Ok(token) => {
                self.client.caller().forget(token);
                self.cache.not_asked(query.name, query.policy);
            }
            Err(_) => self.cache.not_asked(query.name, query.policy),
        }
    }

    /// The reply of a request, waiting for it.
    fn reply(&mut self, wanted: Token) -> Result<NamesReply, NamesError> {
        loop {
            while let Some((token, reply)) = self.client.poll() {
                if token == wanted {
                    return Ok(reply?);
                }
                self.take_other(token, reply);
            }
            if self.client.caller().rest(&mut self.wait) == Patience::GiveUp {
                self.client.caller().forget(wanted);
                return Err(CallError::GaveUp.into());
            }
        }
    }

    fn wait_for_credit(&mut self) -> Result<(), CallError> {
        let patience = self.client.caller().rest_for_credit(&mut self.wait);
        self.pump();
        if patience == Patience::GiveUp { Err(CallError::GaveUp) } else { Ok(()) }
    }

    fn take_other(&mut self, token: Token, reply: Result<NamesReply, CallError>) {
        if self.watching == Some(token) {
            self.watching = None;
            if let Ok(NamesReply::NextNotice(notice)) = reply {
                self.take_notice(&notice);
                // If it cannot be asked for now, the next subscription does.
                let _ = self.watch();
            } else {
                // Without news nothing that is remembered is known to be right.
                self.cache.clear();
            }
        } else if let Some((asked, name, policy)) = self.asked
            && asked == token
        {
            self.asked = None;
            match reply {
                Ok(NamesReply::Lookup(answer)) => {
                    if let Answered::AskAgain(query) = self.cache.answered(name, policy, answer) {
                        self.ask_ahead(query);
                    }
                }
                _ => self.cache.not_asked(name, policy),
            }
        }
    }

    fn take_notice(&mut self, notice: &Notice) {
        self.told += 1;
        self.cache.told(&notice.news);
    }

    fn watch(&mut self) -> Result<(), CallError> {
        if self.watches && self.watching.is_none() {
            self.watching = Some(send!(self, next_notice()));
            self.client.caller().pump();
        }
        Ok(())
    }
}

#[cfg(feature = "cell")]
mod of_a_cell {
    use names_contract::protocol::CHANNEL;
    use names_contract::{Name, Policy, Resolved};
    use service::cell::{CellLink, ConnectError, Events, connect, connect_to};

    use super::{Names, NamesError};

    impl Names<CellLink, Events> {
        /// The names service that this cell has a channel to, waiting for the channel until this instant (in ns; `None`: for ever).
        ///
        /// # Errors
        /// There is no such channel.
        pub fn open(deadline: Option<u64>) -> Result<Self, ConnectError> {
            Ok(Self::over(connect(CHANNEL, deadline)?, Events::default()))
        }

        /// A channel to a server of the name, made for this.
        ///
        /// # Errors
        /// There is none.
        pub fn connect(&mut self, name: Name, policy: Policy) -> Result<(Resolved, CellLink), NamesError> {
            let resolved = self.request_channel(name, policy)?;
            let channel = name.as_str().split('/').next().unwrap_or_default();
            // It is there, unless it has ended since.
            match connect_to(channel, resolved.server.cell.place(), Some(cell::time::now())) {
                Ok(link) => Ok((resolved, link)),
                Err(_) => {
                    self.stale(&name, resolved.server.id);
                    Err(NamesError::Call(service::CallError::Closed))
                }
            }
        }
    }
}
