//! The context switch: the only place that knows registers and stacks.
//!
//! A context is a stack with a [`Control`] block at its top. Whoever holds the [`Context`] owns both, so that no context can be
//! in two queues or run on two harts: the compiler refuses it.
//!
//! - Voluntary: [`leave`] saves what a called function must preserve, and changes stacks.
//! - Preempted: the home puts the interrupted instruction and flags on the context's own stack ([`preempt`]) and lets it go on
//!   in a trampoline. This saves all registers and the vector state there, and then leaves as a voluntary switch does. To its
//!   scheduler a preempted context thus looks like any other.

use core::arch::{asm, global_asm, naked_asm};
use core::cell::Cell;
use core::mem::offset_of;
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

#[cfg(feature = "std")]
pub(crate) mod fiber;
#[cfg(all(test, feature = "std"))]
mod tests;

use crate::hart::{Hart, Reason};
use crate::machine::Machine;

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
struct Block {
    control: Control,
    links: Links,
    /// The stack pointer while the context does not run.
    saved: AtomicPtr<u8>,
    /// Set while [`crate::suspend`]'s closure still uses the context's stack.
    busy: AtomicBool,
    state: Cell<State>,
    machine: &'static Machine,
    stack: Stack,
    /// The closure that has not started yet: what drops it in place, and where it lies.
    unstarted: Cell<Option<(unsafe fn(*mut u8), *mut u8)>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Fresh,
    Begun,
    Finished,
}

/// Memory for a context: from `base` (above the guard page) to `base + bytes`. Only homes make them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stack {
    base: NonNull<u8>,
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
        debug_assert!(base.addr().get() % 64 == 0 && bytes % 64 == 0, "stacks are aligned");
        Self { base, bytes }
    }

    fn top(&self) -> *mut u8 {
        self.base.as_ptr().wrapping_add(self.bytes)
    }
}

/// A computation that does not run at the moment, and that can be continued on any hart. Owned by whoever will decide that.
///
/// To drop one that has finished gives its stack back for the next. To drop one that has not started drops its closure. To drop any other
/// loses it for good: its stack can never be used again, because others may hold references into it. The machine counts these
/// ([`crate::Summary::lost`]).
#[derive(Debug)]
pub struct Context(NonNull<Block>);

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
    fn block(&self) -> &Block {
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
            state: Cell::new(State::Fresh),
            machine,
            stack,
            unstarted: Cell::new(Some((drop_unstarted::<F>, work_at))),
        };
        // SAFETY: `needed` says that all of it lies in the stack, which is ours; the places are aligned: the top of a stack to 64 bytes
        // as `Block`'s size is, the closure as computed.
        unsafe {
            block.write(built);
            work_at.cast::<F>().write(work);
            let frame = first_frame(top, start::<F> as *const (), block.cast_const().cast());
            (*block).saved.store(frame, Ordering::Relaxed);
        }
        NonNull::new(block).map(Self)
    }

    /// Whether it has run to its end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.block().state.get() == State::Finished
    }

    /// Gives up the stack of one that has finished or never started, for another of the same machine.
    pub(crate) fn into_stack(self) -> Stack {
        debug_assert!(self.block().state.get() != State::Begun, "its stack is in use");
        let block = self.0;
        core::mem::forget(self);
        // SAFETY: the context is finished or never began (the caller saw to it), so nothing uses the stack, and the block is read only once.
        unsafe { block.read() }.stack
    }

    /// For queues: gives up ownership for a while.
    pub(crate) fn into_raw(self) -> RawContext {
        let raw = RawContext(self.0);
        core::mem::forget(self);
        raw
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let context = Self(self.0);
        let machine = context.block().machine;
        match context.block().state.get() {
            State::Begun => {
                machine.lose();
                core::mem::forget(context);
                return;
            }
            State::Fresh => {
                if let Some((drop_work, at)) = context.block().unstarted.take() {
                    // SAFETY: the closure lies there, was never started, and `take` means only once.
                    unsafe { drop_work(at) };
                }
                machine.forget_one();
            }
            State::Finished => {}
        }
        machine.recycle(context);
    }
}

