//! Publishing plans: one is in force, at most one is on its way.

use core::sync::atomic::{AtomicU64, Ordering};

use abi::plan::{FLAG_IPI_ACTIVATION, PlanEntry, PlanHeader, PolicyKind, Refusal, RefusalReason};
use abi::{Error, ErrorKind, MAX_CELLS, Rights};
use heapless::Vec;
use muxer::{CellId, Entry, Instant, Plan, Policy, Reason, Span, Spec, ThreadSet};
use spin::Mutex;

use crate::arch::trap::VECTOR_WAKE;
use crate::cells::{self, Cell, Object};
use crate::cpu::{self, Cpu};

/// How far ahead a plan takes effect at least, besides its lead, in ns: an interrupt must have reached every hardware thread by then.
const NOTICE: u64 = 500_000;

/// A plan that muxers can follow.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) plan: Plan,
    /// A hart that starts later than this has missed its activation, in ns.
    pub(crate) tolerance: u64,
    /// Activate by interrupt and not by lead and hold.
    pub(crate) by_interrupt: bool,
}

static LATEST: Mutex<Option<Published>> = Mutex::new(None);
static NUMBER: AtomicU64 = AtomicU64::new(0);
static EFFECTIVE: AtomicU64 = AtomicU64::new(0);
static LEAD: AtomicU64 = AtomicU64::new(0);
static CLOCK_ERROR: AtomicU64 = AtomicU64::new(0);

/// Fixes what was measured at boot: the lead of all plans, and the timebase's error bound, in ns.
pub(crate) fn calibrate(lead: u64, clock_error: u64) {
    LEAD.store(lead, Ordering::Relaxed);
    CLOCK_ERROR.store(clock_error, Ordering::Relaxed);
}

/// The lead of all plans, in ns.
pub(crate) fn lead() -> u64 {
    LEAD.load(Ordering::Relaxed)
}

/// The timebase's error bound, in ns.
pub(crate) fn clock_error() -> u64 {
    CLOCK_ERROR.load(Ordering::Relaxed)
}

/// The number of the plan published last.
pub(crate) fn number() -> u64 {
    NUMBER.load(Ordering::Relaxed)
}

/// When the plan after number `followed` takes effect, if there is one.
pub(crate) fn after(followed: u64) -> Option<u64> {
    (NUMBER.load(Ordering::SeqCst) != followed).then(|| EFFECTIVE.load(Ordering::SeqCst))
}

/// The plan published last.
pub(crate) fn latest() -> Option<Published> {
    LATEST.lock().clone()
}

/// Whether a plan that some hardware thread still follows, or that is on its way, names a cell.
pub(crate) fn names(cell: &Cell) -> bool {
    let latest = LATEST.lock();
    let named = latest.as_ref().is_some_and(|published| published.plan.entry(CellId(cell.slot)).is_some());
    named || !is_followed()
}

/// Whether every hardware thread follows the plan published last.
fn is_followed() -> bool {
    cpu::each_shared().all(|shared| shared.plan.load(Ordering::SeqCst) == number())
}

fn refuse(reason: RefusalReason, entry: usize, other: usize) -> Error {
    let refusal = Refusal { reason, entry: entry as u16, other: other as u16 };
    Error { kind: ErrorKind::PlanRefused, argument: 1, value: refusal.pack() }
}

/// Makes a plan from what a cell wrote and publishes it.
pub(crate) fn commit(cpu: &mut Cpu, by: &Cell, header: PlanHeader, list: &[PlanEntry]) -> Result<u64, Error> {
    let mut entries: Vec<Entry, MAX_CELLS> = Vec::new();
    for (index, wanted) in list.iter().enumerate() {
        let bad = |reason| refuse(reason, index, index);
        let handles = by.handles.lock();
        // A cell may plan itself by the handle that everybody has.
        let rights = if wanted.cell == 0 { Rights::OBSERVE } else { Rights::CONTROL };
        let Object::Cell(cell) = handles.get(u64::from(wanted.cell), rights, 1)? else {
            return Err(Error::new(ErrorKind::BadHandle, 1, u64::from(wanted.cell)));
        };
        drop(handles);
        let policy = match PolicyKind::from_number(wanted.policy).ok_or(bad(RefusalReason::BadParameter))? {
            PolicyKind::Dedicated => Policy::Dedicated,
            PolicyKind::TimeTriggered => Policy::TimeTriggered {
                period: Span::from_nanos(wanted.period_ns_or_weight),
                phase: Span::from_nanos(wanted.phase_ns),
                length: Span::from_nanos(wanted.length_ns),
            },
            PolicyKind::BestEffort => {
                let weight = wanted.period_ns_or_weight.try_into().map_err(|_| bad(RefusalReason::BadParameter))?;
                Policy::BestEffort { weight }
            }
        };
        let threads = ThreadSet::from_bits(wanted.threads);
        if threads.len() != cell.hart_count() {
            return Err(bad(RefusalReason::WrongGangSize));
        }
        let entry = Entry { cell: crate::muxing::id_of(cell), threads, policy };
        entries.push(entry).map_err(|_| bad(RefusalReason::TooMany))?;
    }
    let by_interrupt = match header.flags {
        0 => false,
        FLAG_IPI_ACTIVATION => true,
        _ => return Err(refuse(RefusalReason::BadParameter, 0, 0)),
    };
    publish(cpu, &entries, header, by_interrupt)
}

/// Validates and publishes.
pub(crate) fn publish(cpu: &mut Cpu, entries: &[Entry], header: PlanHeader, by_interrupt: bool) -> Result<u64, Error> {
    let mut latest = LATEST.lock();
    let soonest = cpu.now() + lead() + NOTICE;
    let effective = if header.effective_ns == 0 { soonest } else { header.effective_ns };
    if effective < soonest || !is_followed() {
        return Err(refuse(RefusalReason::TooSoon, 0, 0));
    }
    let spec = Spec {
        number: number() + 1,
        effective: Instant::from_nanos(effective),
        slice: Span::from_nanos(header.slice_ns),
        lead: Span::from_nanos(lead()),
        machine: ThreadSet::from_bits(u64::MAX >> (64 - cpu::count())),
        entries,
    };
    let plan = Plan::validate(&spec).map_err(|refusal| {
        let reason = match refusal.reason {
            Reason::NoSuchThread => RefusalReason::NoSuchThread,
            Reason::Duplicate => RefusalReason::Duplicate,
            Reason::BadParameter => RefusalReason::BadParameter,
            Reason::Overlap(_) => RefusalReason::Overlap,
            Reason::TooMany => RefusalReason::TooMany,
        };
        refuse(reason, refusal.entry, refusal.other)
    })?;
    *latest = Some(Published { plan, tolerance: header.tolerance_ns, by_interrupt });
    EFFECTIVE.store(effective, Ordering::SeqCst);
    NUMBER.store(spec.number, Ordering::SeqCst);
    drop(latest);
    for thread in 0..cpu::count() {
        let sleeps = cpu::shared(thread).sleeps_until.load(Ordering::SeqCst);
        if thread != cpu.thread && sleeps.saturating_add(lead()) > effective {
            cpu.interrupt(thread, VECTOR_WAKE);
        }
    }
    Ok(spec.number)
}

/// Whether a cell may be destroyed: no hardware thread follows a plan with it, or has it loaded.
pub(crate) fn has_let_go(cell: &Cell) -> bool {
    !names(cell) && !cells::is_loaded(cell)
}
