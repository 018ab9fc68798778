//! Reports of what went wrong: a cell's fault, which stops the cell, and the kernel's own end.
//!
//! The lines are for xtask, which resolves addresses to names: `@tess crash`, `register`, `frame`, `crash-end`.

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use abi::account::CellState;

use crate::arch::frame::Frame;
use crate::arch::{power, registers};
use crate::cells::{Cell, Hart};
use crate::cpu::Cpu;
use crate::memory::image;
use crate::{console, root, say};

/// The most frames of a backtrace.
const DEPTH: usize = 24;

/// The exit code of a machine whose kernel died.
const DEAD: u32 = 2;

/// What the processor calls its exceptions (Intel SDM volume 3, section 6.15), as a person would.
fn name(vector: u64) -> &'static str {
    match vector {
        0 => "division error",
        1 => "debug exception",
        2 => "non-maskable interrupt",
        3 => "breakpoint",
        4 => "overflow",
        5 => "bound range exceeded",
        6 => "invalid instruction",
        7 => "no vector unit",
        8 => "double fault",
        10 => "invalid task state",
        11 => "segment not present",
        12 => "stack segment fault",
        13 => "privileged instruction or non-canonical address",
        14 => "page fault",
        16 => "x87 floating-point error",
        17 => "misaligned access",
        18 => "machine check",
        19 => "vector floating-point error",
        20 => "virtualization exception",
        21 => "control protection exception",
        _ => "exception",
    }
}

/// What a page fault's error code says (Intel SDM volume 3, section 4.7).
fn access(error: u64) -> &'static str {
    match (error & 1 != 0, error & 2 != 0, error & 16 != 0) {
        (false, false, false) => "reading what is not mapped",
        (false, true, _) => "writing to what is not mapped",
        (false, false, true) => "executing what is not mapped",
        (true, false, false) => "reading what it may not read",
        (true, true, _) => "writing to what it may not write to",
        (true, false, true) => "executing what it may not execute",
    }
}

/// A cell's exception: it has no handler for it, so the cell is stopped and reported.
pub(crate) fn exception(cpu: &mut Cpu, frame: &mut Frame) {
    let Some(current) = cpu.muxing.current else { return };
    let mut reason: heapless::String<120> = heapless::String::new();
    let _ = if frame.vector == 14 {
        let address = registers::fault_address();
        core::fmt::write(&mut reason, format_args!("page fault {} at {address:#x}", access(frame.error)))
    } else {
        core::fmt::write(&mut reason, format_args!("{}", name(frame.vector)))
    };
    stop(cpu, frame, current.cell, current.hart, &reason);
}

/// A cell broke the contract with the kernel: it is stopped and reported.
pub(crate) fn refuse(cpu: &mut Cpu, frame: &mut Frame, cell: &'static Cell, hart: &'static Hart, reason: &str) {
    frame.vector = 0x100;
    stop(cpu, frame, cell, hart, reason);
}

fn stop(cpu: &mut Cpu, frame: &Frame, cell: &'static Cell, hart: &'static Hart, reason: &str) {
    if !cell.life.is_running() {
        return;
    }
    cell.with_name(|name| {
        let number = cell.harts().position(|other| core::ptr::eq(other, hart)).unwrap_or(0);
        say!("@tess crash cell={name} hart={number} rip={:#x} reason=\"{reason}\"", frame.rip);
        report_registers(name, frame);
        // What the user's frame pointers say is read through the page tables, so nothing that they point to can hurt.
        let read = |address: u64| {
            let _guard = cell.space.try_lock()?;
            cell.space().read_word(address)
        };
        backtrace(name, frame.rip, frame.rbp, read);
        say!("@tess crash-end cell={name}");
    });
    cell.end(cpu, CellState::Faulted, frame.vector);
    root::died(cpu, cell, "it was stopped");
}

fn report_registers(cell: &str, frame: &Frame) {
    let list = [
        ("rip", frame.rip),
        ("rsp", frame.rsp),
        ("rbp", frame.rbp),
        ("rflags", frame.rflags),
        ("rax", frame.rax),
        ("rbx", frame.rbx),
        ("rcx", frame.rcx),
        ("rdx", frame.rdx),
        ("rsi", frame.rsi),
        ("rdi", frame.rdi),
        ("r8", frame.r8),
        ("r9", frame.r9),
        ("r10", frame.r10),
        ("r11", frame.r11),
        ("r12", frame.r12),
        ("r13", frame.r13),
        ("r14", frame.r14),
        ("r15", frame.r15),
    ];
    for chunk in list.chunks(6) {
        let mut text: heapless::String<200> = heapless::String::new();
        for (register, value) in chunk {
            let _ = core::fmt::write(&mut text, format_args!(" {register}={value:#x}"));
        }
        say!("@tess register cell={cell}{text}");
    }
}

/// Follows frame pointers: each frame holds its caller's frame pointer and, above it, the return address.
fn backtrace(cell: &str, rip: u64, mut rbp: u64, read: impl Fn(u64) -> Option<u64>) {
    say!("@tess frame cell={cell} n=0 pc={rip:#x}");
    for depth in 1..DEPTH {
        if rbp == 0 || !rbp.is_multiple_of(8) {
            return;
        }
        let (Some(caller), Some(address)) = (read(rbp), rbp.checked_add(8).and_then(&read)) else { return };
        if address == 0 {
            return;
        }
        say!("@tess frame cell={cell} n={depth} pc={address:#x}");
        if caller <= rbp {
            return;
        }
        rbp = caller;
    }
}

static DYING: AtomicBool = AtomicBool::new(false);

/// Of several hardware threads that die at once one reports.
fn die() {
    if DYING.swap(true, Ordering::SeqCst) {
        power::halt();
    }
    console::go_direct();
}

fn kernel_stack(rip: u64, rbp: u64) {
    // The kernel's own stacks and boot stack are always mapped, and nothing but a kernel address is followed.
    backtrace("kernel", rip, rbp, |address| {
        (address >= crate::memory::STACKS).then(|| registers::peek(address)).flatten()
    });
}

/// An exception in the kernel, or one that cannot be survived: the end.
pub(crate) fn fatal(frame: &Frame) -> ! {
    die();
    let address = registers::fault_address();
    say!(
        "@tess crash cell=kernel hart=0 rip={:#x} reason=\"{} in {} (error {:#x}, address {address:#x})\"",
        frame.rip,
        name(frame.vector),
        if frame.is_user() { "a cell" } else { "the kernel" },
        frame.error,
    );
    report_registers("kernel", frame);
    if image::is_text(frame.rip) {
        kernel_stack(frame.rip, frame.rbp);
    }
    say!("@tess crash-end cell=kernel");
    power::off(DEAD)
}

/// A broken assumption in the kernel: the end.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    die();
    let (file, line) = info.location().map_or(("?", 0), |location| (location.file(), location.line()));
    say!("@tess crash cell=kernel hart=0 rip=0x0 reason=\"panic at {file}:{line}: {}\"", info.message());
    let (rip, rbp) = registers::here();
    kernel_stack(rip, rbp);
    say!("@tess crash-end cell=kernel");
    power::off(DEAD)
}
