//! A simulated system for optimizers: applications whose response times are known, a machine with ways, bandwidth and power, noise, and plans that take time to come
//! into force. The optimizer runs in the very loop that it runs in on a machine.
//!
//! ```
//! use rab_core::optimizers::Pota;
//! use rab_core::simulator::{scenarios, simulate};
//!
//! let scenario = &scenarios()[0];
//! let report = simulate(scenario, Pota::<16>::new(), 1);
//! println!("{}: {report}", scenario.name);
//! ```
//!
//! - [`Application`]: what a cell does with what it has
//! - [`Scenario`]: a machine and applications; [`scenarios`]: the fixed set by which optimizers are compared
//! - [`simulate`]: runs one, and gives a [`Report`]
//! - [`conformance`]: what must hold of every optimizer; [`league`]: how they compare

mod application;
pub mod conformance;
pub mod league;
mod random;
mod report;
mod scenario;
mod world;

pub use application::{Application, Work};
pub use random::Random;
pub use report::Report;
pub use scenario::{Scenario, scenarios};
pub use world::{simulate, simulate_with};

#[cfg(test)]
mod tests;
