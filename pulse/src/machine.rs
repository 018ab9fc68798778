//! A machine: harts that run one scheduler's contexts, from the first context until all have finished.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use crate::MAX_HARTS;
use crate::hart::{Hart, event};
use crate::home::Home;
use crate::spin::Spin;
use crate::switch::{self, Context, Queue};

/// What happened in a machine until it stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Contexts that were made.
    pub created: u64,
    /// Contexts that were dropped before they had finished, and whose stacks can never be used again.
    pub lost: u64,
}

#[derive(Debug)]
struct Harts([Hart; MAX_HARTS]);

impl Default for Harts {
    fn default() -> Self {
        Self(core::array::from_fn(|_| Hart::default()))
    }
}

/// The harts and what they share.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    harts: Harts,
    home: spin::Once<&'static dyn Home>,
    /// Harts that exist, and how many of them are to be used.
    most: AtomicU32,
    wanted: AtomicU32,
    stack_bytes: AtomicU64,
    /// A bit for each hart that sleeps because it has nothing to run.
    idle: AtomicU64,
    /// Contexts made and not yet finished, dropped or lost.
    live: AtomicU64,
    created: AtomicU64,
    lost: AtomicU64,
    /// Finished contexts, whose stacks are for the next.
    spare: Spin<Queue>,
    #[cfg(feature = "std")]
    failure: Spin<Option<crate::home::Failure>>,
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
        write!(
            f,
            "no memory for a stack of {stack_bytes} bytes, or no room there for a closure of {closure_bytes} bytes"
        )
    }
}

impl core::error::Error for NoStack {}

impl Machine {
    /// Makes it ready for a run, always in the same home. Nothing of an earlier run may be left.
    pub(crate) fn reset(&'static self, home: &'static dyn Home, shape: &Shape, watched: bool) {
        self.home.call_once(|| home);
        self.most.store(shape.most_harts as u32, Ordering::Relaxed);
        self.wanted.store(shape.harts as u32, Ordering::Relaxed);
        self.stack_bytes.store(shape.stack_bytes as u64, Ordering::Relaxed);
        self.idle.store(0, Ordering::Relaxed);
        for count in [&self.live, &self.created, &self.lost] {
            count.store(0, Ordering::Relaxed);
        }
        for (number, hart) in self.harts.0.iter().enumerate() {
            hart.reset(self, number, watched);
        }
        switch::find_vector_state();
    }

    pub(crate) fn home(&self) -> &'static dyn Home {
        *self.home.get().expect("a machine has a home before it starts")
    }

    pub(crate) fn hart(&self, number: usize) -> &Hart {
        &self.harts.0[number]
    }

    /// The harts that exist, in use or not.
    pub(crate) fn harts(&self) -> &[Hart] {
        &self.harts.0[..self.most.load(Ordering::Relaxed) as usize]
    }

    pub(crate) fn wanted(&self) -> usize {
        self.wanted.load(Ordering::SeqCst) as usize
    }

    /// Says how many harts are to be used from now on: at least one, at most those that exist.
    pub(crate) fn resize(&self, harts: usize) {
        self.wanted.store(harts.clamp(1, self.harts().len()) as u32, Ordering::SeqCst);
        self.post_all(event::RESIZE);
    }

    pub(crate) fn post_all(&self, events: u32) {
        for hart in self.harts() {
            hart.post(events);
        }
    }

    /// A new context, on a used stack if there is one.
    pub(crate) fn context<F: FnOnce() + Send + 'static>(&'static self, work: F) -> Result<Context, NoStack> {
        let stack_bytes = self.stack_bytes.load(Ordering::Relaxed) as usize;
        let refusal = NoStack { stack_bytes, closure_bytes: size_of::<F>() };
        let spare = self.spare.lock().pop();
        let stack = match spare {
            Some(context) => context.into_stack(),
            None => self.home().stack(stack_bytes).ok_or(refusal)?,
        };
        let id = self.created.fetch_add(1, Ordering::Relaxed) + 1;
        self.live.fetch_add(1, Ordering::Relaxed);
        Context::build(self, id, stack, work).ok_or_else(|| {
            self.forget_one();
            refusal
        })
    }

    /// Keeps a context that has finished or never started, for its stack.
    pub(crate) fn recycle(&self, context: Context) {
        self.spare.lock().push(context);
    }

    /// A context has finished or was dropped. After the last one the machine stops.
    pub(crate) fn forget_one(&self) {
        if self.live.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.post_all(event::STOP);
        }
    }

    /// A context was dropped that had not finished.
    pub(crate) fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.forget_one();
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary { created: self.created.load(Ordering::Relaxed), lost: self.lost.load(Ordering::Relaxed) }
    }

    /// Contexts that have not finished.
    #[cfg(feature = "std")]
    pub(crate) fn live(&self) -> u64 {
        self.live.load(Ordering::SeqCst)
    }

    pub(crate) fn set_idle(&self, hart: &Hart) {
        self.idle.fetch_or(1 << hart.number(), Ordering::SeqCst);
    }

    /// Whether nobody else had done it.
    pub(crate) fn clear_idle(&self, hart: &Hart) -> bool {
        let bit = 1 << hart.number();
        self.idle.fetch_and(!bit, Ordering::SeqCst) & bit != 0
    }

    /// See [`crate::wake_one`].
    pub(crate) fn wake_one(&self) {
        // What the caller has made ready must be seen by a hart that says now that it sleeps.
        fence(Ordering::SeqCst);
        loop {
            let idle = self.idle.load(Ordering::SeqCst);
            if idle == 0 {
                return;
            }
            let hart = &self.harts.0[idle.trailing_zeros() as usize];
            if self.clear_idle(hart) {
                return hart.post(event::KICK);
            }
        }
    }

    /// Keeps the first thing that went wrong, and stops.
    #[cfg(feature = "std")]
    pub(crate) fn fail(&self, failure: crate::home::Failure) {
        self.failure.lock().get_or_insert(failure);
        self.post_all(event::STOP);
    }

    #[cfg(feature = "std")]
    pub(crate) fn take_failure(&self) -> Option<crate::home::Failure> {
        self.failure.lock().take()
    }
}

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
    #[must_use]
    pub const fn new(harts: usize) -> Self {
        Self { harts, most_harts: harts, stack_bytes: 1 << 16 }
    }

    /// The same, with room for more harts.
    #[must_use]
    pub const fn up_to(self, most_harts: usize) -> Self {
        Self { most_harts, ..self }
    }
}
