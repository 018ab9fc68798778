//! Ticks at every possible instant: each tick is due one nanosecond, in the deterministic mode one instruction, later than the one before, so that every
//! instruction of the runtime's event entry and resume sequence is interrupted. Registers and flags must stay what they are.
//!
//! Arguments: `sweep=N` (default 1500) delays in ns; `sequence=1` to ask that every instruction of the resume sequence was hit.

#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "looks at registers")]

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use cell::abi::Context;
use cell::{arguments, events, time};
use test_cells::{check, check_equal, finish};

cell::entry!(main);

static TICKS: AtomicU64 = AtomicU64::new(0);
/// After how many ns the handler asks for another tick; 0: it does not.
static AGAIN: AtomicU64 = AtomicU64::new(0);
/// Which bytes of the resume sequence were interrupted.
static HIT: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

fn tick(_: &mut Context) {
    TICKS.fetch_add(1, Ordering::Relaxed);
    let (_, at) = events::interrupted_resumes();
    let offset = at.wrapping_sub(events::resume_sequence().start);
    if offset < 256 {
        HIT[(offset / 64) as usize].fetch_or(1 << (offset % 64), Ordering::Relaxed);
    }
    let again = AGAIN.swap(0, Ordering::Relaxed);
    if again != 0 {
        events::set_tick(time::now() + again);
    }
}

/// Waits `turns` turns with a known value in every register but the counter; returns whether all of them, and the flags, stayed.
fn wait(turns: u64) -> bool {
    let bad: u64;
    // SAFETY: saves and restores what the compiler does not let us name (rbx, rbp); everything else is declared as lost.
    unsafe {
        asm!(
            "push rbx", "push rbp",
            "mov rax, 0x1a1a1a1a1a1a1a1a", "mov rbx, rax", "not rbx", "mov rdx, 0x2b2b2b2b2b2b2b2b", "mov rsi, 0x3c3c", "mov rdi, 0x4d4d",
            "mov rbp, 0x5e5e", "mov r8, 0x8888", "mov r9, 0x9999", "mov r10, 0x1010", "mov r11, 0x1111", "mov r12, 0x1212",
            "mov r13, 0x1313", "mov r14, 0x1414", "mov r15, 0x1515",
            "2:",
            "stc", // carry must survive from here ...
            "pause",
            "jnc 3f", // ... to here
            "dec rcx",
            "jnz 2b",
            "mov rcx, 0x1a1a1a1a1a1a1a1a", "cmp rax, rcx", "jne 3f", "not rcx", "cmp rbx, rcx", "jne 3f",
            "mov rcx, 0x2b2b2b2b2b2b2b2b", "cmp rdx, rcx", "jne 3f",
            "cmp rsi, 0x3c3c", "jne 3f", "cmp rdi, 0x4d4d", "jne 3f", "cmp rbp, 0x5e5e", "jne 3f", "cmp r8, 0x8888", "jne 3f",
            "cmp r9, 0x9999", "jne 3f", "cmp r10, 0x1010", "jne 3f", "cmp r11, 0x1111", "jne 3f", "cmp r12, 0x1212", "jne 3f",
            "cmp r13, 0x1313", "jne 3f", "cmp r14, 0x1414", "jne 3f", "cmp r15, 0x1515", "jne 3f",
            "xor ecx, ecx",
            "jmp 4f",
            "3:",
            "mov ecx, 1",
            "4:",
            "pop rbp", "pop rbx",
            inout("rcx") turns => bad,
            out("rax") _, out("rdx") _, out("rsi") _, out("rdi") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            out("r12") _, out("r13") _, out("r14") _, out("r15") _,
        );
    }
    bad == 0
}

fn main(_: u32) {
    events::on_tick(tick);
    let sweep = arguments::number("sweep", 1_500);
    let mut changed = 0;
    let mut asked = 0;
    for delay in 1..=sweep {
        // The handler's own second tick then strikes somewhere on the way out of the handler, in the sequence, or behind it.
        AGAIN.store(delay, Ordering::Relaxed);
        asked += 2;
        events::set_tick(time::now() + 300);
        while TICKS.load(Ordering::Relaxed) < asked {
            changed += u64::from(!wait(8));
        }
    }
    check_equal("registers or flags changed", 0, changed);
    check_equal("every tick came once", asked, TICKS.load(Ordering::Relaxed));
    // A tick that is due while the handler runs is taken before the way back: no upcall of its own.
    let upcalls = cell::hart::upcalls();
    check(
        "the kernel counts the upcalls",
        (sweep..=asked).contains(&upcalls),
        format_args!("expected {sweep} to {asked}, saw {upcalls}"),
    );
    let (interrupted, _) = events::interrupted_resumes();
    if arguments::number("sequence", 0) != 0 {
        check("the resume sequence was interrupted", interrupted > 15, format_args!("saw {interrupted}"));
        // cmp, jne, lea, fifteen pops and iretq: nineteen instructions. Pops of r8 to r15 have two bytes.
        let hit: u32 = HIT.iter().map(|bits| bits.load(Ordering::Relaxed).count_ones()).sum();
        check("every instruction of the resume sequence was hit", hit >= 19, format_args!("expected 19, saw {hit}"));
    }
    finish()
}
