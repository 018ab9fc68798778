//! Why a plan is not admitted.

use core::fmt;

use crate::{Instant, Span};

/// Why a plan was refused, and the entries, by index, to blame: the same one twice where one is wrong by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    /// The entry to blame.
    pub entry: usize,
    /// The entry it is in conflict with.
    pub other: usize,
    /// The longest window, or the largest budget, that the entry to blame could have beside all others, with its period and phase as they are. Zero: none.
    pub fits: Span,
}

/// The reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No hardware thread, or one that the machine does not have.
    NoSuchThread,
    /// The cell is in the plan twice.
    Duplicate,
    /// A slice, period, phase, length, budget or weight is out of range.
    BadParameter,
    /// Both want a hardware thread at this instant, a window's lead included.
    Overlap(Instant),
    /// With this entry the budget of the other one could not be promised any more, the time for switching included.
    Overload,
    /// More entries than a plan holds, or than may share hardware threads.
    TooMany,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, entry, other, fits } = self;
        match reason {
            Reason::NoSuchThread => write!(f, "entry {entry} names a hardware thread that is not there"),
            Reason::Duplicate => write!(f, "entries {entry} and {other} are the same cell"),
            Reason::BadParameter => write!(f, "entry {entry} has a time or weight out of range"),
            Reason::Overlap(at) => {
                write!(
                    f,
                    "entries {entry} and {other} want a hardware thread at {at}; {} ns would fit",
                    fits.as_nanos()
                )
            }
            Reason::Overload => {
                write!(
                    f,
                    "beside entry {entry}, entry {other} is not sure of its budget; {} ns would fit",
                    fits.as_nanos()
                )
            }
            Reason::TooMany => write!(f, "entry {entry} is one too many"),
        }
    }
}

impl core::error::Error for Refusal {}
