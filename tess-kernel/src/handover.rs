//! Direct hand-over: a message in registers from one cell to another on the same hardware thread, after Barrelfish's LMP.
//!
//! The receiver waits by the same call. It runs at once, in the activation of the cell that handed over, until it waits again or hands something over itself; at the
//! activation's end it goes on in its own, and its answer does not lend the asker anything: who asks pays. Muxers decide as if nothing had happened: the activation, and with it the budget, is the lender's, and who ran for
//! whom is accounted.

use core::sync::atomic::Ordering;

use abi::call::{ANSWER, NO_CHANNEL};
use abi::channel::Role;
use abi::{Context, Error, ErrorKind, Handle};

use muxer::Instant;
use muxer::inputs::Situation;

use crate::arch::frame::Frame;
use crate::cells::{Cell, Hart};
use crate::cpu::Cpu;
use crate::{channels, inputs, muxing};

/// Serves the call: on success the frame is that of whoever runs next.
#[inline(never)]
pub(crate) fn serve(cpu: &mut Cpu, frame: &mut Frame) -> Result<(), Error> {
    let Some(current) = cpu.muxing.current else { return Ok(()) };
    let (send, receive) = (frame.rdi, frame.rsi);
    let is_answer = send != NO_CHANNEL && send & ANSWER != 0;
    let send = if is_answer { send & !ANSWER } else { send };
    let (cell, hart) = (current.cell, current.hart);
    let waits_on = match receive {
        NO_CHANNEL => 0,
        handle => {
            channels::peer(cell, handle, Role::Receiver, 1)?;
            handle + 1
        }
    };
    if waits_on != 0 && hart.dispatch.pending() != 0 {
        // Nothing is sent by who could not wait for the answer.
        return Err(Error::plain(ErrorKind::Again));
    }
    let peer = match send {
        NO_CHANNEL if waits_on == 0 => return Err(Error::new(ErrorKind::BadHandle, 0, send)),
        NO_CHANNEL => None,
        handle => {
            let (cell, number, handle) = channels::peer(cell, handle, Role::Sender, 0)?;
            Some(claim(cpu, cell, number, handle).ok_or(Error::new(ErrorKind::NotWaiting, 0, send))?)
        }
    };
    let message = [frame.rdx, frame.r8, frame.r9, frame.r10, frame.r12, frame.r13, frame.r14, frame.r15];
    // What the caller finds when it runs again: the end of its sending, or, unless a message comes, an interrupted wait.
    let result = if waits_on == 0 { Ok(0) } else { Err(Error::plain(ErrorKind::Interrupted)) };
    (frame.rax, frame.rdx) = Error::encode(result);
    if waits_on != 0 {
        hart.waits_on.store(waits_on, Ordering::SeqCst);
        hart.parked_until.store(u64::MAX, Ordering::SeqCst);
    }
    if let Some((cell, hart)) = peer {
        hart.change_context(|context| deliver(context, message));
        hart.waits_on.store(0, Ordering::SeqCst);
        hart.parked_until.store(0, Ordering::SeqCst);
        if !is_answer || muxing::is_lender(cpu, hart) {
            muxing::hand_over(cpu, frame, cell, hart);
        } else {
            hart.release();
            let _ = inputs::report(cpu, cell);
        }
    }
    Ok(())
}

/// Takes the hart that waits by this handle, if it does so here.
fn claim(cpu: &Cpu, cell: &'static Cell, number: usize, handle: Handle) -> Option<(&'static Cell, &'static Hart)> {
    let hart = cell.hart(number)?;
    let waits = hart.waits_on.load(Ordering::SeqCst) == handle.register() + 1;
    // The hart of a gang does not run without the others.
    if !waits || cell.hart_count() != 1 || !cell.life.is_running() || !muxing::is_at_home(cpu, cell) {
        return None;
    }
    // Whoever lends us its time is claimed already, and comes back.
    let is_ours = muxing::is_lender(cpu, hart) || hart.claim(cpu.thread);
    // An event may have woken it in between: then it is not loaded any more, or it would not have been free.
    is_ours.then_some((cell, hart))
}

/// Puts a message into the registers of a hart that waits for it.
fn deliver(context: &mut Context, [tag, a, b, c, d, e, f, g]: [u64; 8]) {
    context.rax = 0;
    (context.rdx, context.r8, context.r9, context.r10) = (tag, a, b, c);
    (context.r12, context.r13, context.r14, context.r15) = (d, e, f, g);
}

/// A hart does not run in another's activation any more. If it has work left, or has set itself an instant, muxers have to know: all that they have been told is that its cell was idle.
/// One with an instant says so itself when it runs in its own activation.
pub(crate) fn stopped(cpu: &mut Cpu, cell: &'static Cell) {
    match cell.situation() {
        Situation::Idle { until: Instant::NEVER } => {}
        _ => _ = inputs::report_as(cpu, cell, || Situation::Busy),
    }
}
