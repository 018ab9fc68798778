//! A simulator: the muxers of a whole machine, with clocks that differ, latencies, cells that come and go, changes of plan, and faults. It runs the very code
//! that decides in the kernel, and judges every decision.

pub mod clock;
mod execution;
pub mod generate;
mod hardware;
mod judge;
pub mod latency;
mod layout;
mod publishing;
pub mod random;
pub mod report;
pub mod scenario;
pub mod shrink;
mod sight;
mod work;
mod world;

#[cfg(test)]
mod following;
#[cfg(test)]
mod large;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod situations;

pub use report::{Cause, Distribution, Property, Report, Violation};
pub use scenario::{Change, Clocks, Fault, Line, Looks, Machine, Says, Scenario, What, Workload, threads};

/// Runs a scenario on plans of up to `CELLS` cells.
///
/// # Panics
/// If the first plan is refused.
#[must_use]
pub fn simulate<const CELLS: usize, const WORDS: usize>(scenario: &Scenario<WORDS>) -> Report {
    world::World::<CELLS, WORDS>::new(scenario).run()
}
