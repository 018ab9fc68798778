//! Schedulers to read, to use and to copy: one file each.
//!
//! - [`round_robin`]: one queue for all harts, and time slices. Start here.
//! - [`work_stealing`]: a queue for each hart; who has nothing takes from others.
//! - [`fixed_priority`]: the most urgent first, with priority inheritance.
//! - [`edf`]: the earliest deadline first, with inheritance of deadlines, and periodic threads.
//! - [`lithe`]: parallel libraries that call each other hand harts to each other.
//! - [`tasks`]: run-to-completion tasks with futures, and stacks only for those that wait.
//!
//! [`executor`] polls tasks of `async` on threads of any of them.
//!
//! What threads use together: [`sync`] has a mutex and a condition variable for any scheduler, and [`ranks`] is what the last two share.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(any(feature = "std", feature = "cell"))]
mod conform;
pub mod edf;
pub mod executor;
pub mod fixed_priority;
pub mod lithe;
pub mod ranks;
mod room;
pub mod round_robin;
pub mod sync;
pub mod tasks;
pub mod work_stealing;
