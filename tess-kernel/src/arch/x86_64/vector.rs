//! Vector state of a hart: saved and loaded whole at every change of cell, so that nothing leaks and nothing is lost.

use super::features::features;

/// The layout of `xsave`'s standard format for what [`features`] allows, at most a page.
#[repr(C, align(64))]
pub(crate) struct VectorArea([u8; 4096]);

impl VectorArea {
    /// A hart's that has not run.
    pub(crate) fn new() -> Self {
        let mut area = Self([0; 4096]);
        area.reset();
        area
    }

    /// Makes this the state of a hart that has not run: all registers zero, exceptions masked.
    pub(crate) fn reset(&mut self) {
        self.0.fill(0);
        self.0[0..2].copy_from_slice(&0x037f_u16.to_le_bytes());
        self.0[24..28].copy_from_slice(&0x1f80_u32.to_le_bytes());
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Saves this hardware thread's vector registers.
    pub(crate) fn save(&mut self) {
        let features = features();
        let area = self.0.as_mut_ptr();
        if features.xsave {
            // SAFETY: the area is 64-byte aligned and has room for every component in `vector_mask` (at most 2,696 bytes); the state
            // is enabled in xcr0.
            unsafe {
                core::arch::asm!("xsave64 [{}]", in(reg) area, in("eax") features.vector_mask as u32, in("edx") 0, options(nostack));
            }
        } else {
            // SAFETY: the area is 16-byte aligned and larger than 512 bytes.
            unsafe { core::arch::asm!("fxsave64 [{}]", in(reg) area, options(nostack)) };
        }
    }

    /// Loads this hardware thread's vector registers.
    pub(crate) fn load(&self) {
        let features = features();
        let area = self.0.as_ptr();
        if features.xsave {
            // SAFETY: the area was written by `reset` or `save` and is the kernel's alone, so its header is valid.
            unsafe {
                core::arch::asm!("xrstor64 [{}]", in(reg) area, in("eax") features.vector_mask as u32, in("edx") 0, options(nostack));
            }
        } else {
            // SAFETY: as above.
            unsafe { core::arch::asm!("fxrstor64 [{}]", in(reg) area, options(nostack)) };
        }
    }
}
