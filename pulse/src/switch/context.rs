//! A context: a stack with a [`Control`] block at its top, and who owns it.

use core::cell::Cell;
use core::mem::offset_of;
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use super::{Thunk, begin_context, first_frame};
use crate::machine::Machine;
use crate::scheduler::Fault;

/// Words of a context that its scheduler may use as it likes.
pub const SCHEDULER_WORDS: usize = 4;

/// What a scheduler sees of a context.
#[derive(Debug)]
pub struct Control {
    id: u64,
    rank: Cell<u64>,
    words: [Cell<u64>; SCHEDULER_WORDS],
}

impl Control {
    /// The context's number: from 1, in the order of creation, never used twice in a machine.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What [`crate::Ranked`] sorts by: the smallest first. 0 at the start.
    #[must_use]
    pub fn rank(&self) -> u64 {
        self.rank.get()
    }

    /// Sets the rank. Not while the context is in a [`crate::Ranked`], which cannot happen by accident: it owns its contexts.
    pub fn set_rank(&self, rank: u64) {
        self.rank.set(rank);
    }

    /// A word that belongs to the scheduler, 0 at the start; `index` below [`SCHEDULER_WORDS`].
    #[must_use]
    pub fn word(&self, index: usize) -> u64 {
        self.words[index].get()
    }

    /// Sets a word of the scheduler.
    pub fn set_word(&self, index: usize, value: u64) {
        self.words[index].set(value);
    }
}

/// Links with which queues chain contexts without allocating.
#[derive(Debug, Default)]
pub(crate) struct Links {
    pub(crate) next: Option<Context>,
    pub(crate) child: Option<Context>,
    /// What a [`crate::Ranked`] sorts by, and the order among equals.
    pub(crate) key: u64,
    pub(crate) turn: u64,
}

/// At the top of each context's stack.
#[repr(C, align(64))]
pub(super) struct Block {
    pub(super) control: Control,
    links: Links,
    /// The stack pointer while the context does not run.
    pub(super) saved: AtomicPtr<u8>,
    /// Set while [`crate::suspend`]'s closure still uses the context's stack.
    pub(super) busy: AtomicBool,
    pub(super) status: Cell<Status>,
    pub(super) machine: &'static Machine,
    pub(super) stack: Stack,
}

/// What a context has come to: why it left its hart, if it has run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Status {
    /// Its closure lies there, and this drops it in place.
    Fresh(*mut u8, unsafe fn(*mut u8)),
    Running,
    Interrupted,
    Yielded,
    Suspended(Thunk),
    Finished,
    #[cfg_attr(not(feature = "std"), allow(dead_code, reason = "the kernel does not tell cells of faults yet"))]
    Faulted(Fault),
}

/// Memory for a context: from `base` (above the guard page) to `base + bytes`. Only homes make them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stack {
    pub(super) base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: it is plain memory that it owns.
unsafe impl Send for Stack {}

impl Stack {
    /// Memory that a home has got.
    ///
    /// # Safety
    /// `base..base + bytes` is writable, belongs to nobody else, is never given back, and both are multiples of 64.
    pub(crate) unsafe fn new(base: NonNull<u8>, bytes: usize) -> Self {
        debug_assert!(base.addr().get().is_multiple_of(64) && bytes.is_multiple_of(64), "stacks are aligned");
        Self { base, bytes }
    }

    pub(super) fn top(&self) -> *mut u8 {
        self.base.as_ptr().wrapping_add(self.bytes)
    }
}

/// A computation that does not run at the moment, and that can be continued on any hart. Owned by whoever will decide that.
///
/// To drop one that has finished gives its stack back for the next. To drop one that has not started drops its closure. To drop any other
/// loses it for good: its stack can never be used again, because others may hold references into it. The machine counts these
/// ([`crate::Summary::lost`]).
#[derive(Debug)]
pub struct Context(pub(super) NonNull<Block>);

// SAFETY: what runs in a context is `Send`, as `Context::new` demands, and `Context` is the only handle to it; `Control` is
// reached through it only, or by what runs in the context.
unsafe impl Send for Context {}

impl Deref for Context {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.block().control
    }
}

impl Context {
    pub(super) fn block(&self) -> &Block {
        // SAFETY: a `Context` owns its block, which lives until its stack is recycled, and that takes the `Context`.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn links(&mut self) -> &mut Links {
        // SAFETY: as for `block`; what runs in a context never touches the links, and `&mut self` says that nobody else does.
        unsafe { &mut (*self.0.as_ptr()).links }
    }

