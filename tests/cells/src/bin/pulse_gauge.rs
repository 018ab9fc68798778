//! Measures Pulse from inside a cell, for `cargo xtask bench`. In the deterministic mode a ns is an instruction.
//!
//! Arguments: `what=NAME` of a subject of `pulse-bench`, such as `pulse.yield`, or `pulse.tick`; `laps=N` (default 200) of ten rounds, or so many ticks.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::{arguments, println};
use pulse::home::cell as home;
use pulse::{Scheduler, Shape};
use pulse_bench::{Home, Laps, Subject, measure, ticks};
use test_cells::{check, check_equal, finish};

cell::entry!(main);

/// Laps that are not counted.
const WARM: usize = 20;

/// Rounds in a lap. xtask knows it too, in `bench/figure.rs`.
const ROUNDS: u32 = 10;

/// Between two ticks.
const TICK_DISTANCE_NS: u64 = 100_000;

/// This cell, which has one hart.
struct Cell;

impl Home for Cell {
    fn run<S: Scheduler>(self, scheduler: &S, main: impl FnOnce() + Send + 'static) {
        home::run(0, Shape::new(1), scheduler, main);
    }
}

fn main(_: u32) {
    let what = arguments::get("what").unwrap_or_default();
    let count = arguments::number("laps", 200) as usize;
    let samples = if what == "pulse.tick" {
        ticks(Cell, count, TICK_DISTANCE_NS)
    } else if let Some(subject) = Subject::ALL.into_iter().find(|subject| subject.name() == what) {
        measure(subject, Cell, Laps { warm: WARM, count, rounds: ROUNDS })
    } else {
        check("what is to be measured is known", false, what);
        finish()
    };
    check_equal("samples", count, samples.len());
    for sample in samples {
        println!("@tess sample {what}.lap_instr {sample}");
    }
    finish()
}
