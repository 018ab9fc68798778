//! The names cell: [`Desk`] answers requests out of the directory, [`Connections`] has the root cell make channels. The program
//! puts them between channels.
//!
//! A client is what is at the other end of a channel, for as long as that lasts: each has a [`Cell`](names_contract::Cell) of its
//! own, and when its channel ends all that it had is gone from the directory before the next request is taken.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(test)]
extern crate std;

mod connections;
mod desk;

pub use connections::Connections;
pub use desk::{Desk, Figures, SEATS, Table, node, table};
