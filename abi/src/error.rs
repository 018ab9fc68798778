//! Typed errors: what was wrong, with which argument, and the offending value.

use core::fmt;

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum ErrorKind {
    /// No call has this number.
    UnknownCall = 1,
    /// The handle names nothing: never given, given back, or of an older generation.
    BadHandle = 2,
    /// The handle lacks the right that this call needs.
    NoRight = 3,
    /// The range is not wholly inside the cell's memory with the access that the call needs.
    BadPointer = 4,
    /// The value is outside its range; the call's documentation gives the range.
    OutOfRange = 5,
    /// The address or length is not a multiple of what the call needs.
    Misaligned = 6,
    /// The cell's memory quota, or the machine's memory, does not suffice.
    NoMemory = 7,
    /// A table of fixed capacity is full.
    Full = 8,
    /// The range overlaps something that is already there.
    Occupied = 9,
    /// The object is in a state in which the call makes no sense (for example: started twice).
    WrongState = 10,
    /// Part of the work is done; call again to go on. Keeps every call's path bounded.
    Again = 11,
    /// The plan was refused; `value` is a [`crate::plan::Refusal`] in its packed form.
    PlanRefused = 12,
    /// Bytes that should be text are not UTF-8, or a structure has an impossible field.
    Malformed = 13,
    /// The channel has ended; `value` is a [`crate::channel::Ended`].
    ChannelEnded = 14,
    /// The wait for a hand-over was broken off by an event.
    Interrupted = 15,
    /// The peer cannot take a hand-over now: it does not wait for one on this hardware thread.
    NotWaiting = 16,
    /// The cell takes no part in the resize protocol: it was created with as many harts as it can ever have.
    FixedSize = 17,
    /// The hart was taken while it had events masked: only itself can go on from there ([`crate::Call::HartLend`]).
    Masked = 18,
    /// The cell uses more than it is to keep, and was told; `value` is how many frames are free.
    InUse = 19,
}

impl ErrorKind {
    const ALL: [Self; 19] = [
        Self::UnknownCall,
        Self::BadHandle,
        Self::NoRight,
        Self::BadPointer,
        Self::OutOfRange,
        Self::Misaligned,
        Self::NoMemory,
        Self::Full,
        Self::Occupied,
        Self::WrongState,
        Self::Again,
        Self::PlanRefused,
        Self::Malformed,
        Self::ChannelEnded,
        Self::Interrupted,
        Self::NotWaiting,
        Self::FixedSize,
        Self::Masked,
        Self::InUse,
    ];

    /// What the error means, as part of a sentence.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::UnknownCall => "no call has this number",
            Self::BadHandle => "the handle names nothing",
            Self::NoRight => "the handle lacks the right",
            Self::BadPointer => "the range is not inside the cell's memory with this access",
            Self::OutOfRange => "the value is outside its range",
            Self::Misaligned => "not a multiple of what the call needs",
            Self::NoMemory => "the memory quota does not suffice",
            Self::Full => "a table is full",
            Self::Occupied => "something is already there",
            Self::WrongState => "the object is in another state",
            Self::Again => "partly done, call again",
            Self::PlanRefused => "the plan was refused",
            Self::Malformed => "malformed",
            Self::ChannelEnded => "the channel has ended",
            Self::Interrupted => "broken off by an event",
            Self::NotWaiting => "the peer does not wait here",
            Self::FixedSize => "the cell is of fixed size",
            Self::Masked => "the hart has events masked",
            Self::InUse => "the cell uses more than that",
        }
    }
}

/// A refused call: the reason, the argument that was wrong and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Why.
    pub kind: ErrorKind,
    /// Which argument, counted from 0; [`Error::NO_ARGUMENT`] where none is to blame.
    pub argument: u8,
    /// The offending value.
    pub value: u64,
}

impl Error {
    /// The value of [`Error::argument`] where no single argument is to blame.
    pub const NO_ARGUMENT: u8 = 0xff;

    /// An error that blames an argument.
    #[must_use]
    pub const fn new(kind: ErrorKind, argument: u8, value: u64) -> Self {
        Self { kind, argument, value }
    }

    /// An error that blames no argument.
    #[must_use]
    pub const fn plain(kind: ErrorKind) -> Self {
        Self { kind, argument: Self::NO_ARGUMENT, value: 0 }
    }

    /// The two registers (`rax`, `rdx`) that carry a call's result. `rax` is 0 for success.
    #[must_use]
    pub const fn encode(result: Result<u64, Self>) -> (u64, u64) {
        match result {
            Ok(value) => (0, value),
            Err(error) => (error.kind as u64 | (error.argument as u64) << 16, error.value),
        }
    }

    /// The reverse of [`Error::encode`]. A code that this version does not know reads as [`ErrorKind::UnknownCall`].
    pub fn decode(status: u64, value: u64) -> Result<u64, Self> {
        if status == 0 {
            return Ok(value);
        }
        let code = status & 0xffff;
        let kind = ErrorKind::ALL.into_iter().find(|kind| *kind as u64 == code).unwrap_or(ErrorKind::UnknownCall);
        Err(Self { kind, argument: (status >> 16) as u8, value })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.argument == Self::NO_ARGUMENT {
            write!(f, "{}", self.kind.describe())
        } else {
            write!(f, "argument {} is {:#x}: {}", self.argument, self.value, self.kind.describe())
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_survives_the_registers() {
        for kind in ErrorKind::ALL {
            let error = Error::new(kind, 3, 0xdead_beef);
            let (status, value) = Error::encode(Err(error));
            assert_eq!(Error::decode(status, value), Err(error));
        }
        let (status, value) = Error::encode(Ok(u64::MAX));
        assert_eq!(Error::decode(status, value), Ok(u64::MAX));
    }

    #[test]
    fn an_unknown_code_is_still_an_error() {
        assert!(Error::decode(0x7777, 1).is_err());
    }
}
