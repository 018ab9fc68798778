//! Random scenarios.

use std::println;

use super::generate::Kind;
use super::simulate;

#[test]
fn everything_holds_while_nothing_goes_wrong() {
    let (from, to) = match std::env::var("SEEDS") {
        Ok(range) => {
            let (from, to) = range.split_once("..").unwrap();
            (from.parse().unwrap(), to.parse().unwrap())
        }
        Err(_) => (0, 50),
    };
    let mut failures = 0;
    for seed in from..to {
        let kind = match std::env::var("KIND").as_deref() {
            Ok("reserves") => Kind::RESERVES,
            Ok("changing") => Kind::CHANGING_RESERVES,
            Ok("late") => Kind::LATE,
            Ok("faulty") => Kind::FAULTY,
            _ => Kind::MIXED,
        };
        let scenario = kind.scenario(seed);
        let report = simulate::<64, 1>(&scenario);
        if std::env::var("SHOW").is_ok() {
            println!(
                "{seed}: dec {} inputs {} late {} broken {} ipi {:?} plans {} post {} rep {} skew {} late {} held {} {:?} {:?}",
                report.decisions,
                report.inputs,
                report.late_inputs,
                report.broken_bounds,
                report.interrupts,
                report.plans,
                report.postponed_plans,
                report.repairs,
                report.skew,
                report.lateness,
                report.held.len(),
                report.short_windows,
                report.short_budgets
            );
        }
        if let Some(failure) = report.failure() {
            println!("seed {seed}: {} {failure}", report.violation_count);
            failures += 1;
        }
    }
    assert_eq!(failures, 0);
}
