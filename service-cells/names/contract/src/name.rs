//! Names: 1 to 40 bytes, segments of `[a-z0-9-]+` with `/` between them.
//!
//! Plain bytes of one case, so that two names that look alike are the same name. No segment is empty, so a name has one
//! spelling only and "beneath" is a question of bytes.

use core::fmt;
use core::str;

/// A valid name. Copies are cheap (41 bytes) and the order is that of the bytes: names beneath a namespace are neighbours.
///
/// The bytes after the name are zero, which no name contains; [`Name::from_padded`] reads that form back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    // In this order, so that the derived order is that of the bytes: zero is less than any byte of a name.
    bytes: [u8; Name::CAPACITY],
    length: u8,
}

/// What is wrong with text or bytes that are not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAName {
    /// There is nothing.
    Empty,
    /// There is more than [`Name::CAPACITY`] bytes; the length is in bytes.
    TooLong {
        /// How many bytes there were.
        length: usize,
    },
    /// A byte that no name contains.
    Character {
        /// The byte.
        byte: u8,
        /// Where it is, in bytes from 0.
        position: usize,
    },
    /// A segment should begin here, but there is a `/` or the end: the name begins or ends with `/`, or has two in a row.
    EmptySegment {
        /// Where the segment should begin, in bytes from 0; the length if it is the end.
        position: usize,
    },
}

impl Name {
    /// The most bytes that a name can have.
    pub const CAPACITY: usize = 40;

    /// The name spelt by `text`. Linear in its length.
    ///
    /// # Errors
    ///
    /// The first mistake from the left; a length above [`Name::CAPACITY`] before all others.
    pub const fn new(text: &str) -> Result<Self, NotAName> {
        Self::from_bytes(text.as_bytes())
    }

    /// The name spelt by `bytes`, which may be anything that a peer sent.
    ///
    /// # Errors
    ///
    /// As [`Name::new`].
    pub const fn from_bytes(bytes: &[u8]) -> Result<Self, NotAName> {
        if bytes.is_empty() {
            return Err(NotAName::Empty);
        }
        if bytes.len() > Self::CAPACITY {
            return Err(NotAName::TooLong { length: bytes.len() });
        }
        let mut name = Self { bytes: [0; Self::CAPACITY], length: bytes.len() as u8 };
        let mut position = 0;
        let mut segment_begins = true;
        while position < bytes.len() {
            let byte = bytes[position];
            match byte {
                b'/' if segment_begins => return Err(NotAName::EmptySegment { position }),
                b'/' => segment_begins = true,
                b'a'..=b'z' | b'0'..=b'9' | b'-' => segment_begins = false,
                _ => return Err(NotAName::Character { byte, position }),
            }
            name.bytes[position] = byte;
            position += 1;
        }
        if segment_begins {
            return Err(NotAName::EmptySegment { position });
        }
        Ok(name)
    }

    /// The name in a field of fixed length, as [`Name::as_padded`] wrote it: it ends at the last byte that is not zero.
    ///
    /// # Errors
    ///
    /// As [`Name::new`]; a zero between other bytes is a [`NotAName::Character`].
    pub const fn from_padded(field: &[u8; Self::CAPACITY]) -> Result<Self, NotAName> {
        let mut length = Self::CAPACITY;
        while length > 0 && field[length - 1] == 0 {
            length -= 1;
        }
        Self::from_bytes(field.split_at(length).0)
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        // `length` is at most the capacity by construction; the fallback only keeps a panic out of the code.
        self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes)
    }

    /// The name in a field of fixed length, filled up with zeroes.
    pub const fn as_padded(&self) -> &[u8; Self::CAPACITY] {
        &self.bytes
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        // Only ASCII is admitted, so this never falls back.
        str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// Whether this is `namespace` itself or a name beneath it: `a/b` and `a/b/c` are within `a/b`, `a/bc` is not.
    pub fn is_within(&self, namespace: &Name) -> bool {
        match self.as_bytes().strip_prefix(namespace.as_bytes()) {
            Some(rest) => matches!(rest.first(), None | Some(b'/')),
            None => false,
        }
    }

    /// The namespace right above, if there is one: of `a/b/c` it is `a/b`, of `a` none.
    pub fn parent(&self) -> Option<Name> {
        let slash = self.as_bytes().iter().rposition(|&byte| byte == b'/')?;
        // Up to a `/` a name is a name.
        Name::from_bytes(self.as_bytes().get(..slash)?).ok()
    }

    /// All namespaces that this name is within, from itself upwards; at most 20.
    pub fn namespaces(&self) -> impl Iterator<Item = Name> + use<> {
        core::iter::successors(Some(*self), Name::parent)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Name({})", self.as_str())
    }
}

