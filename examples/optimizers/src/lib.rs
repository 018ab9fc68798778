//! Optimizers to copy, one file each. Start from `proportional.rs`: it is an optimizer in 30 lines, and its tests show how to hold one against a simulated system.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod proportional;

pub use proportional::Proportional;
