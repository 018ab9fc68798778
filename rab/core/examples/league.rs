//! Prints how all optimizers do in all scenarios: `cargo run -p rab-core --features simulator --example league`. With `why`, also why the last decisions were as they were.

use rab_core::optimizers::{Fair, Pacora, Pota, Static, Utilisation};
use rab_core::simulator::{Report, Scenario, scenarios, simulate};

fn main() {
    let is_why = std::env::args().nth(1).is_some_and(|word| word == "why");
    for scenario in scenarios() {
        println!("{}", scenario.name);
        for report in all(&scenario) {
            println!("  {report}");
            if is_why {
                println!("{}", report.why);
            }
        }
    }
}

fn all(scenario: &Scenario) -> [Report; 5] {
    [
        simulate(scenario, Static, 1),
        simulate(scenario, Fair, 1),
        simulate(scenario, Utilisation::<64>::new(), 1),
        simulate(scenario, Pota::<64>::new(), 1),
        simulate(scenario, Pacora::<64>::new(), 1),
    ]
}
