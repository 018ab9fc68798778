//! Faults as events: the cell maps its own pages when they are touched, goes on behind an instruction that does not exist, and takes ticks meanwhile. No register changes.
//!
//! Arguments: `pages=N` (default 40) for each hart; `then=give-up` or `then=masked` to end by a fault that nobody handles.

#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "touches what is not mapped")]

use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use cell::abi::Context;
use cell::abi::call::Access;
use cell::barrier::Barrier;
use cell::events::Fault;
use cell::{arguments, calls, events, hart, time};
use test_cells::{check, check_equal, finish};

cell::entry!(main);

const PAGE: u64 = 4096;
/// Each hart's pages: nobody else maps anything there.
const REGION: u64 = 0x1800_0000_0000;
const REGION_BYTES: u64 = 1 << 30;
/// Bytes of `ud2`.
const INVALID_BYTES: u64 = 2;
const PAGE_FAULT: u64 = 14;
const INVALID: u64 = 6;
/// Not mapped, and never will be.
const NOWHERE: u64 = 0x1700_0000_0000;

static BARRIER: Barrier = Barrier::new();
static PAGED: AtomicU64 = AtomicU64::new(0);
static SKIPPED: AtomicU64 = AtomicU64::new(0);
static TICKS: AtomicU64 = AtomicU64::new(0);
static STRANGE: AtomicBool = AtomicBool::new(false);

fn on_fault(context: &mut Context) {
    match events::fault() {
        Fault { vector: PAGE_FAULT, address, .. } if (REGION..REGION + 64 * REGION_BYTES).contains(&address) => {
            PAGED.fetch_add(1, SeqCst);
            let page = address & !(PAGE - 1);
            STRANGE.fetch_or(calls::memory_map(page, PAGE, Access::ReadWrite).is_err(), SeqCst);
        }
        Fault { vector: INVALID, .. } => {
            SKIPPED.fetch_add(1, SeqCst);
            context.rip += INVALID_BYTES;
        }
        _ => events::give_up_faults(),
    }
}

fn on_tick(_: &mut Context) {
    TICKS.fetch_add(1, SeqCst);
    events::set_tick(time::now() + 20_000);
}

/// Stores a value at an address, and an instruction that does not exist, with a known value in other registers. Returns whether these stayed as they were.
fn store(address: u64, value: u64) -> bool {
    let wrong: u64;
    // SAFETY: the address is the hart's own, mapped by the handler before the store goes on; all registers are named.
    unsafe {
        asm!("movq xmm7, {value}", "lea r8, [{value} + 1]", "lea r15, [{value} + 2]", "mov [{address}], {value}", "ud2",
            "movq {wrong}, xmm7", "xor {wrong}, {value}", "sub r8, {value}", "dec r8", "or {wrong}, r8", "sub r15, {value}", "sub r15, 2",
            "or {wrong}, r15",
            value = in(reg) value, address = in(reg) address, wrong = out(reg) wrong, out("r8") _, out("r15") _, out("xmm7") _);
    }
    wrong == 0
}

fn main(number: u32) {
    let pages = arguments::number("pages", 40);
    if number == 0 {
        events::on_fault(on_fault);
        events::on_tick(on_tick);
    }
    BARRIER.wait(hart::count());
    events::set_tick(time::now() + 20_000);
    let own = REGION + u64::from(number) * REGION_BYTES;
    let kept = (0..pages).all(|page| store(own + page * PAGE + 8 * page, page + 1));
    // SAFETY: mapped by now.
    let sum: u64 =
        (0..pages).map(|page| unsafe { ((own + page * PAGE + 8 * page) as *const u64).read_volatile() }).sum();
    check("registers are what they were before the fault", kept, format_args!("on hart {number}"));
    check_equal("the sum of what was stored", pages * (pages + 1) / 2, sum);
    // Several ticks between faults, too.
    while TICKS.load(SeqCst) < 3 {
        core::hint::spin_loop();
    }
    BARRIER.wait(hart::count());
    events::set_tick(0);
    if number != 0 {
        return;
    }
    let harts = u64::from(hart::count());
    check_equal("faults of pages", harts * pages, PAGED.load(SeqCst));
    check_equal("faults of instructions", harts * pages, SKIPPED.load(SeqCst));
    check_equal("a page that could not be mapped", false, STRANGE.load(SeqCst));
    match arguments::get("then") {
        Some("give-up") => events::give_up_faults(),
        Some("masked") => events::mask(),
        _ => finish(),
    }
    // SAFETY: there is none; the kernel must stop this cell here.
    unsafe { (NOWHERE as *const u64).read_volatile() };
    check("a fault that nobody handles stops the cell", false, "the program went on");
}
