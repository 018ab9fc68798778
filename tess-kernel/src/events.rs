//! Upcalls: how events reach a hart. The contract is in `abi::dispatch`.

use core::sync::atomic::Ordering;

use abi::Event;
use abi::layout::{USER_BOTTOM, USER_TOP};

use crate::arch::frame::{Frame, REPLACED, USER_FLAGS};
use crate::arch::registers;
use crate::arch::trap::VECTOR_WAKE;
use crate::cells::{Cell, Hart};
use crate::cpu::Cpu;
use crate::inputs;
use crate::memory::object::Dispatch;

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

/// The number of a page fault.
const PAGE_FAULT: u64 = 14;

/// Exceptions after which there is nothing to resume: a non-maskable interrupt, a double fault, a machine check.
const DEADLY: [u64; 3] = [2, 8, 18];

/// Makes an exception an event of the hart that caused it, if it registered for that and can take one now. It is delivered on the way back to the hart.
#[must_use]
pub(crate) fn fault(cpu: &Cpu, frame: &Frame) -> bool {
    let Some(current) = &cpu.muxing.current else { return false };
    let dispatch = current.hart.dispatch;
    let wanted = dispatch.takes_faults().load(Ordering::Relaxed) != 0;
    if !wanted || dispatch.is_masked() || resumes(dispatch, frame) || DEADLY.contains(&frame.vector) {
        return false;
    }
    let address = if frame.vector == PAGE_FAULT { registers::fault_address() } else { 0 };
    dispatch.fault_vector().store(frame.vector, Ordering::Relaxed);
    dispatch.fault_error().store(frame.error, Ordering::Relaxed);
    dispatch.fault_address().store(address, Ordering::Relaxed);
    dispatch.post(Event::Fault);
    true
}

/// Whether the hart was interrupted in its resume sequence.
fn resumes(dispatch: Dispatch, frame: &Frame) -> bool {
    let (start, end) = (dispatch.resume_start(), dispatch.resume_end());
    (start.load(Ordering::Relaxed)..end.load(Ordering::Relaxed)).contains(&frame.rip)
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
    if resumes(dispatch, frame) {
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
