//! A cell: harts are the cell's, ticks are its events, and the interrupted context is the one in the dispatch page.
//!
//! The heap masks events while it is at work, so contexts may allocate.

use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use abi::Context as Registers;
use abi::call::{Access, MAP_MAX};
use abi::dispatch::OWN_WORDS_OFFSET;
use cell::{calls, events, hart, resize, time};

use crate::MAX_HARTS;
use crate::hart::{Hart, event};
use crate::home::Home;
use crate::machine::{Machine, Shape, Summary};
use crate::scheduler::{Fault, FaultKind, Scheduler};
use crate::switch::{self, Context, Stack};

/// When a tick came where it could not interrupt, it is tried again after so many ns.
const RETRY_NS: u64 = 20_000;

/// How often a hart that was taken is lent time for one event.
const LOANS: usize = 3;

/// Where stacks are mapped, one above the other: far above the heap's start and below the harts' areas.
const STACKS_BASE: u64 = 0x2000_0000_0000;

/// Bytes below each stack that are never mapped.
const GUARD_BYTES: u64 = 4096;

/// Where a hart has the words that say what it is (see `switch`): in the part of the dispatch page that the kernel does not use, and gs points to the page.
macro_rules! local {
    ($offset:literal) => {
        concat!("gs:[2048 + ", $offset, "]")
    };
}

const _: () = assert!(OWN_WORDS_OFFSET == 2048, "the words by which a hart knows itself are the cell's own");

static MACHINE: spin::Once<Machine> = spin::Once::new();

/// The last run that has begun, counted from 1, and how many harts are in it. Not those that the cell has lost.
static INSIDE: spin::Mutex<(u32, u32)> = spin::Mutex::new((0, 0));

/// Harts that the cell had when the run began: if that is another number now, someone may not have been told.
static COUNTED: AtomicU32 = AtomicU32::new(0);

/// In how many runs each hart has been.
static RUNS: [AtomicU32; MAX_HARTS] = [const { AtomicU32::new(0) }; MAX_HARTS];

/// Runs a scheduler in this cell until all contexts have finished; the first of them does `main`, and others come from it. To be called by each hart, by its number and with
/// the same arguments, as often as one likes, by all equally often; `main` of hart 0 is used. Sets the handlers of ticks, notifications, faults and resizing. On hart 0 it returns when
/// all harts have left.
///
/// Where the cell's harts become more and fewer ([`cell::resize`]), the scheduler has as many as the cell, up to [`Shape::most_harts`]: a hart that is to go is released as soon as its scheduler has
/// moved what ran there, and what is taken before is lent time until then.
pub fn run(hart: u32, shape: Shape, scheduler: &dyn Scheduler, main: impl FnOnce() + Send + 'static) -> Summary {
    let run = RUNS[hart as usize].fetch_add(1, Ordering::Relaxed) + 1;
    if hart as usize >= shape.most_harts {
        return Summary::default();
    }
    if hart == 0 {
        let machine = MACHINE.call_once(|| Machine::new(&Cell, shape.stack_bytes, false));
        // A hart that comes late to the run before finds that over; nobody else enters until this one has begun.
        let mut inside = all_left();
        machine.reset(&shape);
        switch::become_hart(Some(&machine.harts()[0]), 1);
        events::on_tick(|registers| on_event(registers, event::TICK));
        events::on_notification(|registers| on_event(registers, event::NOTIFY));
        events::on_fault(on_fault);
        events::on_resize(on_resize);
        // What it is woken for it finds by itself.
        events::on_wake(|registers| on_event(registers, 0));
        scheduler.ready(&machine.harts()[0], Context::new(main).expect("the first context has a stack"));
        COUNTED.store(hart::count(), Ordering::Relaxed);
        *inside = (run, 1);
    } else if !enter(run) {
        return Summary::default();
    }
    let own = &MACHINE.wait().harts()[hart as usize];
    switch::become_hart(Some(own), 1);
    if hart::count() != COUNTED.load(Ordering::Relaxed) {
        follow(own);
    }
    own.drive(scheduler);
    events::set_tick(0);
    switch::become_hart(None, 0);
    let summary = own.machine().summary();
    INSIDE.lock().1 -= 1;
    if hart == 0 {
        drop(all_left());
    }
    summary
}

/// Waits until no hart is in a run.
fn all_left() -> spin::MutexGuard<'static, (u32, u32)> {
    loop {
        let inside = INSIDE.lock();
        if inside.1 == 0 {
            return inside;
        }
        drop(inside);
        core::hint::spin_loop();
    }
}

/// Enters a run when it has begun. False when it is over, and another one has begun.
fn enter(run: u32) -> bool {
    loop {
        let mut inside = INSIDE.lock();
        if inside.0 >= run {
            let is_this = inside.0 == run;
            inside.1 += u32::from(is_this);
            return is_this;
        }
        drop(inside);
        core::hint::spin_loop();
    }
}

