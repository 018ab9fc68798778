//! The simulated time: periods in which cells run with what is in force, are measured, and a decision is made at the end.

use std::format;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use super::random::Random;
use super::report::Report;
use super::scenario::Scenario;
use crate::cell::CellId;
use crate::control::{Controller, Outcome, Sample};
use crate::optimizer::Optimizer;
use crate::resource::{Amounts, Resource};

/// Cells that a simulated system has at most.
const CELLS: usize = 64;

/// What is in force, and under which number.
#[derive(Clone, Debug)]
struct Plan {
    number: u32,
    shares: Vec<Amounts>,
}

/// Runs a scenario with this optimizer; the seed decides the noise.
#[must_use]
pub fn simulate(scenario: &Scenario, optimizer: impl Optimizer, seed: u64) -> Report {
    simulate_with(scenario, optimizer, seed, |_, _| {})
}

/// The same, and tells `watch` of what each application has in each period.
#[must_use]
pub fn simulate_with<O: Optimizer>(
    scenario: &Scenario,
    optimizer: O,
    seed: u64,
    mut watch: impl FnMut(u32, &[Amounts]),
) -> Report {
    let mut random = Random::new(seed);
    let mut report = Report { optimizer: optimizer.name().to_string(), ..Report::default() };
    let mut controller: Controller<O, CELLS> = Controller::new(optimizer);
    let mut plan = Plan { number: 0, shares: vec![Amounts::NONE; scenario.applications.len()] };
    let mut coming: Vec<(u32, Plan)> = Vec::new();
    let mut is_there = vec![false; scenario.applications.len()];
    let mut late_s = 0.0;
    let periods = (scenario.length_s / scenario.period_s) as u32;
    for period in 0..periods {
        let now_s = f64::from(period) * scenario.period_s;
        let is_changed = come_and_go(scenario, now_s, &mut is_there, &mut controller, &mut plan);
        if is_changed {
            // What starts or ends is a matter of its own, and not delayed.
            decide(scenario, &mut controller, &mut report, period, &mut plan, &mut coming, 0);
        }
        while coming.first().is_some_and(|(from, _)| *from <= period) {
            plan = coming.remove(0).1;
        }
        watch(period, &plan.shares);
        report.history.push(plan.shares.clone());
        let is_late = run(scenario, now_s, &plan, &is_there, &mut report);
        late_s = if is_late { late_s + scenario.period_s } else { 0.0 };
        report.longest_late_s = report.longest_late_s.max(late_s);
        measure(scenario, now_s, &plan, &is_there, &mut controller, &mut random);
        decide(scenario, &mut controller, &mut report, period + 1, &mut plan, &mut coming, scenario.delay);
    }
    report.why = format!("{}", controller.why());
    report
}

/// The cells that start and end now; whether there are any.
fn come_and_go<O: Optimizer>(
    scenario: &Scenario,
    now_s: f64,
    is_there: &mut [bool],
    controller: &mut Controller<O, CELLS>,
    plan: &mut Plan,
) -> bool {
    let mut is_changed = false;
    for (place, application) in scenario.applications.iter().enumerate() {
        if application.is_there(now_s) == is_there[place] {
            continue;
        }
        is_there[place] = !is_there[place];
        is_changed = true;
        let cell = CellId(place as u16);
        if is_there[place] {
            plan.shares[place] = application.start;
            controller.join(cell, application.needs, application.start).expect("a scenario's cells can take part");
        } else {
            plan.shares[place] = Amounts::NONE;
            controller.leave(cell);
        }
    }
    is_changed
}

fn decide<O: Optimizer>(
    scenario: &Scenario,
    controller: &mut Controller<O, CELLS>,
    report: &mut Report,
    period: u32,
    plan: &mut Plan,
    coming: &mut Vec<(u32, Plan)>,
    delay: u32,
) {
    let decision = controller.decide(&scenario.machine, &scenario.goals);
    report.failures += u32::from(decision.failure.is_some());
    if decision.outcome != Outcome::Changed {
        return;
    }
    report.changes += 1;
    report.changed_at.push(period + delay);
    let mut shares = vec![Amounts::NONE; plan.shares.len()];
    for (cell, share) in controller.shares() {
        let place = usize::from(cell.0);
        let had = coming.last().map_or(plan.shares[place], |(_, plan)| plan.shares[place]);
        let more = share.minus(had);
        report.moved += Resource::ALL.into_iter().map(|resource| more[resource]).sum::<u32>();
        shares[place] = share;
    }
    if delay == 0 {
        // It overtakes what was on the way.
        coming.clear();
    }
    coming.push((period + delay, Plan { number: decision.number, shares }));
}

/// A period goes by; whether a cell is late in it.
fn run(scenario: &Scenario, now_s: f64, plan: &Plan, is_there: &[bool], report: &mut Report) -> bool {
    let mut is_late = false;
    let mut given = Amounts::NONE;
    for (place, application) in scenario.applications.iter().enumerate().filter(|(place, _)| is_there[*place]) {
        let share = plan.shares[place];
        given = given.plus(share);
        let response_s = application.response_s(now_s, &share);
        match application.needs.deadline_s {
            Some(deadline) if response_s > deadline => {
                is_late = true;
                report.violation_s += scenario.period_s;
            }
            Some(_) => {}
            None => report.progress += scenario.period_s / response_s,
        }
        report.penalty += scenario.period_s * application.needs.penalty(response_s);
    }
    report.energy_j += scenario.period_s * scenario.machine.watts(&given);
    is_late
}

fn measure<O: Optimizer>(
    scenario: &Scenario,
    now_s: f64,
    plan: &Plan,
    is_there: &[bool],
    controller: &mut Controller<O, CELLS>,
    random: &mut Random,
) {
    for (place, application) in scenario.applications.iter().enumerate().filter(|(place, _)| is_there[*place]) {
        let response_s = application.response_s(now_s, &plan.shares[place]);
        let load = application.every_s.map_or(2.0, |every| response_s / every);
        for _ in 0..scenario.samples {
            let mut noise = (1.0 + application.noise * random.normal()).max(0.1);
            if random.part() < application.outliers {
                noise *= random.between(3.0, 10.0);
            }
            let sample = Sample {
                under: plan.number,
                response_s: response_s * noise,
                utilisation: load.min(1.0),
                backlog: (load - 1.0).max(0.0),
            };
            controller.sample(CellId(place as u16), &sample);
        }
    }
}
