//! Text and bytes of bounded length: one byte of length, then room for the most, zero behind the length.

use core::fmt;
use core::ops::Deref;

use super::{Reader, Wire, WireError, Writer};

/// Up to `N` bytes, `N` at most 255. Takes `N + 1` bytes in a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes<const N: usize> {
    // Zero behind the length, so that equality and order are those of the content.
    bytes: [u8; N],
    length: u8,
}

impl<const N: usize> Bytes<N> {
    const CAPACITY: u8 = {
        assert!(N <= 255, "`Bytes` and `Text` hold at most 255 bytes: pass a bulk descriptor instead");
        N as u8
    };

    /// No bytes.
    pub const EMPTY: Self = {
        let _ = Self::CAPACITY;
        Self { bytes: [0; N], length: 0 }
    };

    /// A copy of these bytes.
    ///
    /// # Errors
    /// If they are more than `N`.
    pub fn new(content: &[u8]) -> Result<Self, TooLong> {
        let mut new = Self::EMPTY;
        let target = new.bytes.get_mut(..content.len()).ok_or(TooLong { length: content.len(), capacity: N })?;
        target.copy_from_slice(content);
        // At most N, which `EMPTY` asserts to fit.
        new.length = content.len() as u8;
        Ok(new)
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl<const N: usize> Default for Bytes<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> Deref for Bytes<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl<const N: usize> TryFrom<&[u8]> for Bytes<N> {
    type Error = TooLong;

    fn try_from(content: &[u8]) -> Result<Self, TooLong> {
        Self::new(content)
    }
}

impl<const N: usize> Wire for Bytes<N> {
    const SIZE: usize = 1 + N;

    fn encode(&self, bytes: &mut [u8]) {
        let mut writer = Writer::new(bytes);
        writer.put(&self.length);
        writer.put(&self.bytes);
        writer.finish();
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::of::<Self>(bytes)?;
        let length: u8 = reader.get()?;
        let content: [u8; N] = reader.get()?;
        reader.finish()?;
        if length > Self::CAPACITY {
            return Err(WireError::BadLength { length, capacity: Self::CAPACITY });
        }
        Reader { rest: &content[usize::from(length)..] }.finish()?;
        Ok(Self { bytes: content, length })
    }
}

/// Text of up to `N` bytes of UTF-8, `N` at most 255. Takes `N + 1` bytes in a message.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize> {
    // UTF-8 always.
    bytes: Bytes<N>,
}

impl<const N: usize> Text<N> {
    /// A copy of this text.
    ///
    /// # Errors
    /// If it takes more than `N` bytes.
    pub fn new(text: &str) -> Result<Self, TooLong> {
        Ok(Self { bytes: Bytes::new(text.as_bytes())? })
    }

    /// The text. Costs a check of the bytes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes).unwrap_or_default()
    }
}

impl<const N: usize> Deref for Text<N> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl<const N: usize> TryFrom<&str> for Text<N> {
    type Error = TooLong;

    fn try_from(text: &str) -> Result<Self, TooLong> {
        Self::new(text)
    }
}

impl<const N: usize> Wire for Text<N> {
    const SIZE: usize = Bytes::<N>::SIZE;

    fn encode(&self, bytes: &mut [u8]) {
        self.bytes.encode(bytes);
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let bytes = Bytes::decode(bytes)?;
        match core::str::from_utf8(&bytes) {
            Ok(_) => Ok(Self { bytes }),
            Err(_) => Err(WireError::NotText),
        }
    }
}

/// Text or bytes that do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Their length in bytes.
    pub length: usize,
    /// The most that fits.
    pub capacity: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, at most {} fit", self.length, self.capacity)
    }
}

impl core::error::Error for TooLong {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_checked_when_it_is_read() {
        assert_eq!(Text::<4>::decode(&[2, b'h', b'i', 0, 0]).as_deref(), Ok("hi"));
        assert_eq!(Text::<4>::decode(&[2, 0xFF, b'i', 0, 0]), Err(WireError::NotText));
        assert_eq!(Text::<4>::decode(&[5, b'h', b'i', 0, 0]), Err(WireError::BadLength { length: 5, capacity: 4 }));
        assert_eq!(Text::<4>::decode(&[1, b'h', b'i', 0, 0]), Err(WireError::Unclean { byte: b'i' }));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_lengths() {
        assert_eq!(Text::<4>::new("hello"), Err(TooLong { length: 5, capacity: 4 }));
        assert_eq!(Bytes::<4>::new(&[1, 2, 3, 4]).as_deref(), Ok(&[1, 2, 3, 4][..]));
    }
}