    /// What the [`crate::Ranked`] that owns it sorted it by.
    pub(crate) fn key(&self) -> u64 {
        self.block().links.key
    }

    /// Builds a context on a stack, which will run `work` when it is first chosen.
    pub(crate) fn build<F: FnOnce() + Send + 'static>(
        machine: &'static Machine,
        id: u64,
        stack: Stack,
        work: F,
    ) -> Option<Self> {
        let (base, bytes) = (stack.base.addr().get(), stack.bytes);
        let needed = size_of::<Block>() + size_of::<F>() + align_of::<F>() + 256;
        if bytes < needed {
            return None;
        }
        let block = stack.top().wrapping_sub(size_of::<Block>()).cast::<Block>();
        let work_at = (block.addr() - size_of::<F>()) & !(align_of::<F>() - 1);
        let work_at = stack.base.as_ptr().wrapping_add(work_at - base);
        let top = stack.base.as_ptr().wrapping_add((work_at.addr() & !15) - base);
        let built = Block {
            control: Control { id, rank: Cell::new(0), words: Default::default() },
            links: Links::default(),
            saved: AtomicPtr::new(core::ptr::null_mut()),
            busy: AtomicBool::new(false),
            status: Cell::new(Status::Fresh(work_at, drop_unstarted::<F>)),
            machine,
            stack,
        };
        // SAFETY: `needed` says that it lies in the stack, which is ours; aligned as the top of a stack and `Block`'s size are, to 64 bytes.
        unsafe { block.write(built) };
        // SAFETY: as above; aligned as computed.
        unsafe { work_at.cast::<F>().write(work) };
        // SAFETY: as above; aligned as computed.
        let frame = unsafe { first_frame(top, begin_context::<F> as *const (), block.cast_const().cast()) };
        // SAFETY: just written, and nobody else knows it.
        unsafe { &*block }.saved.store(frame, Ordering::Relaxed);
        NonNull::new(block).map(Self)
    }

    /// Whether it has run to its end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.block().status.get(), Status::Finished)
    }

    /// Gives up the stack of one that has finished or never started, for another of the same machine.
    pub(crate) fn into_stack(self) -> Stack {
        debug_assert!(matches!(self.block().status.get(), Status::Finished | Status::Fresh(..)), "its stack is in use");
        let block = self.0;
        core::mem::forget(self);
        // SAFETY: the context is finished or never began (the caller saw to it), so nothing uses the stack, and the block is read only once.
        unsafe { block.read() }.stack
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let context = Self(self.0);
        let machine = context.block().machine;
        match context.block().status.get() {
            Status::Fresh(at, drop_work) => {
                // SAFETY: the closure lies there and was never started; `Finished` means that this is done once.
                unsafe { drop_work(at) };
                context.block().status.set(Status::Finished);
                machine.forget_one();
            }
            Status::Finished => {}
            _ => {
                core::mem::forget(context);
                return machine.lose();
            }
        }
        machine.recycle(context);
    }
}

unsafe fn drop_unstarted<F>(at: *mut u8) {
    // SAFETY: the caller says that a closure of this type lies there.
    unsafe { at.cast::<F>().drop_in_place() }
}

/// First in, first out: the plainest queue of contexts. Pushing and popping take constant time and never allocate.
#[derive(Debug, Default)]
pub struct Queue {
    head: Option<Context>,
    /// The last one, which the queue owns through its chain of links.
    tail: Option<NonNull<Block>>,
    length: usize,
}

// SAFETY: it owns the contexts that it points to, and they can be sent.
unsafe impl Send for Queue {}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { head: None, tail: None, length: 0 }
    }

    /// How many contexts wait in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// To the end.
    pub fn push(&mut self, context: Context) {
        let block = context.0;
        match self.tail {
            // SAFETY: this queue owns it, and `&mut self` says that nobody else uses it.
            Some(tail) => unsafe { (*tail.as_ptr()).links.next = Some(context) },
            None => self.head = Some(context),
        }
        self.tail = Some(block);
        self.length += 1;
    }

    /// From the front.
    pub fn pop(&mut self) -> Option<Context> {
        let mut context = self.head.take()?;
        self.head = context.links().next.take();
        if self.head.is_none() {
            self.tail = None;
        }
        self.length -= 1;
        Some(context)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

const _: () = assert!(size_of::<Block>().is_multiple_of(64), "the block at a stack's top keeps it aligned");
const _: () = assert!(offset_of!(Block, control) == 0, "the block is found by its start");
