//! A scheduler in Pulse's conformance suite, in a cell. A failure is a panic, which stops the cell with a reason.
//!
//! Arguments: `scheduler=0` for round-robin (default), `1` for work stealing, `2` for fixed priority, `3` for EDF, `4` for Lithe, `5` for tasks.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::{arguments, hart};
use pulse::conformance::{Subject, in_cell};
use schedulers::edf::Edf;
use schedulers::fixed_priority::FixedPriority;
use schedulers::lithe::Lithe;
use schedulers::round_robin::RoundRobin;
use schedulers::tasks::Tasks;
use schedulers::work_stealing::WorkStealing;
use test_cells::{check, finish};

cell::entry!(main);

fn main(number: u32) {
    let suite = match arguments::number("scheduler", 0) {
        0 => conform::<RoundRobin>,
        1 => conform::<WorkStealing>,
        2 => conform::<FixedPriority>,
        3 => conform::<Edf>,
        4 => conform::<Lithe>,
        5 => conform::<Tasks>,
        other => panic!("there is no scheduler {other}"),
    };
    suite(number);
    if number == 0 {
        finish();
    }
}

fn conform<S: Subject>(number: u32) {
    in_cell::<S>(number, hart::count() as usize, |scenario| check(scenario, true, ""));
}
