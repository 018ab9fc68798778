//! Starting the other hardware threads.
//!
//! They wake in 16-bit mode at a page of low memory. The trampoline copied there takes them to 64-bit mode on page tables
//! that map it (readable and executable, not writable) besides the kernel, and jumps to `secondary_entry` with a stack.

use core::arch::global_asm;

/// Where the trampoline is copied: a page of low memory that the memory map leaves free.
pub(crate) const TRAMPOLINE: u64 = 0x8000;

global_asm!(
    r#"
    .section .rodata.trampoline, "a"
    .balign 4096
    .global trampoline_start
trampoline_start:
    .code16
    cli
    cld
    xor ax, ax
    mov ds, ax
    lgdt [at_gdt_pointer]
    mov eax, cr0
    or eax, 1
    mov cr0, eax
    .byte 0x66, 0xea
    .long {base} + trampoline_32 - trampoline_start
    .word 0x08

    .code32
trampoline_32:
    mov ax, 0x10
    mov ds, ax
    mov ss, ax
    mov eax, cr4
    or eax, 1 << 5
    mov cr4, eax
    mov eax, [at_tables]
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, (1 << 8) | (1 << 11)
    wrmsr
    mov eax, cr0
    or eax, (1 << 31) | (1 << 16) | 1
    mov cr0, eax
    .byte 0xea
    .long {base} + trampoline_64 - trampoline_start
    .word 0x18

    .code64
trampoline_64:
    xor eax, eax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    mov rsp, [at_stack]
    mov rdi, [at_argument]
    mov rax, [at_entry]
    xor ebp, ebp
    call rax
1:  hlt
    jmp 1b

    .balign 8
trampoline_gdt:
    .quad 0
    .quad 0x00cf9a000000ffff    # code, 32 bits
    .quad 0x00cf92000000ffff    # data
    .quad 0x00af9a000000ffff    # code, 64 bits
trampoline_gdt_pointer:
    .word 31
    .long {base} + trampoline_gdt - trampoline_start
    .balign 8
    .global trampoline_tables
trampoline_tables:
    .quad 0
trampoline_stack:
    .quad 0
trampoline_argument:
    .quad 0
trampoline_entry:
    .quad 0
    .global trampoline_end
trampoline_end:
    .set at_gdt_pointer, {base} + trampoline_gdt_pointer - trampoline_start
    .set at_tables, {base} + trampoline_tables - trampoline_start
    .set at_stack, {base} + trampoline_stack - trampoline_start
    .set at_argument, {base} + trampoline_argument - trampoline_start
    .set at_entry, {base} + trampoline_entry - trampoline_start
    .text
    "#,
    base = const TRAMPOLINE,
);

unsafe extern "C" {
    static trampoline_start: u8;
    static trampoline_tables: u8;
    static trampoline_end: u8;
}

/// The trampoline's bytes with its four parameters filled in.
pub(crate) struct Trampoline {
    pub(crate) bytes: [u8; 1024],
    pub(crate) length: usize,
}

/// Prepares a trampoline: page tables below 4 GiB, the top of the stack, and what `secondary_entry` gets.
pub(crate) fn trampoline(tables: u64, stack: u64, argument: u64) -> Trampoline {
    let start = &raw const trampoline_start;
    let length = (&raw const trampoline_end) as usize - start as usize;
    let parameters = (&raw const trampoline_tables) as usize - start as usize;
    let mut bytes = [0_u8; 1024];
    assert!(length <= bytes.len(), "the trampoline outgrew its buffer");
    // SAFETY: the linker laid these bytes out between the two symbols; they are read-only and never change.
    let image = unsafe { core::slice::from_raw_parts(start, length) };
    bytes[..length].copy_from_slice(image);
    let entry = secondary_entry as *const () as u64;
    for (index, value) in [tables, stack, argument, entry].into_iter().enumerate() {
        let place = parameters + index * 8;
        bytes[place..place + 8].copy_from_slice(&value.to_le_bytes());
    }
    Trampoline { bytes, length }
}

extern "C" fn secondary_entry(thread: u64) -> ! {
    let stack = crate::start::secondary(thread as usize);
    // SAFETY: the record is installed, and nothing on this stack is needed any more.
    unsafe { super::trap::enter_muxing(stack) }
}
