//! Prints how all optimizers do in all scenarios, medians of a few seeds: `cargo run -p rab-core --features simulator --example league`. With `why`, also why the last decisions were
//! as they were.

#![forbid(unsafe_code)]

use rab_core::optimizers::Shipped;
use rab_core::simulator::{Report, Scenario, scenarios, simulate};

/// The noise of each run.
const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

fn main() {
    let is_why = std::env::args().nth(1).is_some_and(|word| word == "why");
    for scenario in scenarios() {
        println!("{}", scenario.name);
        for optimizer in Shipped::<64>::NAMES {
            let Some(report) = median(&scenario, optimizer) else { continue };
            println!("  {report}");
            if is_why {
                println!("{}", report.why);
            }
        }
    }
}

/// The run whose penalty is the median.
fn median(scenario: &Scenario, optimizer: &str) -> Option<Report> {
    let run = |seed| Some(simulate(scenario, Shipped::<64>::named(optimizer)?, seed));
    let mut reports: Vec<Report> = SEEDS.into_iter().filter_map(run).collect();
    reports.sort_by(|one, two| one.penalty.total_cmp(&two.penalty));
    reports.into_iter().nth(SEEDS.len() / 2)
}
