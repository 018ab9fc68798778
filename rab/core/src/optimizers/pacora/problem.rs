//! What is minimised: the cells' penalties, and the cost of what is not idle.
//!
//! In PACORA, process 0 receives what is left over; its response time is the system's power, and its penalty depends on the battery. Decided here: its penalty is linear in
//! the power (`Goals::watt_penalty`), to which prices of what is paid for are added; a limit to the power is a constraint. So idle quanta are worth what they save.

use super::response::{Response, Roots, Scale};
use crate::cell::Cell;
use crate::machine::{Goals, Machine};
use crate::resource::{Amounts, Resource};

const KINDS: usize = Resource::COUNT;

/// A cell as the minimisation sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Player {
    pub(super) response: Response,
    pub(super) scale: Scale,
    /// Seconds; 0 for best effort.
    pub(super) deadline_s: f64,
    pub(super) slope: f64,
    pub(super) low: Amounts,
    pub(super) high: Amounts,
}

impl Player {
    pub(super) fn new(cell: &Cell, response: Response, scale: Scale, high: Amounts, margin: f64) -> Self {
        let deadline_s = cell.needs.deadline_s.map_or(0.0, |deadline| deadline * (1.0 - margin));
        Self { response, scale, deadline_s, slope: cell.needs.slope, low: cell.needs.minimum, high }
    }

    /// Penalty of the response time at these roots.
    pub(super) fn penalty(&self, roots: &Roots) -> f64 {
        self.slope * (self.response.at(roots) - self.deadline_s).max(0.0)
    }

    /// The same with the corner at the deadline rounded, and how it changes with the response time.
    pub(super) fn smooth(&self, response_s: f64) -> (f64, f64) {
        let width = 0.05 * self.deadline_s;
        let late = response_s - self.deadline_s;
        if late >= width {
            (self.slope * late, self.slope)
        } else if late <= -width {
            (0.0, 0.0)
        } else {
            (self.slope * (late + width) * (late + width) / (4.0 * width), self.slope * (late + width) / (2.0 * width))
        }
    }
}

/// The machine as the minimisation sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem<'a> {
    pub(super) machine: &'a Machine,
    pub(super) totals: Amounts,
    /// Penalty of a quantum that is not idle.
    pub(super) cost: [f64; KINDS],
}

impl<'a> Problem<'a> {
    pub(super) fn new(machine: &'a Machine, goals: &Goals) -> Self {
        let mut cost = [0.0; KINDS];
        for resource in Resource::ALL {
            if let Some(supply) = machine.supply(resource) {
                cost[resource.place()] = supply.watts * goals.watt_penalty + supply.price;
            }
        }
        Self { machine, totals: machine.totals(), cost }
    }

    /// Whether so much can be given out.
    pub(super) fn allows(&self, given: &Amounts) -> bool {
        given.beyond(&self.totals).is_none() && self.allows_power(given)
    }

    /// Whether so much draws no more power than is allowed.
    pub(super) fn allows_power(&self, given: &Amounts) -> bool {
        self.machine.most_watts.is_none_or(|most| self.machine.watts(given) <= most)
    }

    /// What is minimised.
    pub(super) fn objective(&self, players: &[Player], shares: &[Amounts]) -> f64 {
        let mut sum = 0.0;
        for (player, share) in players.iter().zip(shares) {
            sum += player.penalty(&player.scale.roots(share));
            sum += self.cost(share);
        }
        sum
    }

    /// Penalty of so much not being idle.
    pub(super) fn cost(&self, share: &Amounts) -> f64 {
        Resource::ALL.into_iter().map(|resource| self.cost[resource.place()] * f64::from(share[resource])).sum()
    }
}