/// On the event stack: what has happened, and to which registers.
fn on_event(registers: &mut Registers, events: u32) {
    let Some(hart) = switch::current() else { return };
    hart.raise(events);
    if switch::masked() > 0 {
        return;
    }
    let flags = registers.rflags;
    // SAFETY: events are not masked, so a context runs, and these are its registers: the kernel saved them when it interrupted it.
    if !unsafe { switch::preempt(hart, &mut registers.rip, &mut registers.rsp, flags) } {
        let at = time::now() + RETRY_NS;
        hart.armed_at.store(at, Ordering::Relaxed);
        events::set_tick(at);
    }
    if hart.number() == 0 && resize::taken() != 0 {
        rescue();
    }
}

/// On the event stack: the cell gets or loses harts.
fn on_resize(registers: &mut Registers) {
    if let Some(hart) = switch::current() {
        follow(hart);
        on_event(registers, event::TICK);
    }
}

/// The scheduler is to have as many harts as the cell.
fn follow(hart: &Hart) {
    let harts = resize::wanted().map_or(hart::count().into(), |wanted| wanted.left);
    hart.machine().resize(harts as usize);
}

/// Gives time to harts that were taken before their schedulers had moved what ran there, until they have released themselves. An event of this hart ends a loan, and comes here again.
fn rescue() {
    for taken in (0..MAX_HARTS as u32).filter(|taken| resize::taken() & 1 << taken != 0) {
        let _ = (0..LOANS).try_for_each(|_| resize::lend(taken));
    }
}

/// Releases this hart, of which its scheduler wants nothing any more, and waits until the cell has it again.
fn leave_cell(hart: &Hart) {
    INSIDE.lock().1 -= 1;
    // It fails where the notice was taken back meanwhile.
    let _ = hart::release();
    let mut inside = INSIDE.lock();
    inside.1 += 1;
    if inside.0 != RUNS[hart.number()].load(Ordering::Relaxed) {
        hart.raise(event::STOP);
    }
}

/// Vectors of faults for which an address in memory is to blame (Intel SDM volume 3, section 6.15): stack segment, general protection, page, alignment.
const MEMORY_FAULTS: [u64; 4] = [12, 13, 14, 17];

/// On the event stack: what runs has done what it may not. A context ends, unless it masks events: it may hold a lock, and others would wait for it for ever if only the context
/// ended. Then, and where no context runs, the fault is the cell's end.
fn on_fault(registers: &mut Registers) {
    let events::Fault { vector, address, .. } = events::fault();
    let Some(hart) = switch::current().filter(|hart| switch::masked() == 0 && switch::running(hart).is_some()) else {
        // The instruction is tried again, and the kernel reports the cell.
        return events::give_up_faults();
    };
    let kind = match vector {
        14 if switch::is_on_running_stack(hart, address, -GUARD_BYTES.cast_signed()) => FaultKind::StackOverflow,
        vector if MEMORY_FAULTS.contains(&vector) => FaultKind::Memory,
        _ => FaultKind::Instruction,
    };
    let address = if vector == 14 { address } else { registers.rip };
    // SAFETY: a context runs, with events not masked, and it never goes on.
    let next = unsafe { switch::abandon(hart, Fault { address, kind }, registers.rflags) };
    [registers.rip, registers.rsp, registers.rflags] = next;
}

/// The home.
#[derive(Debug)]
struct Cell;

impl Home for Cell {
    fn now(&self) -> u64 {
        time::now()
    }

    fn arm(&self, _hart: &Hart, at: u64) {
        events::set_tick(at.max(1));
    }

    fn park(&self, hart: &Hart, until: u64) {
        // What comes from here on is pending, which ends the sleep, and is delivered by the unmasking.
        events::mask();
        if hart.number() >= hart.harts() && resize::is_to_go() {
            leave_cell(hart);
        } else if !hart.has_events() {
            // The call has no argument that could be wrong.
            let _ = calls::park(until);
        }
        events::unmask();
    }

    fn kick(&self, hart: &Hart) {
        // It fails for a hart that the cell does not have, and there is none.
        let _ = calls::hart_wake(hart.number() as u32);
    }

    fn relax(&self) {
        core::hint::spin_loop();
    }

    fn stack(&self, bytes: usize) -> Option<Stack> {
        static NEXT: AtomicU64 = AtomicU64::new(STACKS_BASE);
        let bytes = bytes as u64;
        let base = NEXT.fetch_add(bytes + GUARD_BYTES, Ordering::Relaxed) + GUARD_BYTES;
        let mut mapped = 0;
        while mapped < bytes {
            let part = MAP_MAX.min(bytes - mapped);
            calls::memory_map(base + mapped, part, Access::ReadWrite).ok()?;
            mapped += part;
        }
        let stack = NonNull::slice_from_raw_parts(NonNull::new(base as *mut MaybeUninit<u8>)?, bytes as usize);
        // SAFETY: just mapped for this, at addresses that are used only here and only once; whole pages, never unmapped.
        Some(unsafe { &mut *stack.as_ptr() })
    }
}
