//! A machine: harts that run one scheduler's contexts, from the first context until all have finished.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

use crate::hart::{Hart, event};
use crate::home::Home;
use crate::switch;
use crate::{MAX_HARTS, Queue, Spin, on_hart, point};

/// What happened in a machine until it stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Contexts that were made.
    pub created: u64,
    /// Contexts that were dropped before they had finished, and whose stacks can never be used again.
    pub lost: u64,
    /// How long its scheduler's callbacks took. Measured in debug builds, and not where time is simulated.
    pub callbacks: Callbacks,
}

/// How long callbacks took, by the clock: whatever interrupts the hart meanwhile is counted too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Callbacks {
    /// The longest took so many ns.
    pub longest_ns: u64,
    /// Which it was: the name of a [`Scheduler`](crate::Scheduler)'s function, or `suspend`. Empty if nothing was measured.
    pub longest: &'static str,
    /// How many took longer than [`CALLBACK_NS`].
    pub over: u64,
}

/// The longest that a callback should take in a debug build, in ns: ten times what is asked of one that is optimised.
pub const CALLBACK_NS: u64 = 10_000;

impl Callbacks {
    pub(crate) fn count(&mut self, name: &'static str, ns: u64) {
        if ns > self.longest_ns {
            (self.longest_ns, self.longest) = (ns, name);
        }
        self.over += u64::from(ns > CALLBACK_NS);
    }
}

/// The harts and what they share.
pub(crate) struct Machine {
    harts: [Hart; MAX_HARTS],
    pub(crate) home: &'static dyn Home,
    pub(crate) stack_bytes: usize,
    /// Harts that exist, and how many of them are to be used.
    most: AtomicUsize,
    pub(crate) wanted: AtomicUsize,
    /// A bit for each hart that sleeps because it has nothing to run.
    pub(crate) idle: AtomicU64,
    /// Contexts made and not yet finished, dropped or lost.
    pub(crate) live: AtomicU64,
    pub(crate) created: AtomicU64,
    /// What is told at the end, but for `created`.
    pub(crate) summary: Spin<Summary>,
    /// Finished contexts, whose stacks are for the next.
    pub(crate) spare: Spin<Queue>,
}

impl core::fmt::Debug for Machine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Machine").field("live", &self.live).finish_non_exhaustive()
    }
}

impl Machine {
    /// A machine of one home, with stacks of so many bytes. `watched`: the home wants to be told of points.
    pub(crate) fn new(home: &'static dyn Home, stack_bytes: usize, watched: bool) -> Self {
        switch::find_vector_state();
        Self {
            harts: core::array::from_fn(|number| Hart::new(number, watched)),
            home,
            stack_bytes,
            most: AtomicUsize::new(0),
            wanted: AtomicUsize::new(0),
            idle: AtomicU64::new(0),
            live: AtomicU64::new(0),
            created: AtomicU64::new(0),
            summary: Spin::default(),
            spare: Spin::default(),
        }
    }

    /// Makes it ready for a run. No context of an earlier run may be left.
    pub(crate) fn reset(&'static self, shape: &Shape) {
        self.most.store(shape.most_harts, Ordering::Relaxed);
        self.wanted.store(shape.harts, Ordering::Relaxed);
        self.created.store(0, Ordering::Relaxed);
        *self.summary.lock() = Summary::default();
        self.harts.iter().for_each(|hart| hart.reset(self));
    }

    /// The harts that exist, in use or not.
    pub(crate) fn harts(&self) -> &[Hart] {
        &self.harts[..self.most.load(Ordering::Relaxed)]
    }

    pub(crate) fn post_all(&self, events: u32) {
        self.harts().iter().for_each(|hart| hart.post(events));
    }

    /// A context has finished or was dropped. After the last one the machine stops.
    pub(crate) fn forget_one(&self) {
        if self.live.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.post_all(event::STOP);
        }
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary { created: self.created.load(Ordering::Relaxed), ..*self.summary.lock() }
    }

    /// Says that a hart sleeps no more. Whether nobody else had said it.
    pub(crate) fn clear_idle(&self, hart: &Hart) -> bool {
        let bit = 1 << hart.number();
        self.idle.fetch_and(!bit, Ordering::SeqCst) & bit != 0
    }
}

/// Wakes one hart that sleeps because it has nothing to run, if there is any. To be called after a context was made ready.
pub fn wake_one() {
    point("wake");
    // What the caller has made ready must be seen by a hart that says now that it sleeps.
    fence(Ordering::SeqCst);
    on_hart(|hart| {
        let machine = hart.machine();
        // Where no bit is set, there is no hart of that number.
        while let Some(sleeper) = machine.harts.get(machine.idle.load(Ordering::SeqCst).trailing_zeros() as usize) {
            if machine.clear_idle(sleeper) {
                return sleeper.post(event::KICK);
            }
        }
    });
}

/// Interrupts a hart, which then calls [`Scheduler::tick`](crate::Scheduler::tick) if it runs a context, or `enter`. Several become one.
pub fn interrupt(number: usize) {
    point("interrupt");
    on_hart(|hart| hart.machine().harts[number].post(event::KICK));
}

/// Takes harts away or gives them back, until so many are in use: from 1 to [`Shape::most_harts`]. Does not wait for it.
pub fn resize(harts: usize) {
    on_hart(|hart| {
        let machine = hart.machine();
        machine.wanted.store(harts.clamp(1, machine.harts().len()), Ordering::SeqCst);
        machine.post_all(event::TICK);
    });
}

/// No memory for another context's stack, or its closure is too large for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoStack {
    /// Bytes of a stack in this machine.
    pub stack_bytes: usize,
    /// Bytes of the closure.
    pub closure_bytes: usize,
}

impl core::fmt::Display for NoStack {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { stack_bytes, closure_bytes } = self;
        write!(f, "no stack of {stack_bytes} bytes, or no room in it for {closure_bytes} bytes of closure")
    }
}

impl core::error::Error for NoStack {}

/// How many harts a machine has, and how large stacks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Harts in use at the start, from 1.
    pub harts: usize,
    /// The most that can be in use after [`crate::resize`], up to [`MAX_HARTS`].
    pub most_harts: usize,
    /// Bytes of a context's stack: a multiple of 4,096. A preemption takes up to 3 KiB of it.
    pub stack_bytes: usize,
}

impl Shape {
    /// So many harts, never more, and stacks of 64 KiB.
    pub const fn new(harts: usize) -> Self {
        Self { harts, most_harts: harts, stack_bytes: 1 << 16 }
    }

    /// The same, with room for more harts.
    pub const fn up_to(self, most_harts: usize) -> Self {
        Self { most_harts, ..self }
    }
}
