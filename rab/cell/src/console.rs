//! The root cell's own lines. The root cell is who moves everybody's lines to the serial line, so it must never wait until somebody makes room.

use crate::abi::call::CONSOLE_WRITE_MAX;
use crate::abi::{Error, ErrorKind};
use cell::calls;

/// Writes text, and moves what waits to the serial line where the ring is full.
pub fn write(text: &str) {
    for piece in text.as_bytes().chunks(CONSOLE_WRITE_MAX as usize) {
        while let Err(Error { kind: ErrorKind::Full, .. }) = calls::console_write(piece) {
            if !pump() {
                return;
            }
        }
    }
}

/// Moves some of what cells wrote to the serial line. False if nothing waits.
pub fn pump() -> bool {
    calls::console_pump().is_ok_and(|moved| moved > 0)
}

/// Writes a line.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => {{
        let mut line = $crate::alloc::format!($($argument)*);
        line.push('\n');
        $crate::console::write(&line);
    }};
}
