//! Events: ticks and notifications that interrupt a hart. See `abi::dispatch` for the contract with the kernel.

use core::arch::naked_asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use abi::{Context, DispatchPage, Event};

use super::pages;
use crate::calls;

/// What is called for an event, on the event stack with events masked: the interrupted context, which it may change.
pub type Handler = fn(&mut Context);

/// Where a handler is set.
struct Slot(AtomicPtr<()>);

impl Slot {
    const fn new() -> Self {
        Self(AtomicPtr::new(core::ptr::null_mut()))
    }

    fn set(&self, handler: Handler) {
        self.0.store(handler as *mut (), Ordering::Release);
    }

    fn get(&self) -> Option<Handler> {
        let handler = self.0.load(Ordering::Acquire);
        // SAFETY: only `set` stores here, and what it stores is a `Handler`.
        (!handler.is_null()).then(|| unsafe { core::mem::transmute::<*mut (), Handler>(handler) })
    }
}

static TICK: Slot = Slot::new();
static NOTIFICATION: Slot = Slot::new();
static CHANNEL: Slot = Slot::new();
static WAKE: Slot = Slot::new();
static FAULT: Slot = Slot::new();
static RESIZE: Slot = Slot::new();

/// For each hart: an event of a channel came that [`wait_for_channel`] has not returned yet.
static CHANNELS: [AtomicBool; abi::MAX_HARDWARE_THREADS] =
    [const { AtomicBool::new(false) }; abi::MAX_HARDWARE_THREADS];

/// A notification came that [`wait_for_notification`] has not returned yet.
static NOTIFIED: AtomicBool = AtomicBool::new(false);

/// Sets the handler of ticks, for all harts.
pub fn on_tick(handler: Handler) {
    TICK.set(handler);
}

/// Sets the handler of notifications. They come to hart 0; several that come close together may be one. If a tick is due too, it is handled first.
pub fn on_notification(handler: Handler) {
    NOTIFICATION.set(handler);
}

/// Sets the handler of wakes by other harts of this cell, for all harts.
pub fn on_wake(handler: Handler) {
    WAKE.set(handler);
}

/// Sets the handler of resizing, for all harts: the number of harts has changed, or is to change, or the cell is to get along with less memory. [`crate::resize`] says what it is about; several
/// things that come close together may be one event. It comes to every hart that the cell has.
pub fn on_resize(handler: Handler) {
    RESIZE.set(handler);
}

/// Sets the handler of events of channels, for all harts.
pub fn on_channel(handler: Handler) {
    CHANNEL.set(handler);
}

/// What a hart did that it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The processor's number of it (Intel SDM volume 3, section 6.15): 14 is a page fault.
    pub vector: u64,
    /// Its error code, 0 where it has none.
    pub error: u64,
    /// For a page fault the address that was touched; else 0.
    pub address: u64,
}

/// Sets the handler of faults, for all harts; until then a fault stops the cell. The context that it gets is at the instruction that faulted: who changes neither it nor what
/// the instruction needs sees the same fault again. A fault while events are masked, as in a handler, stops the cell.
pub fn on_fault(handler: Handler) {
    FAULT.set(handler);
    set_takes_faults(true);
}

/// For the handler of faults: what this hart's last one was.
#[must_use]
pub fn fault() -> Fault {
    let page = pages::dispatch(pages::own_hart());
    Fault {
        vector: page.fault_vector.load(Ordering::Relaxed),
        error: page.fault_error.load(Ordering::Relaxed),
        address: page.fault_address.load(Ordering::Relaxed),
    }
}

/// For a handler that does not know what to do about a fault: from now on a fault of any hart stops the cell and is reported, and so does this one when its context is resumed.
pub fn give_up_faults() {
    set_takes_faults(false);
}

fn set_takes_faults(takes: bool) {
    (0..crate::hart::count()).for_each(|hart| pages::dispatch(hart).takes_faults.store(takes.into(), Ordering::SeqCst));
}