/// A context in a [`crate::Queue`], which is its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawContext(NonNull<Block>);

// SAFETY: as for `Context`, of which it is a part.
unsafe impl Send for RawContext {}

impl RawContext {
    /// Hands the ownership on.
    ///
    /// # Safety
    /// It came from [`Context::into_raw`], and since then nothing else was made from it.
    pub(crate) unsafe fn into_context(self) -> Context {
        Context(self.0)
    }
}

/// First in, first out: the plainest queue of contexts. Pushing and popping take constant time and never allocate.
#[derive(Debug, Default)]
pub struct Queue {
    head: Option<Context>,
    tail: Option<RawContext>,
    length: usize,
}

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
        let raw = context.into_raw();
        // SAFETY: just taken apart.
        let context = unsafe { raw.into_context() };
        match self.tail {
            // SAFETY: the tail is owned by this queue through its chain of links, and `&mut self` says that nobody else uses it.
            Some(tail) => unsafe { (*tail.0.as_ptr()).links.next = Some(context) },
            None => self.head = Some(context),
        }
        self.tail = Some(raw);
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

// What a hart knows without asking: whose it is, and how deeply events are masked. Read and changed by single instructions, because between
// two instructions the context may be moved to another hart.
#[cfg(not(feature = "cell"))]
global_asm!(
    ".pushsection .tbss.pulse_local,\"awT\",@nobits",
    ".globl pulse_local",
    ".type pulse_local,@object",
    ".size pulse_local,16",
    ".p2align 4",
    "pulse_local:",
    ".zero 16",
    ".popsection",
);

#[cfg(not(feature = "cell"))]
macro_rules! local {
    (hart) => {
        "qword ptr fs:[pulse_local@tpoff]"
    };
    (masked) => {
        "dword ptr fs:[pulse_local@tpoff + 8]"
    };
}

/// In a cell the words lie in the part of the dispatch page that the kernel does not use, and gs points to the page.
#[cfg(feature = "cell")]
macro_rules! local {
    (hart) => {
        "qword ptr gs:[2048]"
    };
    (masked) => {
        "dword ptr gs:[2056]"
    };
}

/// Keeps events from this hart: one instruction.
#[inline]
pub(crate) fn mask() {
    // SAFETY: the word belongs to this hart or thread and counts. No `nomem`: nothing may be moved across.
    unsafe { asm!(concat!("inc ", local!(masked)), options(nostack)) };
}

/// Undoes one [`mask`]; returns whether events may come again.
#[inline]
fn unmask_once() -> bool {
    let open: u8;
    // SAFETY: as for `mask`.
    unsafe { asm!(concat!("dec ", local!(masked)), "setz {0}", out(reg_byte) open, options(nostack)) };
    open != 0
}

/// Undoes one [`mask`], and delivers what has collected if it was the last.
#[inline]
pub(crate) fn unmask() {
    if unmask_once() && current().is_some_and(Hart::has_events) {
        deliver();
    }
}

/// Delivers what has collected, if events are not masked.
#[cfg(feature = "std")]
pub(crate) fn deliver_pending() {
    if masked() == 0 && current().is_some_and(Hart::has_events) {
        deliver();
    }
}

/// How many times events are masked here.
#[inline]
pub(crate) fn masked() -> u32 {
    let depth: u32;
    // SAFETY: reads a word of this hart or thread.
    unsafe { asm!(concat!("mov {0:e}, ", local!(masked)), out(reg) depth, options(nostack, preserves_flags)) };
    depth
}

/// The hart on which this runs; meaningless as soon as events are not masked. `None` on a thread that is no hart.
#[inline]
pub(crate) fn current() -> Option<&'static Hart> {
    let hart: *const Hart;
    // SAFETY: reads a word of this hart or thread.
    unsafe { asm!(concat!("mov {0}, ", local!(hart)), out(reg) hart, options(nostack, preserves_flags)) };
    // SAFETY: only `become_hart` sets it, from such a reference, or it is null.
    unsafe { hart.as_ref() }
}

