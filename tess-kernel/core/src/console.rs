//! Fair sharing of the debug console. Every cell, and the kernel, writes into a ring of its own; a pump moves lines, one from each ring
//! in turn, to the serial line. A line is never interleaved with another's.

/// Bytes of a ring.
pub const RING: usize = 3072;

/// A line is broken after this many characters.
const LINE: u16 = 400;

/// Why a write was refused: the ring has less room than the write needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// What one writer wrote and the pump has not moved yet.
#[derive(Debug)]
pub struct Ring {
    bytes: [u8; RING],
    start: u16,
    length: u16,
    lines: u16,
    at_line_start: bool,
    /// What was popped last was not the end of a line.
    in_line: bool,
    text: Utf8,
}

/// Which bytes may follow in UTF-8 text (Unicode 15, table 3-7), without the control characters U+0080 to U+009F, which some
/// terminals obey.
#[derive(Clone, Copy, Debug)]
struct Utf8 {
    rest: u8,
    low: u8,
    high: u8,
}

impl Utf8 {
    const START: Self = Self { rest: 0, low: 0, high: 0 };

    /// Whether `byte` may stand here.
    fn takes(&mut self, byte: u8) -> bool {
        let continues = self.rest > 0 && (self.low..=self.high).contains(&byte);
        let (rest, low, high) = match byte {
            0x80..=0xbf if continues => (self.rest - 1, 0x80, 0xbf),
            0xc2 => (1, 0xa0, 0xbf),
            0xc3..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xe1..=0xef => (2, 0x80, 0xbf),
            0xf0 => (3, 0x90, 0xbf),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => (0, 0, 0),
        };
        *self = Self { rest, low, high };
        byte < 0x80 || continues || rest > 0
    }
}

/// A character on its way to the console.
struct Popped {
    byte: u8,
    /// It goes on with a line of which a part was shown already.
    resumes: bool,
    /// What follows belongs to the same character.
    splits: bool,
}

impl Default for Ring {
    fn default() -> Self {
        Self::new()
    }
}

impl Ring {
    /// An empty ring.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; RING], start: 0, length: 0, lines: 0, at_line_start: true, in_line: false, text: Utf8::START }
    }

    /// Takes all of `text` or nothing. Control characters, and bytes that UTF-8 cannot have in their place, become `?`, so that nobody can garble the terminal. Unless `trusted`, lines that
    /// start like a message for machines (`@tess`) lose their `@`, except the kinds that every cell may send: `sample`, `check` and
    /// `panic`.
    ///
    /// # Errors
    /// [`Full`].
    pub fn write(&mut self, text: &[u8], trusted: bool) -> Result<(), Full> {
        if text.len() > RING - usize::from(self.length) {
            return Err(Full);
        }
        for (place, byte) in text.iter().enumerate() {
            let is_text = self.text.takes(*byte);
            let byte = match byte {
                b'@' if self.at_line_start && !trusted && !may_send(&text[place..]) => b'?',
                b'\n' | b'\t' => *byte,
                byte if *byte < b' ' || *byte == 0x7f || !is_text => b'?',
                byte => *byte,
            };
            let end = (usize::from(self.start) + usize::from(self.length)) % RING;
            self.bytes[end] = byte;
            self.length += 1;
            self.at_line_start = byte == b'\n';
            self.lines += u16::from(byte == b'\n');
        }
        Ok(())
    }

    /// Characters in the ring.
    #[must_use]
    pub fn waiting(&self) -> usize {
        usize::from(self.length)
    }

    /// Whether there is something that the pump should begin: a whole line, or a ring with no room for the rest of one, or (`ended`) the last
    /// words of a writer that is no more.
    #[must_use]
    pub fn is_ready(&self, ended: bool) -> bool {
        self.lines > 0 || self.waiting() > RING / 2 || (ended && self.length > 0)
    }

    /// The next character.
    pub fn pop(&mut self) -> Option<u8> {
        if self.length == 0 {
            return None;
        }
        let byte = self.bytes[usize::from(self.start)];
        self.start = ((usize::from(self.start) + 1) % RING) as u16;
        self.length -= 1;
        self.lines -= u16::from(byte == b'\n');
        self.in_line = byte != b'\n';
        Some(byte)
    }

    fn pop_with_place(&mut self) -> Option<Popped> {
        let resumes = self.in_line;
        let byte = self.pop()?;
        let splits = self.length > 0 && (0x80..=0xbf).contains(&self.bytes[usize::from(self.start)]);
        Some(Popped { byte, resumes, splits })
    }
}

