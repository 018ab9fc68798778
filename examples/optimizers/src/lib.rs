//! Optimizers of your own, one file each. `cargo xtask new optimizer NAME` makes one to start from; `proportional.rs` is one in 30 lines.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod proportional;

use alloc::boxed::Box;

use rab_core::Optimizer;

/// All of them, with nothing learnt: the league and the broker find them here.
const ALL: &[fn() -> Box<dyn Optimizer>] = &[
    // A line for each.
    || Box::new(proportional::Proportional),
];

/// What they say they are called.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|make| make().name())
}

/// The one of this name.
#[must_use]
pub fn named(name: &str) -> Option<Box<dyn Optimizer>> {
    ALL.iter().map(|make| make()).find(|optimizer| optimizer.name() == name)
}

#[cfg(test)]
mod tests;
