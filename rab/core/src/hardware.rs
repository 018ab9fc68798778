//! From shares to what hardware is told: pure parts of Intel's Resource Director Technology (RDT) and of its energy counters (RAPL). Whoever may read `cpuid` and write registers
//! does so; here is what the bits mean and which values keep cells apart.
//!
//! Where a machine has none of it, [`Rdt::from_cpuid`] finds nothing, the kinds are left out of the [`crate::Machine`], and energy is an estimate that says so.
//!
//! - [`controls`]: what a machine's owner implements, and putting shares in force
//! - [`rdt`]: what the processor can divide, and the settings for a plan
//! - [`energy`]: joules from a counter that wraps around, or from a model

pub mod controls;
pub mod energy;
pub mod rdt;

pub use controls::{Controls, NotEnforced, Refused};
pub use energy::{Energy, Meter};
pub use rdt::{NoSettings, Rdt, Setting};
