//! Machines and applications by which optimizers are compared.

use std::vec;
use std::vec::Vec;

use super::application::{Application, Work};
use crate::cell::Needs;
use crate::machine::{Goals, Machine, Supply};
use crate::resource::{Amounts, Resource};

/// A machine, what is wanted of it, and who uses it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// The machine.
    pub machine: Machine,
    /// What is wanted.
    pub goals: Goals,
    /// Who uses it.
    pub applications: Vec<Application>,
    /// Seconds.
    pub length_s: f64,
    /// Seconds from decision to decision.
    pub period_s: f64,
    /// Measurements of each cell in a period.
    pub samples: u32,
    /// Periods from a decision to the plan in force; 0 if it is in force in the next period.
    pub delay: u32,
}

fn scenario(name: &'static str, machine: Machine, applications: Vec<Application>) -> Scenario {
    let goals = Goals { watt_penalty: 1e-4, margin: 0.1 };
    Scenario { name, machine, goals, applications, length_s: 40.0, period_s: 0.1, samples: 4, delay: 0 }
}

fn threads(total: u32) -> Machine {
    Machine::default().with(Resource::Threads, Supply { total, watts: 8.0, price: 0.0 }).with_power(40.0, None)
}

/// 16 hardware threads, 12 ways and 20 quanta of bandwidth.
fn rdt() -> Machine {
    let ways = Supply { total: 12, watts: 0.5, price: 0.0 };
    let bandwidth = Supply { total: 20, watts: 0.8, price: 0.0 };
    threads(16).with(Resource::Ways, ways).with(Resource::Bandwidth, bandwidth)
}

fn all(threads: u32, ways: u32, bandwidth: u32) -> Amounts {
    Amounts::threads(threads).with(Resource::Ways, ways).with(Resource::Bandwidth, bandwidth)
}

fn interactive(machine: &Machine, deadline_s: f64, slope: f64, start: Amounts, work: Work) -> Application {
    let needs = Needs::best_effort(Amounts::threads(1), machine.totals()).with_deadline(deadline_s, slope);
    Application::new(needs, start, work)
}

fn batch(machine: &Machine, start: Amounts, work: Work) -> Application {
    Application::new(Needs::best_effort(Amounts::threads(1), machine.totals()), start, work)
}

/// The fixed set. What cells start with is what somebody would reserve who knows their load at the beginning.
#[must_use]
pub fn scenarios() -> Vec<Scenario> {
    vec![steps(), phases(), cache(), overload(), power(), coming_and_going(), late_plans()]
}

/// One interactive cell whose load doubles for a while, beside a batch.
fn steps() -> Scenario {
    let machine = threads(16);
    let work = Work { serial_s: 0.005, parallel_s: 0.2, contention: 0.002, ..Work::default() };
    let one = interactive(&machine, 0.05, 200.0, Amounts::threads(6), work).with_loads(&[(10.0, 2.0), (25.0, 1.0)]);
    let two = batch(&machine, Amounts::threads(10), Work { serial_s: 0.02, parallel_s: 1.0, ..Work::default() });
    scenario("steps", machine, vec![one, two])
}

/// Four interactive cells that are busy at different times.
fn phases() -> Scenario {
    let machine = threads(16);
    let applications = (0..4).map(|number| {
        let work = Work { serial_s: 0.004, parallel_s: 0.08 + 0.01 * f64::from(number), ..Work::default() };
        let from = 4.0 + 8.0 * f64::from(number);
        let cell = interactive(&machine, 0.05, 100.0 + 50.0 * f64::from(number), Amounts::threads(4), work);
        cell.with_loads(&[(from, 2.2), (from + 7.0, 1.0)])
    });
    scenario("phases", machine, applications.collect())
}

/// Cells of which one lives by the cache, one by bandwidth, and one by hardware threads.
fn cache() -> Scenario {
    let machine = rdt();
    let cached = Work { serial_s: 0.005, parallel_s: 0.06, misses_s: 0.1, half_ways: 1.5, ..Work::default() };
    let streaming = Work { serial_s: 0.005, parallel_s: 0.05, transfer_s: 0.25, ..Work::default() };
    let computing = Work { serial_s: 0.02, parallel_s: 2.0, misses_s: 0.1, half_ways: 1.0, ..Work::default() };
    let one = interactive(&machine, 0.06, 100.0, all(5, 4, 6), cached).with_loads(&[(8.0, 1.4), (30.0, 1.0)]);
    let two = interactive(&machine, 0.06, 100.0, all(5, 4, 7), streaming).with_loads(&[(16.0, 1.5), (34.0, 1.0)]);
    let three = batch(&machine, all(6, 4, 7), computing);
    scenario("cache", machine, vec![one, two, three])
}

/// More is wanted than there is, by cells that it harms differently.
fn overload() -> Scenario {
    let machine = threads(12);
    let applications = (0..4).map(|number| {
        let work = Work { serial_s: 0.002, parallel_s: 0.15, ..Work::default() };
        let cell = interactive(&machine, 0.04, 20.0 * f64::from(1 << number), Amounts::threads(3), work);
        cell.with_loads(&[(20.0, 1.3)])
    });
    scenario("overload", machine, applications.collect())
}

/// A limit to the power, and energy that matters.
fn power() -> Scenario {
    let machine = rdt().with_power(40.0, Some(130.0));
    let work = Work { serial_s: 0.005, parallel_s: 0.15, misses_s: 0.02, half_ways: 2.0, ..Work::default() };
    let one = interactive(&machine, 0.06, 100.0, all(5, 4, 6), work).with_loads(&[(12.0, 0.5), (28.0, 1.0)]);
    let two = batch(&machine, all(3, 4, 6), Work { serial_s: 0.02, parallel_s: 0.6, ..Work::default() });
    let scenario = scenario("power", machine, vec![one, two]);
    Scenario { goals: Goals { watt_penalty: 2e-3, margin: 0.1 }, ..scenario }
}

/// Cells come and go.
fn coming_and_going() -> Scenario {
    let machine = threads(16);
    let batch = batch(&machine, Amounts::threads(12), Work { serial_s: 0.02, parallel_s: 1.0, ..Work::default() });
    let mut applications = vec![batch];
    for number in 0..4 {
        let work = Work { serial_s: 0.004, parallel_s: 0.12, ..Work::default() };
        let from = 3.0 + 6.0 * f64::from(number);
        let start = if number == 0 { Amounts::threads(4) } else { Amounts::NONE };
        let cell = interactive(&machine, 0.05, 100.0, start, work);
        applications.push(cell.living(if number == 0 { 0.0 } else { from }, from + 14.0));
    }
    scenario("coming and going", machine, applications)
}

/// The first one again, where plans take three periods to come into force and measurements are noisy and few.
fn late_plans() -> Scenario {
    let mut late = Scenario { name: "late plans", delay: 3, samples: 2, ..steps() };
    for application in &mut late.applications {
        application.noise = 0.15;
        application.outliers = 0.03;
    }
    late
}
