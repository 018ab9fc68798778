//! The multiplexing algorithm and the timebase arithmetic. Pure: no clock, no I/O, no heap, no unsafe.
//!
//! A [`Plan`] says which cell owns which hardware threads under which [`Policy`]. Every hardware thread has a [`Replica`], which follows the plan by
//! itself: all replicas see the same plan and compute the same decisions from it, so that gangs start together without a message.
//! The idea is Tessellation's (muxers, HotPar 2009 and DAC 2013) and Barrelfish's (phase-locked scheduling, Peter's dissertation,
//! section 3.5.4).
//!
//! ```
//! use muxer::inputs::NoInputs;
//! use muxer::{CellId, Entry, Instant, Plan, Policy, Replica, Span, Spec, ThreadSet};
//!
//! let both = ThreadSet::from_bits(0b11);
//! let entries = [
//!     Entry { cell: CellId(1), threads: both, policy: Policy::BestEffort { weight: 1 } },
//!     Entry { cell: CellId(2), threads: both, policy: Policy::BestEffort { weight: 1 } },
//! ];
//! let spec = Spec {
//!     number: 1,
//!     effective: Instant::from_nanos(0),
//!     slice: Span::from_millis(10),
//!     lead: Span::from_micros(5),
//!     machine: both,
//!     entries: &entries,
//! };
//! let plan: Plan = Plan::validate(&spec).expect("nothing is in conflict");
//! let mut replica = Replica::new(0, &plan, None, &NoInputs);
//! let decision = replica.decide(&plan, Instant::from_nanos(0), &NoInputs);
//! assert_eq!(decision.run.map(|run| run.cell), Some(CellId(1)));
//! assert_eq!(decision.until, Some(Instant::from_nanos(10_000_000)));
//! ```
//!
//! - [`time`]: instants and spans, in nanoseconds of the timebase
//! - [`timebase`]: from a time-stamp counter to the timebase and back; offsets between hardware threads
//! - [`lead`]: how early to arm a timer
//! - [`plan`]: plans and their validation
//! - [`inputs`]: what cells say of themselves (that they have work, or have none), and how all muxers come to act on it at the same instant
//! - [`replica`]: the decisions. [`Replica::new`] for the first plan, [`Replica::adopt`] from plan to plan, [`Replica::decide`] in between

#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "simulator"))]
extern crate std;

mod admission;
mod component;
pub mod inputs;
pub mod lead;
pub mod plan;
mod refusal;
pub mod replica;
mod reserve;
#[cfg(any(test, feature = "simulator"))]
pub mod simulator;
mod succession;
pub mod threads;
pub mod time;
pub mod timebase;
mod window;

pub use plan::{CellId, Entry, Plan, Policy, Spec};
pub use refusal::{Reason, Refusal};
pub use replica::{Checkpoint, Decision, Repair, Replica, Run, Trouble};
pub use threads::ThreadSet;
pub use time::{Instant, Span};
