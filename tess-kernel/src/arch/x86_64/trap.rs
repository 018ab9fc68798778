//! Entries into the kernel: interrupts, exceptions and calls, and the way back.
//!
//! There is one stack for each hardware thread and nothing on it while a cell or the idle loop runs, so every entry lays its
//! [`Frame`] at the same place. Interrupts are off in the kernel except in the idle loop, whose entries come from the kernel's
//! own selector and find the stack just as empty.

use core::arch::{asm, global_asm, naked_asm};

use x86_64::VirtAddr;
use x86_64::registers::control::{Efer, EferFlags};
use x86_64::registers::model_specific::{LStar, SFMask};
use x86_64::registers::rflags::RFlags;
use x86_64::structures::DescriptorTablePointer;

use super::frame::{self, Frame};
use super::gdt;
use crate::cpu::Cpu;

/// Interrupt vectors that the kernel uses.
pub(crate) const VECTOR_TIMER: u64 = 0xf0;
/// "Look at the plan, your cell's state and your translations again."
pub(crate) const VECTOR_WAKE: u64 = 0xf1;
/// Activation by interrupt: only in plans made to be measured against.
pub(crate) const VECTOR_ACTIVATE: u64 = 0xf2;
pub(super) const VECTOR_ERROR: u64 = 0xfe;
pub(super) const VECTOR_SPURIOUS: u64 = 0xff;

global_asm!(
    r#"
    .text
    .altmacro
    .macro trap_stub number
    .balign 16
    .if (\number == 8) || ((\number >= 10) && (\number <= 14)) || (\number == 17) || (\number == 21) || (\number == 29) || (\number == 30)
    .byte 0x66, 0x90            # keeps the stubs alike; the processor pushed an error code
    .else
    push 0
    .endif
    push \number
    jmp trap_common
    .endm

    .balign 16
    .global trap_stubs
trap_stubs:
    .set number, 0
    .rept 256
    trap_stub %number
    .set number, number + 1
    .endr

    .macro push_registers
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    .endm

    .macro pop_registers
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    .endm

trap_common:
    push_registers
    cld
    # What strikes on a stack of its own may strike anywhere, even between swapgs: it must not rely on gs.
    mov rax, [rsp + 120]
    cmp rax, 2
    je trap_fatal
    cmp rax, 8
    je trap_fatal
    cmp rax, 18
    je trap_fatal
    test byte ptr [rsp + 144], 3
    jz 1f
    swapgs
1:  mov rdi, gs:[0]
    mov rsi, rsp
    xor ebp, ebp
    call trap_entry
trap_return:
    test byte ptr [rsp + 144], 3
    jz 2f
    swapgs
2:  pop_registers
    add rsp, 16
    iretq

trap_fatal:
    mov rdi, rsp
    xor ebp, ebp
    call fatal_entry
3:  cli
    hlt
    jmp 3b

    .global syscall_entry
    .balign 16
syscall_entry:
    swapgs
    mov gs:[16], rsp
    mov rsp, gs:[8]
    push {user_data}
    push gs:[16]
    push r11
    push {user_code}
    push rcx
    push 0
    push {syscall}
    push_registers
    cld
    mov rdi, gs:[0]
    mov rsi, rsp
    xor ebp, ebp
    call call_entry
    cmp dword ptr [rsp + 120], {syscall}
    jne trap_return
    # Untouched: the cell's rcx and r11 are lost by the contract, so sysret will do. The return address is below the last page of the
    # lower half (nothing can be mapped there), so it is canonical.
    swapgs
    pop_registers
    mov rcx, [rsp + 16]
    mov r11, [rsp + 32]
    mov rsp, [rsp + 40]
    sysretq

    .global idle_loop
idle_loop:
    sti
    hlt
    jmp idle_loop

    # The same by `mwait`, in the state that rbx has the hint of. The line that is monitored is this stack's first, which nobody writes but an interrupt.
    .global idle_deep
idle_deep:
    cli
    lea rax, [rsp - 8]
    xor ecx, ecx
    xor edx, edx
    monitor
    mov eax, ebx
    sti
    mwait
    jmp idle_deep
    "#,
    user_data = const frame::USER_DATA,
    user_code = const frame::USER_CODE,
    syscall = const frame::SYSCALL,
);

unsafe extern "C" {
    static trap_stubs: u8;
    static syscall_entry: u8;
    static idle_loop: u8;
    static idle_deep: u8;
}

/// Every interrupt and exception that uses the ordinary stack.
///
/// `cpu` is this hardware thread's record, `frame` the interrupted registers.
#[unsafe(no_mangle)]
extern "C" fn trap_entry(cpu: &mut Cpu, frame: &mut Frame) {
    crate::dispatch::on_trap(cpu, frame);
}

/// Every call.
#[unsafe(no_mangle)]
extern "C" fn call_entry(cpu: &mut Cpu, frame: &mut Frame) {
    crate::dispatch::on_call(cpu, frame);
}

/// What cannot be survived: non-maskable interrupt, double fault, machine check.
#[unsafe(no_mangle)]
extern "C" fn fatal_entry(frame: &mut Frame) -> ! {
    crate::crash::fatal(frame)
}

/// An interrupt gate.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Gate {
    offset_low: u16,
    selector: u16,
    stack: u8,
    kind: u8,
    offset_middle: u16,
    offset_high: u32,
    reserved: u32,
}

const GATE_NONE: Gate =
    Gate { offset_low: 0, selector: 0, stack: 0, kind: 0, offset_middle: 0, offset_high: 0, reserved: 0 };

/// The interrupt descriptor table, the same for all hardware threads.
#[repr(C, align(4096))]
pub(crate) struct Gates([Gate; 256]);