/// Parks this hart until an event of a channel comes that is bound to it, a tick is due, or the instant has come; `u64::MAX` for no instant. Returns whether there was one
/// since this was called last here, and does not park if there was. It does not say of which channel. Otherwise as [`wait_for_notification`].
pub fn wait_for_channel(until_ns: u64) -> bool {
    let Some(came) = CHANNELS.get(pages::own_hart() as usize) else { return true };
    mask();
    if !came.load(Ordering::SeqCst) {
        // The call has no argument that could be wrong.
        let _ = calls::park(until_ns);
    }
    unmask();
    came.swap(false, Ordering::SeqCst)
}

/// Ends of channels bound to this hart that are of no more use because of the peer, counted since it began.
#[must_use]
pub fn channels_ended() -> u64 {
    pages::dispatch(pages::own_hart()).channels_ended.load(Ordering::SeqCst)
}

/// For hart 0: parks it until the cell is notified, a tick is due, or the instant has come; `u64::MAX` for no instant. Returns whether the cell was notified
/// since this was called last, and does not park if it was. Handlers are called as always, and events are unmasked in the end. No notification is lost,
/// whenever it comes: what comes while events are masked here is pending, which ends the park, and is delivered by the unmasking.
pub fn wait_for_notification(until_ns: u64) -> bool {
    mask();
    if !NOTIFIED.load(Ordering::SeqCst) {
        // The call has no argument that could be wrong.
        let _ = calls::park(until_ns);
    }
    unmask();
    NOTIFIED.swap(false, Ordering::SeqCst)
}

/// Arms this hart's tick for an instant of the timebase, in ns; 0 disarms it. One past is due at once.
pub fn set_tick(at_ns: u64) {
    // The call has no argument that could be wrong.
    let _ = calls::timer_set(at_ns);
}

/// As [`mask`]; returns whether they were masked already.
pub(super) fn mask_again() -> bool {
    let before: u32;
    // SAFETY: gs is based at this hart's dispatch page, and the word is the cell's to write. One instruction: a context that goes over to another hart in between would
    // mask the one and believe that it had masked the other.
    unsafe {
        core::arch::asm!("xchg dword ptr gs:[{1}], {0:e}", inout(reg) 1_u32 => before, const offset_of!(DispatchPage, masked), options(nostack));
    }
    before != 0
}

/// Keeps events from this hart until [`unmask`]: they collect meanwhile.
pub fn mask() {
    let _ = mask_again();
}

/// Lets events through again, those that collected included.
pub fn unmask() {
    let page = pages::dispatch(pages::own_hart());
    page.masked.store(0, Ordering::SeqCst);
    if page.pending.load(Ordering::SeqCst) != 0 {
        // The kernel delivers what is pending on every way back to the cell.
        let _ = calls::null();
    }
}

/// Addresses of the resume sequence: first instruction, and the first behind it.
#[must_use]
pub fn resume_sequence() -> core::ops::Range<u64> {
    (&raw const cell_resume_start) as u64..(&raw const cell_resume_end) as u64
}

unsafe extern "C" {
    static cell_resume_start: u8;
    static cell_resume_end: u8;
}

/// Tells the kernel where events enter, and lets them in.
pub(super) fn register(page: &DispatchPage, stack: u64) {
    let resume = resume_sequence();
    page.event_entry.store(event_entry as *const () as u64, Ordering::Relaxed);
    page.event_stack.store(stack, Ordering::Relaxed);
    page.resume_start.store(resume.start, Ordering::Relaxed);
    page.resume_end.store(resume.end, Ordering::Relaxed);
    page.takes_faults.store(FAULT.get().is_some().into(), Ordering::Relaxed);
    page.masked.store(0, Ordering::SeqCst);
}

