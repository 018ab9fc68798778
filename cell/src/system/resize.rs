//! Getting and losing harts and memory while the cell runs. The protocol is in [`abi::resize`].
//!
//! A cell that takes part sets a handler ([`crate::events::on_resize`]), which runs on every hart whenever something changes or is to change, and there:
//!
//! - if this hart is to go ([`wanted`]), moves what runs on it and calls [`crate::hart::release`], if possible before the deadline;
//! - if harts were taken ([`taken`]), goes on with what ran there: [`adopt`] it, or, where that had events masked, [`lend`] it this hart until it has not;
//! - if memory is to go ([`memory_wanted`]), unmaps some.
//!
//! It need not do all of it in the handler. What it does not do loses nothing: a hart that is given back goes on where it was taken.

use core::arch::naked_asm;
use core::mem::offset_of;
use core::sync::atomic::Ordering;

use abi::resize::HeldContext;
use abi::{Context, DispatchPage, Error, ErrorKind};

use super::{events, pages};
use crate::{calls, hart};

/// The smallest stack on which a hart can begin again, in bytes.
pub const STACK_MIN: usize = 1024;

/// Something that is to become less by an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// How much is to be left: harts or frames.
    pub left: u64,
    /// From when on the rest can be taken, in ns of the timebase.
    pub deadline_ns: u64,
}

/// How many harts are to be left, if the cell was given notice. Those with this number and higher ones are to go.
#[must_use]
pub fn wanted() -> Option<Wanted> {
    let page = pages::dispatch(hart::number());
    let left = page.wanted_harts.load(Ordering::SeqCst);
    let deadline_ns = page.harts_deadline.load(Ordering::SeqCst);
    (left < page.harts.load(Ordering::SeqCst)).then_some(Wanted { left: left.into(), deadline_ns })
}

/// Whether this hart is to go: it may call [`crate::hart::release`].
#[must_use]
pub fn is_to_go() -> bool {
    let number = hart::number();
    number >= pages::dispatch(number).wanted_harts.load(Ordering::SeqCst)
}

/// How many frames the cell is to get along with, everything included, if it was given notice. `calls::cell_status` says how many it uses.
#[must_use]
pub fn memory_wanted() -> Option<Wanted> {
    let page = pages::dispatch(hart::number());
    let left = page.wanted_frames.load(Ordering::SeqCst);
    (left != 0).then(|| Wanted { left, deadline_ns: page.frames_deadline.load(Ordering::SeqCst) })
}

/// Harts that were taken with a context on them that nobody has adopted so far, a bit each, as of this hart's present activation.
#[must_use]
pub fn taken() -> u64 {
    pages::dispatch(hart::number()).taken.load(Ordering::SeqCst)
}

/// What ran on a hart that was taken. It goes on when it is [resumed](Adopted::resume), once, on whichever hart; if it is dropped it is lost.
#[must_use = "what ran there is lost if it is not resumed"]
#[derive(Debug)]
pub struct Adopted(HeldContext);

/// Takes over what ran on hart `hart` when it was taken: from now on it goes on where the caller wants it to, and not on that hart. If that is given back it begins with `run` on `stack`
/// (the old stack still belongs to what was adopted); when `run` returns the hart parks for ever. [`rest`] is for who has nothing for it to do. Waits while a plan is on its way.
///
/// What was adopted must not rely on being on its hart: [`hart::number`] answers for where it runs.
///
/// # Errors
/// [`ErrorKind::WrongState`] when the hart runs or there is nothing to take over: it was released, never ran, or somebody else has adopted it. [`ErrorKind::Masked`] when it had events masked:
/// [`lend`] it this hart. [`ErrorKind::OutOfRange`] for a hart that is not one of the cell's others, or a stack below [`STACK_MIN`].
pub fn adopt(hart: u32, run: fn(u32), stack: &'static mut [u8]) -> Result<Adopted, Error> {
    if stack.len() < STACK_MIN {
        return Err(Error::new(ErrorKind::OutOfRange, 3, stack.len() as u64));
    }
    // Two words at its top, aligned as a call wants it: the function, and nothing.
    let top = (stack.as_mut_ptr_range().end as u64 & !15) - 16;
    // SAFETY: inside the stack, of which this call has the only reference, and aligned.
    unsafe { (top as *mut fn(u32)).write(run) };
    let mut adopted = Adopted(HeldContext::empty());
    calls::hart_adopt(hart, &mut adopted.0, begin_again as *const () as u64, top)?;
    Ok(adopted)
}

