//! What happens on an entry into the kernel, before the muxer has the last word.

use core::sync::atomic::Ordering;

use crate::arch::frame::Frame;
use crate::arch::trap::{VECTOR_ACTIVATE, VECTOR_TIMER, VECTOR_WAKE};
use crate::cpu::Cpu;
use crate::{calls, crash, events, muxing, sleep};

/// The highest vector of the processor's own exceptions.
const LAST_EXCEPTION: u64 = 31;

/// An interrupt or an exception.
pub(crate) fn on_trap(cpu: &mut Cpu, frame: &mut Frame) {
    cpu.entered = cpu.now();
    match frame.vector {
        VECTOR_TIMER => {
            sleep::woke(cpu);
            cpu.timer_struck();
            cpu.shared().struck.store(cpu.entered, Ordering::Relaxed);
            cpu.shared().strikes.fetch_add(1, Ordering::Relaxed);
            cpu.apic.end_of_interrupt();
        }
        VECTOR_WAKE | VECTOR_ACTIVATE => cpu.apic.end_of_interrupt(),
        vector if vector <= LAST_EXCEPTION => {
            if !frame.is_user() {
                crash::fatal(frame);
            }
            if !events::fault(cpu, frame) {
                crash::exception(cpu, frame);
            }
        }
        // Spurious interrupts and the controller's own errors need no acknowledgement but the latter's.
        0xfe => cpu.apic.end_of_interrupt(),
        _ => {}
    }
    muxing::reschedule(cpu, frame);
}

/// A call.
pub(crate) fn on_call(cpu: &mut Cpu, frame: &mut Frame) {
    cpu.entered = cpu.now();
    calls::serve(cpu, frame);
    muxing::reschedule(cpu, frame);
}
