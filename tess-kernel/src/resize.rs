//! The resize protocol: how a running cell gets and loses harts and memory. The contract is in `abi::resize`; which plans it permits, in `kernel_core::resize`.
//!
//! A hart that no plan gives its cell is a hart that no hardware thread activates: all that it has stays where it is. Whoever takes over what it has claims it first, as a
//! hardware thread does that is about to activate it, so that only one of the two goes on.

use core::sync::atomic::Ordering;

use abi::resize::{HeldContext, VECTOR_BYTES_MAX};
use abi::{Context, Error, ErrorKind, Event};

use crate::arch::features::features;
use crate::arch::frame::Frame;
use crate::arch::trap::VECTOR_WAKE;
use crate::cells::{Cell, Hart};
use crate::cpu::Cpu;
use crate::{inputs, muxing, plans};

/// Whether a hart has given itself back and is not wanted again.
pub(crate) fn rests(cell: &Cell, hart: &Hart) -> bool {
    hart.is_released.load(Ordering::SeqCst) && hart.number as usize >= cell.size.wanted()
}

/// Whether nothing runs on a hart that is to go.
pub(crate) fn is_given_back(cell: &Cell, hart: &Hart) -> bool {
    rests(cell, hart) || hart.is_fresh.load(Ordering::SeqCst)
}

/// The harts of a cell that are to go by a notice.
pub(crate) fn to_go(cell: &Cell) -> impl Iterator<Item = &'static Hart> {
    cell.present().skip(cell.size.wanted())
}

/// Of a cell that has so many harts, those that were taken with a context on them, a bit each.
pub(crate) fn taken(cell: &Cell, harts: usize) -> u64 {
    let taken = cell.harts().skip(harts).filter(|hart| !hart.is_vacant());
    taken.fold(0, |bits, hart| bits | 1 << hart.number)
}

/// Gives a cell notice of how many harts it is to have.
pub(crate) fn notice(cpu: &mut Cpu, cell: &'static Cell, harts: u64, deadline: u64) -> Result<u64, Error> {
    is_running(cell)?;
    cell.size.notice(harts, deadline)?;
    show_wanted(cell);
    tell(cpu, cell);
    Ok(0)
}

/// Sets how many frames a cell may use, or gives it notice if it uses more.
pub(crate) fn memory(cpu: &mut Cpu, cell: &'static Cell, frames: u64, deadline: u64) -> Result<u64, Error> {
    is_running(cell)?;
    if cell.size.is_fixed() && frames < cell.quota.limit() {
        return Err(Error::new(ErrorKind::FixedSize, 0, frames));
    }
    if frames == 0 {
        return Err(Error::new(ErrorKind::OutOfRange, 1, frames));
    }
    let result = cell.quota.set_limit(frames);
    let wanted = if result.is_ok() { (0, 0) } else { (frames, deadline) };
    let mut is_news = false;
    for hart in cell.harts() {
        is_news |= hart.dispatch.wanted_frames().swap(wanted.0, Ordering::SeqCst) != wanted.0;
        is_news |= hart.dispatch.frames_deadline().swap(wanted.1, Ordering::SeqCst) != wanted.1;
    }
    if is_news {
        tell(cpu, cell);
    }
    result.map(|()| 0).map_err(|free| Error::new(ErrorKind::InUse, 1, free))
}

fn is_running(cell: &Cell) -> Result<(), Error> {
    match cell.life.get() {
        _ if cell.life.is_running() => Ok(()),
        state => Err(Error::new(ErrorKind::WrongState, 0, state.map_or(0, |(state, _)| state as u64))),
    }
}

/// Writes into the dispatch pages what the cell is to have.
fn show_wanted(cell: &Cell) {
    for hart in cell.harts() {
        hart.dispatch.harts_deadline().store(cell.size.deadline(), Ordering::SeqCst);
        hart.dispatch.wanted_harts().store(cell.size.wanted() as u32, Ordering::SeqCst);
    }
}

/// Posts the event to all harts that the cell has. Those that gave themselves back look whether they are wanted again.
fn tell(cpu: &mut Cpu, cell: &'static Cell) {
    for hart in cell.present() {
        let knew = hart.dispatch.post(Event::Resize);
        if knew && !hart.is_released.load(Ordering::SeqCst) {
            continue;
        }
        if let Some(thread) = hart.place().filter(|thread| *thread != cpu.thread) {
            cpu.interrupt(thread, VECTOR_WAKE);
        }
    }
    let _ = inputs::report(cpu, cell);
}

/// A plan with so many harts for a cell is being published. Returns whether that changes anything for it.
pub(crate) fn planned(cell: &Cell, harts: usize) -> bool {
    let changes = cell.size.becomes(harts);
    if changes {
        show_wanted(cell);
    }
    changes
}

/// A hart is about to start an activation under a plan that gives its cell so many harts.
pub(crate) fn activated(cell: &Cell, hart: &Hart, harts: usize) {
    let was_fresh = hart.is_fresh.load(Ordering::Relaxed) && hart.is_fresh.swap(false, Ordering::SeqCst);
    let dispatch = hart.dispatch;
    if dispatch.harts().load(Ordering::Relaxed) as usize != harts {
        dispatch.taken().store(taken(cell, harts), Ordering::SeqCst);
        dispatch.harts().store(harts as u32, Ordering::SeqCst);
        if !was_fresh {
            dispatch.post(Event::Resize);
        }
    }
}

