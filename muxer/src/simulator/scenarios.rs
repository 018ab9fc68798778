//! Random scenarios, by seed. One that fails is made smaller and printed, so that it can be made a test of its own.

use super::generate::Kind;
use super::report::Report;
use super::scenario::Scenario;
use super::shrink::shrink;
use super::simulate;

/// Seeds of each kind in an ordinary run.
const SEEDS: u64 = 120;

fn fails(scenario: &Scenario) -> bool {
    simulate::<64, 1>(scenario).failure().is_some()
}

/// Runs the scenarios of these seeds. Returns what was reported.
fn run(kind: Kind, seeds: core::ops::Range<u64>) -> std::vec::Vec<Report> {
    let judged = |seed| {
        let scenario = kind.scenario(seed);
        let report = simulate::<64, 1>(&scenario);
        if let Some(failure) = report.failure() {
            let small = shrink(scenario, fails);
            let left = simulate::<64, 1>(&small);
            panic!("seed {seed}: {failure}\nwhat is left of it: {:?}\n{small:#?}", left.failure());
        }
        report
    };
    seeds.map(judged).collect()
}

fn sum(reports: &[Report], count: impl Fn(&Report) -> u64) -> u64 {
    reports.iter().map(count).sum()
}

#[test]
fn everything_holds_while_nothing_goes_wrong() {
    let reports = run(Kind::MIXED, 0..SEEDS);
    assert!(sum(&reports, |report| report.inputs) > SEEDS, "cells come and go");
    assert!(sum(&reports, |report| report.plans) > SEEDS, "plans change");
    assert_eq!(sum(&reports, |report| report.divergences), 0);
}

#[test]
fn no_admitted_budget_is_missed_whatever_cells_do() {
    let reports = run(Kind::RESERVES, 0..SEEDS);
    assert!(sum(&reports, |report| report.held.len() as u64) > 0, "somebody runs");
}

#[test]
fn budgets_hold_across_changes_of_plan() {
    let reports = run(Kind::CHANGING_RESERVES, 0..SEEDS);
    assert!(sum(&reports, |report| report.plans) > SEEDS, "plans change");
}

#[test]
fn late_hardware_threads_decide_as_punctual_ones_do() {
    let reports = run(Kind::LATE, 0..SEEDS);
    assert!(sum(&reports, |report| report.late_decisions) > 0, "some are late");
}

#[test]
fn faults_are_noticed_and_repaired_and_windows_are_exact_meanwhile() {
    let reports = run(Kind::FAULTY, 0..SEEDS);
    assert!(sum(&reports, |report| report.broken_bounds) > 0, "bounds are broken");
    assert!(sum(&reports, |report| report.repairs) > 0, "there are repairs");
}

#[test]
#[ignore = "minutes; run it with `cargo test --release -p muxer --features simulator -- --ignored`"]
fn many_more_seeds() {
    for kind in [Kind::MIXED, Kind::RESERVES, Kind::CHANGING_RESERVES, Kind::LATE, Kind::FAULTY] {
        let _ = run(kind, SEEDS..20_000);
    }
}
