//! The debug console's line: the first serial port. Polled; the caller decides how much time that may take.

use x86_64::instructions::port::Port;

const BASE: u16 = 0x3f8;

/// Room in the transmitter's queue.
const QUEUE: usize = 16;

/// 115,200 baud, 8 bits, no parity, queues on.
pub(crate) fn initialize() {
    for (offset, value) in [(1, 0x00), (3, 0x80), (0, 0x01), (1, 0x00), (3, 0x03), (2, 0xc7), (4, 0x0b)] {
        write(offset, value);
    }
}

fn write(offset: u16, value: u8) {
    // SAFETY: the port is the serial line's; its registers touch no memory.
    unsafe { Port::new(BASE + offset).write(value) };
}

fn read(offset: u16) -> u8 {
    // SAFETY: as above.
    unsafe { Port::new(BASE + offset).read() }
}

/// Writes as much as the transmitter takes at once, at most 16 bytes. Returns how many.
pub(crate) fn write_some(bytes: &[u8]) -> usize {
    if read(5) & 0x20 == 0 {
        return 0;
    }
    let count = bytes.len().min(QUEUE);
    for byte in &bytes[..count] {
        write(0, *byte);
    }
    count
}

/// Writes everything and waits for the line, but not for ever: a line that takes nothing for long is given up.
pub(crate) fn write_all(bytes: &[u8]) {
    let mut rest = bytes;
    let mut patience = 1_000_000_u32;
    while !rest.is_empty() && patience > 0 {
        match write_some(rest) {
            0 => patience -= 1,
            count => rest = &rest[count..],
        }
    }
}

/// A byte that was typed.
pub(crate) fn read_byte() -> Option<u8> {
    (read(5) & 1 != 0).then(|| read(0))
}
