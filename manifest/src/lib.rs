//! A system's manifest: which cells to start, with which hardware threads, memory and policy.
//!
//! People write it as `systems/NAME.toml`. On the host, `parse` (feature `host`) reads that text and reports every mistake in it with file
//! and line. The result is a [`System`]; its compact form ([`compact`], [`System::from_compact`]) travels in the boot archive to the root
//! cell, which needs no feature to decode it.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "host")]
extern crate std;

mod broker;
mod compact;
#[cfg(feature = "host")]
mod conflict;
pub mod limits;
#[cfg(feature = "host")]
mod mistake;
#[cfg(feature = "host")]
mod parse;
mod quantity;
mod system;

pub use broker::{Broker, Needs, OPTIMIZERS, Rate, Target};
pub use compact::{CompactError, compact};
#[cfg(feature = "host")]
pub use mistake::Mistake;
#[cfg(feature = "host")]
pub use parse::parse;
pub use quantity::{Bytes, Nanoseconds};
#[cfg(feature = "host")]
pub use quantity::{parse_duration, parse_size};
pub use system::{Activation, Cell, Channel, Contract, Expect, Policy, Root, System, Threads, ThreadsError};
