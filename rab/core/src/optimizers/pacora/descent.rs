//! The minimum without regard to quanta: spectral projected gradients (Birgin, Martinez and Raydan, 2000) over each cell's part of the whole of each kind.
//!
//! The feasible set is a box for each cell and one sum for each kind, so that projecting is a search for one number per kind. A limit to the power is a steep penalty
//! here; the search over whole quanta that follows keeps it exactly.

use super::problem::{Player, Problem};
use crate::optimizer::Steps;
use crate::resource::{Amounts, Resource};

const KINDS: usize = Resource::COUNT;

/// Gradients taken, at most.
const ITERATIONS: u32 = 30;
/// Halvings in the search for a projection's level.
const HALVINGS: u32 = 26;

/// A point: each cell's part of each kind.
type Point<const CELLS: usize> = [[f64; KINDS]; CELLS];

/// The points that the search works with.
#[derive(Clone, Debug)]
pub(super) struct Descent<const CELLS: usize> {
    at: Point<CELLS>,
    gradient: Point<CELLS>,
    next: Point<CELLS>,
    next_gradient: Point<CELLS>,
}

impl<const CELLS: usize> Descent<CELLS> {
    pub(super) const fn new() -> Self {
        let zero = [[0.0; KINDS]; CELLS];
        Self { at: zero, gradient: zero, next: zero, next_gradient: zero }
    }

    /// Searches from `shares` and leaves there the best point, rounded down to whole quanta: never below a minimum, never above the whole.
    pub(super) fn run(&mut self, problem: &Problem<'_>, players: &[Player], shares: &mut [Amounts], steps: &mut Steps) {
        let cells = players.len();
        for (place, share) in shares.iter().enumerate().take(cells) {
            for resource in Resource::ALL {
                let kind = resource.place();
                let whole = f64::from(problem.totals[resource]);
                self.next[place][kind] = if whole > 0.0 { f64::from(share[resource]).max(0.5) / whole } else { 0.0 };
            }
        }
        project::<CELLS>(problem, players, &mut self.next[..cells]);
        self.at = self.next;
        let mut value = objective(problem, players, &self.at[..cells], &mut self.gradient);
        let start = self.gradient[..cells].iter().flatten().fold(0.0_f64, |most, slope| most.max(slope.abs()));
        let mut length = if start > 0.0 { 0.1 / start } else { return };
        for _ in 0..ITERATIONS {
            if !steps.take(2 * cells as u32) {
                break;
            }
            self.step(cells, length);
            project::<CELLS>(problem, players, &mut self.next[..cells]);
            // Straight to the projected point, or a quarter as far, and so on.
            let mut next_value = objective(problem, players, &self.next[..cells], &mut self.next_gradient);
            let mut tries = 0;
            while next_value > value && tries < 4 && steps.take(2 * cells as u32) {
                for place in 0..cells {
                    for kind in 0..KINDS {
                        self.next[place][kind] = 0.75 * self.at[place][kind] + 0.25 * self.next[place][kind];
                    }
                }
                next_value = objective(problem, players, &self.next[..cells], &mut self.next_gradient);
                tries += 1;
            }
            if next_value >= value {
                break;
            }
            let (moved, turned) = self.curvature(cells);
            length = if turned > 0.0 { moved / turned } else { length * 4.0 };
            let gain = value - next_value;
            value = next_value;
            self.at = self.next;
            self.gradient = self.next_gradient;
            if gain < 1e-4 * value.abs() {
                break;
            }
        }
        self.round(problem, players, shares);
    }

    fn step(&mut self, cells: usize, length: f64) {
        for place in 0..cells {
            for kind in 0..KINDS {
                self.next[place][kind] = self.at[place][kind] - length * self.gradient[place][kind];
            }
        }
    }

    /// The square of the last step, and its product with the gradient's change.
    fn curvature(&self, cells: usize) -> (f64, f64) {
        let (mut moved, mut turned) = (0.0, 0.0);
        for place in 0..cells {
            for kind in 0..KINDS {
                let step = self.next[place][kind] - self.at[place][kind];
                moved += step * step;
                turned += step * (self.next_gradient[place][kind] - self.gradient[place][kind]);
            }
        }
        (moved, turned)
    }

