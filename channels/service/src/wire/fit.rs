//! What is checked about sizes when a service is compiled.

use crate::message::PAYLOAD_BYTES;

/// The larger of two sizes.
#[must_use]
pub const fn larger(first: usize, second: usize) -> usize {
    if first > second { first } else { second }
}

/// Fails the compilation, with a sentence, when a method's arguments or reply do not fit a message.
///
/// # Panics
/// If `size` is above what a message carries.
pub const fn assert_fits(what: &str, method: &str, size: usize) {
    if size > PAYLOAD_BYTES {
        let mut sentence = Sentence::new();
        sentence.push("the ");
        sentence.push(what);
        sentence.push(" of `");
        sentence.push(method);
        sentence.push("` takes ");
        sentence.push_number(size);
        sentence.push(" bytes, a message carries ");
        sentence.push_number(PAYLOAD_BYTES);
        sentence.push(": pass a bulk descriptor instead, or split it into several calls");
        panic!("{}", sentence.as_str());
    }
}

/// Text that is put together while compiling, where there is no formatting.
struct Sentence {
    bytes: [u8; 256],
    length: usize,
}

impl Sentence {
    const fn new() -> Self {
        Self { bytes: [0; 256], length: 0 }
    }

    /// Appends, up to the room there is.
    const fn push(&mut self, text: &str) {
        let mut position = 0;
        while position < text.len() && self.length < self.bytes.len() {
            self.bytes[self.length] = text.as_bytes()[position];
            self.length += 1;
            position += 1;
        }
    }

    const fn push_number(&mut self, number: usize) {
        if number >= 10 {
            self.push_number(number / 10);
        }
        if self.length < self.bytes.len() {
            self.bytes[self.length] = b'0' + (number % 10) as u8;
            self.length += 1;
        }
    }

    const fn as_str(&self) -> &str {
        match core::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => text,
            Err(_) => "a message of this method is too large: pass a bulk descriptor instead",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_message_fits() {
        assert_fits("request", "lookup", PAYLOAD_BYTES);
    }

    #[test]
    #[should_panic(expected = "the request of `lookup` takes 1072 bytes, a message carries 56: pass a bulk")]
    fn what_is_larger_is_refused_by_name_and_size() {
        assert_fits("request", "lookup", 1072);
    }
}
