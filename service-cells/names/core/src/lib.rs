//! The directory of the names service: pure, of fixed capacity, without allocation. Whoever runs it takes requests from
//! channels, calls [`Directory`], and sends what it says; the cells in the arguments come from the channels, not from the
//! messages.
//!
//! # What fos says
//!
//! The service follows *fos, the factored operating system*, section 3.4 and the parts of section 3 that it refers to:
//!
//! - A server gets a name by a message that says where it is, which name it wants, whether others may join it under that
//!   name, and whether it is interchangeable with those or stateful ([`Directory::register`], [`Kind`]). It is told that
//!   it has the name, or why not: the name is taken, or it lacks the permission.
//! - A namespace can be claimed, so that it is there for the servers of later ([`Directory::claim`]).
//! - A name can be deleted, and a single server of a name with several ([`Directory::delete`],
//!   [`Directory::delete_specific`]).
//! - A name with several servers is resolved to the nearest one or by load ([`Directory::lookup`]).
//! - Every client keeps a cache of answers (the crate `names-client`), and broken servers are steered away from
//!   ([`Directory::died`], [`Query::avoid`](names_contract::Query::avoid)).
//!
//! # What we decided
//!
//! **Claims.** A claim covers the name itself and all beneath. Within it only the claimant registers and claims. It is refused
//! if anybody else has a name or a claim there, so that a claim never takes anything away from anyone. The claimant may
//! claim again further down and keep that when it releases what is above. Names outlive the release of the claim above
//! them. Outside of all claims the first comer has the name, and what it wants to keep for itself it claims or registers
//! as [`Kind::Sole`].
//!
//! **Owners.** Whoever registers a server owns the registration; the serving cell may be another one, so that the manager of
//! a fleet holds the claim and registers its fleet. Load is reported, and a single server deleted, by either of the two.
//! A registration ends when either of the two dies.
//!
//! **Choice.** Nearest: the smallest distance, then the least load. Least loaded: the least load, then the smallest distance.
//! What is still equal is taken in turn. Any: the one that was given longest ago, so that lookups with this policy differ
//! by at most one between the servers of a fleet that stays the same. A client may ask to keep its server, which is for
//! [`Kind::Stateful`], or to avoid up to three that it could not reach. That a client avoids a server does nothing to other
//! clients: else any client could speak ill of any server.
//!
//! **Versions.** One clock ticks with each change of any name, and a name's version is the tick of its last change. Servers that
//! come and go are changes. Loads are not: they change all the time, and a client that wants the least loaded server
//! asks again from time to time (the cache counts its uses).
//!
//! **Notices.** A subscription is to a name or a namespace. Changes of one name that were not yet fetched are told as one. A
//! subscription holds at most [`PENDING`] names; with more it forgets them and says [`News::LookAgain`], and with that
//! it begins too, so that a subscriber has one way to get in step: look up, or go through [`Directory::next_name`]. Memory is
//! therefore bounded, however slow a subscriber is, and no change is lost.
//!
//! **Quotas.** Every cell may have so many names, servers, claims and subscriptions. With [`Directory::shares`] nobody is ever
//! told that the directory is full, whatever the others do, as long as there are no more clients than said.
//!
//! **Death.** [`Directory::died`] removes all that a cell had in one call; no lookup after it gives one of its servers.
//!
//! **Costs.** All tables are sorted arrays: names come from strangers, and a hash table could be made slow by choosing them. A
//! lookup is logarithmic in the names and linear in the servers of the one name. What changes a name is linear in the
//! servers and the subscriptions.
//!
//! ```
//! use names_contract::{Cell, Endpoint, Kind, Name, Node, Policy, Query};
//! use names_core::Directory;
//!
//! // 64 names, 128 servers, 16 claims, 32 subscriptions; fair to 16 clients.
//! type Small = Directory<64, 128, 16, 32>;
//! let mut directory = Small::new(Small::shares(16), |from, to| from.0.abs_diff(to.0));
//!
//! let manager = Cell(7);
//! let name = Name::new("web/pages").expect("a name");
//! directory.claim(manager, name).expect("nobody else is there");
//! for node in 0..4 {
//!     let place = Endpoint { cell: Cell(100 + u64::from(node)), node: Node(node) };
//!     directory.register(manager, name, place, Kind::Interchangeable).expect("it is the claimant's");
//! }
//! let answer = directory.lookup(Node(2), &Query::new(name, Policy::Nearest)).expect("it has servers");
//! assert_eq!(answer.server.cell, Cell(102));
//!
//! directory.died(Cell(102));
//! let answer = directory.lookup(Node(2), &Query::new(name, Policy::Nearest)).expect("it has servers");
//! assert_eq!(answer.server.cell, Cell(101));
//! ```
//!
//! [`Kind`]: names_contract::Kind
//! [`Kind::Sole`]: names_contract::Kind::Sole
//! [`Kind::Stateful`]: names_contract::Kind::Stateful
//! [`News::LookAgain`]: names_contract::News::LookAgain

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod choice;
mod claims;
mod directory;
mod invariant;
mod quotas;
mod registry;
mod sorted;
mod subscriptions;

pub use directory::{Directory, Listed, Lost, Registered};
pub use invariant::Broken;
pub use quotas::Quotas;
pub use subscriptions::PENDING;
