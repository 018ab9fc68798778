//! Publishing plans: one is in force, at most one is on its way. A plan is what a cell commits, or the same one again that repairs a component.

use core::sync::atomic::{AtomicU64, Ordering};

use abi::call::NO_CELL;
use abi::plan::{FLAG_IPI_ACTIVATION, PlanEntry, PlanHeader, PolicyKind, Refusal, RefusalReason};
use abi::{Error, ErrorKind, MAX_CELLS, Rights};
use heapless::Vec;
use muxer::inputs::Timing;
use muxer::{CellId, Entry, Instant, Plan, Policy, Reason, Repair, Span, Spec, ThreadSet};
use spin::{Mutex, Once, RwLock, RwLockReadGuard};

use crate::arch::trap::VECTOR_WAKE;
use crate::cells::{self, Cell, Object};
use crate::cpu::{self, Cpu};
use crate::{inputs, resize, sleep};

/// What a store needs at most to be seen by another hardware thread, in ns; a generous multiple of the slowest line transfer across sockets.
const VISIBLE: u64 = 500;

/// What checking a plan costs at most, in ns for each pair of its cells.
const CHECK_COST: u64 = 500;

/// A plan that muxers can follow.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) plan: Plan,
    /// A hart that starts later than this has missed its activation, in ns.
    pub(crate) tolerance: u64,
    /// Activate by interrupt and not by lead and hold.
    pub(crate) by_interrupt: bool,
    /// What it repairs.
    pub(crate) repair: Option<Repair>,
}

/// A plan that somebody follows stays where it is, unchanged, as long as this exists.
pub(crate) type Followed = RwLockReadGuard<'static, Option<Published>>;

/// Why a plan was not published.
pub(crate) enum Unpublished {
    /// It takes effect too soon, or an earlier one is on its way.
    TooSoon,
    /// The muxer refuses it.
    Refused(muxer::Refusal),
}

/// Where plans are: one that is followed, and one on its way. A plan's place is its number modulo two. It is given to the next plan but one when nobody follows it any more.
static PLACES: [RwLock<Option<Published>>; 2] = [const { RwLock::new(None) }; 2];

/// Whoever has this may publish.
static PUBLISHER: Mutex<()> = Mutex::new(());

static NUMBER: AtomicU64 = AtomicU64::new(0);
static EFFECTIVE: AtomicU64 = AtomicU64::new(0);
static ACCEPTED: AtomicU64 = AtomicU64::new(0);
static CLOCK_ERROR: AtomicU64 = AtomicU64::new(0);
static SLEEPERS_SHARE: AtomicU64 = AtomicU64::new(0);
static TIMING: Once<Timing> = Once::new();

/// Inputs and plans that were published too late for some muxer to be sure to see them.
pub(crate) static LATE: AtomicU64 = AtomicU64::new(0);

/// Repairs published.
pub(crate) static REPAIRS: AtomicU64 = AtomicU64::new(0);

/// Fixes what was measured at boot: the lead of all plans, and the timebase's error bound, in ns.
pub(crate) fn calibrate(lead: u64, clock_error: u64) {
    TIMING.call_once(|| {
        let shortest = Timing::new(Span::from_nanos(lead), Span::from_nanos(clock_error + VISIBLE));
        SLEEPERS_SHARE.store(sleep::spare(lead), Ordering::Relaxed);
        Timing { delay: shortest.delay + Span::from_nanos(sleepers_share()), ..shortest }
    });
    CLOCK_ERROR.store(clock_error, Ordering::Relaxed);
}

/// The times that publishing goes by.
pub(crate) fn timing() -> &'static Timing {
    const NONE: Timing = Timing::new(Span::ZERO, Span::ZERO);
    TIMING.get().unwrap_or(&NONE)
}

/// From a plan's acceptance to its effect at the least, in ns: so long that whoever sleeps most deeply has woken.
fn notice() -> u64 {
    timing().delay.as_nanos() + sleep::slowest()
}

/// The part of the delay of inputs that is there for those who sleep more deeply than by `hlt`, in ns.
pub(crate) fn sleepers_share() -> u64 {
    SLEEPERS_SHARE.load(Ordering::Relaxed)
}

/// The lead of all plans, in ns.
pub(crate) fn lead() -> u64 {
    timing().lead.as_nanos()
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

/// The plan published last. Readers do not keep each other waiting.
pub(crate) fn latest() -> Followed {
    place(number()).read()
}

fn place(number: u64) -> &'static RwLock<Option<Published>> {
    &PLACES[(number % 2) as usize]
}

/// Whether a plan that some hardware thread still follows, or that is on its way, names a cell.
pub(crate) fn names(cell: &Cell) -> bool {
    let id = CellId(cell.slot);
    latest().as_ref().is_some_and(|latest| latest.plan.entry(id).is_some()) || !is_followed()
}

