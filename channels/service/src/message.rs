//! What travels: a tag and seven words, one cache line together with the ring's sequence number.

use crate::wire::Wire;

/// Bytes that one message carries beside its tag.
pub const PAYLOAD_BYTES: usize = 56;

/// The payload of a message as bytes, little-endian in the words.
pub type Payload = [u8; PAYLOAD_BYTES];

/// One message of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// What the message is; see [`Tag`].
    pub tag: u32,
    /// The payload.
    pub words: [u64; 7],
}

impl Message {
    /// A message of this tag and payload.
    #[must_use]
    pub fn new(tag: Tag, payload: &Payload) -> Self {
        let mut words = [0; 7];
        for (word, bytes) in words.iter_mut().zip(payload.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self { tag: tag.packed(), words }
    }

    /// The payload as bytes.
    #[must_use]
    pub fn payload(&self) -> Payload {
        let mut payload = [0; PAYLOAD_BYTES];
        for (bytes, word) in payload.as_chunks_mut::<8>().0.iter_mut().zip(&self.words) {
            *bytes = word.to_le_bytes();
        }
        payload
    }
}

/// The value as the payload of a message. Does not compile for types that take more than [`PAYLOAD_BYTES`].
#[must_use]
pub fn payload_of<T: Wire>(value: &T) -> Payload {
    const { assert!(T::SIZE <= PAYLOAD_BYTES, "a message carries 56 bytes: pass a bulk descriptor instead") };
    let mut payload = [0; PAYLOAD_BYTES];
    value.encode(&mut payload);
    payload
}

/// The tag of a message, unpacked: version in bits 24 to 31, method in 16 to 22, refusal in 23, request in 0 to 15.
///
/// A reply carries the tag of its request; bit 23, the top bit of the method's byte, says that the payload is a
/// [`crate::Refusal`] and not the method's reply. A request never has that bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Version of the service's declaration, 1 to 255.
    pub version: u8,
    /// Number of the method, 1 to 127, by its position in the declaration.
    pub method: u8,
    /// Whether this is a reply that refuses.
    pub refused: bool,
    /// The client's number for the request.
    pub request: u16,
}

impl Tag {
    const REFUSED: u8 = 0x80;

    /// The tag as it travels.
    #[must_use]
    pub const fn packed(self) -> u32 {
        let refused = if self.refused { Self::REFUSED } else { 0 };
        let [low, high] = self.request.to_le_bytes();
        u32::from_le_bytes([low, high, self.method & !Self::REFUSED | refused, self.version])
    }

    /// The tag from how it travels. Every value is a tag; whether it means anything is for the reader to judge.
    #[must_use]
    pub const fn unpacked(tag: u32) -> Self {
        let [low, high, method, version] = tag.to_le_bytes();
        Self {
            version,
            method: method & !Self::REFUSED,
            refused: method & Self::REFUSED != 0,
            request: u16::from_le_bytes([low, high]),
        }
    }

    /// The same tag, marked as a refusal.
    #[must_use]
    pub const fn refusing(self) -> Self {
        Self { refused: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_survives_packing_and_has_its_fields_where_they_are_documented() {
        let tag = Tag { version: 3, method: 127, refused: true, request: 0xBEEF };
        assert_eq!(tag.packed(), 0x03FF_BEEF);
        for packed in [0, u32::MAX, 0x03FF_BEEF, 0x017F_0001] {
            assert_eq!(Tag::unpacked(packed).packed(), packed);
        }
    }

    #[test]
    fn a_payload_survives_the_words_and_is_little_endian_in_them() {
        let mut payload = [0; PAYLOAD_BYTES];
        for (byte, value) in payload.iter_mut().zip(1..) {
            *byte = value;
        }
        let message = Message::new(Tag::unpacked(7), &payload);
        assert_eq!(message.words[0], 0x0807_0605_0403_0201);
        assert_eq!(message.payload(), payload);
    }
}
