//! The first instructions: from the loader's 32-bit protected mode (PVH) to 64-bit Rust in the higher half.
//!
//! The loader hands over a `hvm_start_info` structure. The tables built here map the first GiB at 0, at the
//! kernel's offset and at the direct map's; `memory` replaces them by tables with the right access before anything else happens.

use core::arch::global_asm;

use super::{clock, loader, serial, trap};

/// `XEN_HVM_START_MAGIC_VALUE`: "xEn3" with the highest bit of "E" set.
pub(crate) const START_INFO_MAGIC: u32 = 0x336e_c578;

global_asm!(
    r#"
    .section .note.xen, "a", @note
    .balign 4
    .long 4                     # bytes of the name
    .long 8                     # bytes of the descriptor
    .long 18                    # XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad pvh_start

    .section .boot.text, "awx"
    .code32
    .global pvh_start
pvh_start:
    cli
    cld
    # Firmwares differ in the register that carries the start information; its magic number tells.
    cmp dword ptr [ebx], {magic}
    je 2f
    mov ebx, ecx
    cmp dword ptr [ebx], {magic}
    je 2f
    mov ebx, edx
    cmp dword ptr [ebx], {magic}
    je 2f
    mov ebx, eax
2:
    mov edi, ebx

    # Long mode and no-execute are not optional.
    mov eax, 0x80000001
    cpuid
    and edx, (1 << 29) | (1 << 20)
    cmp edx, (1 << 29) | (1 << 20)
    jne boot_refused

    mov eax, offset boot_pml4
    mov cr3, eax
    mov eax, cr4
    or eax, 1 << 5              # PAE
    mov cr4, eax
    mov ecx, 0xc0000080         # EFER
    rdmsr
    or eax, (1 << 8) | (1 << 11) # LME, NXE
    wrmsr
    mov eax, cr0
    or eax, (1 << 31) | (1 << 16) | 1 # PG, WP, PE
    mov cr0, eax
    lgdt [boot_gdt_pointer]
    ljmp 0x08, offset boot_long_mode

boot_refused:
    mov dx, 0x3f8
    mov esi, offset boot_refused_text
3:  lodsb
    test al, al
    jz 4f
    out dx, al
    jmp 3b
4:  hlt
    jmp 4b

    .code64
boot_long_mode:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    movabs rsp, offset boot_stack_top
    mov edi, edi                # the start information's physical address, zero-extended
    movabs rax, offset kernel_start
    xor ebp, ebp
    call rax
5:  hlt
    jmp 5b

    .section .boot.data, "aw"
boot_refused_text:
    .asciz "tess: this processor has no 64-bit mode with no-execute pages\n"
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff    # code, 64 bits
    .quad 0x00cf92000000ffff    # data
boot_gdt_pointer:
    .word 23
    .quad boot_gdt
    .balign 4096
boot_pml4:
    .quad boot_pdpt + 3         # at 0
    .fill 255, 8, 0
    .quad boot_pdpt + 3         # the direct map's first GiB
    .fill 254, 8, 0
    .quad boot_pdpt_high + 3    # the kernel's image
boot_pdpt:
    .quad boot_pd + 3
    .fill 511, 8, 0
boot_pdpt_high:
    .fill 510, 8, 0
    .quad boot_pd + 3
    .quad 0
boot_pd:
    .set address, 0
    .rept 512
    .quad address + 0x83        # present, writable, large
    .set address, address + 0x200000
    .endr

    .section .bss.boot_stack, "aw", @nobits
    .balign 4096
    # 72 KiB are used: the rehearsal keeps plans and replicas there, and a timer may strike. There is no guard below.
    .skip 131072
boot_stack_top:
    .text
    "#,
    magic = const START_INFO_MAGIC,
);

/// The first Rust code. `start_info` is what the loader gave.
#[unsafe(no_mangle)]
extern "C" fn kernel_start(start_info: u64) -> ! {
    let first = clock::counter();
    serial::initialize();
    // SAFETY: the boot code passes what the loader gave it, and its tables are in use.
    let info = match unsafe { loader::read(start_info) } {
        Ok(info) => info,
        Err(why) => panic!("{why}"),
    };
    let stack = crate::start::primary(first, &info);
    // SAFETY: the record is installed, and nothing on this stack is needed any more.
    unsafe { trap::enter_muxing(stack) }
}