/// Says which hart this thread or hardware is, and how deeply events are masked.
pub(crate) fn become_hart(hart: Option<&'static Hart>, depth: u32) {
    let hart = hart.map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: the words belong to this hart or thread. The depth is set first, so that no event sees the hart unmasked by mistake.
    unsafe {
        asm!(concat!("mov ", local!(masked), ", {1:e}"), concat!("mov ", local!(hart), ", {0}"), in(reg) hart, in(reg) depth,
            options(nostack, preserves_flags));
    }
}

/// Lets an event that collected while masked interrupt the present context.
#[cold]
fn deliver() {
    mask();
    // In a scheduler's callback events stay masked throughout; on a thread that is no hart there are none.
    leave(Reason::Tick);
    unmask();
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
            "push rbp",
            "push rbx",
            "lea rax, [rip + 2f]",
            "push rax",
            "mov [rdi], rsp",
            "mov rsp, rsi",
            "pop rax",
            "jmp rax",
            "2:",
            "pop rbx",
            "pop rbp",
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

/// The stack pointer of what has not run yet, below `top`, a multiple of 16: it will begin with this function and argument.
///
/// # Safety
/// 32 bytes below `top` are writable and unused.
unsafe fn first_frame(top: *mut u8, function: *const (), argument: *const ()) -> *mut u8 {
    let frame = top.wrapping_sub(32);
    let words = [begin as *const () as usize, argument.addr(), function.addr(), 0];
    // SAFETY: the caller says so, and `top`'s alignment is enough.
    unsafe { frame.cast::<[usize; 4]>().write(words) };
    frame
}

/// Where something new begins.
#[unsafe(naked)]
unsafe extern "sysv64" fn begin() {
    naked_asm!("pop rdi", "pop rax", "xor ebp, ebp", "add rsp, 8", "call rax", "ud2")
}

/// The first function of a context.
unsafe extern "sysv64" fn start<F: FnOnce() + Send + 'static>(block: *const Block) -> ! {
    {
        // SAFETY: the block lies at the top of this stack and outlives what runs on it.
        let block = unsafe { &*block };
        block.state.set(State::Begun);
        let (_, at) = block.unstarted.take().expect("a context starts once");
        // SAFETY: the closure lies there; `take` means that it is read only once.
        let work = unsafe { at.cast::<F>().read() };
        unmask();
        crate::home::shield(block.machine, work);
        mask();
        block.state.set(State::Finished);
    }
    leave(Reason::Done);
    unreachable!("a finished context was continued")
}

unsafe fn drop_unstarted<F>(at: *mut u8) {
    // SAFETY: the caller says that a closure of this type lies there.
    unsafe { at.cast::<F>().drop_in_place() }
}

/// Goes from the running context to its hart's own stack. Events are masked, once; returns when a hart continues the context, in the same
/// state but perhaps elsewhere.
#[inline]
pub(crate) fn leave(reason: Reason) {
    let hart = current().expect("only a context that runs on a hart can leave it");
    assert!(masked() == 1, "a context must not wait, yield or finish while it masks events or holds a lock");
    let running = hart.own.running.load(Ordering::Relaxed).cast::<Block>();
    assert!(!running.is_null(), "a scheduler's callback must not wait or yield: return what is to run next");
    hart.own.reason.set(reason);
    // SAFETY: while it runs, its hart keeps the context in `run`, so the block is alive.
    let save = unsafe { (*running).saved.as_ptr() };
    // SAFETY: the hart's stack pointer was saved by `run` just before this context went on, and nobody else uses either place.
    unsafe { switch(save, hart.own.stack_pointer.load(Ordering::Relaxed)) };
}

/// On a hart's own stack: continues a context until it leaves. Events are masked.
#[inline]
pub(crate) fn run(hart: &Hart, context: &Context) {
    let block = context.block();
    while block.busy.load(Ordering::Acquire) {
        hart.machine().home().relax();
    }
    hart.own.running.store(context.0.as_ptr().cast(), Ordering::Relaxed);
    // SAFETY: the context is owned by the caller, so that it runs nowhere else and its stack pointer was left by `leave` or `build`; the other place
    // is this hart's own.
    unsafe { switch(hart.own.stack_pointer.as_ptr(), block.saved.load(Ordering::Relaxed)) };
    hart.own.running.store(core::ptr::null_mut(), Ordering::Relaxed);
}

