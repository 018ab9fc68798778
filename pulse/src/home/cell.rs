//! A cell: harts are the cell's, ticks are its events, and the interrupted context is the one in the dispatch page.
//!
//! The heap masks events while it is at work, so contexts may allocate.

use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::Context as Registers;
use abi::call::{Access, MAP_MAX};
use abi::dispatch::OWN_WORDS_OFFSET;
use cell::{calls, events, time};

use crate::hart::{Hart, event};
use crate::home::Home;
use crate::machine::{Machine, Shape, Summary};
use crate::scheduler::Scheduler;
use crate::switch::{self, Context, Stack};

/// When a tick came where it could not interrupt, it is tried again after so many ns.
const RETRY_NS: u64 = 20_000;

/// Where stacks are mapped, one above the other: far above the heap's start and below the harts' areas.
const STACKS_BASE: u64 = 0x2000_0000_0000;

/// Bytes below each stack that are never mapped.
const GUARD_BYTES: u64 = 4096;

const _: () =
    assert!(OWN_WORDS_OFFSET == 2048, "the words by which a hart knows itself are the cell's own: see `switch`");

static MACHINE: spin::Once<Machine> = spin::Once::new();
/// Known once the machine is ready for all harts.
static READY: spin::Once<&Machine> = spin::Once::new();

/// Runs a scheduler in this cell until all contexts have finished; the first of them does `main`, and others come from it. To be called once by each hart, by its
/// number and with the same arguments; `main` of hart 0 is used. Sets the handlers of ticks and notifications.
pub fn run<S: Scheduler>(hart: u32, shape: Shape, scheduler: &S, main: impl FnOnce() + Send + 'static) -> Summary {
    if hart as usize >= shape.most_harts {
        return Summary::default();
    }
    let own = if hart == 0 {
        let machine = MACHINE.call_once(|| Machine::new(&Cell, shape.stack_bytes, false));
        machine.reset(&shape);
        switch::become_hart(Some(machine.hart(0)), 1);
        events::on_tick(|registers| on_event(registers, event::TICK));
        events::on_notification(|registers| on_event(registers, event::NOTIFY));
        // What it is woken for it finds by itself.
        events::on_wake(|registers| on_event(registers, 0));
        scheduler.ready(machine.hart(0), Context::new(main).expect("the first context has a stack"));
        READY.call_once(|| machine).hart(0)
    } else {
        let own = READY.wait().hart(hart as usize);
        switch::become_hart(Some(own), 1);
        own
    };
    own.drive(scheduler);
    events::set_tick(0);
    switch::become_hart(None, 0);
    own.machine().summary()
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
        events::set_tick(time::now() + RETRY_NS);
    }
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
        if !hart.has_events() {
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
