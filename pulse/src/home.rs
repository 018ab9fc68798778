//! Where a scheduler runs.

use crate::Hart;
use crate::machine::Machine;
use crate::switch::Stack;

#[cfg(feature = "cell")]
#[macro_use]
#[allow(unsafe_code, reason = "events and memory of a cell")]
pub mod cell;
#[cfg(feature = "std")]
#[macro_use]
#[allow(unsafe_code, reason = "threads, signals and timers of the system")]
pub mod linux;
#[cfg(feature = "std")]
pub mod test;

/// What the framework needs from where it runs. `hart` is the one that calls, unless it says otherwise.
pub(crate) trait Home: Sync {
    /// The time, in ns.
    fn now(&self) -> u64;
    /// Interrupts the hart at an instant with [`event::TICK`](crate::hart::event::TICK). One past is due at once.
    fn arm(&self, hart: &Hart, at: u64);
    /// Sleeps until the hart has events, or the instant has come, or for no reason.
    fn park(&self, hart: &Hart, until: u64);
    /// Another hart, or this one, has new events: it must look at them soon.
    fn kick(&self, hart: &Hart);
    /// The hart waits for another one for a moment.
    fn relax(&self);
    /// Memory for a stack with a guard below.
    fn stack(&self, bytes: usize) -> Option<Stack>;
    /// A point in [`crate::point`]'s sense; only called for harts that are watched.
    fn point(&self, _place: &'static str) {}
    /// Runs the body of a context. A home in which a panic does not end everything keeps it for whoever started the machine.
    fn shield(&self, _machine: &'static Machine, work: &mut dyn FnMut()) {
        work();
    }
}
