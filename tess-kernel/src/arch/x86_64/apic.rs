//! The local interrupt controller: the one-shot timer and interrupts between hardware threads, in x2APIC mode where the processor has
//! it, else through its page of registers (xAPIC).

use x2apic::lapic::{LocalApic, LocalApicBuilder, TimerDivide, TimerMode, xapic_base};
use x86_64::registers::model_specific::Msr;

use super::features::features;
use super::trap::{VECTOR_ERROR, VECTOR_SPURIOUS, VECTOR_TIMER};

const TSC_DEADLINE: u32 = 0x6e0;

/// This hardware thread's controller.
pub(crate) struct Apic {
    controller: LocalApic,
    deadline_mode: bool,
}

/// Where the register page lies in physical memory, if this processor needs it mapped.
pub(crate) fn register_page() -> Option<u64> {
    if features().x2apic {
        return None;
    }
    // SAFETY: reads a model-specific register that every processor of this architecture has.
    Some(unsafe { xapic_base() })
}

impl Apic {
    /// Enables the controller of this hardware thread. `registers` is where the register page was mapped (not needed in x2APIC mode).
    pub(crate) fn enable(registers: u64) -> Result<Self, &'static str> {
        let deadline_mode = features().tsc_deadline;
        let mode = if deadline_mode { TimerMode::TscDeadline } else { TimerMode::OneShot };
        let mut controller = LocalApicBuilder::new()
            .timer_vector(VECTOR_TIMER as usize)
            .error_vector(VECTOR_ERROR as usize)
            .spurious_vector(VECTOR_SPURIOUS as usize)
            .timer_mode(mode)
            .timer_divide(TimerDivide::Div1)
            .timer_initial(0)
            .set_xapic_base(registers)
            .build()?;
        // SAFETY: the legacy controllers are masked, so the local pins, which this leaves unmasked with vector 0, never strike; the gates are
        // loaded and interrupts are off.
        unsafe { controller.enable() };
        // SAFETY: `enable` unmasks the timer while the controller is still off in software, where writes to the mask are ignored, so
        // it must be done again.
        unsafe { controller.enable_timer() };
        Ok(Self { controller, deadline_mode })
    }

    /// This hardware thread's number on the interrupt bus.
    pub(crate) fn id(&self) -> u32 {
        // SAFETY: reads a register of an enabled controller.
        let id = unsafe { self.controller.id() };
        if features().x2apic { id } else { id >> 24 }
    }

    /// Acknowledges the interrupt being served.
    pub(crate) fn end_of_interrupt(&mut self) {
        // SAFETY: called once for each interrupt that came through the controller.
        unsafe { self.controller.end_of_interrupt() };
    }

    /// Whether the timer takes instants of the time-stamp counter and not counts.
    pub(crate) fn deadline_mode(&self) -> bool {
        self.deadline_mode
    }

    /// Arms the timer: an instant of the time-stamp counter in deadline mode, else a count down from now. 0 disarms.
    pub(crate) fn arm(&mut self, value: u64) {
        if self.deadline_mode {
            // SAFETY: the timer is in deadline mode; the interrupt it raises has a gate.
            unsafe { Msr::new(TSC_DEADLINE).write(value) };
        } else {
            // SAFETY: the interrupt it raises has a gate.
            unsafe { self.controller.set_timer_initial(value.min(u64::from(u32::MAX)) as u32) };
        }
    }

    /// What is left of the count.
    pub(crate) fn timer_current(&self) -> u32 {
        // SAFETY: reads a register of an enabled controller.
        unsafe { self.controller.timer_current() }
    }

    /// Sends an interrupt to the hardware thread with this number on the bus.
    pub(crate) fn send(&mut self, vector: u64, id: u32) {
        self.wait_idle();
        // SAFETY: the vector has a gate on every hardware thread that was started.
        unsafe { self.controller.send_ipi(vector as u8, destination(id)) };
    }

    /// Resets a hardware thread: the first step of starting it.
    pub(crate) fn send_init(&mut self, id: u32) {
        self.wait_idle();
        // SAFETY: the target runs nothing yet.
        unsafe { self.controller.send_init_ipi(destination(id)) };
    }

    /// Starts a hardware thread at the page `page` of low memory.
    pub(crate) fn send_startup(&mut self, page: u8, id: u32) {
        self.wait_idle();
        // SAFETY: the trampoline lies at that page.
        unsafe { self.controller.send_sipi(page, destination(id)) };
    }

    /// In xAPIC mode an interrupt must have left before the next is written.
    fn wait_idle(&self) {
        if !features().x2apic {
            // SAFETY: reads a register of an enabled controller.
            while unsafe { self.controller.get_ipi_delivery_status() } {
                core::hint::spin_loop();
            }
        }
    }
}

/// xAPIC has the destination in the highest byte.
fn destination(id: u32) -> u32 {
    if features().x2apic { id } else { id << 24 }
}
