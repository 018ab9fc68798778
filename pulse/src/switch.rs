//! The context switch: the only place that knows registers and stacks.
//!
//! A context is a stack with a [`Control`] at its top. Whoever holds the [`Context`] owns both, so that no context can be
//! in two queues or run on two harts: the compiler refuses it.
//!
//! - Voluntary: [`leave`] saves what a called function must preserve, and changes stacks.
//! - Preempted: the home puts the interrupted instruction and flags on the context's own stack ([`preempt`]) and lets it go on
//!   in a trampoline. This saves all registers and the vector state there, and then leaves as a voluntary switch does. To its
//!   scheduler a preempted context thus looks like any other.

mod context;
#[cfg(feature = "std")]
pub(crate) mod fiber;
pub(crate) mod lock;
mod preempt;
#[cfg(test)]
mod tests;

use core::arch::{asm, naked_asm};
use core::mem::ManuallyDrop;
use core::sync::atomic::Ordering;

pub use context::{Context, Control, SCHEDULER_WORDS};
pub(crate) use context::{Stack, Status};
pub(crate) use preempt::{abandon, find_vector_state, is_on_running_stack, preempt};

use crate::hart::Hart;

// What a hart knows without asking lies where the home says (`local!`): at 0, whose it is, and at 8, how deeply events are masked. Read and changed by single
// instructions, because between two instructions the context may be moved to another hart.

/// Keeps events from this hart: one instruction.
#[inline]
pub(crate) fn mask() {
    // SAFETY: the word belongs to this hart or thread and counts. No `nomem`: nothing may be moved across.
    unsafe { asm!(concat!("inc dword ptr ", local!(8)), options(nostack)) };
}

/// Undoes one [`mask`], and delivers what has collected if it was the last.
#[inline]
pub(crate) extern "sysv64" fn unmask() {
    loop {
        let open: u8;
        // SAFETY: as for `mask`.
        unsafe { asm!(concat!("dec dword ptr ", local!(8)), "setz {0}", out(reg_byte) open, options(nostack)) };
        if open == 0 || !current().is_some_and(Hart::has_events) {
            return;
        }
        mask();
        interrupted();
    }
}

/// How many times events are masked here.
pub(crate) fn masked() -> u32 {
    let depth: u32;
    // SAFETY: reads a word of this hart or thread.
    unsafe { asm!(concat!("mov {0:e}, ", local!(8)), out(reg) depth, options(nostack, preserves_flags)) };
    depth
}

/// The hart on which this runs; meaningless as soon as events are not masked. `None` on a thread that is no hart.
#[inline]
pub(crate) fn current() -> Option<&'static Hart> {
    let hart: *const Hart;
    // SAFETY: reads a word of this hart or thread.
    unsafe { asm!(concat!("mov {0}, ", local!(0)), out(reg) hart, options(nostack, preserves_flags)) };
    // SAFETY: only `become_hart` sets it, from such a reference, or it is null.
    unsafe { hart.as_ref() }
}

/// Says which hart this thread or hardware is, and how deeply events are masked.
pub(crate) fn become_hart(hart: Option<&'static Hart>, depth: u32) {
    let hart = hart.map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: the word belongs to this hart or thread.
    unsafe { asm!(concat!("mov ", local!(8), ", {0:e}"), in(reg) depth, options(nostack, preserves_flags)) };
    // SAFETY: as above. The depth is set before, so that no event sees the hart unmasked by mistake.
    unsafe { asm!(concat!("mov ", local!(0), ", {0}"), in(reg) hart, options(nostack, preserves_flags)) };
}

/// Lets events interrupt the present context, which masks them once. Not called in a callback, where events stay masked throughout, nor on a thread that is no
/// hart, where there are none.
#[cold]
extern "sysv64" fn interrupted() {
    leave(Status::Interrupted);
}

/// Saves the stack pointer, and goes on at another one, where an instruction's address lies. Compiled into its callers, so that only registers in use
/// are saved, and jumps are predicted by where they come from; a `ret` would be predicted to return to the wrong stack.
///
/// # Safety
/// `save` is valid, and `to` was saved in this way, or was laid out as [`first_frame`] does, and nobody else goes on there.
#[inline(always)]
unsafe fn switch(save: *mut *mut u8, to: *mut u8) {
    // SAFETY: the caller says so; all registers that are not saved are given up.
    unsafe {
        asm!(
            "push rbp; push rbx; lea rax, [rip + 2f]; push rax; mov [rdi], rsp",
            "mov rsp, rsi; pop rax; jmp rax",
            "2: pop rbx; pop rbp",
            inout("rdi") save => _,
            inout("rsi") to => _,
            out("r12") _,
            out("r13") _,
            out("r14") _,
            out("r15") _,
            clobber_abi("sysv64"),
        );
    }
}

