//! The debug console: rings for the kernel and each cell, a pump that somebody pays for, and the logger.

use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};

use abi::MAX_CELLS;
use abi::account::CellState;
use heapless::Vec;
use kernel_core::arguments::Level;
use kernel_core::console::{Pump, Ring, Rings};
use log::{LevelFilter, Log, Metadata, Record};
use spin::Mutex;

use crate::arch::serial;
use crate::{cells, start};

/// The longest line of the kernel's.
const LINE: usize = 240;

/// The kernel's own ring.
static KERNEL: Mutex<Ring> = Mutex::new(Ring::new());
static PUMP: Mutex<Pump> = Mutex::new(Pump::new());

/// While the machine boots, and when it dies, lines go out at once.
static DIRECT: AtomicBool = AtomicBool::new(true);

/// All rings: the kernel's at place 0, cell `n`'s at `n + 1`.
struct All;

impl Rings for All {
    fn count(&self) -> usize {
        MAX_CELLS + 1
    }

    fn with<R>(&self, place: usize, visit: impl FnOnce(&mut Ring, bool) -> R) -> Option<R> {
        if place == 0 {
            return Some(visit(&mut KERNEL.lock(), false));
        }
        let cell = cells::at(place - 1);
        let ended = !matches!(cell.life.get(), Some((CellState::New | CellState::Running, _)));
        cell.ring.lock().as_mut().map(|ring| visit(ring, ended))
    }
}

/// Moves at most `limit` characters to the serial line. Lines of ordinary cells begin with the cell's name.
pub(crate) fn pump(limit: usize) -> usize {
    let out = core::cell::RefCell::new(Vec::<u8, 512>::new());
    let moved = PUMP.lock().run(
        &All,
        limit.min(128),
        |place, first, put| {
            if place > usize::from(start::ROOT) + 1 && first != b'@' {
                cells::at(place - 1).with_name(|name| {
                    put(b'[');
                    name.bytes().for_each(&mut *put);
                    b"] ".iter().for_each(|byte| put(*byte));
                });
            }
        },
        |byte| {
            let mut out = out.borrow_mut();
            if out.is_full() {
                serial::write_all(&out);
                out.clear();
            }
            let _ = out.push(byte);
        },
    );
    serial::write_all(&out.into_inner());
    moved
}

/// Moves everything that waits: before the end.
pub(crate) fn drain() {
    while pump(128) > 0 {}
}

/// From here on lines wait for the pump.
pub(crate) fn go_through_rings() {
    DIRECT.store(false, Ordering::Release);
}

/// From here on lines go out at once; for a dying machine. Breaks locks that nobody will give back any more.
pub(crate) fn go_direct() {
    DIRECT.store(true, Ordering::Release);
}

/// A line being composed; what is too long is cut.
struct Line(heapless::String<LINE>);

impl Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for letter in text.chars() {
            if self.0.push(letter).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Writes a line of the kernel's.
pub(crate) fn line(arguments: core::fmt::Arguments<'_>) {
    let mut line = Line(heapless::String::new());
    let _ = line.write_fmt(arguments);
    if line.0.len() == LINE {
        line.0.pop();
    }
    let _ = line.0.push('\n');
    if DIRECT.load(Ordering::Acquire) {
        serial::write_all(line.0.as_bytes());
    } else {
        // A full ring loses kernel lines, never the machine's time.
        let _ = KERNEL.lock().write(line.0.as_bytes(), true);
    }
}

/// Writes a line of the kernel's, as `println!` would.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => { $crate::console::line(format_args!($($argument)*)) };
}

struct Logger;

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        line(format_args!("kernel: {}: {}", name(record.level()), record.args()));
    }

    fn flush(&self) {}
}

/// A level's name as it is shown.
fn name(level: log::Level) -> &'static str {
    match level {
        log::Level::Error => "error",
        log::Level::Warn => "warning",
        log::Level::Info => "info",
        log::Level::Debug => "debug",
        log::Level::Trace => "trace",
    }
}

/// Makes `log` write here.
pub(crate) fn initialize(level: Level) {
    static LOGGER: Logger = Logger;
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(match level {
        Level::Error => LevelFilter::Error,
        Level::Warn => LevelFilter::Warn,
        Level::Info => LevelFilter::Info,
        Level::Debug => LevelFilter::Debug,
        Level::Trace => LevelFilter::Trace,
    });
}
