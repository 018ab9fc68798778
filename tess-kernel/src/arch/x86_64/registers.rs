//! Registers that belong to a hart besides its frame, and to a hardware thread.

use x86_64::PhysAddr;
use x86_64::VirtAddr;
use x86_64::registers::control::{Cr2, Cr3, Cr3Flags};
use x86_64::registers::model_specific::{FsBase, GsBase, KernelGsBase};
use x86_64::structures::paging::PhysFrame;

/// The segment bases of a hart.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bases {
    pub(crate) fs: u64,
    pub(crate) gs: u64,
}

impl Bases {
    /// Those of the cell that was interrupted.
    pub(crate) fn read() -> Self {
        // In the kernel the cell's gs base waits in the other register.
        Self { fs: FsBase::read().as_u64(), gs: KernelGsBase::read().as_u64() }
    }

    /// For the cell to which the kernel is about to return. Cells may set these themselves, so they hold whatever the processor accepts.
    pub(crate) fn load(self) {
        FsBase::write(VirtAddr::new_truncate(self.fs));
        KernelGsBase::write(VirtAddr::new_truncate(self.gs));
    }
}

/// Makes `record` this hardware thread's record: the entry code finds it through gs.
pub(crate) fn set_record(record: u64) {
    GsBase::write(VirtAddr::new(record));
    KernelGsBase::write(VirtAddr::zero());
}

/// The faulting address of the page fault being served.
pub(crate) fn fault_address() -> u64 {
    Cr2::read_raw()
}

/// The page tables in use.
pub(crate) fn tables() -> u64 {
    Cr3::read().0.start_address().as_u64()
}

/// Switches to other page tables and forgets all translations of the old ones.
///
/// # Safety
/// `root` is a page table that maps the kernel as all others do.
pub(crate) unsafe fn set_tables(root: u64) {
    // SAFETY: by the caller's promise the kernel runs on as before.
    unsafe { Cr3::write(PhysFrame::containing_address(PhysAddr::new(root)), Cr3Flags::empty()) };
}

/// Switches to a cell's page tables.
pub(crate) fn use_tables(space: crate::memory::space::Space) {
    // SAFETY: a cell's tables share the kernel's half with all others; see `Space::new`.
    unsafe { set_tables(space.root()) };
}

/// Switches to the kernel's own page tables.
pub(crate) fn use_kernel_tables() {
    // SAFETY: these are the tables that the kernel was built with.
    unsafe { set_tables(crate::memory::image::root()) };
}

/// A word of the kernel's memory, if its page is mapped: for the backtrace of a dying kernel.
pub(crate) fn peek(address: u64) -> Option<u64> {
    let (entry, _) = crate::memory::tables::find(tables(), address);
    if entry & crate::memory::tables::PRESENT == 0 || !address.is_multiple_of(8) {
        return None;
    }
    // SAFETY: the page tables in use just said that the page is mapped; an aligned word does not leave it.
    Some(unsafe { core::ptr::read_volatile(address as *const u64) })
}

/// The present instruction and frame pointer.
pub(crate) fn here() -> (u64, u64) {
    let (rip, rbp): (u64, u64);
    // SAFETY: reads two registers.
    unsafe {
        core::arch::asm!("lea {}, [rip]", "mov {}, rbp", out(reg) rip, out(reg) rbp, options(nomem, nostack, preserves_flags))
    };
    (rip, rbp)
}
