//! Values as bytes: fixed size, little-endian, validated when they are read.
//!
//! Every value has one encoding and every other bit pattern is refused, so two ends never disagree about what a
//! message says and no bytes travel that nobody looks at. [`Wire`] can be derived for structs and enums.

mod containers;
mod fit;
mod text;

use core::fmt;

pub use fit::{assert_fits, larger};
pub use text::{Bytes, Text, TooLong};

/// A value of fixed size in a message. Derive it: `#[derive(Wire)]`.
///
/// There is no encoding of `usize`, which has no fixed size, nor of floating point numbers, of which some do not equal
/// themselves: pass their bits.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel in a message",
    label = "not `Wire`",
    note = "put `#[derive(Wire)]` on it if it is yours; for text and bytes use `Text<N>` and `Bytes<N>`, for `usize` a \
            fixed-size integer, for larger data a bulk descriptor"
)]
pub trait Wire: Sized {
    /// Bytes that every value of this type takes.
    const SIZE: usize;

    /// Writes all of `bytes`: the value and zeros behind it.
    ///
    /// # Panics
    /// If `bytes` are fewer than [`Wire::SIZE`].
    fn encode(&self, bytes: &mut [u8]);

    /// Reads all of `bytes`: the value and zeros behind it.
    ///
    /// # Errors
    /// If the bytes are too few, are no value of this type, or are not zero behind it.
    fn decode(bytes: &[u8]) -> Result<Self, WireError>;
}

/// Why bytes are not a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, service_macros::Wire)]
pub enum WireError {
    /// Fewer bytes than the value takes.
    TooShort {
        /// Bytes that were needed.
        needed: u32,
        /// Bytes that were there.
        given: u32,
    },
    /// A truth value that is neither 0 nor 1.
    BadBool(u8),
    /// No variant of the enum has this number.
    BadVariant(u8),
    /// Not a Unicode scalar value.
    BadChar(u32),
    /// A length above the capacity.
    BadLength {
        /// The length that was read.
        length: u8,
        /// The most that fits.
        capacity: u8,
    },
    /// Text that is not UTF-8.
    NotText,
    /// A byte that is not used is not zero.
    Unclean {
        /// The byte's value.
        byte: u8,
    },
    /// Bytes that a type with rules of its own refuses.
    NoSuchValue,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { needed, given } => write!(f, "{given} bytes where {needed} are needed"),
            Self::BadBool(byte) => write!(f, "a truth value of {byte}, must be 0 or 1"),
            Self::BadVariant(byte) => write!(f, "no variant has the number {byte}"),
            Self::BadChar(value) => write!(f, "{value:#x} is no character"),
            Self::BadLength { length, capacity } => write!(f, "a length of {length}, at most {capacity} fit"),
            Self::NotText => f.write_str("text that is not UTF-8"),
            Self::NoSuchValue => f.write_str("no value of the type"),
            Self::Unclean { byte } => write!(f, "an unused byte is {byte:#04x}, must be 0"),
        }
    }
}

impl core::error::Error for WireError {}

/// Writes one value after the other.
#[derive(Debug)]
pub struct Writer<'a> {
    rest: &'a mut [u8],
}

impl<'a> Writer<'a> {
    /// Writes into these bytes from their beginning.
    #[must_use]
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Writes the next value.
    ///
    /// # Panics
    /// If there is no room for it.
    pub fn put<T: Wire>(&mut self, value: &T) {
        let (bytes, rest) = core::mem::take(&mut self.rest).split_at_mut(T::SIZE);
        self.rest = rest;
        value.encode(bytes);
    }

    /// Zeroes the bytes that are left.
    pub fn finish(self) {
        self.rest.fill(0);
    }
}

/// Reads one value after the other.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads a value of this type from these bytes, part by part.
    ///
    /// # Errors
    /// If they are fewer than every value of the type takes, even one whose parts take fewer.
    pub fn of<T: Wire>(bytes: &'a [u8]) -> Result<Self, WireError> {
        if bytes.len() < T::SIZE { Err(too_short(T::SIZE, bytes.len())) } else { Ok(Self { rest: bytes }) }
    }

    /// The next value.
    ///
    /// # Errors
    /// If too few bytes are left, or they are no value of this type.
    pub fn get<T: Wire>(&mut self) -> Result<T, WireError> {
        let (bytes, rest) = self.rest.split_at_checked(T::SIZE).ok_or_else(|| too_short(T::SIZE, self.rest.len()))?;
        self.rest = rest;
        T::decode(bytes)
    }

    /// Ends reading.
    ///
    /// # Errors
    /// If a byte that is left is not zero.
    pub fn finish(self) -> Result<(), WireError> {
        // All at once first: most of a message is zeros, and looking for the first other byte goes byte by byte.
        if self.rest.iter().fold(0, |all, byte| all | byte) == 0 {
            return Ok(());
        }
        let byte = self.rest.iter().copied().find(|byte| *byte != 0).unwrap_or_default();
        Err(WireError::Unclean { byte })
    }
}

fn too_short(needed: usize, given: usize) -> WireError {
    let clamp = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
    WireError::TooShort { needed: clamp(needed), given: clamp(given) }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Wire for $integer {
            const SIZE: usize = size_of::<Self>();

            fn encode(&self, bytes: &mut [u8]) {
                let (value, rest) = bytes.split_at_mut(Self::SIZE);
                value.copy_from_slice(&self.to_le_bytes());
                rest.fill(0);
            }

            fn decode(bytes: &[u8]) -> Result<Self, WireError> {
                let (value, rest) = bytes.split_first_chunk().ok_or_else(|| too_short(Self::SIZE, bytes.len()))?;
                Reader { rest }.finish()?;
                Ok(Self::from_le_bytes(*value))
            }
        }
    )*};
}

integers!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128);

impl Wire for bool {
    const SIZE: usize = 1;

    fn encode(&self, bytes: &mut [u8]) {
        u8::from(*self).encode(bytes);
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        match u8::decode(bytes)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(WireError::BadBool(other)),
        }
    }
}

impl Wire for char {
    const SIZE: usize = 4;

    fn encode(&self, bytes: &mut [u8]) {
        u32::from(*self).encode(bytes);
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let value = u32::decode(bytes)?;
        Self::from_u32(value).ok_or(WireError::BadChar(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_little_endian_and_clean_behind() {
        let mut bytes = [0xFF; 6];
        0x0102_0304_u32.encode(&mut bytes);
        assert_eq!(bytes, [4, 3, 2, 1, 0, 0]);
        assert_eq!(u32::decode(&bytes), Ok(0x0102_0304));
        assert_eq!(u32::decode(&[4, 3, 2, 1, 0, 9]), Err(WireError::Unclean { byte: 9 }));
        assert_eq!(u32::decode(&[4, 3, 2]), Err(WireError::TooShort { needed: 4, given: 3 }));
    }

    #[test]
    fn what_is_no_truth_value_or_character_is_refused_with_the_value() {
        assert_eq!(bool::decode(&[1]), Ok(true));
        assert_eq!(bool::decode(&[2]), Err(WireError::BadBool(2)));
        assert_eq!(char::decode(&[0, 0xD8, 0, 0]), Err(WireError::BadChar(0xD800)));
        assert_eq!(char::decode(&[b'a', 0, 0, 0]), Ok('a'));
    }
}