fn may_send(line: &[u8]) -> bool {
    [b"@tess sample ".as_slice(), b"@tess check ", b"@tess panic "].iter().any(|kind| line.starts_with(kind))
}

/// The rings, wherever they are kept.
pub trait Rings {
    /// How many places for rings there are.
    fn count(&self) -> usize;
    /// Calls `visit` with the ring at a place and whether its writer has ended; none when the place is empty.
    fn with<R>(&self, place: usize, visit: impl FnOnce(&mut Ring, bool) -> R) -> Option<R>;
}

/// The pump's place: which ring is being moved.
#[derive(Debug, Default)]
pub struct Pump {
    place: usize,
    in_line: bool,
    column: u16,
    /// The first bytes of the line being moved decide whether it is shown with its writer's name: that is for the caller's `begin`.
    pending: bool,
}

impl Pump {
    /// A pump at the first ring.
    #[must_use]
    pub const fn new() -> Self {
        Self { place: 0, in_line: false, column: 0, pending: false }
    }

    /// Moves at most `limit` characters to `put`. `begin` is called before each line with the place of its ring and its first byte. Returns how
    /// many were moved.
    pub fn run(
        &mut self,
        rings: &impl Rings,
        limit: usize,
        mut begin: impl FnMut(usize, u8, &mut dyn FnMut(u8)),
        mut put: impl FnMut(u8),
    ) -> usize {
        let mut moved = 0;
        while moved < limit {
            if !self.in_line && !self.next_line(rings) {
                break;
            }
            let popped = rings.with(self.place, |ring, _| ring.pop_with_place()).flatten();
            let Some(Popped { mut byte, resumes, splits }) = popped else {
                // The writer stopped, or was removed, in the middle of a line.
                if !self.pending {
                    put(b'\n');
                }
                self.in_line = false;
                continue;
            };
            moved += 1;
            if self.pending {
                self.pending = false;
                if resumes && byte == b'\n' {
                    // The line was broken just before its end.
                    self.in_line = false;
                    continue;
                }
                if resumes && byte == b'@' {
                    // `write` saw it inside a line; a break must not make a message for machines of it.
                    byte = b'?';
                }
                begin(self.place, byte, &mut put);
            }
            put(byte);
            self.column += 1;
            let long = self.column >= LINE && (!splits || self.column >= LINE + 3);
            if long && byte != b'\n' {
                put(b'\n');
            }
            self.in_line = !long && byte != b'\n';
        }
        moved
    }

