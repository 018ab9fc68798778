//! A hart of the deterministic home: a hart's whole life on a stack of its own, run piece by piece by one thread.

use core::cell::Cell;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::boxed::Box;

use super::{Stack, first_frame, switch};

std::thread_local! {
    static PRESENT: Cell<*const State> = const { Cell::new(core::ptr::null()) };
}

/// What runs on a stack of its own until it pauses. To drop one that has not finished abandons it: what is on its stack stays there for ever.
#[derive(Debug)]
pub(crate) struct Fiber<'a> {
    state: Box<State>,
    stack: NonNull<[MaybeUninit<u8>]>,
    /// The work may borrow for so long, and belongs to this thread.
    work: PhantomData<&'a mut *const ()>,
}

struct State {
    saved: AtomicPtr<u8>,
    resumer: AtomicPtr<u8>,
    work: Cell<Option<Box<dyn FnOnce()>>>,
    finished: Cell<bool>,
}

impl core::fmt::Debug for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("State").field("finished", &self.finished).finish_non_exhaustive()
    }
}

impl<'a> Fiber<'a> {
    /// Prepares to run `work`, which must not panic, on a stack of at least a few KiB.
    pub(crate) fn new(stack: Stack, work: impl FnOnce() + 'a) -> Self {
        let work: Box<dyn FnOnce() + 'a> = Box::new(work);
        // SAFETY: only the lifetime changes. The work runs in `resume` only, which needs the fiber, which does not outlive it.
        let work = unsafe { core::mem::transmute::<Box<dyn FnOnce() + 'a>, Box<dyn FnOnce()>>(work) };
        let state = Box::new(State {
            saved: AtomicPtr::new(core::ptr::null_mut()),
            resumer: AtomicPtr::new(core::ptr::null_mut()),
            work: Cell::new(Some(work)),
            finished: Cell::new(false),
        });
        let stack = NonNull::from(stack);
        let end = stack.cast::<u8>().as_ptr().wrapping_add(stack.len());
        // SAFETY: the stack is ours.
        let frame = unsafe { first_frame(end, first as *const (), (&raw const *state).cast()) };
        state.saved.store(frame, Ordering::Relaxed);
        Self { state, stack, work: PhantomData }
    }

    /// Goes on with the work until it pauses or ends.
    pub(crate) fn resume(&self) {
        assert!(!self.state.finished.get(), "a fiber that has ended cannot go on");
        let outer = PRESENT.replace(&raw const *self.state);
        // SAFETY: the fiber's stack pointer was left by `new` or `pause` and nothing else runs there.
        unsafe { switch(self.state.resumer.as_ptr(), self.state.saved.load(Ordering::Relaxed)) };
        PRESENT.set(outer);
    }

    /// Its stack, once it has ended.
    pub(crate) fn into_stack(self) -> Option<Stack> {
        // SAFETY: it was given to `new`, and nothing runs there any more.
        self.state.finished.get().then(|| unsafe { &mut *self.stack.as_ptr() })
    }

    /// Whether the work has ended.
    pub(crate) fn has_finished(&self) -> bool {
        self.state.finished.get()
    }
}

/// Pauses the present fiber: its `resume` returns, and this returns at the next one.
pub(crate) fn pause() {
    let state = PRESENT.get();
    // SAFETY: null, or the state of the fiber that runs, which is borrowed by `resume`.
    let state = unsafe { state.as_ref() }.expect("only a fiber can pause");
    // SAFETY: `resume` has just saved the other stack pointer, and waits there.
    unsafe { switch(state.saved.as_ptr(), state.resumer.load(Ordering::Relaxed)) };
}

/// The first function on a fiber's stack.
unsafe extern "sysv64" fn first(state: *const State) -> ! {
    // SAFETY: the fiber that is being resumed owns it.
    let state = unsafe { &*state };
    if let Some(work) = state.work.take() {
        work();
    }
    state.finished.set(true);
    pause();
    unreachable!("a fiber that has ended went on")
}