impl str::FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        Self::new(text)
    }
}

impl fmt::Display for NotAName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => write!(formatter, "a name cannot be empty"),
            Self::TooLong { length } => {
                write!(formatter, "a name has at most {} bytes, this one {length}", Name::CAPACITY)
            }
            Self::Character { byte, position } => {
                write!(
                    formatter,
                    "byte {position} is '{}'; a name consists of a to z, 0 to 9, '-' and '/'",
                    byte.escape_ascii()
                )
            }
            Self::EmptySegment { position } => {
                write!(formatter, "a segment should begin at byte {position}; a '/' stands only between two segments")
            }
        }
    }
}

impl core::error::Error for NotAName {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn name(text: &str) -> Name {
        Name::new(text).expect("a name")
    }

    #[test]
    fn the_first_wrong_character_is_reported_with_its_position() {
        assert_eq!(Name::new("sys/Net"), Err(NotAName::Character { byte: b'N', position: 4 }));
        assert_eq!(Name::from_bytes(b"a\0b"), Err(NotAName::Character { byte: 0, position: 1 }));
        assert_eq!(
            NotAName::Character { byte: 0, position: 1 }.to_string(),
            "byte 1 is '\\x00'; a name consists of a to z, 0 to 9, '-' and '/'"
        );
    }

    #[test]
    fn a_segment_is_never_empty() {
        assert_eq!(Name::new("/a"), Err(NotAName::EmptySegment { position: 0 }));
        assert_eq!(Name::new("a/"), Err(NotAName::EmptySegment { position: 2 }));
        assert_eq!(Name::new("a//b"), Err(NotAName::EmptySegment { position: 2 }));
        assert_eq!(Name::new("/"), Err(NotAName::EmptySegment { position: 0 }));
    }

    #[test]
    fn a_name_has_one_to_forty_bytes() {
        assert_eq!(Name::new(""), Err(NotAName::Empty));
        assert!(Name::from_bytes(&[b'a'; 40]).is_ok());
        assert_eq!(Name::from_bytes(&[b'a'; 41]), Err(NotAName::TooLong { length: 41 }));
        assert_eq!(Name::from_padded(&[0; 40]), Err(NotAName::Empty));
    }

    #[test]
    fn beneath_is_decided_at_segments() {
        assert!(name("a/b").is_within(&name("a")));
        assert!(name("a").is_within(&name("a")));
        assert!(!name("ab").is_within(&name("a")));
        assert!(!name("a").is_within(&name("a/b")));
        let above: Vec<Name> = name("a/b/c").namespaces().collect();
        assert_eq!(above, [name("a/b/c"), name("a/b"), name("a")]);
    }

    proptest! {
        #[test]
        fn a_name_is_read_back_as_it_was_written(text in "[a-z0-9-]{1,8}(/[a-z0-9-]{1,7}){0,4}") {
            let name = name(&text);
            prop_assert_eq!(name.to_string(), text.clone());
            prop_assert_eq!(Name::from_bytes(name.as_bytes()), Ok(name));
            prop_assert_eq!(Name::from_padded(name.as_padded()), Ok(name));
            prop_assert_eq!(text.parse::<Name>(), Ok(name));
        }

        #[test]
        fn any_bytes_are_a_name_or_refused_at_a_position_within(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            match Name::from_bytes(&bytes) {
                Ok(name) => prop_assert_eq!(name.as_bytes(), &bytes[..]),
                Err(NotAName::Character { byte, position }) => prop_assert_eq!(bytes[position], byte),
                Err(NotAName::EmptySegment { position }) => prop_assert!(position <= bytes.len()),
                Err(NotAName::TooLong { length }) => prop_assert_eq!(length, bytes.len()),
                Err(NotAName::Empty) => prop_assert!(bytes.is_empty()),
            }
        }

        #[test]
        fn names_are_ordered_as_their_text_and_within_as_their_segments(
            left in "[ab-]{1,2}(/[ab-]{1,2}){0,3}",
            right in "[ab-]{1,2}(/[ab-]{1,2}){0,3}",
        ) {
            prop_assert_eq!(name(&left).cmp(&name(&right)), left.cmp(&right));
            let (of_left, of_right): (Vec<&str>, Vec<&str>) = (left.split('/').collect(), right.split('/').collect());
            prop_assert_eq!(name(&left).is_within(&name(&right)), of_left.starts_with(&of_right));
            let upwards: Vec<String> = name(&left).namespaces().map(|namespace| namespace.to_string()).collect();
            let expected: Vec<String> = (1..=of_left.len()).rev().map(|count| of_left[..count].join("/")).collect();
            prop_assert_eq!(upwards, expected);
        }
    }
}