    /// Finds the next ring, after the present one, that has a line to begin.
    fn next_line(&mut self, rings: &impl Rings) -> bool {
        let count = rings.count();
        for step in 1..=count {
            let place = (self.place + step) % count;
            if rings.with(place, |ring, ended| ring.is_ready(ended)) == Some(true) {
                *self = Self { place, in_line: true, column: 0, pending: true };
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::cell::RefCell;
    use std::string::String;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    struct Test(Vec<RefCell<Ring>>);

    impl Rings for Test {
        fn count(&self) -> usize {
            self.0.len()
        }
        fn with<R>(&self, place: usize, visit: impl FnOnce(&mut Ring, bool) -> R) -> Option<R> {
            Some(visit(&mut self.0[place].borrow_mut(), false))
        }
    }

    fn pump_all(rings: &Test, limit: usize) -> String {
        let mut pump = Pump::new();
        let mut out = Vec::new();
        loop {
            let buffer = RefCell::new(Vec::new());
            let moved = pump.run(
                rings,
                limit,
                |place, _, put| [b'0' + place as u8, b':'].into_iter().for_each(put),
                |byte| buffer.borrow_mut().push(byte),
            );
            out.extend(buffer.into_inner());
            if moved == 0 {
                return String::from_utf8(out).expect("only text was written");
            }
        }
    }

    #[test]
    fn control_characters_and_forged_messages_are_defused() {
        let mut ring = Ring::new();
        ring.write(b"\x1b[2J@\n@tess verdict pass=true\n@tess check x\n", false).expect("there is room");
        let out = pump_all(&Test(std::vec![RefCell::new(ring)]), 64);
        assert_eq!(out, "0:?[2J@\n0:?tess verdict pass=true\n0:@tess check x\n");
    }

    #[test]
    fn a_broken_line_forges_no_message_and_leaves_no_empty_line() {
        for limit in [1, 64, 512] {
            let ring = RefCell::new(Ring::new());
            let write = |text: &str| ring.borrow_mut().write(text.as_bytes(), false).expect("there is room");
            let long = "a".repeat(usize::from(LINE));
            write(&long);
            write("@tess verdict pass=true\n");
            write(&long);
            write("\nnext\n");
            let out = pump_all(&Test(std::vec![ring]), limit);
            assert_eq!(out, std::format!("0:{long}\n0:?tess verdict pass=true\n0:{long}\n0:next\n"));
        }
    }

    #[test]
    fn a_break_splits_no_character() {
        let ring = RefCell::new(Ring::new());
        let text = std::format!("{}\u{1f980}b\n", "a".repeat(usize::from(LINE) - 1));
        for piece in text.as_bytes().chunks(3) {
            ring.borrow_mut().write(piece, false).expect("there is room");
        }
        assert_eq!(pump_all(&Test(std::vec![ring]), 64).replace("\n0:", "").trim_start_matches("0:"), text);
    }

    #[test]
    fn a_full_ring_takes_nothing_of_a_write() {
        let mut ring = Ring::new();
        assert_eq!(ring.write(&[b'a'; RING], false), Ok(()));
        assert_eq!(ring.write(b"b", false), Err(Full));
        assert_eq!(ring.waiting(), RING);
    }

    proptest! {
        #[test]
        fn text_passes_in_any_pieces_and_no_control_character_does(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,60}", size in 1_usize..9,
        ) {
            let mut ring = Ring::new();
            for piece in bytes.chunks(size) {
                ring.write(piece, false).expect("there is room");
            }
            ring.write(b"\n ", false).expect("there is room");
            for piece in text.as_bytes().chunks(size) {
                ring.write(piece, false).expect("there is room");
            }
            let out: Vec<u8> = core::iter::from_fn(|| ring.pop()).collect();
            let out = String::from_utf8_lossy(&out);
            prop_assert!(!out.chars().any(|letter| letter.is_control() && !['\n', '\t'].contains(&letter)));
            let end = std::format!("\n {text}");
            prop_assert!(out.ends_with(&end));
        }

        #[test]
        fn lines_come_out_whole_in_order_and_never_mixed(
            lines in proptest::collection::vec((0_usize..3, "[a-z]{0,30}"), 0..60),
            limit in 1_usize..80,
        ) {
            let rings = Test((0..3).map(|_| RefCell::new(Ring::new())).collect());
            let mut expected = [Vec::new(), Vec::new(), Vec::new()];
            for (place, line) in &lines {
                let text = std::format!("{line}\n");
                if rings.0[*place].borrow_mut().write(text.as_bytes(), false).is_ok() {
                    expected[*place].push(line.clone());
                }
            }
            let out = pump_all(&rings, limit);
            let mut seen = [Vec::new(), Vec::new(), Vec::new()];
            for line in out.lines() {
                let (place, text) = line.split_once(':').expect("every line begins with its ring");
                seen[place.parse::<usize>().expect("a place")].push(String::from(text));
            }
            prop_assert_eq!(seen, expected);
        }
    }
}
