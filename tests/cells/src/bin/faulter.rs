//! Does one forbidden thing. Whoever reads on after it has found a hole.
//!
//! Arguments: `kind=...`, see the code.

#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "this program is here to do what no program may")]

use core::arch::asm;
use core::hint::black_box;
use core::mem::offset_of;

use cell::abi::DispatchPage;
use cell::{calls, println};

cell::entry!(main);

extern crate alloc;

fn main(_: u32) {
    let kind = cell::arguments::get("kind").unwrap_or("none");
    // Let a few windows of others pass first.
    let _ = calls::park(cell::time::now() + 3_000_000);
    match kind {
        "null-read" => touch(0),
        "null-write" => write(8),
        "write-text" => write(main as *const () as u64),
        "write-constant" => write(kind.as_ptr() as u64),
        "read-kernel" => touch(0xffff_ffff_8020_0000),
        "read-direct-map" => touch(0xffff_8000_0020_0000),
        "write-log" => write(cell::abi::layout::hart_area(0) + cell::abi::layout::LOG_OFFSET),
        "execute-stack" => {
            let code = black_box([0xc3_u8; 16]);
            execute(code.as_ptr() as u64);
        }
        "execute-heap" => {
            let code = black_box(alloc::vec![0xc3_u8; 16]);
            execute(code.as_ptr() as u64);
        }
        "stack-overflow" => {
            black_box(dive(1));
        }
        "below-stack" => touch(cell::abi::layout::hart_area(0) + cell::abi::layout::EVENT_STACK_TOP_OFFSET - 0x9000),
        // SAFETY: there is none; the kernel must stop this cell at the instruction.
        "divide" => unsafe {
            asm!("xor edx, edx", "xor ecx, ecx", "mov eax, 1", "div ecx", out("eax") _, out("ecx") _, out("edx") _)
        },
        // SAFETY: as above.
        "invalid" => unsafe { asm!("ud2") },
        // SAFETY: as above.
        "halt" => unsafe { asm!("hlt") },
        // SAFETY: as above.
        "port" => unsafe { asm!("out dx, al", in("dx") 0xf4_u16, in("al") 0_u8) },
        // SAFETY: as above.
        "breakpoint" => unsafe { asm!("int3") },
        // SAFETY: as above.
        "interrupt" => unsafe { asm!("int 0xf0") },
        // SAFETY: as above.
        "double-fault-gate" => unsafe { asm!("int 8") },
        // SAFETY: as above.
        "page-tables" => unsafe { asm!("mov cr3, {}", in(reg) 0_u64) },
        // SAFETY: as above.
        "single-step" => unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop") },
        // SAFETY: as above.
        "far-jump" => unsafe { asm!("mov rax, 0x8000000000000000", "jmp rax", out("rax") _) },
        // SAFETY: as above.
        "far-stack" => unsafe { asm!("mov rsp, 0x8000000000000000", "push rax") },
        // SAFETY: as above.
        "bad-segment" => unsafe { asm!("mov ds, {0:x}", in(reg) 0x08_u16) },
        // SAFETY: as above.
        "counter" => unsafe { asm!("rdpmc", in("ecx") 0, out("eax") _, out("edx") _) },
        // SAFETY: as above.
        "model-register" => unsafe { asm!("rdmsr", in("ecx") 0xc000_0080_u32, out("eax") _, out("edx") _) },
        "wild-base" => {
            // SAFETY: as above; a call with a base in the kernel's half must do the kernel no harm, and the next look at the dispatch
            // page faults.
            unsafe { asm!("wrgsbase {}", in(reg) 0xffff_8000_0000_0000_u64) };
            let _ = calls::null();
            let _ = cell::hart::number();
        }
        // The kernel's half, and nowhere.
        "bad-event-entry" => lie(offset_of!(DispatchPage, event_entry), 0xffff_ffff_8020_7000),
        "bad-event-stack" => lie(offset_of!(DispatchPage, event_stack), 0x5000_0000_0000),
        other => println!("@tess check name=\"faulter knows {other}\" pass=false detail=\"it does not\""),
    }
    println!("@tess check name=\"{kind} is stopped\" pass=false detail=\"the program went on\"");
    calls::exit(1)
}

/// Writes a lie into the dispatch page and waits for a tick.
fn lie(offset: usize, value: u64) {
    write_value(cell::abi::layout::hart_area(0) + offset as u64, value);
    cell::events::set_tick(1);
    let late = cell::time::now() + 50_000_000;
    while cell::time::now() < late {
        core::hint::spin_loop();
    }
}

fn touch(address: u64) {
    // SAFETY: there is none; the kernel must stop this cell here.
    black_box(unsafe { (address as *const u64).read_volatile() });
}

fn write(address: u64) {
    write_value(address, 0x90);
}

fn write_value(address: u64, value: u64) {
    // SAFETY: as above.
    unsafe { (address as *mut u64).write_volatile(value) };
}

fn execute(address: u64) {
    // SAFETY: as above.
    unsafe { asm!("call {}", in(reg) address, clobber_abi("C")) };
}

#[allow(unconditional_recursion, reason = "that is the point")]
#[inline(never)]
fn dive(depth: u64) -> u64 {
    let room = black_box([depth; 64]);
    dive(depth + 1) + room[(depth % 64) as usize]
}
