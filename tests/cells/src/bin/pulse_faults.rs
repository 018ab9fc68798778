//! A context that does what it may not ends alone: its scheduler is told what it was, and all others run to their ends.
//!
//! Arguments: `masked=1` to end by a fault while events are masked, which ends the cell.

#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "does what no program may")]

extern crate alloc;

use alloc::sync::Arc;
use core::arch::asm;
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use cell::{arguments, hart};
use pulse::home::cell as home;
use pulse::{Context, Fault, FaultKind, Hart, Next, Scheduler, Shape, on_hart, yield_now};
use schedulers::round_robin::RoundRobin;
use test_cells::{check, check_equal, finish};

cell::entry!(main);

const SLICE_NS: u64 = 200_000;
/// Threads of each kind: those that fault in one of three ways, and those that do not.
const THREADS: u64 = 6;
const ROUNDS: u64 = 200;
/// Not mapped, and never will be.
const NOWHERE: u64 = 0x1700_0000_0000;

static SCHEDULER: spin::Mutex<Option<Arc<Forgiving>>> = spin::Mutex::new(None);
static ENDED: AtomicU64 = AtomicU64::new(0);
/// Faults by kind.
static OVERFLOWS: AtomicU64 = AtomicU64::new(0);
static WILD: AtomicU64 = AtomicU64::new(0);
static INVALID: AtomicU64 = AtomicU64::new(0);
static STRANGE: AtomicU64 = AtomicU64::new(0);

/// Round robin that lets a context go that faulted.
struct Forgiving(Arc<RoundRobin>);

impl Scheduler for Forgiving {
    fn enter(&self, hart: &Hart) -> Next {
        self.0.enter(hart)
    }

    fn ready(&self, hart: &Hart, context: Context) {
        self.0.ready(hart, context);
    }

    fn fault(&self, hart: &Hart, context: Context, fault: Fault) -> Next {
        let counter = match fault.kind {
            FaultKind::StackOverflow => &OVERFLOWS,
            FaultKind::Memory if fault.address == NOWHERE => &WILD,
            FaultKind::Instruction => &INVALID,
            FaultKind::Memory => &STRANGE,
        };
        counter.fetch_add(1, SeqCst);
        drop(context);
        self.enter(hart)
    }
}

fn main(number: u32) {
    let scheduler = {
        let mut scheduler = SCHEDULER.lock();
        scheduler.get_or_insert_with(|| Arc::new(Forgiving(RoundRobin::new(SLICE_NS)))).clone()
    };
    let of_main = scheduler.clone();
    let summary = home::run(number, Shape::new(hart::count() as usize), &*scheduler, move || body(&of_main));
    if number == 0 {
        check_equal("threads that ran to their ends", THREADS, ENDED.load(SeqCst));
        let faults = [&OVERFLOWS, &WILD, &INVALID, &STRANGE].map(|counter| counter.load(SeqCst));
        check_equal("overflows, wild addresses, wrong instructions, others", [THREADS, THREADS, THREADS, 0], faults);
        check_equal("contexts that were lost", 3 * THREADS, summary.lost);
        finish()
    }
}

fn spawn(scheduler: &Arc<Forgiving>, work: impl FnOnce() + Send + 'static) {
    match Context::new(work) {
        Ok(context) => on_hart(|hart| scheduler.ready(hart, context)),
        Err(error) => check("there is memory for a thread", false, error),
    }
}

fn body(scheduler: &Arc<Forgiving>) {
    for _ in 0..THREADS {
        spawn(scheduler, || {
            (0..ROUNDS).for_each(|_| yield_now());
            ENDED.fetch_add(1, SeqCst);
        });
        spawn(scheduler, || {
            black_box(dive(1));
        });
        spawn(scheduler, || {
            yield_now();
            // SAFETY: there is none; the kernel tells of it.
            unsafe { (NOWHERE as *mut u64).write_volatile(1) };
        });
        spawn(scheduler, || {
            yield_now();
            // SAFETY: as above.
            unsafe { asm!("ud2") };
        });
    }
    if arguments::number("masked", 0) != 0 {
        // SAFETY: as above.
        pulse::masked(|| unsafe { (NOWHERE as *mut u64).write_volatile(1) });
        check("a fault while events are masked ends the cell", false, "the program went on");
    }
}

#[allow(unconditional_recursion, reason = "that is the point")]
#[inline(never)]
fn dive(depth: u64) -> u64 {
    let room = black_box([depth; 64]);
    dive(depth + 1) + room[(depth % 64) as usize]
}