impl Gates {
    pub(crate) const fn new() -> Self {
        Self([GATE_NONE; 256])
    }

    /// Points every gate at its stub. Cells may raise breakpoints (3) by themselves, nothing else.
    pub(crate) fn fill(&mut self) {
        for (vector, gate) in self.0.iter_mut().enumerate() {
            let stub = (&raw const trap_stubs) as u64 + vector as u64 * 16;
            let stack = match vector {
                2 => gdt::IST_NMI + 1,
                8 => gdt::IST_DOUBLE_FAULT + 1,
                18 => gdt::IST_MACHINE_CHECK + 1,
                _ => 0,
            };
            *gate = Gate {
                offset_low: stub as u16,
                selector: frame::KERNEL_CODE as u16,
                stack: stack as u8,
                kind: if vector == 3 { 0xee } else { 0x8e },
                offset_middle: (stub >> 16) as u16,
                offset_high: (stub >> 32) as u32,
                reserved: 0,
            };
        }
    }

    /// Loads the table on this hardware thread and sets up calls.
    pub(crate) fn load(&'static self) {
        let pointer =
            DescriptorTablePointer { limit: (size_of::<Self>() - 1) as u16, base: VirtAddr::from_ptr(self.0.as_ptr()) };
        // SAFETY: the table is a static and was filled with gates whose stubs follow the processor's calling convention.
        unsafe { x86_64::instructions::tables::lidt(&pointer) };
        LStar::write(VirtAddr::new((&raw const syscall_entry) as u64));
        SFMask::write(
            RFlags::INTERRUPT_FLAG
                | RFlags::TRAP_FLAG
                | RFlags::DIRECTION_FLAG
                | RFlags::ALIGNMENT_CHECK
                | RFlags::NESTED_TASK,
        );
        // sysret takes the base of the user's selectors from here: data at +8, code at +16.
        let star = (frame::KERNEL_DATA | 3) << 48 | frame::KERNEL_CODE << 32;
        // SAFETY: STAR has no effect but on `syscall` and `sysret`; the selectors are those of `gdt`.
        unsafe { x86_64::registers::model_specific::Msr::new(0xc000_0081).write(star) };
        // SAFETY: enables `syscall`, whose entry was just set; long mode and no-execute stay on.
        unsafe { Efer::update(|flags| *flags |= EferFlags::SYSTEM_CALL_EXTENSIONS) };
    }
}

/// The registers of the idle loop, on an empty stack.
pub(crate) fn idle_frame(stack_top: u64) -> Frame {
    Frame {
        r15: 0,
        r14: 0,
        r13: 0,
        r12: 0,
        r11: 0,
        r10: 0,
        r9: 0,
        r8: 0,
        rbp: 0,
        rdi: 0,
        rsi: 0,
        rdx: 0,
        rcx: 0,
        rbx: 0,
        rax: 0,
        vector: frame::REPLACED,
        error: 0,
        rip: (&raw const idle_loop) as u64,
        cs: frame::KERNEL_CODE,
        // Interrupts stay off until the loop's own `sti`, whose shadow reaches to the `hlt`.
        rflags: 2,
        rsp: stack_top,
        ss: frame::KERNEL_DATA,
    }
}

/// The registers of the loop that sleeps in the state with this hint, on an empty stack.
pub(crate) fn sleep_frame(stack_top: u64, hint: u32) -> Frame {
    Frame { rbx: u64::from(hint), rip: (&raw const idle_deep) as u64, ..idle_frame(stack_top) }
}

/// How a hardware thread waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// It looks all the time.
    Awake,
    /// By `hlt`.
    Halted,
    /// By `mwait`, in the state with this hint.
    Asleep(u32),
}

/// Leaves the boot path: from here on this hardware thread does what its muxer says.
///
/// # Safety
/// `stack_top` is this hardware thread's kernel stack, on which nothing is needed any more; the record is installed.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn enter_muxing(stack_top: u64) -> ! {
    // A frame on the empty stack, as if the idle loop had been interrupted.
    naked_asm!(
        "mov rsp, rdi",
        "sub rsp, {frame}",
        "xor ebp, ebp",
        "mov rdi, gs:[0]",
        "mov rsi, rsp",
        "call {begin}",
        "jmp trap_return",
        frame = const size_of::<Frame>(),
        begin = sym begin,
    )
}

extern "C" fn begin(cpu: &mut Cpu, frame: &mut Frame) {
    *frame = cpu.idle_frame();
    cpu.entered = cpu.now();
    crate::muxing::reschedule(cpu, frame);
}

/// At boot: waits with interrupts on until the timer struck at `due` (in ns) or later.
pub(crate) fn wait_for_timer(cpu: &Cpu, due: u64, wait: Wait) {
    while cpu.shared().struck.load(core::sync::atomic::Ordering::Relaxed) < due {
        // Interrupts were off while we looked, and the shadow of `sti` reaches to the instruction that sleeps: the timer cannot have come in between.
        match wait {
            Wait::Awake => {
                x86_64::instructions::interrupts::enable();
                core::hint::spin_loop();
            }
            Wait::Halted => x86_64::instructions::interrupts::enable_and_hlt(),
            Wait::Asleep(hint) => {
                let line = 0_u64;
                // SAFETY: who asks for a hint has it from `features::sleep_states`, so the processor has both instructions and the state; they write no memory.
                unsafe {
                    asm!(
                        "monitor", "mov eax, {hint:e}", "sti", "mwait",
                        hint = in(reg) hint, inout("rax") &raw const line => _, in("ecx") 0, in("edx") 0,
                        options(nostack),
                    );
                }
            }
        }
        x86_64::instructions::interrupts::disable();
    }
}