/// Whether every hardware thread follows the plan published last.
pub(crate) fn is_followed() -> bool {
    cpu::each_shared().all(|shared| shared.plan.load(Ordering::SeqCst) == number())
}

/// From the acceptance of the plan published last to the instant at which the last hardware thread followed it, in ns; 0 while some do not.
pub(crate) fn commit_time() -> u64 {
    let last = cpu::each_shared().map(|shared| shared.followed_at.load(Ordering::Relaxed)).max();
    if is_followed() { last.unwrap_or(0).saturating_sub(ACCEPTED.load(Ordering::Relaxed)) } else { 0 }
}

fn refuse(reason: RefusalReason, entry: usize, other: usize) -> Error {
    let refusal = Refusal { reason, entry: entry as u16, other: other as u16 };
    Error { kind: ErrorKind::PlanRefused, argument: 1, value: refusal.pack() }
}

/// Makes a plan from what a cell wrote and publishes it. On a refusal `header` says where the conflict is and what would fit.
///
/// Checking takes time in which this hardware thread does nothing else: it is begun only if the caller's activation lasts long enough, so that nobody else's window pays for it.
pub(crate) fn commit(cpu: &mut Cpu, by: &Cell, header: &mut PlanHeader, list: &[PlanEntry]) -> Result<u64, Error> {
    let cost = (list.len() * list.len()) as u64 * CHECK_COST;
    if crate::muxing::time_left(cpu) < cost + lead() {
        return Err(Error::plain(ErrorKind::Again));
    }
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
        let period = Span::from_nanos(wanted.period_ns_or_weight);
        let length = Span::from_nanos(wanted.length_ns);
        let policy = match PolicyKind::from_number(wanted.policy).ok_or(bad(RefusalReason::BadParameter))? {
            PolicyKind::Dedicated => Policy::Dedicated,
            PolicyKind::TimeTriggered => {
                Policy::TimeTriggered { period, phase: Span::from_nanos(wanted.phase_ns), length }
            }
            PolicyKind::EventTriggered => Policy::EventTriggered { period, budget: length },
            PolicyKind::BestEffort => {
                let weight = wanted.period_ns_or_weight.try_into().map_err(|_| bad(RefusalReason::BadParameter))?;
                Policy::BestEffort { weight }
            }
        };
        let threads = ThreadSet::from_bits(wanted.threads);
        let is_vacant =
            |hart| !cell.life.is_running() || cell.hart(hart).is_none_or(|hart| resize::is_given_back(cell, hart));
        cell.size.admits(threads.len(), cpu.now(), is_vacant).map_err(bad)?;
        let entry = Entry { cell: crate::muxing::id_of(cell), threads, policy };
        entries.push(entry).map_err(|_| bad(RefusalReason::TooMany))?;
    }
    let by_interrupt = match header.flags {
        0 => false,
        FLAG_IPI_ACTIVATION => true,
        _ => return Err(refuse(RefusalReason::BadParameter, 0, 0)),
    };
    publish(cpu, &entries, *header, by_interrupt).map_err(|error| match error {
        Unpublished::TooSoon => refuse(RefusalReason::TooSoon, 0, 0),
        Unpublished::Refused(refusal) => {
            let reason = match refusal.reason {
                Reason::NoSuchThread => RefusalReason::NoSuchThread,
                Reason::Duplicate => RefusalReason::Duplicate,
                Reason::BadParameter => RefusalReason::BadParameter,
                Reason::Overlap(at) => {
                    header.conflict_at_ns = at.as_nanos();
                    RefusalReason::Overlap
                }
                Reason::Overload => RefusalReason::Overload,
                Reason::TooMany => RefusalReason::TooMany,
            };
            header.fits_ns = refusal.fits.as_nanos();
            refuse(reason, refusal.entry, refusal.other)
        }
    })
}

