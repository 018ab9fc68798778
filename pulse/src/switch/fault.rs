//! Ending a context by a fault.

use core::arch::naked_asm;
use core::sync::atomic::Ordering;

use super::{Control, Status, mask, running};
use crate::hart::Hart;
use crate::scheduler::Fault;

/// Ends the running context where it was interrupted: returns the instruction pointer and stack pointer with which its hart goes on. Masks events once.
///
/// # Safety
/// A context runs on this hart, events were not masked, and it never goes on.
pub(crate) unsafe fn abandon(hart: &Hart, fault: Fault) -> (u64, u64) {
    if let Some(context) = running(hart) {
        context.status.set(Status::Faulted(fault));
    }
    mask();
    (abandoned as *const () as u64, hart.stack_pointer.load(Ordering::Relaxed) as u64)
}

/// Whether an address lies in the running context's stack or so many bytes below.
pub(crate) fn running_stack_is_near(hart: &Hart, address: usize, guard: usize) -> bool {
    running(hart).map(Control::stack).is_some_and(|stack| (stack.start - guard..stack.end).contains(&address))
}

/// The second half of [`switch`](super::switch).
#[unsafe(naked)]
unsafe extern "sysv64" fn abandoned() {
    naked_asm!("cld", "pop rax", "jmp rax")
}
