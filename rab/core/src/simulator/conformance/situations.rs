//! Situations at random: satisfiable ones with odd machines, greedy cells and measurements from the tiny to the absurd.

use std::vec::Vec;

use super::super::random::Random;
use crate::cell::{Cell, CellId, Needs, Seen};
use crate::machine::{Goals, Machine, Supply};
use crate::optimizer::Situation;
use crate::resource::{Amounts, Resource};

/// A machine, and cells with their needs. What is seen of them is another thing each time.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) machine: Machine,
    pub(super) goals: Goals,
    pub(super) needs: Vec<Needs>,
    /// What they have at first.
    pub(super) has: Vec<Amounts>,
}

impl Told {
    /// With at most five cells. All minimums can be satisfied; the power's limit perhaps not.
    pub(super) fn random(random: &mut Random) -> Self {
        let watts = random.between(0.0, 3.0);
        let mut machine = Machine::default();
        for resource in Resource::ALL {
            if resource == Resource::Threads || random.part() < 0.7 {
                machine = machine.with(resource, Supply { total: 6 + up_to(random, 40), watts, price: 0.0 });
            }
        }
        let most_watts = (random.part() < 0.3).then(|| random.between(50.0, 400.0));
        let watt_penalty = if random.part() < 0.5 { 0.0 } else { random.part() };
        // Each of the at most five cells has a hardware thread for certain.
        let mut left = machine.totals().minus(Amounts::threads(6));
        let mut needs = Vec::new();
        for _ in 0..up_to(random, 5) {
            let mut one = any_needs(random);
            one.minimum = one.minimum.least(left).most(Amounts::threads(1));
            left = left.minus(one.minimum);
            needs.push(one);
        }
        let has = needs.iter().map(|_| amounts(random, 10)).collect();
        Self { machine: machine.with_power(5.0, most_watts), goals: Goals { watt_penalty, margin: 0.05 }, needs, has }
    }

    /// Many cells on a machine that can divide everything.
    pub(super) fn large(cells: usize) -> Self {
        let supply = Supply { total: 4 * cells as u32, watts: 1.0, price: 0.0 };
        let machine = Resource::ALL.into_iter().fold(Machine::default(), |machine, kind| machine.with(kind, supply));
        let desired = machine.totals();
        let one = |place: usize| Needs {
            weight: 1 + place as u32 % 3,
            ..Needs::best_effort(Amounts::threads(1), desired).with_deadline(0.01 * (place + 1) as f64, 10.0)
        };
        let needs = (0..cells).map(one).collect();
        Self { machine, goals: Goals::default(), needs, has: std::vec![Amounts::threads(1); cells] }
    }

    /// The cells with what they have, and what is seen now. The first one has this number.
    pub(super) fn cells(&self, random: &mut Random, has: &[Amounts], first: u16) -> Vec<Cell> {
        let ids = (first..).map(CellId);
        let cells = self.needs.iter().zip(has).zip(ids);
        cells.map(|((needs, has), id)| Cell { id, needs: *needs, has: *has, seen: seen(random) }).collect()
    }

    /// Whether its limits leave any allocation at all.
    pub(super) fn is_possible(&self) -> bool {
        let cells = self.needs.iter().zip((0..).map(CellId));
        let cells: Vec<Cell> =
            cells.map(|(needs, id)| Cell { id, needs: *needs, has: Amounts::NONE, seen: None }).collect();
        Situation::new(&self.machine, &self.goals, &cells).is_ok()
    }
}

/// At least 0, at most this.
fn up_to(random: &mut Random, most: u32) -> u32 {
    (random.number() % u64::from(most + 1)) as u32
}

fn amounts(random: &mut Random, most: u32) -> Amounts {
    Resource::ALL.into_iter().fold(Amounts::NONE, |sum, resource| sum.with(resource, up_to(random, most)))
}

fn any_needs(random: &mut Random) -> Needs {
    let minimum = amounts(random, 3);
    let desired = minimum.plus(amounts(random, 20));
    let deadline_s = match up_to(random, 3) {
        0 | 1 => None,
        2 => Some(random.between(0.01, 1.0)),
        _ => Some(random.between(1e-12, 1e12)),
    };
    let slope = match up_to(random, 2) {
        0 => 0.0,
        1 => random.between(0.1, 100.0),
        _ => f64::MAX,
    };
    Needs { deadline_s, slope, weight: 1 + up_to(random, 4), ..Needs::best_effort(minimum, desired) }
}

fn seen(random: &mut Random) -> Option<Seen> {
    if random.part() < 0.2 {
        return None;
    }
    let response_s = match up_to(random, 4) {
        0 => random.between(1e-9, 1e9),
        1 => f64::MIN_POSITIVE,
        2 => f64::MAX,
        _ => random.between(0.01, 1.0),
    };
    let backlog = match up_to(random, 2) {
        0 => 0.0,
        1 => random.between(0.0, 9.0),
        _ => f64::MAX,
    };
    Some(Seen {
        response_s,
        deviation_s: (random.between(0.0, 2.0) * response_s).min(f64::MAX),
        samples: up_to(random, 8),
        utilisation: random.part(),
        backlog,
        is_new_phase: random.part() < 0.5,
    })
}
