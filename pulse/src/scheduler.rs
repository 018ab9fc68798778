//! What a scheduler implements, and the contract of each callback.

use crate::{Context, Hart};

/// What a hart does next. A callback ends by choosing it.
#[derive(Debug)]
#[must_use = "a hart does what its scheduler chooses, and a context in it would be lost"]
pub enum Next {
    /// Run this context.
    Run(Context),
    /// Nothing to run: sleep until an event comes, or until this instant in ns of [`crate::now`], `u64::MAX` for none; then
    /// [`Scheduler::enter`] is called again.
    Idle {
        /// The instant.
        until: u64,
    },
}

impl Next {
    /// Run the context if there is one, else sleep until an event.
    pub fn run_or_idle(context: Option<Context>) -> Self {
        context.map_or(Self::Idle { until: u64::MAX }, Self::Run)
    }
}

/// A fault of a context: something that it cannot go on after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The address that the context touched, or the instruction that it could not do.
    pub address: u64,
    /// What kind of fault.
    pub kind: FaultKind,
}

/// Kinds of [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It ran out of its stack: the address lies in the guard below.
    StackOverflow,
    /// It touched memory that is not there or not its own.
    Memory,
    /// An instruction that does not exist or has no result.
    Instruction,
}

/// A scheduler: decides which context runs on which hart.
///
/// **The contract of all callbacks.** They run on the hart's own stack, never on a context's, so a context that a callback gets is saved
/// completely and may run elsewhere at once. Events are masked from beginning to end and collect meanwhile. A callback may interrupt a context
/// anywhere, even in the heap: so it must not allocate, print, or take a lock that contexts take without masking events; [`crate::Spin`],
/// [`crate::Queue`], [`crate::Ranked`] and [`crate::PerHart`] are made for this. It must not wait, yield or suspend. It should return within about
/// a microsecond: its time is everyone's. What it does with contexts is for the compiler to check: one that it was given must be returned, queued, or
/// dropped.
///
/// Debug builds check it: that a callback runs on the hart's own stack; that it does not wait (every build does); that it holds no lock at its end and
/// has not unmasked events; that what it chose has not finished. They measure how long each takes and report the longest, and how many took more than
/// [`CALLBACK_NS`](crate::CALLBACK_NS), in [`Summary::callbacks`](crate::Summary::callbacks); nothing fails by it, because a system may stop a thread
/// anywhere. That it does not allocate or print is not checked.
///
/// The same callbacks run on several harts at once, hence `&self` and `Sync`.
pub trait Scheduler: Sync {
    /// This hart has nothing to run: it has started, it slept, or its context waits or finished. Choose.
    ///
    /// On [`Next::Idle`] the framework first lets others know that this hart sleeps, and then calls `enter` once more before it really does. So whoever
    /// makes a context ready and then calls [`crate::wake_one`] need not know which harts sleep, and no wake-up is missed.
    fn enter(&self, hart: &Hart) -> Next;

    /// A context can run: it is new, or what it waited for has happened. Put it where some hart's `enter` will find it, and call [`crate::wake_one`].
    ///
    /// The framework calls it for a machine's first context and for sleepers; a scheduler calls it itself through [`crate::on_hart`] where it makes or
    /// wakes contexts. Events are masked. It may run on a context's stack.
    fn ready(&self, hart: &Hart, context: Context);

    /// The context yields: it could go on, but lets others go first.
    fn yielded(&self, hart: &Hart, context: Context) -> Next {
        self.ready(hart, context);
        self.enter(hart)
    }

    /// The context was interrupted: the instant of [`Hart::set_tick`] has come, or someone called [`crate::interrupt`]. A tick that was due while events were
    /// masked comes late, and several become one. The tick is not armed any more.
    fn tick(&self, hart: &Hart, context: Context) -> Next {
        self.yielded(hart, context)
    }

    /// The context has run to its end. Dropping it frees its stack for the next.
    fn done(&self, hart: &Hart, context: Context) -> Next {
        drop(context);
        self.enter(hart)
    }

    /// This hart is being taken away; what it ran is in `context`. Put it, and all that only this hart knows of, where other harts find it. The hart calls no
    /// callback afterwards, until it is given back and `enter` is called. Sleepers of this hart move to hart 0, which is never taken.
    fn resize(&self, hart: &Hart, context: Option<Context>) {
        if let Some(context) = context {
            self.ready(hart, context);
        }
    }

    /// The cell was notified from outside. The default forgets it. Comes on hart 0, before `tick` or `enter`.
    fn notify(&self, _hart: &Hart) {}

    /// The context did what it may not. It cannot go on: it can only be dropped, which loses its stack. The default panics.
    fn fault(&self, _hart: &Hart, context: Context, fault: Fault) -> Next {
        panic!("context {} had a fault that its scheduler does not handle: {fault:?}", context.id());
    }
}
