//! A client of the names service: [`Names`] asks over a channel and remembers the answers.
//!
//! Its memory is the [`Cache`]. That is pure: it says what to ask and takes what comes. The loop around it is short. To reach a name, [`Cache::find`] it: use the server, send the query if there is one, or wait
//! for the answer to a query that is on its way. Hand every answer to [`Cache::answered`] and every notice to
//! [`Cache::told`]. When a server cannot be reached, say so with [`Cache::stale`] and find the name again: another server
//! is asked for.
//!
//! # What it promises
//!
//! - A server is never given that the client could know to have gone: whatever was answered before a notice of the name's
//!   change is forgotten, and an answer that was overtaken by the notice is asked for again.
//! - One query of a name and policy is on its way at a time, however often the name is wanted.
//! - Memory is bounded: with more than `N` questions, the one that was not wanted for longest is forgotten.
//!
//! For that the client subscribes to what it looks up, or to a namespace around it. Without a subscription it learns of a
//! change only when a server cannot be reached.
//!
//! # What we decided
//!
//! - Answers by load or in turn are worn out by use: after so many uses the cache asks again while it goes on using what
//!   it has. Else a client would stay for ever with what was the least loaded server once.
//! - With a [`Kind::Stateful`] service the client stays: when the name changes, the cache asks to keep its server, and gets
//!   another one only if that one has gone.
//! - A server that could not be reached is avoided until the name changes, or until there is no other: it may have
//!   recovered. The directory is not told; a client's word is not enough to take a server from others.
//! - That a name does not exist is not remembered.
//!
//! Versions of two lives of the names service cannot be compared: when it starts again, [`Cache::clear`].
//!
//! ```
//! use names_client::{Answered, Cache, Found};
//! use names_contract::{Cell, Kind, Name, Node, Policy, Resolved, Server, ServerId, Version};
//!
//! let mut cache = Cache::<8>::new(100);
//! let name = Name::new("web/pages").expect("a name");
//! let Found::Ask(query) = cache.find(name, Policy::Nearest) else { panic!("nothing is known yet") };
//! assert_eq!(cache.find(name, Policy::Nearest), Found::Wait);
//!
//! let server = Server { id: ServerId(1), cell: Cell(7), node: Node(0), load: 0 };
//! let answer = Resolved { server, kind: Kind::Interchangeable, version: Version(3), as_of: Version(3) };
//! assert_eq!(cache.answered(name, Policy::Nearest, Ok(answer)), Answered::Use(server));
//! assert_eq!(cache.find(name, Policy::Nearest), Found::Use(server));
//!
//! cache.stale(&name, server.id);
//! let Found::Ask(query) = cache.find(name, Policy::Nearest) else { panic!("the server could not be reached") };
//! assert!(query.avoid.contains(server.id));
//! ```
//!
//! [`Kind::Stateful`]: names_contract::Kind::Stateful

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod cache;
mod entry;
mod handle;

pub use cache::{Answered, Cache, Found};
pub use handle::{Names, NamesError};