/// Lets a hart that was taken run in the place of this one. Returns when it has released itself or parked, when this hart has an event (a tick that was set before limits the time, unless it strikes before
/// the loan begins), and with this hart's next activation. It finds out what it is to do by the event that it gets, as if it had never been taken; with events masked it goes on until it has unmasked them, and further.
///
/// # Errors
/// [`ErrorKind::Interrupted`] when an event is pending for this hart; [`ErrorKind::WrongState`] when the other one runs or has nothing to run; [`ErrorKind::OutOfRange`] as for [`adopt`].
pub fn lend(hart: u32) -> Result<(), Error> {
    calls::hart_lend(hart).map(|_| ())
}

/// For harts that have nothing to do: releases this hart whenever it is to go, and parks it otherwise. Does not return.
pub fn rest(_hart: u32) {
    loop {
        // What comes from here on is pending, which ends the park, and is delivered by the unmasking.
        events::mask();
        if !(is_to_go() && hart::release().is_ok()) {
            // The call has no argument that could be wrong.
            let _ = calls::park(u64::MAX);
        }
        events::unmask();
    }
}

impl Adopted {
    /// Its registers, for a scheduler that wants to know whose they are.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    /// Goes on with it on this hart, with events unmasked, instead of the caller, which never goes on: who wants to do both has a scheduler, and calls this in a context made for it. In a
    /// handler of events what was interrupted does not go on either.
    pub fn resume(self) -> ! {
        events::mask();
        let page = core::ptr::from_ref(pages::dispatch(pages::own_hart())).cast_mut();
        // SAFETY: a field of the page, which is there.
        let saved = unsafe { &raw mut (*page).saved };
        // SAFETY: events are masked, so the kernel leaves the page's context alone, and what it held is not wanted any more.
        unsafe { saved.write(self.0.context) };
        // SAFETY: the page is this hart's, events are masked, `saved` was just written, and the vector state came from the kernel.
        unsafe { resume_saved(page, self.0.vector.as_ptr()) }
    }
}

unsafe extern "C" {
    /// In `event_entry`: unmasks events and runs the resume sequence.
    fn cell_resume();
}

/// Loads vector state and goes on with the page's saved context, by the end of the event entry; with the registers and the stack that it wants, for the case that an event is pending.
///
/// # Safety
/// `page` is this hart's dispatch page, events are masked, and both contexts are whole.
#[unsafe(naked)]
unsafe extern "C" fn resume_saved(page: *mut DispatchPage, vector: *const u8) -> ! {
    naked_asm!(
        "mov rbx, rdi",
        "mov r13, [rbx + {vector_bytes}]",
        "mov r14d, [rbx + {vector_mask}]",
        "mov rsp, [rbx + {event_stack}]",
        "mov eax, 512",
        "test r13, r13",
        "cmovnz rax, r13",
        "sub rsp, rax",
        "and rsp, -64",
        "mov r12, rsp",
        "xor ebp, ebp",
        "test r13, r13",
        "jz 2f",
        "mov eax, r14d",
        "xor edx, edx",
        "xrstor64 [rsi]",
        "jmp {resume}",
        "2:",
        "fxrstor64 [rsi]",
        "jmp {resume}",
        vector_bytes = const offset_of!(DispatchPage, vector_bytes),
        vector_mask = const offset_of!(DispatchPage, vector_mask),
        event_stack = const offset_of!(DispatchPage, event_stack),
        resume = sym cell_resume,
    )
}

/// Where a hart begins whose context was adopted: `rdi` is its number, and the stack holds what it is to run.
#[unsafe(naked)]
unsafe extern "C" fn begin_again() -> ! {
    naked_asm!("xor ebp, ebp", "mov rsi, [rsp]", "call {run}", "ud2", run = sym run_again)
}

#[allow(improper_ctypes_definitions, reason = "only `begin_again` calls it, with what `adopt` wrote")]
extern "C" fn run_again(hart: u32, run: fn(u32)) -> ! {
    // Where events enter was said when the hart began for the first time.
    events::unmask();
    run(hart);
    loop {
        let _ = calls::park(u64::MAX);
    }
}
