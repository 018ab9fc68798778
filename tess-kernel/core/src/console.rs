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
        Self { bytes: [0; RING], start: 0, length: 0, lines: 0, at_line_start: true }
    }

    /// Takes all of `text` or nothing. Control characters become `?`, so that nobody can garble the terminal. Unless `trusted`, lines that
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
            let byte = match byte {
                b'@' if self.at_line_start && !trusted && !may_send(&text[place..]) => b'?',
                b'\n' | b'\t' => *byte,
                byte if *byte < b' ' || *byte == 0x7f => b'?',
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
        Some(byte)
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
            let byte = rings.with(self.place, |ring, _| ring.pop()).flatten();
            if self.pending {
                self.pending = false;
                begin(self.place, byte.unwrap_or(b'\n'), &mut put);
            }
            let ended = match byte {
                Some(byte) => {
                    put(byte);
                    moved += 1;
                    self.column += 1;
                    byte == b'\n'
                }
                // The writer stopped, or was removed, in the middle of a line.
                None => {
                    put(b'\n');
                    true
                }
            };
            if !ended && self.column >= LINE {
                put(b'\n');
            }
            if ended || self.column >= LINE {
                self.in_line = false;
            }
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
    fn a_full_ring_takes_nothing_of_a_write() {
        let mut ring = Ring::new();
        assert_eq!(ring.write(&[b'a'; RING], false), Ok(()));
        assert_eq!(ring.write(b"b", false), Err(Full));
        assert_eq!(ring.waiting(), RING);
    }

    proptest! {
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
