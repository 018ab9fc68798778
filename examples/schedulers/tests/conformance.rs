//! All schedulers that ship go through the conformance suite.

#![forbid(unsafe_code)]

use std::time::Duration;

use pulse::conformance::{deterministic, on_linux};
use schedulers::edf::Edf;
use schedulers::fixed_priority::FixedPriority;
use schedulers::lithe::Lithe;
use schedulers::round_robin::RoundRobin;
use schedulers::tasks::Tasks;
use schedulers::work_stealing::WorkStealing;

const RUNS: u64 = 60;
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn round_robin_conforms_in_the_deterministic_home() {
    deterministic::<RoundRobin>(RUNS);
}

#[test]
fn round_robin_conforms_on_linux() {
    on_linux::<RoundRobin>(LIMIT);
}

#[test]
fn work_stealing_conforms_in_the_deterministic_home() {
    deterministic::<WorkStealing>(RUNS);
}

#[test]
fn work_stealing_conforms_on_linux() {
    on_linux::<WorkStealing>(LIMIT);
}

#[test]
fn fixed_priority_conforms_in_the_deterministic_home() {
    deterministic::<FixedPriority>(RUNS);
}

#[test]
fn fixed_priority_conforms_on_linux() {
    on_linux::<FixedPriority>(LIMIT);
}

#[test]
fn edf_conforms_in_the_deterministic_home() {
    deterministic::<Edf>(RUNS);
}

#[test]
fn edf_conforms_on_linux() {
    on_linux::<Edf>(LIMIT);
}

#[test]
fn lithe_conforms_in_the_deterministic_home() {
    deterministic::<Lithe>(RUNS);
}

#[test]
fn lithe_conforms_on_linux() {
    on_linux::<Lithe>(LIMIT);
}

#[test]
fn tasks_conform_in_the_deterministic_home() {
    deterministic::<Tasks>(RUNS);
}

#[test]
fn tasks_conform_on_linux() {
    on_linux::<Tasks>(LIMIT);
}
