//! Write your own preemptive scheduler as one file, test it with `cargo test` on any Linux machine, and run it in a cell unchanged.
//!
//! A scheduler implements [`Scheduler`]: `enter` chooses what a hart runs, `ready` takes a context that can run; the rest has defaults.
//! It gets and returns [`Context`]s, which it owns, and keeps them in [`Queue`]s, [`Ranked`]s and [`PerHart`]s behind [`Spin`] locks. What runs in
//! contexts calls [`yield_now`], [`sleep_until`] and whatever the scheduler offers: locks, conditions, `spawn`, made with [`Context::new`] and
//! [`suspend`].
//!
//! Where it runs is a *home*: a cell (feature `cell`), threads of a Linux process (`home::linux`), or one thread under a virtual clock that searches for
//! bad schedules and replays them (`home::test`). What ran where and when can be seen in all of them: [`trace`].

#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod collections;
#[cfg(feature = "std")]
pub mod conformance;
mod hart;
pub mod home;
mod machine;
mod scheduler;
#[allow(unsafe_code, reason = "registers, stacks, and who owns them")]
mod switch;
pub mod trace;

pub use collections::{Queue, Ranked};
pub use hart::{Hart, PerHart};
pub use machine::{CALLBACK_NS, Callbacks, NoStack, Shape, Summary};
pub use scheduler::{Fault, FaultKind, Next, Scheduler};
pub use switch::lock::{RawSpin, Spin, SpinGuard, masked, on_hart};
pub use switch::{Context, Control, SCHEDULER_WORDS};

/// The most harts of a machine.
pub const MAX_HARTS: usize = 64;

/// Lets other contexts go first: [`Scheduler::yielded`].
#[inline]
pub fn yield_now() {
    point("yield");
    switch::pause(switch::Status::Yielded);
}

/// Stops the present context and gives it to `what`, which keeps it until it is to be made ready: the base of every lock and condition. `what` runs on the
/// hart's own stack with events masked, as a callback does; afterwards the hart calls [`Scheduler::enter`]. Returns when the context is continued. A
/// [`SpinGuard`] must not be held here, but `what` may take locks: look again there at what you wait for.
pub fn suspend(what: impl FnOnce(Context)) {
    point("suspend");
    switch::suspend(what);
}

/// The time in ns, from some beginning; the timebase in a cell. 0 outside of a machine.
pub fn now() -> u64 {
    switch::current().map_or(0, Hart::now)
}

/// Stops the present context until an instant of [`now`]; then it is [`Scheduler::ready`] on the hart where it was.
pub fn sleep_until(at: u64) {
    suspend(|context| on_hart(|hart| hart.sleep(at, context)));
}

/// Wakes one hart that sleeps because it has nothing to run, if there is any. To be called after a context was made ready.
pub fn wake_one() {
    point("wake");
    on_hart(|hart| hart.machine().wake_one());
}

/// Interrupts a hart, which then calls [`Scheduler::tick`] if it runs a context, or `enter`. Several become one.
pub fn interrupt(number: usize) {
    point("interrupt");
    on_hart(|hart| hart.machine().hart(number).post(hart::event::KICK));
}

/// Takes harts away or gives them back, until so many are in use: from 1 to [`Shape::most_harts`]. Does not wait for it.
pub fn resize(harts: usize) {
    on_hart(|hart| hart.machine().resize(harts));
}

/// Looks at the running context as its scheduler sees it. `None` where no context runs.
pub fn with_running<R>(look: impl FnOnce(&Control) -> R) -> Option<R> {
    on_hart(|hart| switch::running(hart).map(look))
}

/// A place at which the deterministic home may switch to another hart or deliver an event. Nothing elsewhere.
#[inline]
pub fn point(place: &'static str) {
    if let Some(hart) = switch::current().filter(|hart| hart.watched) {
        hart.machine().home.point(place);
    }
}
