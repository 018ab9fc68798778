//! A context: a stack with a [`Control`] at its top, and who owns it.

use core::cell::Cell;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::{Deref, Range};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::{begin_context, first_frame};
use crate::collections::Links;
use crate::machine::Machine;
use crate::{Fault, Hart, NoStack};

/// Words of a context that its scheduler may use as it likes.
pub const SCHEDULER_WORDS: usize = 4;

/// What a scheduler sees of a context. It lies at the top of the context's stack, and holds what the framework keeps of it too.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Control {
    // What every switch needs comes first, in one cache line.
    /// The stack pointer while the context does not run; null while [`crate::suspend`]'s closure still uses its stack.
    pub(super) saved: AtomicPtr<u8>,
    pub(crate) status: Cell<Status>,
    pub(crate) links: Links,
    pub(super) machine: &'static Machine,
    id: u64,
    words: [Cell<u64>; SCHEDULER_WORDS],
}

impl Control {
    /// The context's number: from 1, in the order of creation, never used twice in a machine.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// A word that belongs to the scheduler, 0 at the start; `index` below [`SCHEDULER_WORDS`].
    pub fn word(&self, index: usize) -> u64 {
        self.words[index].get()
    }

    /// Sets a word of the scheduler.
    pub fn set_word(&self, index: usize, value: u64) {
        self.words[index].set(value);
    }

    /// The addresses of its stack.
    pub(super) fn stack(&self) -> Range<u64> {
        let end = core::ptr::from_ref(self).wrapping_add(1) as u64;
        end - self.machine.stack_bytes as u64..end
    }
}

/// What a context has come to: why it left its hart, if it has run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Status {
    /// It has not run yet, and this is what it will do.
    Fresh(*mut dyn FnMut()),
    Interrupted,
    Yielded,
    /// It is given to a closure, on its own stack, by this function.
    Suspended(unsafe fn(*const (), Context), *const ()),
    Finished,
    Faulted(Fault),
}

/// Memory for a stack, from a home: whole pages, never given back.
pub(crate) type Stack = &'static mut [MaybeUninit<u8>];

/// A computation that does not run at the moment, and that can be continued on any hart. Owned by whoever will decide that.
///
/// To drop one that has finished gives its stack back for the next. To drop one that has not started drops its closure. To drop any other
/// loses it for good: its stack can never be used again, because others may hold references into it. The machine counts these
/// ([`crate::Summary::lost`]).
#[derive(Debug)]
pub struct Context(pub(super) NonNull<Control>);

// SAFETY: what runs in a context is `Send`, as `Context::new` demands, and `Context` is the only handle to it; `Control` is
// reached through it only, or by what runs in the context.
unsafe impl Send for Context {}

impl Deref for Context {
    type Target = Control;

    fn deref(&self) -> &Control {
        // SAFETY: a `Context` owns its control block, which lives until its stack is used again, and that takes the `Context`.
        unsafe { self.0.as_ref() }
    }
}

impl Context {
    /// A new context that will run `work` once it is made ready and chosen. On a hart only, by a context or a callback.
    ///
    /// # Errors
    /// [`NoStack`] when there is no memory for it.
    pub fn new<F: FnOnce() + Send + 'static>(work: F) -> Result<Self, NoStack> {
        let mut work = Some(work);
        let once = move || work.take().expect("it is called once")();
        let (size, align) = (size_of_val(&once), align_of_val(&once));
        let machine = crate::on_hart(Hart::machine);
        let refusal = NoStack { stack_bytes: machine.stack_bytes, closure_bytes: size_of::<F>() };
        if machine.stack_bytes < size_of::<Control>() + size + align + 256 {
            return Err(refusal);
        }
        let used = machine.spare.lock().pop().map(|spare| ManuallyDrop::new(spare).0);
        let control_of = |stack: Stack| NonNull::new(stack.as_mut_ptr_range().end.cast::<Control>().wrapping_sub(1));
        let unused = || machine.home.stack(machine.stack_bytes).and_then(control_of);
        let control = used.or_else(unused).ok_or(refusal)?;
        let place = control.as_ptr().wrapping_byte_sub(size).map_addr(|at| at & !(align - 1)).cast();
        // SAFETY: it lies in the stack, which is ours and large enough; aligned as computed.
        unsafe { core::ptr::write(place, once) };
        // SAFETY: as above.
        let saved = unsafe { first_frame(place.cast(), begin_context as *const (), control.as_ptr().cast()) };
        machine.live.fetch_add(1, Ordering::Relaxed);
        let content = Control {
            saved: AtomicPtr::new(saved),
            status: Cell::new(Status::Fresh(place)),
            links: Links::default(),
            machine,
            id: machine.created.fetch_add(1, Ordering::Relaxed) + 1,
            words: Default::default(),
        };
        // SAFETY: as above; the end of a stack and the size of what is written are multiples of 64.
        unsafe { control.write(content) };
        Ok(Self(control))
    }

    /// What the collection that owns it keeps in it.
    pub(crate) fn links(&mut self) -> &mut Links {
        // SAFETY: as for `deref`; what runs in a context never touches the links, and `&mut self` says that nobody else does.
        unsafe { &mut (*self.0.as_ptr()).links }
    }

    /// Whether it has run to its end.
    pub fn is_finished(&self) -> bool {
        matches!(self.status.get(), Status::Finished)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Status::Fresh(work) = self.status.get() {
            // SAFETY: it lies there and was never started, and never will be.
            unsafe { work.drop_in_place() };
            self.status.set(Status::Finished);
            self.machine.forget_one();
        }
        if self.is_finished() {
            self.machine.spare.lock().push(Self(self.0));
        } else {
            self.machine.summary.lock().lost += 1;
            self.machine.forget_one();
        }
    }
}
