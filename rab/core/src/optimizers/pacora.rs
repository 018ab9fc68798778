//! Convex optimisation over response times that are learnt while cells run.
//!
//! After PACORA (Bird and Smith, HotPar 2011; Bird, EECS-2014-87): minimise the sum of the cells' penalties, each a convex function of the cell's response time, which is a
//! convex function of what the cell has, under the limits of the machine. What the papers say, and what had to be decided here:
//!
//! | | the papers | decided here |
//! |---|---|---|
//! | response time | a constant and `w_ij / sqrt(a_i a_j)` for all pairs of kinds, no `w` negative | the same; amounts are parts of the machine's whole, nothing counts as half a quantum |
//! | fitting | online, non-negative least squares with ageing | from a dozen remembered allocations, relative errors ([`record`]) |
//! | before there is data | not known to us | a shape is assumed that the first measurement stretches; it yields to data. Nothing is allocated only to learn |
//! | a new phase | ageing | all that is known is stretched to what is seen, and believed less |
//! | penalty | `max(0, slope (time - deadline))`, deadline 0 for best effort | the same, with the deadline less a margin |
//! | idle quanta | belong to a process 0, whose penalty is that of the system's power | linear in power, and prices ([`problem`]); a limit to the power is a constraint |
//! | minimisation | gradient or barrier method, result rounded | projected gradients ([`descent`]), then exchanges of whole quanta ([`exchange`]) |
//! | extrapolation | not known to us | a cell with a deadline gets at least half of the least that it was measured with, of each kind: fitted functions know nothing below |
//! | stability | not known to us | a gain below [`LEAST_GAIN`] of the objective changes nothing |
//!
//! Convex latency and urgency functions for allocation are covered by United States patent 8,312,463.

mod descent;
mod exchange;
mod polish;
mod problem;
mod record;
mod response;

use core::fmt;

use heapless::Vec;

use self::descent::Descent;
use self::exchange::Exchange;
use self::problem::{Player, Problem};
use self::record::Record;
use crate::cell::{Cell, CellId};
use crate::optimizer::{NoAllocation, Optimizer, Situation, Steps};
use crate::resource::{Amounts, Resource};

/// The part of the objective that a change must gain.
const LEAST_GAIN: f64 = 0.01;

/// PACORA for at most so many cells. Holds about 1.5 kB for each.
#[derive(Clone, Debug)]
pub struct Pacora<const CELLS: usize> {
    records: Vec<Record, CELLS>,
    players: Vec<Player, CELLS>,
    descent: Descent<CELLS>,
    exchange: Exchange<CELLS>,
}

impl<const CELLS: usize> Default for Pacora<CELLS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const CELLS: usize> Pacora<CELLS> {
    /// With nothing learnt.
    #[must_use]
    pub const fn new() -> Self {
        Self { records: Vec::new(), players: Vec::new(), descent: Descent::new(), exchange: Exchange::new() }
    }

    fn record(&self, cell: CellId) -> Option<&Record> {
        self.records.iter().find(|record| record.cell == cell)
    }

    /// Learns what was seen of a cell; where it is in the records.
    fn learn(&mut self, cell: &Cell, totals: &Amounts) -> Option<usize> {
        let place = match self.records.iter().position(|record| record.cell == cell.id) {
            Some(place) => place,
            None => {
                self.records.push(Record::new(cell.id, &cell.needs, totals)).ok()?;
                self.records.len() - 1
            }
        };
        if let Some(seen) = cell.seen.filter(|_| cell.has != Amounts::NONE) {
            self.records[place].learn(&cell.has, &seen, &cell.needs, totals);
        }
        Some(place)
    }
}

