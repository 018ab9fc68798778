//! The minimisation against all allocations there are, on small problems.

use proptest::prelude::*;
use std::vec::Vec;

use super::response::{FEATURES, Response, Scale};
use super::*;
use crate::cell::Needs;
use crate::machine::{Goals, Machine, Supply};
use crate::optimizer::check;

/// The least objective of all allocations.
fn best(problem: &Problem<'_>, players: &[Player], shares: &mut Vec<Amounts>, given: Amounts) -> f64 {
    let place = shares.len();
    if place == players.len() {
        return problem.objective(players, shares);
    }
    let mut least = f64::INFINITY;
    let player = &players[place];
    for threads in player.low[Resource::Threads]..=player.high[Resource::Threads] {
        for ways in player.low[Resource::Ways]..=player.high[Resource::Ways] {
            let share = Amounts::threads(threads).with(Resource::Ways, ways);
            let given = given.plus(share);
            let rest = players[place + 1..].iter().fold(given, |sum, player| sum.plus(player.low));
            if !problem.allows(&rest) {
                continue;
            }
            shares.push(share);
            least = least.min(best(problem, players, shares, given));
            shares.pop();
        }
    }
    least
}

#[derive(Clone, Debug)]
struct Small {
    /// Constant, threads, ways, both; deadline; slope.
    cells: Vec<([f64; 4], Option<f64>, f64)>,
    watt_penalty: f64,
    most_watts: Option<f64>,
}

fn small() -> impl Strategy<Value = Small> {
    let coefficients = [0.0..0.5, 0.0..4.0, 0.0..2.0, 0.0..2.0f64];
    let cell = (coefficients, proptest::option::weighted(0.7, 0.2..2.0f64), 0.1..10.0f64);
    let cells = proptest::collection::vec(cell, 2..=3);
    (cells, 0.0..0.5f64, proptest::option::weighted(0.3, 45.0..70.0f64))
        .prop_map(|(cells, watt_penalty, most_watts)| Small { cells, watt_penalty, most_watts })
}

fn machine(small: &Small) -> Machine {
    let threads = Supply { total: 8, watts: 5.0, price: 0.0 };
    let ways = Supply { total: 6, watts: 1.0, price: 0.0 };
    let machine = Machine::default().with(Resource::Threads, threads).with(Resource::Ways, ways);
    machine.with_power(20.0, small.most_watts)
}

fn players(small: &Small, totals: &Amounts) -> Vec<Player> {
    let of = |&(coefficients, deadline, slope): &([f64; 4], Option<f64>, f64)| {
        let needs = Needs { slope, deadline_s: deadline, ..Needs::best_effort(Amounts::threads(1), *totals) };
        let mut all = [0.0; FEATURES];
        all[0] = coefficients[0];
        all[1] = coefficients[1] / 8.0;
        all[3] = coefficients[3] / libm::sqrt(48.0);
        all[10] = coefficients[2] / 6.0;
        let cell = Cell { id: CellId(0), needs, has: Amounts::NONE, seen: None };
        Player::new(&cell, Response(all), Scale::new(totals, &needs), *totals, 0.0)
    };
    small.cells.iter().map(of).collect()
}

/// More where someone asks for it (`PROPTEST_CASES`).
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_result_is_within_two_percent_of_the_best_of_all(small in small()) {
        let machine = machine(&small);
        let goals = Goals { watt_penalty: small.watt_penalty, margin: 0.0 };
        let problem = Problem::new(&machine, &goals);
        let players = players(&small, &problem.totals);
        let mut shares: Vec<Amounts> = players.iter().map(|player| player.low).collect();
        let mut steps = Steps::new(20_000);
        Descent::<3>::new().run(&problem, &players, &mut shares, &mut steps);
        prop_assert!(Exchange::<3>::new().run(&problem, &players, &mut shares, &mut steps), "out of steps");
        let found = problem.objective(&players, &shares);
        let least = best(&problem, &players, &mut Vec::new(), Amounts::NONE);
        prop_assert!(found <= least * 1.02 + 1e-9, "found {found} with {shares:?}, the best is {least}");
    }
}

#[test]
fn a_late_cell_gets_what_a_best_effort_cell_has_until_it_is_in_time() {
    let machine = Machine::new(16);
    let goals = Goals::default();
    let most = Amounts::threads(16);
    let seen = |response_s| {
        Some(crate::Seen {
            response_s,
            deviation_s: 0.0,
            samples: 9,
            utilisation: 1.0,
            backlog: 0.0,
            is_new_phase: false,
        })
    };
    let late = Needs::best_effort(Amounts::NONE, most).with_deadline(0.5, 100.0);
    let rest = Needs::best_effort(Amounts::NONE, most);
    let cells = [
        Cell { id: CellId(1), needs: late, has: Amounts::threads(8), seen: seen(0.75) },
        Cell { id: CellId(2), needs: rest, has: Amounts::threads(8), seen: seen(1.0) },
    ];
    let situation = Situation::new(&machine, &goals, &cells).unwrap();
    let mut shares = [Amounts::NONE; 2];
    let mut pacora = Pacora::<4>::new();
    pacora.allocate(&situation, &mut Steps::new(20_000), &mut shares).unwrap();
    check(&situation, &shares).unwrap();
    assert!((13..=15).contains(&shares[0][Resource::Threads]), "{shares:?}");
    assert_eq!(shares[1][Resource::Threads], 16 - shares[0][Resource::Threads]);
    let expected = pacora.expects(CellId(1), &shares[0]).unwrap();
    assert!(expected <= 0.5, "{expected}");
}

#[test]
fn quanta_that_cost_more_than_they_help_stay_idle() {
    let machine = Machine::default().with(Resource::Threads, Supply { total: 16, watts: 10.0, price: 0.0 });
    let goals = Goals { watt_penalty: 0.01, margin: 0.05 };
    let needs = Needs::best_effort(Amounts::NONE, Amounts::threads(16)).with_deadline(1.0, 10.0);
    let seen = crate::Seen {
        response_s: 0.4,
        deviation_s: 0.0,
        samples: 9,
        utilisation: 1.0,
        backlog: 0.0,
        is_new_phase: false,
    };
    let cells = [Cell { id: CellId(1), needs, has: Amounts::threads(8), seen: Some(seen) }];
    let situation = Situation::new(&machine, &goals, &cells).unwrap();
    let mut shares = [Amounts::NONE];
    Pacora::<1>::new().allocate(&situation, &mut Steps::new(20_000), &mut shares).unwrap();
    assert!((3..=4).contains(&shares[0][Resource::Threads]), "{shares:?}");
}