/// What the running context's scheduler stored in it. `None` where no context runs.
pub(crate) fn with_running<R>(hart: &Hart, look: impl FnOnce(&Control) -> R) -> Option<R> {
    let running = hart.own.running.load(Ordering::Relaxed).cast::<Block>();
    // SAFETY: null, or the context that runs here and now, with events masked by the caller; its hart keeps it until it leaves.
    unsafe { running.as_ref() }.map(|block| look(&block.control))
}

/// See [`crate::yield_now`].
#[inline]
pub(crate) fn yield_now() {
    mask();
    leave(Reason::Yield);
    unmask();
}

/// See [`crate::suspend`]. The closure stays on the suspended stack, which `busy` keeps from going on before it is done.
pub(crate) fn suspend<F: FnOnce(Context)>(what: F) {
    let mut what = Some(what);
    let mut once = |context| {
        if let Some(what) = what.take() {
            what(context);
        }
    };
    let mut call: &mut dyn FnMut(Context) = &mut once;
    mask();
    leave(Reason::Suspend(Thunk((&raw mut call).cast())));
    unmask();
}

/// A closure on a suspended context's stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thunk(*mut ());

impl Thunk {
    pub(crate) fn into_raw(self) -> *mut () {
        self.0
    }

    /// From what [`Thunk::into_raw`] gave.
    pub(crate) fn from_raw(raw: *mut ()) -> Self {
        Self(raw)
    }

    /// Calls it with its own context.
    pub(crate) fn call(self, context: Context) {
        let block = context.0;
        context.block().busy.store(true, Ordering::Relaxed);
        // SAFETY: `suspend` made it, and cannot return, nor its stack go, while `busy` is set: `run` waits for that, and a context that has
        // begun is never freed before it has finished.
        let call = unsafe { &mut *self.0.cast::<&mut dyn FnMut(Context)>() };
        call(context);
        // SAFETY: as above.
        unsafe { block.as_ref() }.busy.store(false, Ordering::Release);
    }
}

/// Bytes and components of the vector state to save; 0 components where there is only `fxsave`.
static VECTOR_BYTES: AtomicU64 = AtomicU64::new(512);
static VECTOR_MASK: AtomicU64 = AtomicU64::new(0);

/// x87, SSE, AVX and the three parts of AVX-512. Larger state (tiles) is not preserved, and contexts must not use it.
const VECTOR_COMPONENTS: u64 = 0xe7;

/// Finds out what vector state there is. To be called before the first preemption.
pub(crate) fn find_vector_state() {
    use core::arch::x86_64::{__cpuid, __cpuid_count};
    const OSXSAVE: u32 = 1 << 27;
    if __cpuid(1).ecx & OSXSAVE == 0 {
        return;
    }
    let (low, high): (u32, u32);
    // SAFETY: the processor has the instruction, and the system allows it: that is what OSXSAVE says.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags)) };
    let mask = (u64::from(high) << 32 | u64::from(low)) & VECTOR_COMPONENTS;
    // The legacy area and the header, then each component where the processor says that it lies.
    let ends = (2..64).filter(|bit| mask & (1 << bit) != 0).map(|bit| {
        let part = __cpuid_count(0xd, bit);
        u64::from(part.eax + part.ebx)
    });
    VECTOR_BYTES.store(ends.fold(576, u64::max).next_multiple_of(64), Ordering::Relaxed);
    VECTOR_MASK.store(mask, Ordering::Relaxed);
}

/// Bytes below the stack pointer that compiled code may use without saying so.
const RED_ZONE: u64 = 128;

/// What the trampoline and its calls take of a stack, at most, without the vector state.
const TRAMPOLINE_BYTES: u64 = 1024;

