//! How cells' inputs reach the muxers, and how muxers notice that they differ.
//!
//! A cell is idle when all its harts are parked. Whoever parks or unparks a hart, or posts an event, reports what the cell is doing now; if the
//! muxers should know, an input is appended to the cell's log, and those hardware threads that would sleep past its effect are interrupted.

use core::sync::atomic::{AtomicU64, Ordering};

use muxer::inputs::{Advice, Found, Inputs, Situation};
use muxer::{CellId, Instant, Plan, Repair, Replica};

use crate::arch::trap::VECTOR_WAKE;
use crate::cells::{self, Cell};
use crate::cpu::{self, AUDITS, Cpu};
use crate::plans::{self, LATE};

/// Inputs published.
pub(crate) static PUBLISHED: AtomicU64 = AtomicU64::new(0);

/// Times that a muxer found itself or a sibling in the wrong.
pub(crate) static DIVERGENCES: AtomicU64 = AtomicU64::new(0);

/// Bits of a fingerprint that are published with what it is of.
const DIGEST_BITS: u32 = 44;

/// The logs of all cells.
pub(crate) struct Logs;

impl Inputs for Logs {
    fn read(&self, cell: CellId, position: u64) -> Found {
        cells::at(usize::from(cell.0)).inputs.read(position)
    }

    fn end(&self, cell: CellId) -> u64 {
        cells::at(usize::from(cell.0)).inputs.end()
    }
}

/// Looks at what a cell is doing and tells the muxers if they should know. Returns when to look again, if a pause is too soon after the last one.
pub(crate) fn report(cpu: &mut Cpu, cell: &'static Cell) -> Option<u64> {
    report_as(cpu, cell, || cell.situation())
}

/// The same for who knows better what the cell is doing.
pub(crate) fn report_as(cpu: &mut Cpu, cell: &'static Cell, situation: impl FnOnce() -> Situation) -> Option<u64> {
    let id = CellId(cell.slot);
    let is_heard = cpu.muxing.plan().is_some_and(|plan| plan.hears(id));
    let mut reporter = cell.reporter.lock();
    // Not before: else a hart that parks could say that the cell is idle after someone else, who posted an event meanwhile, saw no need to say that it is not.
    let situation = situation();
    let now = Instant::from_nanos(cpu.now());
    let input = match reporter.advise(now, situation, is_heard, plans::timing()) {
        Advice::Nothing => return None,
        Advice::Later(at) => return Some(at.as_nanos()),
        Advice::Publish(input) => input,
    };
    cell.inputs.append(input);
    reporter.published(input);
    drop(reporter);
    PUBLISHED.fetch_add(1, Ordering::Relaxed);
    tell(cpu, id, input.effect);
    None
}

/// Tells the hardware threads that decide about a cell that there is an input.
fn tell(cpu: &mut Cpu, cell: CellId, effect: Instant) {
    let mut concerned = cpu.muxing.plan().map(|plan| plan.concerned_by(cell)).unwrap_or_default();
    if plans::after(cpu.muxing.number()).is_some() {
        let next = plans::latest();
        concerned = concerned.union(next.as_ref().map(|next| next.plan.concerned_by(cell)).unwrap_or_default());
    }
    let timing = plans::timing();
    for thread in concerned.iter().filter(|thread| *thread < cpu::count()) {
        let shared = cpu::shared(thread);
        shared.told.fetch_add(1, Ordering::SeqCst);
        let looks = Instant::from_nanos(shared.sleeps_until.load(Ordering::SeqCst));
        if thread != cpu.thread && timing.sleeps_past(looks, effect) {
            cpu.interrupt(thread, VECTOR_WAKE);
        }
    }
    if timing.is_late(Instant::from_nanos(cpu.now()), effect) {
        LATE.fetch_add(1, Ordering::Relaxed);
        let repair = match cpu.muxing.replica() {
            Some((replica, plan)) if concerned.contains(cpu.thread) => replica.repair(plan),
            _ => Repair { threads: concerned, checkpoint: None },
        };
        plans::repair(cpu, repair);
    }
}

/// Publishes a fingerprint of a replica's decisions once in a slice, and compares it with that of the next hardware thread of its component. True if they
/// differ.
///
/// A fingerprint is published with the lowest bits of the plan's number and the slice's, so that only those of the same decisions are compared. All of a component
/// compare round in a circle, so that a difference between any two is noticed.
pub(crate) fn audit(thread: usize, replica: &Replica, plan: &Plan, last: &mut u64) -> bool {
    let Some((slice, digest)) = replica.audit() else { return false };
    let of = (plan.number() & 0x3ff) << 10 | slice & 0x3ff;
    let fingerprint = of << DIGEST_BITS | digest & ((1 << DIGEST_BITS) - 1);
    if fingerprint == *last {
        return false;
    }
    *last = fingerprint;
    let place = slice as usize % AUDITS;
    cpu::shared(thread).audits[place].store(fingerprint, Ordering::Release);
    let component = plan.component_threads(thread);
    let next = component.iter().find(|other| *other > thread).or(component.iter().next());
    let Some(next) = next.filter(|next| *next != thread && *next < cpu::count()) else { return false };
    let theirs = cpu::shared(next).audits[place].load(Ordering::Acquire);
    theirs >> DIGEST_BITS == of && theirs != fingerprint
}