/// The stack pointer of what has not run yet, below `top`: it will begin with this function and argument.
///
/// # Safety
/// 47 bytes below `top` are writable and unused.
unsafe fn first_frame(top: *mut u8, function: *const (), argument: *const ()) -> *mut u8 {
    let frame = top.map_addr(|at| at & !15).wrapping_sub(32);
    let words = [begin as *const () as usize, argument.addr(), function.addr(), 0];
    // SAFETY: the caller says so, and it is aligned.
    unsafe { frame.cast::<[usize; 4]>().write(words) };
    frame
}

/// Where something new begins.
#[unsafe(naked)]
unsafe extern "sysv64" fn begin() {
    naked_asm!("pop rdi", "pop rax", "xor ebp, ebp", "add rsp, 8", "call rax", "ud2")
}

/// The first function of a context, which lies at the top of this stack and outlives what runs on it.
extern "sysv64" fn begin_context(context: &Control) -> ! {
    if let Status::Fresh(work) = context.status.replace(Status::Interrupted) {
        unmask();
        // SAFETY: it lies on this stack, and nobody else knows it, because the status is another one now.
        context.machine.home.shield(context.machine, unsafe { &mut *work });
        // Not counted: a panic may have left it masked.
        mask();
        become_hart(current(), 1);
    }
    leave(Status::Finished);
    unreachable!("a finished context was continued")
}

/// Goes from the running context to its hart's own stack. Events are masked, once; returns when a hart continues the context, in the same
/// state but perhaps elsewhere.
#[inline]
fn leave(why: Status) {
    let hart = current().expect("only a context that runs on a hart can leave it");
    let context = running(hart).expect("a scheduler's callback must not wait or yield: return what is to run next");
    assert!(masked() == 1, "a context must not wait or yield while it masks events or holds a lock");
    context.status.set(why);
    // SAFETY: the hart's stack pointer was saved by `run` just before this context went on, and nobody else uses either place.
    unsafe { switch(context.saved.as_ptr(), hart.stack_pointer.load(Ordering::Relaxed)) };
}

/// On a hart's own stack: continues a context until it leaves, and gives it back with a new status, unless it was suspended and thus given away. Events are masked.
pub(crate) fn run(hart: &Hart, context: Context) -> Option<Context> {
    while context.saved.load(Ordering::Acquire).is_null() {
        hart.machine().home.relax();
    }
    hart.running.store(context.0.as_ptr(), Ordering::Relaxed);
    // SAFETY: the context is owned, so that it runs nowhere else and its stack pointer was left by `leave` or is its first; the other place is this
    // hart's own.
    unsafe { switch(hart.stack_pointer.as_ptr(), context.saved.load(Ordering::Relaxed)) };
    hart.running.store(core::ptr::null_mut(), Ordering::Relaxed);
    let Status::Suspended(give, what) = context.status.get() else { return Some(context) };
    let (control, saved) = (context.0, context.saved.load(Ordering::Relaxed));
    context.saved.store(core::ptr::null_mut(), Ordering::Relaxed);
    // SAFETY: `suspend` made them for each other, and cannot return before the stack pointer is there again.
    hart.call("suspend", |_| unsafe { give(what, context) });
    // SAFETY: a context that has begun is never freed before it has finished.
    unsafe { control.as_ref() }.saved.store(saved, Ordering::Release);
    None
}

/// What a scheduler sees of the context that runs on this hart. For what runs there with events masked, or has interrupted it.
#[inline]
pub(crate) fn running(hart: &Hart) -> Option<&Control> {
    // SAFETY: null, or the context that runs here; its hart keeps it until it leaves, and it leaves by what runs there.
    unsafe { hart.running.load(Ordering::Relaxed).as_ref() }
}

/// Looks at the running context as its scheduler sees it. `None` where no context runs.
pub fn with_running<R>(look: impl FnOnce(&Control) -> R) -> Option<R> {
    crate::on_hart(|hart| running(hart).map(look))
}

/// Lets the present context leave; returns when it is continued.
#[inline]
fn pause(why: Status) {
    mask();
    leave(why);
    unmask();
}

/// Lets other contexts go first: [`Scheduler::yielded`](crate::Scheduler::yielded).
#[inline]
pub fn yield_now() {
    crate::point("yield");
    pause(Status::Yielded);
}

/// Stops the present context and gives it to `what`, which keeps it until it is to be made ready: the base of every lock and condition. `what` runs on the
/// hart's own stack with events masked, as a callback does; afterwards the hart calls [`Scheduler::enter`](crate::Scheduler::enter). Returns when the context
/// is continued. A [`SpinGuard`](crate::SpinGuard) must not be held here, but `what` may take locks: look again there at what you wait for.
pub fn suspend<F: FnOnce(Context)>(what: F) {
    unsafe fn give<F: FnOnce(Context)>(what: *const (), context: Context) {
        // SAFETY: it is there, and is not used again.
        let what = unsafe { what.cast::<F>().read() };
        what(context);
    }
    crate::point("suspend");
    let what = ManuallyDrop::new(what);
    pause(Status::Suspended(give::<F>, (&raw const what).cast()));
}