/// A hart gives itself back: it rests until it is wanted again.
pub(crate) fn release(cell: &Cell, hart: &Hart) -> Result<u64, Error> {
    if (hart.number as usize) < cell.size.wanted() {
        return Err(Error::plain(ErrorKind::WrongState));
    }
    hart.is_released.store(true, Ordering::SeqCst);
    hart.parked_until.store(u64::MAX, Ordering::SeqCst);
    Ok(0)
}

/// A hart that was taken, claimed by who wants what it has.
pub(crate) struct Held(&'static Cell, &'static Hart);

/// Claims hart `number` of a cell, argument 0 of a call by another hart of it.
pub(crate) fn hold(cpu: &Cpu, cell: &'static Cell, by: &Hart, number: u64) -> Result<Held, Error> {
    let error = |kind| Error::new(kind, 0, number);
    let hart = usize::try_from(number).ok().and_then(|number| cell.hart(number));
    let hart = hart.filter(|hart| hart.number != by.number).ok_or(error(ErrorKind::OutOfRange))?;
    if !plans::is_followed() {
        return Err(error(ErrorKind::Again));
    }
    if (hart.number as usize) < cell.size.present() || hart.is_vacant() {
        return Err(error(ErrorKind::WrongState));
    }
    // Another hardware thread may be about to let it go, or have it in another hart's place.
    if !hart.claim(cpu.thread) {
        return Err(error(ErrorKind::Again));
    }
    let held = Held(cell, hart);
    if hart.is_vacant() {
        held.give_up(None);
        return Err(error(ErrorKind::WrongState));
    }
    Ok(held)
}

impl Held {
    /// What it has, as `HeldContext` has it.
    pub(crate) fn context(&self) -> Result<[u8; size_of::<HeldContext>()], Error> {
        let Self(_, hart) = self;
        if hart.dispatch.is_masked() {
            return Err(Error::new(ErrorKind::Masked, 0, u64::from(hart.number)));
        }
        let (mut context, bases) = hart.load();
        let resume =
            hart.dispatch.resume_start().load(Ordering::Relaxed)..hart.dispatch.resume_end().load(Ordering::Relaxed);
        if resume.contains(&context.rip) {
            // Elsewhere it would not be known for what it is; what it resumes is still whole in the page.
            context = hart.dispatch.saved();
        }
        let mut bytes = [0; size_of::<HeldContext>()];
        let (vector, rest) = bytes.split_at_mut(VECTOR_BYTES_MAX);
        let used = if features().xsave { features().vector_bytes as usize } else { 512 }.min(vector.len());
        vector[..used].copy_from_slice(&hart.vector.lock().area().bytes()[..used]);
        for (place, word) in rest.chunks_exact_mut(8).zip(words(&context).into_iter().chain([bases.fs])) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        Ok(bytes)
    }

    /// Lets the hart go. If what it had goes on elsewhere it begins at this entry with this stack, when it is given back.
    pub(crate) fn give_up(self, begin: Option<(u64, u64)>) {
        let Self(cell, hart) = self;
        if let Some((entry, stack)) = begin {
            hart.vector.lock().area().reset();
            hart.tick_at.store(0, Ordering::Relaxed);
            hart.waits_on.store(0, Ordering::SeqCst);
            hart.parked_until.store(0, Ordering::SeqCst);
            hart.dispatch.mask();
            // A fault goes with its instruction: it comes again where that is tried again.
            hart.dispatch.withdraw(Event::Fault);
            hart.begin_at(entry, stack);
            for other in cell.harts() {
                other.dispatch.taken().fetch_and(!(1 << hart.number), Ordering::SeqCst);
            }
        }
        hart.release();
    }
}

fn words(context: &Context) -> [u64; 20] {
    let Context { r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax, rip, cs, rflags, rsp, ss } =
        *context;
    [r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax, rip, cs, rflags, rsp, ss]
}

/// Lets a hart that was taken run in the place of the one that calls: on success the frame is its.
#[inline(never)]
pub(crate) fn lend(cpu: &mut Cpu, frame: &mut Frame) -> Result<(), Error> {
    let Some(current) = cpu.muxing.current else { return Ok(()) };
    if current.hart.dispatch.pending() != 0 {
        return Err(Error::plain(ErrorKind::Interrupted));
    }
    if muxing::is_lent(cpu) {
        return Err(Error::plain(ErrorKind::WrongState));
    }
    let Held(cell, hart) = hold(cpu, current.cell, current.hart, frame.rdi)?;
    (frame.rax, frame.rdx) = Error::encode(Ok(0));
    if cpu.now() >= hart.parked_until.load(Ordering::SeqCst) {
        hart.parked_until.store(0, Ordering::SeqCst);
    }
    // It may find itself on another hardware thread, and knows so by this count.
    let count = hart.activations.fetch_add(1, Ordering::Relaxed) + 1;
    hart.dispatch.activations().store(count, Ordering::Relaxed);
    muxing::hand_over(cpu, frame, cell, hart);
    Ok(())
}