/// Makes an interrupted context go on in the trampoline: changes its instruction pointer and stack pointer, pushes what they and the flags
/// were, and masks events once. Refuses where too little is left of the stack.
///
/// # Safety
/// The three are those of the context that runs on this hart, interrupted between two instructions while events were not masked.
pub(crate) unsafe fn preempt(hart: &Hart, rip: &mut u64, rsp: &mut u64, rflags: u64) -> bool {
    let running = hart.own.running.load(Ordering::Relaxed).cast::<Block>();
    // SAFETY: a context runs here, and its hart keeps it.
    let stack = unsafe { &(*running).stack };
    let needed = RED_ZONE + TRAMPOLINE_BYTES + VECTOR_BYTES.load(Ordering::Relaxed);
    if *rsp < stack.base.addr().get() as u64 + needed {
        return false;
    }
    let frame = (*rsp - RED_ZONE - 16) as *mut [u64; 2];
    // SAFETY: it lies on the context's stack, below everything that it uses.
    unsafe { frame.write_unaligned([rflags, *rip]) };
    *rsp = frame as u64;
    *rip = preempted as *const () as u64;
    mask();
    true
}

/// Ends the running context where it was interrupted: returns the instruction pointer and stack pointer with which its hart goes on. Masks events once.
///
/// # Safety
/// A context runs on this hart, events were not masked, and it never goes on.
#[cfg(feature = "std")]
pub(crate) unsafe fn abandon(hart: &Hart, fault: crate::Fault) -> (u64, u64) {
    hart.own.reason.set(Reason::Fault(fault));
    mask();
    (abandoned as *const () as u64, hart.own.stack_pointer.load(Ordering::Relaxed) as u64)
}

/// Whether an address lies in the running context's stack or so many bytes below.
///
/// # Safety
/// A context runs on this hart.
#[cfg(feature = "std")]
pub(crate) unsafe fn running_stack_is_near(hart: &Hart, address: usize, guard: usize) -> bool {
    let running = hart.own.running.load(Ordering::Relaxed).cast::<Block>();
    // SAFETY: a context runs here, and its hart keeps it.
    let stack = unsafe { &(*running).stack };
    (stack.base.addr().get().saturating_sub(guard)..stack.top().addr()).contains(&address)
}

/// The second half of [`switch`].
#[cfg(feature = "std")]
#[unsafe(naked)]
unsafe extern "sysv64" fn abandoned() {
    naked_asm!("cld", "pop rax", "jmp rax")
}

/// The rest of a preemption, as a voluntary switch.
extern "sysv64" fn leave_preempted() {
    leave(Reason::Tick);
    unmask();
}

/// The trampoline: the stack holds flags and instruction pointer, then the red zone. Rounding modes are set as compiled code expects them,
/// because a scheduler runs next.
#[unsafe(naked)]
unsafe extern "sysv64" fn preempted() {
    naked_asm!(
        "push rax",
        "push rcx",
        "push rdx",
        "push rbx",
        "push rsi",
        "push rdi",
        "push rbp",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "cld",
        "mov rbx, rsp",
        "sub rsp, [rip + {bytes}]",
        "and rsp, -64",
        "mov r12, rsp",
        "mov r13, [rip + {mask}]",
        "test r13, r13",
        "jz 2f",
        "xor eax, eax",
        "lea rdi, [r12 + 512]",
        "mov ecx, 8",
        "rep stosq",
        "mov eax, r13d",
        "xor edx, edx",
        "xsave64 [r12]",
        "jmp 3f",
        "2:",
        "fxsave64 [r12]",
        "3:",
        "fninit",
        "push 0x1f80",
        "ldmxcsr [rsp]",
        "sub rsp, 8",
        "call {leave}",
        "test r13, r13",
        "jz 4f",
        "mov eax, r13d",
        "xor edx, edx",
        "xrstor64 [r12]",
        "jmp 5f",
        "4:",
        "fxrstor64 [r12]",
        "5:",
        "mov rsp, rbx",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rbp",
        "pop rdi",
        "pop rsi",
        "pop rbx",
        "pop rdx",
        "pop rcx",
        "pop rax",
        "popfq",
        "ret 128",
        bytes = sym VECTOR_BYTES,
        mask = sym VECTOR_MASK,
        leave = sym leave_preempted,
    )
}

const _: () = assert!(size_of::<Block>() % 64 == 0, "the block at a stack's top keeps it aligned");
const _: () = assert!(offset_of!(Block, control) == 0, "the block is found by its start");