impl<const CELLS: usize> Optimizer for Pacora<CELLS> {
    fn name(&self) -> &'static str {
        "pacora"
    }

    fn allocate(
        &mut self,
        situation: &Situation<'_>,
        steps: &mut Steps,
        shares: &mut [Amounts],
    ) -> Result<(), NoAllocation> {
        let cells = situation.cells();
        let too_many = NoAllocation::TooManyCells { cells: cells.len(), most: CELLS };
        if cells.len() > CELLS {
            return Err(too_many);
        }
        self.records.retain(|record| cells.iter().any(|cell| cell.id == record.cell));
        let problem = Problem::new(situation.machine(), situation.goals());
        self.players.clear();
        for cell in cells {
            let place = self.learn(cell, &problem.totals).ok_or(too_many)?;
            let record = &self.records[place];
            let high = situation.ceiling(cell);
            let mut player = Player::new(cell, record.response, record.scale, high, situation.goals().margin);
            if cell.needs.deadline_s.is_some() && cell.seen.is_some() {
                player.low = player.low.most(record.known_low(&cell.has)).least(high);
            }
            self.players.push(player).map_err(|_| too_many)?;
        }
        let lows = self.players.iter().fold(Amounts::NONE, |sum, player| sum.plus(player.low));
        if !problem.allows(&lows) {
            for (player, cell) in self.players.iter_mut().zip(cells) {
                player.low = cell.needs.minimum;
            }
        }
        for ((share, player), cell) in shares.iter_mut().zip(&self.players).zip(cells) {
            *share = cell.has.most(player.low).least(situation.ceiling(cell));
        }
        let shares = &mut shares[..cells.len()];
        // A third of the work for the search without quanta: what it does not finish, exchanges do.
        let mut part = Steps::new(steps.left() / 3);
        let before = part.left();
        self.descent.run(&problem, &self.players, shares, &mut part);
        let _ = steps.take(before - part.left());
        self.exchange.run(&problem, &self.players, shares, steps);
        let given = shares.iter().fold(Amounts::NONE, |sum, share| sum.plus(*share));
        if !problem.allows(&given) {
            return Err(NoAllocation::Other("the limits cannot be kept by taking back what is beyond the minimums"));
        }
        if is_kept(&problem, &self.players, cells, shares) {
            for (share, cell) in shares.iter_mut().zip(cells) {
                *share = cell.has;
            }
        }
        Ok(())
    }

    fn expects(&self, cell: CellId, share: &Amounts) -> Option<f64> {
        Some(self.record(cell)?.expects(share))
    }

    fn explain(&self, cell: CellId, out: &mut dyn fmt::Write) -> fmt::Result {
        let Some(record) = self.record(cell) else { return Ok(()) };
        write!(out, "{:.4} s", record.response.0[0])?;
        let mut place = 1;
        for (first, one) in Resource::ALL.into_iter().enumerate() {
            for two in &Resource::ALL[first..] {
                // Per quantum, not per part of the whole, which the reader would have to know.
                let whole = record.scale.0[first] * record.scale.0[two.place()];
                let coefficient = record.response.0[place] * libm::sqrt(whole);
                place += 1;
                if coefficient > 0.0 && one == *two {
                    write!(out, " + {coefficient:.4}/{one}")?;
                } else if coefficient > 0.0 {
                    write!(out, " + {coefficient:.4}/sqrt({one} {two})")?;
                }
            }
        }
        write!(out, ", from {} allocations", record.rows())
    }

    fn forget(&mut self, cell: CellId) {
        self.records.retain(|record| record.cell != cell);
    }
}

/// Whether what cells have is allowed and so good that the change would not be worth it.
fn is_kept(problem: &Problem<'_>, players: &[Player], cells: &[Cell], shares: &[Amounts]) -> bool {
    let mut given = Amounts::NONE;
    for (cell, player) in cells.iter().zip(players) {
        if cell.has.beyond(&player.high).is_some() || player.low.beyond(&cell.has).is_some() {
            return false;
        }
        given = given.plus(cell.has);
    }
    let mut now = 0.0;
    for (cell, player) in cells.iter().zip(players) {
        now += problem.objective(core::slice::from_ref(player), core::slice::from_ref(&cell.has));
    }
    problem.allows(&given) && now - problem.objective(players, shares) <= LEAST_GAIN * now
}

#[cfg(test)]
mod tests;
