//! The root cell: the only cell that the kernel starts. It reads the manifest from the boot archive, loads the other cells, commits the plan, is the
//! console, is the broker, and gives the summary and the verdict.
//!
//! Everything that only computes is in modules that are tested on the host: [`allocate`], [`broker`], [`command`], [`counters`], [`gang_log`], [`histogram`],
//! [`image`], [`measure`], [`plugged`], [`promise`], [`reaction`], [`refusal`], [`resize`], [`table`], [`verdict`]. The others talk to the kernel; [`supervisor`] puts them together.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

#[doc(hidden)]
pub extern crate alloc;

// A cell knows the contract by its runtime; tests, which must not link the runtime, know it directly.
#[cfg(test)]
extern crate abi;
#[cfg(not(test))]
use cell::abi;

pub mod allocate;
pub mod broker;
pub mod command;
pub mod counters;
pub mod gang_log;
pub mod histogram;
pub mod image;
pub mod measure;
pub mod plugged;
pub mod promise;
pub mod reaction;
pub mod refusal;
pub mod resize;
pub mod table;
pub mod verdict;

#[cfg(not(test))]
pub mod archive;
#[cfg(not(test))]
pub mod channels;
#[cfg(not(test))]
pub mod connector;
#[cfg(not(test))]
pub mod console;
#[cfg(not(test))]
pub mod loader;
#[cfg(not(test))]
pub mod member;
#[cfg(not(test))]
pub mod recovery;
#[cfg(not(test))]
pub mod report;
#[cfg(not(test))]
pub mod supervisor;

#[cfg(not(test))]
pub use supervisor::run;

const _: () = {
    use crate::abi::layout;
    assert!(manifest::limits::NAME_MAX == crate::abi::call::NAME_MAX, "names are as long as the kernel allows");
    assert!(manifest::limits::CELLS_MAX == crate::abi::MAX_CELLS, "as many cells as the kernel allows");
    assert!(
        manifest::limits::THREADS_MAX as usize == crate::abi::MAX_HARDWARE_THREADS,
        "all hardware threads can be named"
    );
    assert!(manifest::limits::PAGE_BYTES == layout::PAGE_SIZE, "memory comes in pages");
    assert!(*manifest::limits::STACK_BYTES.end() == layout::STACK_SIZE_MAX, "stacks end before the guard");
    assert!(
        manifest::limits::EVENT_STACK_BYTES == layout::EVENT_STACK_SIZE,
        "event stacks are as the kernel's contract says"
    );
    assert!(manifest::limits::ARGUMENTS_MAX == size_of::<layout::Parameters>() - 8, "arguments fit into their page");
};
