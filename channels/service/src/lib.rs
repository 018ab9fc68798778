//! Services over channels, declared once as a trait.
//!
//! `#[service]` makes of a trait the messages, the server's dispatch and a client in three forms. A service and its
//! clients are tested together on the host, over a [`Loopback`] instead of a channel:
//!
//! ```
//! use service::{Loopback, Patience, Pending, Server, Terms, service};
//!
//! #[service(version = 1)]
//! trait Counter {
//!     /// Adds and returns the sum.
//!     fn add(&mut self, amount: u32) -> u64;
//!     /// Returns when the sum is that large.
//!     #[suspends]
//!     fn wait_for(&mut self, sum: u64, answer: Pending<u64>);
//! }
//!
//! #[derive(Default)]
//! struct Tally { sum: u64, waiting: Vec<(u64, Pending<u64>)> }
//!
//! impl Counter for Tally {
//!     fn add(&mut self, amount: u32) -> u64 {
//!         self.sum = self.sum.saturating_add(amount.into());
//!         let sum = self.sum;
//!         self.waiting.extract_if(.., |(wanted, _)| *wanted <= sum).for_each(|(_, answer)| answer.answer(sum));
//!         sum
//!     }
//!     fn wait_for(&mut self, sum: u64, answer: Pending<u64>) {
//!         self.waiting.push((sum, answer));
//!     }
//! }
//!
//! let ((one, its_end), (two, other_end)) = (Loopback::pair(8), Loopback::pair(8));
//! let mut server = Server::new(CounterServer(Tally::default()));
//! server.attach(its_end, Terms::default()).unwrap();
//! server.attach(other_end, Terms::default()).unwrap();
//! let mut waiting = CounterEvents::new(one);
//! let token = waiting.wait_for(5).unwrap();
//! let mut adding = CounterSync::new(two, || { let _ = server.turn(); Patience::Wait });
//! assert_eq!(adding.add(2), Ok(2));
//! assert!(waiting.poll().is_none());
//! assert_eq!(adding.add(3), Ok(5));
//! assert!(matches!(waiting.poll(), Some((done, Ok(CounterReply::WaitFor(5)))) if done == token));
//! ```
//!
//! # A message
//! A request is one message: its [`Tag`] names the declaration's version, the method and the request; its payload is the
//! arguments one after the other, each as its [`Wire`] encoding, then zeros. The reply carries the tag of the request
//! and the returned value, or, when the top bit of the method's byte is set, a [`Refusal`]. What does not fit into
//! 56 bytes does not compile.
//!
//! # Trust
//! Neither end trusts the other. Whatever a client sends, the server answers it or sends the client away; a client that
//! sends much or does not read its replies loses only its own share. Whatever a server sends, a client takes it for the
//! reply of one of its outstanding requests of that method or ignores and counts it.
//!
//! # Memory
//! A client allocates nothing. A server allocates when it takes a client, and never for a request: a [`Pending`] may be
//! kept anywhere and answered from any hart, which without `unsafe` code needs memory that is counted.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
// The derived encodings name this crate as its users do.
extern crate self as service;

#[cfg(feature = "cell")]
pub mod cell;
pub mod client;
mod error;
mod link;
mod loopback;
mod message;
#[cfg(feature = "rings")]
mod rings;
mod server;
mod wait;
pub mod wire;

pub use client::{Answer, Caller, Token};
pub use error::{CallError, Refusal};
pub use link::{Awaited, FOR_EVER, Link, ReceiveError, SendError};
pub use loopback::Loopback;
pub use message::{Message, PAYLOAD_BYTES, Payload, Tag};
#[cfg(feature = "rings")]
pub use rings::RingLink;
pub use server::{Call, ClientId, Counts, Dispatch, MOST_SUSPENDED, NoSeat, Outcome, Pending, Round, Server, Terms};
pub use service_macros::{Wire, service};
pub use wait::{Patience, Spin, Wait};
pub use wire::{Bytes, Text, Wire, WireError};

/// For the code that the service macro generates; not for anybody else.
#[doc(hidden)]
pub mod generated {
    pub use crate::client::{Method, decode_reply};
    pub use crate::message::payload_of;
}