/// Takes what is pending and does it. Called by `event_entry` only, with this hart's dispatch page.
extern "C" fn handle(page: *mut DispatchPage) {
    // SAFETY: the kernel passes the page's address and maps it for as long as the cell lives; `pending` is atomic.
    let pending = unsafe { &(*page).pending }.swap(0, Ordering::SeqCst);
    if pending & Event::Notification as u32 != 0 {
        NOTIFIED.store(true, Ordering::SeqCst);
    }
    if pending & Event::Channel as u32 != 0
        && let Some(came) = CHANNELS.get(pages::own_hart() as usize)
    {
        came.store(true, Ordering::SeqCst);
    }
    // A fault first: its context must be as it was.
    for (event, slot) in [
        (Event::Fault, &FAULT),
        (Event::Tick, &TICK),
        (Event::Notification, &NOTIFICATION),
        (Event::Channel, &CHANNEL),
        (Event::Wake, &WAKE),
        (Event::Resize, &RESIZE),
    ] {
        if let Some(handler) = slot.get().filter(|_| pending & event as u32 != 0) {
            // SAFETY: events are masked, so the kernel does not touch `saved` until the resume sequence unmasks them, and no other hart uses
            // this hart's `saved`.
            let context = unsafe { &mut (*page).saved };
            handler(context);
        }
    }
}

/// Where events enter: `rdi` is the dispatch page, the event stack is empty, events are masked, and all registers were saved.
///
/// Why the end is safe at every instruction: until `masked` is cleared nothing is delivered. From `cell_resume_start` on the kernel, when an event is due,
/// finds the instruction pointer in the range; then it saves nothing, masks and enters here again, and `saved` still holds the context to resume,
/// because the sequence only reads it. An event that came after the handler looked and before `masked` was cleared is seen by the
/// comparison; one that comes between the comparison and `iretq` interrupts there. In `cell_resume_again` events are masked by a store that itself
/// lies in the range: before it the kernel re-enters, after it nothing is delivered and the loop takes what is pending.
#[unsafe(naked)]
unsafe extern "C" fn event_entry() -> ! {
    naked_asm!(
        "cld",
        "mov rbx, rdi",
        "mov r13, [rbx + {vector_bytes}]",
        "mov r14d, [rbx + {vector_mask}]",
        // Room for the vector state: 512 bytes where there is only fxsave.
        "mov eax, 512",
        "test r13, r13",
        "cmovnz rax, r13",
        "sub rsp, rax",
        "and rsp, -64",
        "mov r12, rsp",
        "xor ebp, ebp",
        "cell_events_again:",
        "test r13, r13",
        "jz 2f",
        // The header behind the legacy area must not hold what the stack held.
        "xor eax, eax",
        "lea rdi, [r12 + 512]",
        "mov ecx, 8",
        "rep stosq",
        "mov eax, r14d",
        "xor edx, edx",
        "xsave64 [r12]",
        "mov rdi, rbx",
        "call {handle}",
        "mov eax, r14d",
        "xor edx, edx",
        "xrstor64 [r12]",
        "jmp 3f",
        "2:",
        "fxsave64 [r12]",
        "mov rdi, rbx",
        "call {handle}",
        "fxrstor64 [r12]",
        "3:",
        ".global cell_resume",
        "cell_resume:",
        "mov dword ptr [rbx + {masked}], 0",
        ".global cell_resume_start",
        "cell_resume_start:",
        "cmp dword ptr [rbx + {pending}], 0",
        "jne 4f",
        "lea rsp, [rbx + {saved}]",
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
        "pop rdx",
        "pop rcx",
        "pop rbx",
        "pop rax",
        "iretq",
        "4:",
        "mov dword ptr [rbx + {masked}], 1",
        ".global cell_resume_end",
        "cell_resume_end:",
        "jmp cell_events_again",
        vector_bytes = const offset_of!(DispatchPage, vector_bytes),
        vector_mask = const offset_of!(DispatchPage, vector_mask),
        masked = const offset_of!(DispatchPage, masked),
        pending = const offset_of!(DispatchPage, pending),
        saved = const offset_of!(DispatchPage, saved),
        handle = sym handle,
    )
}

/// How often this hart was interrupted in its resume sequence, and where last: for tests.
#[must_use]
pub fn interrupted_resumes() -> (u64, u64) {
    let page = pages::dispatch(pages::own_hart());
    (page.resumes_interrupted.load(Ordering::Relaxed), page.resume_interrupted_at.load(Ordering::Relaxed))
}

/// Adds to this hart's heartbeats; see `hart::heartbeat`.
pub(crate) fn beat(count: u64) {
    let beats: &AtomicU64 = &pages::dispatch(pages::own_hart()).heartbeats;
    // Only this hart writes.
    beats.store(beats.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}
