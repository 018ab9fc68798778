//! What a hart knows about itself.

use core::sync::atomic::Ordering;

use abi::Error;
use abi::account::{ACTIVATION_LOG_ENTRIES, Activation};

use crate::calls;
use crate::system::{events, pages};

/// This hart's number, from 0.
#[must_use]
pub fn number() -> u32 {
    pages::own_hart()
}

/// Harts that this cell has now, as of this hart's present activation. It changes only where the cell takes part in the resize protocol ([`crate::resize`]).
#[must_use]
pub fn count() -> u32 {
    pages::dispatch(number()).harts.load(Ordering::SeqCst)
}

/// The most harts that this cell can have.
#[must_use]
pub fn most() -> u32 {
    pages::dispatch(0).most_harts
}

/// Gives this hart back, after notice ([`crate::resize::wanted`]), when all that is to go on has been moved elsewhere. It runs no more, whatever events come, and costs the cell
/// nothing, until the notice is taken back or the cell is given the hart again; then this returns. May be called by a handler: then what the event interrupted waits here too.
///
/// # Errors
/// [`abi::ErrorKind::WrongState`] when this hart is not one of those that are to go.
pub fn release() -> Result<(), Error> {
    calls::hart_release().map(|_| ())
}

/// Vector state that cells may use (`xcr0`): bit 2 for AVX.
#[must_use]
pub fn vector_mask() -> u64 {
    pages::dispatch(0).vector_mask
}

/// The hardware thread on which this hart runs now.
#[must_use]
pub fn hardware_thread() -> u32 {
    pages::dispatch(number()).hardware_thread.load(Ordering::Relaxed)
}

/// Counts progress: the application's own measure, which whoever observes the cell sees.
pub fn heartbeat(count: u64) {
    events::beat(count);
}

/// This hart's present activation: how many there were, when the gang was to start, and when this hart did, in ns.
#[must_use]
pub fn activation() -> (u64, u64, u64) {
    let page = pages::dispatch(number());
    (
        page.activations.load(Ordering::Relaxed),
        page.activation_at.load(Ordering::Relaxed),
        page.activation_entered.load(Ordering::Relaxed),
    )
}

/// Upcalls that this hart got.
#[must_use]
pub fn upcalls() -> u64 {
    pages::dispatch(number()).upcalls.load(Ordering::Relaxed)
}

/// The `n`-th activation of a hart of this cell, counted from 0, if the log still has it.
#[must_use]
pub fn past_activation(hart: u32, n: u64) -> Option<Activation> {
    let log = pages::log(hart);
    let held = |written: u64| n < written && written - n < ACTIVATION_LOG_ENTRIES as u64;
    if !held(log.written.load(Ordering::Acquire)) {
        return None;
    }
    let entry = log.entries[(n % ACTIVATION_LOG_ENTRIES as u64) as usize];
    held(log.written.load(Ordering::Acquire)).then_some(entry)
}
