//! Lines on the debug console.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering};

use abi::call::CONSOLE_WRITE_MAX;
use abi::{Error, ErrorKind};

use crate::{calls, time};

/// How often a line is tried again while the console is full, and how long the hart is parked each time, in ns.
const TRIES: u32 = 200;
const PAUSE: u64 = 1_000_000;

/// Lines that were lost because the console stayed full.
static LOST: AtomicU64 = AtomicU64::new(0);

struct Line {
    bytes: [u8; CONSOLE_WRITE_MAX as usize],
    used: usize,
}

impl Line {
    fn flush(&mut self) {
        let text = &self.bytes[..self.used];
        for _ in 0..TRIES {
            match calls::console_write(text) {
                Err(Error { kind: ErrorKind::Full, .. }) => {
                    let _ = calls::park(time::now() + PAUSE);
                }
                _ => {
                    self.used = 0;
                    return;
                }
            }
        }
        LOST.fetch_add(1, Ordering::Relaxed);
        self.used = 0;
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.used == self.bytes.len() {
                self.flush();
            }
            self.bytes[self.used] = byte;
            self.used += 1;
        }
        Ok(())
    }
}

/// Writes formatted text. Text up to 256 bytes is written in one piece; a line of several harts' pieces is never mixed when each
/// piece is a whole line.
pub fn print(arguments: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; CONSOLE_WRITE_MAX as usize], used: 0 };
    let _ = line.write_fmt(arguments);
    line.flush();
}

/// Lines that were lost because the console stayed full for long.
#[must_use]
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Prints to the debug console.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => { $crate::console::print(format_args!($($argument)*)) };
}

/// Prints a line to the debug console.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($argument:tt)*) => { $crate::console::print(format_args!("{}\n", format_args!($($argument)*))) };
}

/// A value in quotes, as lines for machines (`@tess ...`) carry it.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<T>(pub T);

impl<T: fmt::Display> fmt::Display for Quoted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl Write for Escape<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                text.chars().try_for_each(|letter| match letter {
                    '"' => self.0.write_str("\\\""),
                    '\\' => self.0.write_str("\\\\"),
                    '\n' => self.0.write_str("\\n"),
                    letter => self.0.write_char(letter),
                })
            }
        }
        f.write_char('"')?;
        write!(Escape(f), "{}", self.0)?;
        f.write_char('"')
    }
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        crate::println!("{}: {}", record.level(), record.args());
    }

    fn flush(&self) {}
}

/// Makes `log` write here.
pub(crate) fn initialize() {
    static LOGGER: Logger = Logger;
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}
