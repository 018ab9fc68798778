//! Upcalls: how events reach a hart. The contract is in `abi::dispatch`.

use core::sync::atomic::Ordering;

use abi::Event;
use abi::layout::{USER_BOTTOM, USER_TOP};

use crate::arch::frame::{Frame, REPLACED, USER_FLAGS};
use crate::arch::trap::VECTOR_WAKE;
use crate::cells::{Cell, Hart};
use crate::cpu::Cpu;
use crate::inputs;

/// Posts an event to a hart of a cell, and sees to it that it is looked at: by the hardware thread that has the hart loaded, and by the muxers if the cell was idle.
pub(crate) fn post(cpu: &mut Cpu, cell: &'static Cell, hart: usize, event: Event) {
    let Some(hart) = cell.hart(hart) else { return };
    if hart.dispatch.post(event) {
        // Who posted it before has told, and the hart has not taken it yet.
        return;
    }
    // If it is loaded meanwhile it finds the event by itself.
    if let Some(thread) = hart.place().filter(|thread| *thread != cpu.thread) {
        cpu.interrupt(thread, VECTOR_WAKE);
    }
    let _ = inputs::report(cpu, cell);
}

/// Makes the hart enter its event entry if an event is pending and not masked. False when the hart registered an entry or a stack that a
/// cell cannot have.
#[must_use]
pub(crate) fn deliver(hart: &Hart, frame: &mut Frame) -> bool {
    let dispatch = hart.dispatch;
    if !frame.is_user() || dispatch.pending() == 0 || dispatch.is_masked() {
        return true;
    }
    let entry = dispatch.event_entry().load(Ordering::Relaxed);
    let stack = dispatch.event_stack().load(Ordering::Relaxed);
    let allowed = USER_BOTTOM..USER_TOP;
    if !allowed.contains(&entry) || !allowed.contains(&stack) {
        return false;
    }
    let resume = dispatch.resume_start().load(Ordering::Relaxed)..dispatch.resume_end().load(Ordering::Relaxed);
    if resume.contains(&frame.rip) {
        // The context being resumed is still whole in the page.
        dispatch.resumes_interrupted().fetch_add(1, Ordering::Relaxed);
        dispatch.resume_interrupted_at().store(frame.rip, Ordering::Relaxed);
    } else {
        dispatch.save(&frame.context());
    }
    dispatch.mask();
    hart.upcalls.fetch_add(1, Ordering::Relaxed);
    dispatch.upcalls().store(hart.upcalls.load(Ordering::Relaxed), Ordering::Relaxed);
    frame.rip = entry;
    frame.rsp = stack;
    frame.rdi = hart.dispatch_address;
    frame.rflags = USER_FLAGS;
    frame.vector = REPLACED;
    true
}