    fn round(&self, problem: &Problem<'_>, players: &[Player], shares: &mut [Amounts]) {
        for ((share, player), at) in shares.iter_mut().zip(players).zip(&self.at) {
            for resource in Resource::ALL {
                let quanta = at[resource.place()] * f64::from(problem.totals[resource]);
                // A rounding error must not cost a whole quantum; the sum is checked by whoever goes on.
                let whole = libm::floor(quanta + 1e-6) as u32;
                share[resource] = whole.clamp(player.low[resource], player.high[resource]);
            }
        }
    }
}

/// The box of a cell and a kind, as parts of the whole.
fn bounds(problem: &Problem<'_>, player: &Player, resource: Resource) -> (f64, f64) {
    let whole = f64::from(problem.totals[resource]);
    if whole <= 0.0 {
        return (0.0, 0.0);
    }
    let high = f64::from(player.high[resource]);
    let low = f64::from(player.low[resource]).max(0.5).min(high);
    (low / whole, high / whole)
}

/// The nearest point of the feasible set: clipped to the boxes after all were lowered by the same, the least with which the sum is kept.
fn project<const CELLS: usize>(problem: &Problem<'_>, players: &[Player], point: &mut [[f64; KINDS]]) {
    let mut boxes = [(0.0, 0.0); CELLS];
    for resource in Resource::ALL.into_iter().filter(|&resource| problem.totals[resource] > 0) {
        let kind = resource.place();
        let mut most = 0.0_f64;
        for ((limits, player), at) in boxes.iter_mut().zip(players).zip(point.iter()) {
            *limits = bounds(problem, player, resource);
            most = most.max(at[kind]);
        }
        let sum = |level: f64, point: &[[f64; KINDS]]| -> f64 {
            let clipped = boxes.iter().zip(point).map(|((low, high), at)| (at[kind] - level).max(*low).min(*high));
            clipped.sum()
        };
        let mut level = 0.0;
        if sum(0.0, point) > 1.0 {
            let mut least = 0.0;
            for _ in 0..HALVINGS {
                let middle = 0.5 * (least + most);
                if sum(middle, point) > 1.0 { least = middle } else { most = middle }
            }
            level = most;
        }
        for ((low, high), at) in boxes.iter().zip(point.iter_mut()) {
            at[kind] = (at[kind] - level).max(*low).min(*high);
        }
    }
}

/// The smoothed objective at a point, and its gradient.
fn objective(problem: &Problem<'_>, players: &[Player], point: &[[f64; KINDS]], gradient: &mut [[f64; KINDS]]) -> f64 {
    let mut value = 0.0;
    for ((player, at), slopes) in players.iter().zip(point).zip(gradient.iter_mut()) {
        let mut roots = [0.0; KINDS];
        for kind in 0..KINDS {
            if player.scale.0[kind] > 0.0 && at[kind] > 0.0 {
                roots[kind] = 1.0 / libm::sqrt(at[kind]);
            }
        }
        let (penalty, steepness) = player.smooth(player.response.at(&roots));
        let elasticities = player.response.elasticities(&roots);
        value += penalty;
        for resource in Resource::ALL {
            let kind = resource.place();
            let cost = problem.cost[kind] * f64::from(problem.totals[resource]);
            value += cost * at[kind];
            let slope = if at[kind] > 0.0 { steepness * elasticities[kind] / at[kind] } else { 0.0 };
            slopes[kind] = cost + slope;
        }
    }
    value + power(problem, point, gradient, value)
}

/// Penalty of power beyond its limit: as much as everything else for each twentieth of the limit.
fn power(problem: &Problem<'_>, point: &[[f64; KINDS]], gradient: &mut [[f64; KINDS]], value: f64) -> f64 {
    let Some(most) = problem.machine.most_watts.filter(|most| *most > 0.0) else { return 0.0 };
    let of = |resource: Resource| {
        problem.machine.supply(resource).map_or(0.0, |supply| supply.watts * f64::from(supply.total))
    };
    let watts = Resource::ALL.map(of);
    let drawn: f64 = point.iter().map(|at| at.iter().zip(&watts).map(|(part, whole)| part * whole).sum::<f64>()).sum();
    let over = (problem.machine.idle_watts + drawn - most) / (0.05 * most);
    if over <= 0.0 {
        return 0.0;
    }
    let worth = value.max(f64::MIN_POSITIVE);
    for slopes in gradient.iter_mut().take(point.len()) {
        for (slope, watts) in slopes.iter_mut().zip(&watts) {
            *slope += 2.0 * worth * over * watts / (0.05 * most);
        }
    }
    worth * over * over
}
