//! Looks further when no simple exchange helps: two kinds change at once, at one cell or at two, by a few quanta.
//!
//! It is for what whole quanta and deadlines bring about: a thread that is worth three ways, a cell that can give a way only if it gets a thread while another cell needs
//! that way. Convexity promises nothing in whole quanta, so there is always a case that needs more; on the small problems of the tests these are rare.

use super::problem::{Player, Problem};
use crate::optimizer::Steps;
use crate::resource::{Amounts, Resource};

/// Quanta that one cell's share may change by when two kinds change at once; one less where there are many cells.
const FAR: i64 = 3;
/// The same when two cells change.
const NEAR: i64 = 2;
/// Cells up to which [`FAR`] and [`NEAR`] are not too costly.
const FEW: usize = 6;

const SIDE: usize = 2 * NEAR as usize + 1;
/// Combinations that cost as much as an evaluation.
const CHEAP: u32 = 16;

/// How a cell's penalty and cost change, with each change of two kinds.
type Changes = [[f64; SIDE]; SIDE];

/// The tables that the search works with.
#[derive(Clone, Debug)]
pub(super) struct Polish<const CELLS: usize> {
    changes: [Changes; CELLS],
}

impl<const CELLS: usize> Polish<CELLS> {
    pub(super) const fn new() -> Self {
        Self { changes: [[[0.0; SIDE]; SIDE]; CELLS] }
    }

    /// Makes the first improvement by more than `least` that it finds; the cells that it changed. Nothing if the steps are gone.
    pub(super) fn run(
        &mut self,
        problem: &Problem<'_>,
        players: &[Player],
        shares: &mut [Amounts],
        given: &mut Amounts,
        least: f64,
        steps: &mut Steps,
    ) -> Option<[Option<usize>; 2]> {
        let kinds = || Resource::ALL.into_iter().filter(|&kind| problem.totals[kind] > 0);
        let less = i64::from(players.len() > FEW);
        let far = FAR - less;
        for place in 0..players.len() {
            for first in kinds() {
                for second in kinds().filter(|&second| first < second) {
                    if !steps.take(((2 * far + 1) * (2 * far + 1)) as u32) {
                        return None;
                    }
                    let better = alone(problem, &players[place], &shares[place], given, (first, second), far, least);
                    if let Some(share) = better {
                        *given = given.minus(shares[place]).plus(share);
                        shares[place] = share;
                        return Some([Some(place), None]);
                    }
                }
            }
        }
        let far = NEAR - less;
        for first in kinds() {
            for second in kinds().filter(|&second| first < second) {
                if !steps.take((SIDE * SIDE * players.len()) as u32) {
                    return None;
                }
                for (place, (player, share)) in players.iter().zip(shares.iter()).enumerate() {
                    self.changes[place] = changes(problem, player, share, (first, second), far);
                }
                if let Some(places) =
                    self.pair(problem, shares, players.len(), given, (first, second), far, least, steps)?
                {
                    return Some(places.map(Some));
                }
            }
        }
        Some([None; 2])
    }

    /// The best change of these two kinds at two cells; carried out, if it is an improvement.
    #[expect(clippy::too_many_arguments, reason = "the state of one search")]
    fn pair(
        &self,
        problem: &Problem<'_>,
        shares: &mut [Amounts],
        cells: usize,
        given: &mut Amounts,
        kinds: (Resource, Resource),
        far: i64,
        least: f64,
        steps: &mut Steps,
    ) -> Option<Option<[usize; 2]>> {
        let side = (2 * far + 1) as u32;
        let mut best = (-least, None);
        for one in 0..cells {
            for two in one + 1..cells {
                if !steps.take(side * side * side * side / CHEAP) {
                    return None;
                }
                for (change, one_moves) in listed(&self.changes[one], far) {
                    for (other_change, two_moves) in listed(&self.changes[two], far) {
                        let sum = change + other_change;
                        if sum < best.0 {
                            let total = (one_moves.0 + two_moves.0, one_moves.1 + two_moves.1);
                            if moved(given, kinds, total).is_some_and(|given| problem.allows(&given)) {
                                best = (sum, Some(([one, two], [one_moves, two_moves])));
                            }
                        }
                    }
                }
            }
        }
        let Some((places, moves)) = best.1 else { return Some(None) };
        for (place, moves) in places.into_iter().zip(moves) {
            let share = moved(&shares[place], kinds, moves)?;
            *given = given.minus(shares[place]).plus(share);
            shares[place] = share;
        }
        Some(Some(places))
    }
}

/// A share with so many quanta more or less of two kinds; nothing if it has not so many.
fn moved(share: &Amounts, kinds: (Resource, Resource), moves: (i64, i64)) -> Option<Amounts> {
    let of = |resource: Resource, by: i64| u32::try_from(i64::from(share[resource]) + by).ok();
    Some(share.with(kinds.0, of(kinds.0, moves.0)?).with(kinds.1, of(kinds.1, moves.1)?))
}

fn is_in_box(player: &Player, share: &Amounts) -> bool {
    share.beyond(&player.high).is_none() && player.low.beyond(share).is_none()
}

/// The best share that differs in two kinds, if it is better by more than `least`.
fn alone(
    problem: &Problem<'_>,
    player: &Player,
    share: &Amounts,
    given: &Amounts,
    kinds: (Resource, Resource),
    far: i64,
    least: f64,
) -> Option<Amounts> {
    let mut roots = player.scale.roots(share);
    let now = player.penalty(&roots) + problem.cost(share);
    let mut best = (now - least, None);
    for one in -far..=far {
        for two in -far..=far {
            let Some(other) = moved(share, kinds, (one, two)).filter(|other| is_in_box(player, other)) else {
                continue;
            };
            for kind in [kinds.0, kinds.1] {
                roots[kind.place()] = player.scale.root(kind.place(), other[kind]);
            }
            let value = player.penalty(&roots) + problem.cost(&other);
            if value < best.0 && problem.allows(&given.minus(*share).plus(other)) {
                best = (value, Some(other));
            }
        }
    }
    best.1
}

/// What each change of two kinds would bring a cell; infinite outside its box.
fn changes(problem: &Problem<'_>, player: &Player, share: &Amounts, kinds: (Resource, Resource), far: i64) -> Changes {
    let mut changes = [[f64::INFINITY; SIDE]; SIDE];
    let mut roots = player.scale.roots(share);
    let now = player.penalty(&roots) + problem.cost(share);
    for one in -far..=far {
        for two in -far..=far {
            let Some(other) = moved(share, kinds, (one, two)).filter(|other| is_in_box(player, other)) else {
                continue;
            };
            for kind in [kinds.0, kinds.1] {
                roots[kind.place()] = player.scale.root(kind.place(), other[kind]);
            }
            let value = player.penalty(&roots) + problem.cost(&other);
            changes[(one + NEAR) as usize][(two + NEAR) as usize] = value - now;
        }
    }
    changes
}

/// All changes that are possible, with the quanta.
fn listed(changes: &Changes, far: i64) -> impl Iterator<Item = (f64, (i64, i64))> {
    let all = (-far..=far).flat_map(move |one| (-far..=far).map(move |two| (one, two)));
    all.map(|(one, two)| (changes[(one + NEAR) as usize][(two + NEAR) as usize], (one, two)))
        .filter(|(change, _)| change.is_finite())
}
