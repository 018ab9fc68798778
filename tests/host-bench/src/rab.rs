//! What a decision of the broker costs: each shipped optimizer, with cells whose load keeps changing, and four kinds of resources. And how optimizers do in simulated systems.

use std::hint::black_box;
use std::time::Instant as Clock;

use rab_core::optimizers::Shipped;
use rab_core::simulator::{Application, Random, Work, scenarios, simulate};
use rab_core::{Amounts, Cell, CellId, Goals, Machine, Needs, Optimizer, Resource, Seen, Situation, Steps, Supply};

/// Decisions in each sample.
const BATCH: usize = 4;
/// The cells that there can be.
const MOST: usize = 32;

/// The benchmarks of all optimizers for this many cells: names and functions that return us per decision.
pub(crate) fn deciders(cells: usize) -> Vec<(String, Box<dyn FnMut() -> f64>)> {
    let one = |name: &&'static str| -> Option<(String, Box<dyn FnMut() -> f64>)> {
        let optimizer = Shipped::<MOST>::named(name)?;
        Some((format!("rab.decide_us.{name}.{cells}"), Box::new(decider(optimizer, cells))))
    };
    Shipped::<MOST>::NAMES.iter().filter_map(one).collect()
}

/// Four hardware threads and ways, and eight quanta of bandwidth and memory, for each cell.
fn machine(cells: u32) -> Machine {
    let supply = |total, watts| Supply { total, watts, price: 0.0 };
    Machine::default()
        .with(Resource::Threads, supply(4 * cells, 5.0))
        .with(Resource::Memory, supply(8 * cells, 0.1))
        .with(Resource::Ways, supply(4 * cells, 0.5))
        .with(Resource::Bandwidth, supply(8 * cells, 0.5))
        .with_power(40.0, None)
}

fn application(number: usize, machine: &Machine, random: &mut Random) -> Application {
    let work = Work {
        serial_s: random.between(0.001, 0.01),
        parallel_s: random.between(0.05, 0.3),
        contention: 0.002,
        misses_s: random.between(0.0, 0.1),
        half_ways: 2.0,
        transfer_s: random.between(0.0, 0.3),
    };
    let needs = Needs::best_effort(Amounts::threads(1), machine.totals());
    let needs = if number % 4 == 3 { needs } else { needs.with_deadline(random.between(0.05, 0.2), 100.0) };
    Application::new(needs, Amounts::NONE, work)
}

/// Decides again and again, each time with cells that have what was decided last and a load that changed a little, for one of them much.
fn decider(mut optimizer: impl Optimizer, cells: usize) -> impl FnMut() -> f64 {
    let machine = machine(cells as u32);
    let goals = Goals { watt_penalty: 1e-4, margin: 0.1 };
    let mut random = Random::new(cells as u64);
    let applications: Vec<Application> = (0..cells).map(|number| application(number, &machine, &mut random)).collect();
    let mut shares = vec![Amounts::threads(4).with(Resource::Ways, 4).with(Resource::Bandwidth, 8); cells];
    let mut loads = vec![1.0; cells];
    move || {
        let mut spent_us = 0.0;
        for _ in 0..BATCH {
            let busy = random.number() as usize % cells;
            loads[busy] = random.between(0.5, 2.0);
            let told: Vec<Cell> = (0..cells)
                .map(|place| {
                    let noise = 1.0 + 0.02 * random.normal();
                    let response_s = loads[place] * applications[place].work.response_s(&shares[place]) * noise;
                    let seen = Seen {
                        response_s,
                        deviation_s: 0.05 * response_s,
                        samples: 8,
                        utilisation: 0.8,
                        backlog: 0.0,
                        is_new_phase: place == busy,
                    };
                    let needs = applications[place].needs;
                    Cell { id: CellId(place as u16), needs, has: shares[place], seen: Some(seen) }
                })
                .collect();
            let situation = Situation::new(&machine, &goals, &told).expect("the minimums are small");
            let start = Clock::now();
            let answer = black_box(optimizer.allocate(&situation, &mut Steps::new(60_000), &mut shares));
            spent_us += start.elapsed().as_nanos() as f64 / 1000.0;
            answer.expect("a decision of a benchmark succeeds");
        }
        spent_us / BATCH as f64
    }
}

/// Runs of each scenario.
const SEEDS: u64 = 5;

/// How an optimizer does in the fixed scenarios, all together, a sample for each seed: seconds that cells are late, joules, and periods from the change of load in the
/// scenario "steps" to a new plan in force.
pub(crate) fn outcomes(name: &str) -> [Vec<f64>; 3] {
    let mut outcomes = [const { Vec::new() }; 3];
    for seed in 1..=SEEDS {
        let (mut late_s, mut joules) = (0.0, 0.0);
        for scenario in scenarios() {
            let Some(optimizer) = Shipped::<MOST>::named(name) else { continue };
            let report = simulate(&scenario, optimizer, seed);
            late_s += report.violation_s;
            joules += report.energy_j;
            let first = report.changed_at.iter().find(|&&period| period > LOAD_CHANGES);
            if let Some(first) = first.filter(|_| scenario.name == "steps") {
                outcomes[2].push(f64::from(first - LOAD_CHANGES));
            }
        }
        outcomes[0].push(late_s);
        outcomes[1].push(joules);
    }
    outcomes
}

/// The period of the scenario "steps" at whose beginning the load doubles.
const LOAD_CHANGES: u32 = 100;