/// The plan published last, in the handles of the cell that asks.
pub(crate) fn describe(by: &Cell) -> (PlanHeader, Vec<PlanEntry, MAX_CELLS>) {
    let latest = latest();
    let Some(published) = latest.as_ref() else { return (PlanHeader::default(), Vec::new()) };
    let handles = by.handles.lock();
    let entries: Vec<PlanEntry, MAX_CELLS> = published
        .plan
        .entries()
        .iter()
        .map(|entry| {
            let names =
                |object: &Object| matches!(object, Object::Cell(cell) if crate::muxing::id_of(cell) == entry.cell);
            let handle = handles.find(0, names).and_then(|(_, handle)| u32::try_from(handle.register()).ok());
            let (policy, period_ns_or_weight, phase_ns, length_ns) = match entry.policy {
                Policy::Dedicated => (PolicyKind::Dedicated, 0, 0, 0),
                Policy::TimeTriggered { period, phase, length } => {
                    (PolicyKind::TimeTriggered, period.as_nanos(), phase.as_nanos(), length.as_nanos())
                }
                Policy::EventTriggered { period, budget } => {
                    (PolicyKind::EventTriggered, period.as_nanos(), 0, budget.as_nanos())
                }
                Policy::BestEffort { weight } => (PolicyKind::BestEffort, weight.into(), 0, 0),
            };
            PlanEntry {
                cell: handle.unwrap_or(NO_CELL),
                policy: policy as u32,
                threads: entry.threads.bits(),
                period_ns_or_weight,
                phase_ns,
                length_ns,
            }
        })
        .collect();
    let header = PlanHeader {
        entries: entries.len() as u32,
        slice_ns: published.plan.slice().as_nanos(),
        tolerance_ns: published.tolerance,
        ..PlanHeader::default()
    };
    (header, entries)
}

/// Validates and publishes.
pub(crate) fn publish(
    cpu: &mut Cpu,
    entries: &[Entry],
    header: PlanHeader,
    by_interrupt: bool,
) -> Result<u64, Unpublished> {
    let spec = Spec {
        number: 0,
        effective: Instant::from_nanos(header.effective_ns),
        slice: Span::from_nanos(header.slice_ns),
        lead: timing().lead,
        machine: ThreadSet::range(0, cpu::count()),
        entries,
    };
    let mut plan = Plan::validate(&spec).map_err(Unpublished::Refused)?;
    let _only_one = PUBLISHER.lock();
    let number = number() + 1;
    let mut place = place(number).try_write().ok_or(Unpublished::TooSoon)?;
    let accepted = cpu.now();
    let soonest = accepted + notice();
    let effective = if header.effective_ns == 0 { soonest } else { header.effective_ns };
    if effective < soonest || !is_followed() {
        return Err(Unpublished::TooSoon);
    }
    plan.reissue(number, Instant::from_nanos(effective));
    *place = Some(Published { plan, tolerance: header.tolerance_ns, by_interrupt, repair: None });
    drop(place);
    // Before anybody follows the plan.
    let mut resized: Vec<&'static Cell, MAX_CELLS> = Vec::new();
    for entry in entries {
        let cell = cells::at(usize::from(entry.cell.0));
        if resize::planned(cell, entry.threads.len()) {
            // A plan has no more.
            let _ = resized.push(cell);
        }
    }
    announce(cpu, number, accepted, effective);
    for cell in resized {
        // Harts that it lost may have been the only ones that did something, and those that it got have something to do.
        let _ = inputs::report(cpu, cell);
    }
    Ok(number)
}

/// Publishes the present plan again to bring a component to an agreed state. Does nothing while a plan is on its way; the trouble does not go away by itself, so whoever has it
/// asks again.
pub(crate) fn repair(cpu: &mut Cpu, repair: Repair) {
    let Some(_only_one) = PUBLISHER.try_lock() else { return };
    let present = latest();
    let number = number() + 1;
    let (true, Some(present), Some(mut place)) = (is_followed(), present.as_ref(), place(number).try_write()) else {
        return;
    };
    let accepted = cpu.now();
    let effective = accepted + notice();
    let mut plan = present.plan.clone();
    plan.reissue(number, Instant::from_nanos(effective));
    let Published { tolerance, by_interrupt, .. } = *present;
    *place = Some(Published { plan, tolerance, by_interrupt, repair: Some(repair) });
    drop(place);
    REPAIRS.fetch_add(1, Ordering::Relaxed);
    announce(cpu, number, accepted, effective);
}

/// Tells everybody of the plan that was published last; with an interrupt only who would sleep past it.
fn announce(cpu: &mut Cpu, number: u64, accepted: u64, effective: u64) {
    ACCEPTED.store(accepted, Ordering::Relaxed);
    EFFECTIVE.store(effective, Ordering::SeqCst);
    NUMBER.store(number, Ordering::SeqCst);
    for thread in 0..cpu::count() {
        let looks = Instant::from_nanos(cpu::shared(thread).sleeps_until.load(Ordering::SeqCst));
        if thread != cpu.thread && timing().sleeps_past(looks, Instant::from_nanos(effective)) {
            cpu.interrupt(thread, VECTOR_WAKE);
        }
    }
    if timing().is_late(Instant::from_nanos(cpu.now()), Instant::from_nanos(effective)) {
        LATE.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether a cell may be destroyed: no hardware thread follows a plan with it, or has it loaded.
pub(crate) fn has_let_go(cell: &Cell) -> bool {
    !names(cell) && !cells::is_loaded(cell)
}
