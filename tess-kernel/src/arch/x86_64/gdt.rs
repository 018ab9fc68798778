//! Segments and the task state: one set for each hardware thread.

use core::ptr::addr_of;

use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::registers::segmentation::SegmentSelector;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable};
use x86_64::structures::tss::TaskStateSegment;

use super::frame;

/// Interrupt stack table slots: what can strike while the ordinary stack is unusable gets a stack of its own.
pub(super) const IST_NMI: u16 = 0;
pub(super) const IST_DOUBLE_FAULT: u16 = 1;
pub(super) const IST_MACHINE_CHECK: u16 = 2;

/// Tops of a hardware thread's stacks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stacks {
    pub(crate) kernel: u64,
    pub(crate) nmi: u64,
    pub(crate) double_fault: u64,
    pub(crate) machine_check: u64,
}

/// The tables. They must not move once loaded.
#[derive(Debug)]
pub(crate) struct Segments {
    gdt: GlobalDescriptorTable,
    tss: TaskStateSegment,
}

impl Segments {
    pub(crate) const fn new() -> Self {
        Self { gdt: GlobalDescriptorTable::new(), tss: TaskStateSegment::new() }
    }

    /// Fills and loads the tables on this hardware thread.
    pub(crate) fn load(&'static mut self, stacks: Stacks) {
        self.tss.privilege_stack_table[0] = VirtAddr::new(stacks.kernel);
        self.tss.interrupt_stack_table[usize::from(IST_NMI)] = VirtAddr::new(stacks.nmi);
        self.tss.interrupt_stack_table[usize::from(IST_DOUBLE_FAULT)] = VirtAddr::new(stacks.double_fault);
        self.tss.interrupt_stack_table[usize::from(IST_MACHINE_CHECK)] = VirtAddr::new(stacks.machine_check);
        self.gdt = GlobalDescriptorTable::new();
        let code = self.gdt.append(Descriptor::kernel_code_segment());
        let data = self.gdt.append(Descriptor::kernel_data_segment());
        let user_data = self.gdt.append(Descriptor::user_data_segment());
        let user_code = self.gdt.append(Descriptor::user_code_segment());
        assert_eq!(u64::from(code.0), frame::KERNEL_CODE);
        assert_eq!(u64::from(data.0), frame::KERNEL_DATA);
        assert_eq!(u64::from(user_data.0), frame::USER_DATA);
        assert_eq!(u64::from(user_code.0), frame::USER_CODE);
        // SAFETY: the task state segment is a static that is never moved or freed (`&'static mut self`); the processor alone writes to it
        // from here on.
        let tss = self.gdt.append(unsafe { Descriptor::tss_segment_unchecked(addr_of!(self.tss)) });
        // SAFETY: the table is a static, for the same reason.
        unsafe { self.gdt.load_unsafe() };
        // SAFETY: the selectors were just made for these segments.
        unsafe { CS::set_reg(code) };
        // SAFETY: as above.
        unsafe { SS::set_reg(data) };
        // SAFETY: the null selector is allowed for data segments in 64-bit mode.
        unsafe { DS::set_reg(SegmentSelector::NULL) };
        // SAFETY: as above.
        unsafe { ES::set_reg(SegmentSelector::NULL) };
        // SAFETY: the descriptor was just appended and is not in use on any other hardware thread.
        unsafe { load_tss(tss) };
    }
}
