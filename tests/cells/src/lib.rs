//! What the test cells share: checks that say what they expected and what they saw.

#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

pub mod parrot;
pub mod system;

use core::fmt::Display;
use core::sync::atomic::{AtomicU64, Ordering};

use cell::abi::{Error, ErrorKind};
use cell::console::Quoted;
use cell::{calls, println, time};

static FAILED: AtomicU64 = AtomicU64::new(0);

/// Reports a check: one line for machines, with what was expected and seen when it does not hold.
pub fn check(name: &str, holds: bool, detail: impl Display) {
    if holds {
        println!("@tess check name={} pass=true", Quoted(name));
    } else {
        FAILED.fetch_add(1, Ordering::Relaxed);
        println!("@tess check name={} pass=false detail={}", Quoted(name), Quoted(detail));
    }
}

/// As [`check`], for what is checked so often that only a failure is worth a line.
pub fn check_quietly(name: &str, holds: bool, detail: impl Display) {
    if !holds {
        check(name, false, detail);
    }
}

/// Checks that two values are the same.
pub fn check_equal<T: PartialEq + core::fmt::Debug>(name: &str, expected: T, seen: T) {
    let holds = expected == seen;
    check(name, holds, format_args!("expected {expected:?}, saw {seen:?}"));
}

/// Checks that a call was refused for this reason.
pub fn check_refused(name: &str, expected: ErrorKind, result: Result<u64, Error>) {
    match result {
        Ok(value) => check(name, false, format_args!("expected {expected:?}, but it went through with {value:#x}")),
        Err(error) => check(name, error.kind == expected, format_args!("expected {expected:?}, saw {error:?}")),
    }
}

/// Checks that failed so far.
#[must_use]
pub fn failed() -> u64 {
    FAILED.load(Ordering::Relaxed)
}

/// Ends the cell: code 0 if all checks held.
pub fn finish() -> ! {
    calls::exit(u64::from(failed() > 0))
}

/// For root programs: moves everything to the console, gives the verdict, and switches off.
pub fn finish_machine() -> ! {
    println!("@tess verdict pass={}", failed() == 0);
    calls::power_off(u64::from(failed() > 0));
    calls::exit(1)
}

/// For root programs: moves what was written to the console.
pub fn pump() {
    while calls::console_pump().is_ok_and(|moved| moved > 0) {}
}

/// Looks at the clock that are farther apart than this had a suspension in between, in ns.
const GAP_NS: u64 = 3_000;

/// Uses so much time: what goes by while the cell is suspended does not count.
pub fn work(span_ns: u64) {
    let (mut last, mut got) = (time::now(), 0);
    while got < span_ns {
        let now = time::now();
        if now - last < GAP_NS {
            got += now - last;
        }
        last = now;
        core::hint::spin_loop();
    }
}

/// A small random number generator (xorshift64*): the same numbers in every run.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next_number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
