//! Write your own preemptive scheduler as one file, test it with `cargo test` on any Linux machine, and run it in a cell unchanged.
//!
//! A scheduler implements [`Scheduler`]: `enter` chooses what a hart runs, `ready` takes a context that can run; the rest has defaults.
//! It gets and returns [`Context`]s, which it owns, and keeps them in [`Queue`]s, [`Ranked`]s and [`PerHart`]s behind [`Spin`] locks. What runs in
//! contexts calls [`yield_now`], [`sleep_until`] and whatever the scheduler offers: locks, conditions, `spawn`, made with [`Context::new`] and
//! [`suspend`].
//!
//! Where it runs is a *home*: a cell (feature `cell`), threads of a Linux process (`home::linux`), or one thread under a virtual clock that searches for
//! bad schedules and replays them (`home::test`). What ran where and when can be seen in all of them: [`trace`].
//!
//! The framework is small: callbacks, contexts, stacks, masking, timers, parking, storage per hart, and the checks of its contract are under 800 lines of code. Beside it stand the
//! collections ([`Queue`], [`Ranked`]), the homes, and the tools for tests ([`conformance`], [`trace`]); `cargo xtask check` counts each.

#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod collections;
#[cfg(any(feature = "std", feature = "cell"))]
pub mod conformance;
mod hart;
#[macro_use]
pub mod home;
mod machine;
mod scheduler;
#[allow(unsafe_code, reason = "registers, stacks, and who owns them")]
mod switch;
pub mod trace;

pub use collections::{Queue, Ranked};
pub use hart::{Hart, PerHart, now, point, sleep_until};
pub use machine::{CALLBACK_NS, Callbacks, NoStack, Shape, Summary, interrupt, resize, wake_one};
pub use scheduler::{Fault, FaultKind, Next, Scheduler};
pub use switch::lock::{RawSpin, Spin, SpinGuard, masked, on_hart};
pub use switch::{Context, Control, SCHEDULER_WORDS, suspend, with_running, yield_now};

/// The most harts of a machine.
pub const MAX_HARTS: usize = 64;
