//! The broker's decisions, pure: no clock, no I/O, no heap, no unsafe; knows neither kernel nor cell.
//!
//! An [`Optimizer`] divides what a [`Machine`] has among [`Cell`]s that need, have and achieve something. Everything that it is told and answers is plain data
//! in a [`Situation`]. What it answers is checked before it counts, so whatever an optimizer does, no cell gets less than it was promised.
//!
//! - [`resource`], [`machine`], [`cell`]: the data
//! - [`optimizer`]: the interface; [`optimizers`]: those that ship
//! - [`admission`]: who may start at all
//! - [`control`]: the loop around an optimizer, which filters, damps and explains
//! - [`hardware`]: what shares mean for Intel RDT and RAPL
//! - `simulator` (feature `simulator`): a simulated system to try optimizers in

#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "simulator"))]
extern crate std;

pub mod admission;
pub mod cell;
pub mod control;
pub mod divide;
pub mod hardware;
pub mod machine;
pub mod optimizer;
pub mod optimizers;
pub mod resource;
#[cfg(any(test, feature = "simulator"))]
pub mod simulator;

pub use cell::{Cell, CellId, Needs, Seen};
pub use machine::{Goals, Machine, Supply};
pub use optimizer::{Breach, NoAllocation, Optimizer, Situation, Steps, check};
pub use resource::{Amounts, Resource};
