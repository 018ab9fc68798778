//! The registers of an interrupted computation as the entry code leaves them on the kernel's stack.

use abi::Context;

/// The value of [`Frame::vector`] for a call by `syscall`.
pub(crate) const SYSCALL: u64 = 0x100;

/// The value of [`Frame::vector`] after the frame was replaced: it must be left by `iretq`.
pub(crate) const REPLACED: u64 = 0x101;

/// Selectors, fixed by `syscall` and `sysret`: see `gdt`.
pub(crate) const KERNEL_CODE: u64 = 0x08;
pub(crate) const KERNEL_DATA: u64 = 0x10;
pub(crate) const USER_DATA: u64 = 0x1b;
pub(crate) const USER_CODE: u64 = 0x23;

/// Flags with which a hart starts: interrupts on.
pub(crate) const USER_FLAGS: u64 = 0x202;

/// What a cell may have in its flags: arithmetic, direction, trap, alignment, identification. Interrupts are always on.
const USER_FLAGS_MASK: u64 = 0x0024_0dd5;

/// General registers, the cause, and what `iretq` takes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Frame {
    pub(crate) r15: u64,
    pub(crate) r14: u64,
    pub(crate) r13: u64,
    pub(crate) r12: u64,
    pub(crate) r11: u64,
    pub(crate) r10: u64,
    pub(crate) r9: u64,
    pub(crate) r8: u64,
    pub(crate) rbp: u64,
    pub(crate) rdi: u64,
    pub(crate) rsi: u64,
    pub(crate) rdx: u64,
    pub(crate) rcx: u64,
    pub(crate) rbx: u64,
    pub(crate) rax: u64,
    pub(crate) vector: u64,
    pub(crate) error: u64,
    pub(crate) rip: u64,
    pub(crate) cs: u64,
    pub(crate) rflags: u64,
    pub(crate) rsp: u64,
    pub(crate) ss: u64,
}

const _: () = assert!(size_of::<Frame>() == 176, "the entry code pushes 22 words, and keeps the stack aligned so");

impl Frame {
    /// Whether a cell was interrupted, not the kernel's idle loop.
    pub(crate) fn is_user(&self) -> bool {
        self.cs & 3 == 3
    }

    /// The registers as the contract has them.
    pub(crate) fn context(&self) -> Context {
        Context {
            r15: self.r15,
            r14: self.r14,
            r13: self.r13,
            r12: self.r12,
            r11: self.r11,
            r10: self.r10,
            r9: self.r9,
            r8: self.r8,
            rbp: self.rbp,
            rdi: self.rdi,
            rsi: self.rsi,
            rdx: self.rdx,
            rcx: self.rcx,
            rbx: self.rbx,
            rax: self.rax,
            rip: self.rip,
            cs: self.cs,
            rflags: self.rflags,
            rsp: self.rsp,
            ss: self.ss,
        }
    }

    /// Returns to a cell with these registers. Selectors and flags are forced to what a cell may have, whatever the context says.
    pub(crate) fn load_user(&mut self, context: &Context) {
        *self = Self {
            r15: context.r15,
            r14: context.r14,
            r13: context.r13,
            r12: context.r12,
            r11: context.r11,
            r10: context.r10,
            r9: context.r9,
            r8: context.r8,
            rbp: context.rbp,
            rdi: context.rdi,
            rsi: context.rsi,
            rdx: context.rdx,
            rcx: context.rcx,
            rbx: context.rbx,
            rax: context.rax,
            vector: REPLACED,
            error: 0,
            rip: context.rip,
            cs: USER_CODE,
            rflags: context.rflags & USER_FLAGS_MASK | USER_FLAGS,
            rsp: context.rsp,
            ss: USER_DATA,
        };
    }
}
