//! Moves resources from cells that do better than they need to cells that do worse, step by step.
//!
//! The Tessellation papers name an optimizer POTA that they experimented with, and say nothing else about it, not even what the letters stand for. This one is ours: the simplest
//! adaptation whose every move can be explained.
//!
//! - A cell is *short* if it responds after its deadline less the margin. It *spares* if it is best-effort, or if it responds before [`BAND`] of its deadline less the margin.
//! - The cell that is shortest, relative to its deadline and its slope, is served first. It gets as many hardware threads as would help if its response were in inverse
//!   proportion to them, at most doubled in one decision; of any other kind that can be divided, one quantum in eight more.
//! - They come from what is idle, then from best-effort cells, then from those that spare most. A cell with a deadline gives one quantum in a decision, and only if it would still
//!   be in time with what remains, by the same proportion.
//! - What is idle otherwise goes to best-effort cells, by weight. Cells with a deadline that spare for [`PATIENCE`] decisions give one quantum back even if nobody is short.

use heapless::Vec;

use crate::cell::{Cell, CellId};
use crate::divide::save_power;
use crate::optimizer::{NoAllocation, Optimizer, Situation, Steps};
use crate::resource::{Amounts, Resource};

/// A cell spares when its response is below this part of what it is allowed. Between this and 1 nothing is done.
const BAND: f64 = 0.7;
/// Decisions in a row in which a cell has to spare before it gives without need.
const PATIENCE: u32 = 3;

/// Moves quanta from those that spare to those that are short, for at most so many cells.
#[derive(Clone, Debug, Default)]
pub struct Pota<const CELLS: usize> {
    spares: Vec<Spare, CELLS>,
}

/// A cell that did better than it needs, in so many decisions in a row.
#[derive(Clone, Copy, Debug)]
struct Spare {
    cell: CellId,
    has: Amounts,
    decisions: u32,
}

/// Response as a part of what is allowed; nothing of cells that are best-effort or not measured.
fn strain(cell: &Cell, margin: f64) -> Option<f64> {
    Some(cell.seen?.response_s / (cell.needs.deadline_s? * (1.0 - margin)))
}

impl<const CELLS: usize> Pota<CELLS> {
    /// With nothing remembered.
    #[must_use]
    pub const fn new() -> Self {
        Self { spares: Vec::new() }
    }

    /// Counts the decisions in which the cell spared with what it has; true when they are enough, and from then on until it has something else.
    fn is_patience_over(&mut self, cell: &Cell, is_sparing: bool) -> bool {
        if !is_sparing {
            self.forget(cell.id);
            return false;
        }
        let Some(spare) = self.spares.iter_mut().find(|spare| spare.cell == cell.id) else {
            let _ = self.spares.push(Spare { cell: cell.id, has: cell.has, decisions: 1 });
            return false;
        };
        spare.decisions = if spare.has == cell.has { spare.decisions.saturating_add(1) } else { 1 };
        spare.has = cell.has;
        spare.decisions >= PATIENCE
    }
}

/// A decision in the making.
struct Moves<'a> {
    situation: &'a Situation<'a>,
    shares: &'a mut [Amounts],
    idle: Amounts,
    margin: f64,
}

impl Moves<'_> {
    /// Quanta that this cell can give now.
    fn gift(&self, place: usize, resource: Resource) -> u32 {
        let cell = &self.situation.cells()[place];
        let has = self.shares[place][resource];
        let spare = has.saturating_sub(cell.needs.minimum[resource]);
        if cell.needs.deadline_s.is_none() {
            return spare;
        }
        let was = cell.has[resource];
        let would_strain = |strain: f64| strain * f64::from(was.max(1)) / f64::from(has.saturating_sub(1).max(1));
        let can_give = spare > 0
            && has >= was
            && strain(cell, self.margin).is_some_and(|now| now < BAND && would_strain(now) < 1.0);
        u32::from(can_give)
    }

    /// Gets up to so many quanta for a cell, from idle ones, best-effort cells and those that spare most.
    fn fetch(&mut self, for_place: usize, resource: Resource, wanted: u32) {
        let cells = self.situation.cells();
        let room = self.situation.ceiling(&cells[for_place])[resource].saturating_sub(self.shares[for_place][resource]);
        let mut wanted = wanted.min(room);
        let from_idle = wanted.min(self.idle[resource]);
        self.idle[resource] -= from_idle;
        self.shares[for_place][resource] += from_idle;
        wanted -= from_idle;
        while wanted > 0 {
            let givers = (0..cells.len()).filter(|&place| place != for_place && self.gift(place, resource) > 0);
            // Least strain first; best-effort cells have none, and among them the one with the most gives.
            let rank = |place: usize| (strain(&cells[place], self.margin).unwrap_or(0.0), self.shares[place][resource]);
            let giver = givers.reduce(|best, place| {
                let ((strain, has), (best_strain, best_has)) = (rank(place), rank(best));
                if strain < best_strain || (strain == best_strain && has > best_has) { place } else { best }
            });
            let Some(giver) = giver else { return };
            self.shares[giver][resource] -= 1;
            self.shares[for_place][resource] += 1;
            wanted -= 1;
        }
    }
}

impl<const CELLS: usize> Optimizer for Pota<CELLS> {
    fn name(&self) -> &'static str {
        "pota"
    }

    fn allocate(
        &mut self,
        situation: &Situation<'_>,
        steps: &mut Steps,
        shares: &mut [Amounts],
    ) -> Result<(), NoAllocation> {
        let cells = situation.cells();
        if cells.len() > CELLS {
            return Err(NoAllocation::TooManyCells { cells: cells.len(), most: CELLS });
        }
        let margin = situation.goals().margin;
        let totals = situation.machine().totals();
        let mut idle = totals;
        for (share, cell) in shares.iter_mut().zip(cells) {
            *share = cell.needs.minimum;
            idle = idle.minus(*share);
        }
        // Everyone keeps what it has; who starts gets its minimum and is short until it is measured.
        for (share, cell) in shares.iter_mut().zip(cells) {
            for resource in Resource::ALL {
                let more = situation.ceiling(cell)[resource].min(cell.has[resource]).saturating_sub(share[resource]);
                let more = more.min(idle[resource]);
                share[resource] += more;
                idle[resource] -= more;
            }
        }
        let mut moves = Moves { situation, shares, idle, margin };
        let mut short: Vec<(f64, usize), CELLS> = Vec::new();
        for (place, cell) in cells.iter().enumerate() {
            let strain = strain(cell, margin);
            let is_sparing = strain.is_some_and(|strain| strain < BAND);
            if self.is_patience_over(cell, is_sparing) && moves.gift(place, Resource::Threads) > 0 {
                moves.shares[place][Resource::Threads] -= 1;
                moves.idle[Resource::Threads] += 1;
            }
            if let Some(strain) = strain.filter(|strain| *strain > 1.0) {
                let _ = short.push(((strain - 1.0) * cell.needs.slope.max(f64::MIN_POSITIVE), place));
            }
        }
        short.sort_unstable_by(|(a, first), (b, second)| b.total_cmp(a).then(first.cmp(second)));
        for &(_, place) in &short {
            let has = moves.shares[place];
            let strain = strain(&cells[place], margin).unwrap_or(1.0);
            for resource in Resource::ALL.into_iter().filter(|&resource| totals[resource] > 0) {
                let part = if resource == Resource::Threads { strain.min(2.0) - 1.0 } else { 0.125 };
                let wanted = libm::ceil(f64::from(has[resource]) * part).max(1.0) as u32;
                if !steps.take((wanted + 1).saturating_mul(cells.len() as u32)) {
                    return Err(NoAllocation::OutOfSteps);
                }
                moves.fetch(place, resource, wanted);
            }
        }
        if !steps.take(cells.len() as u32) {
            return Err(NoAllocation::OutOfSteps);
        }
        give_idle(&mut moves);
        save_power(situation, steps, shares)
    }

    fn explain(&self, cell: CellId, out: &mut dyn core::fmt::Write) -> core::fmt::Result {
        match self.spares.iter().find(|spare| spare.cell == cell) {
            Some(Spare { decisions, .. }) => write!(out, "did better than it needs for {decisions} decisions"),
            None => Ok(()),
        }
    }

    fn forget(&mut self, cell: CellId) {
        self.spares.retain(|spare| spare.cell != cell);
    }
}

/// What is idle goes to best-effort cells by weight, and to cells that are not measured yet as if they were.
fn give_idle(moves: &mut Moves<'_>) {
    let cells = moves.situation.cells();
    let is_taker = |cell: &Cell| cell.needs.deadline_s.is_none() || cell.seen.is_none();
    for resource in Resource::ALL {
        let mut weight: u64 = cells.iter().filter(|cell| is_taker(cell)).map(|cell| u64::from(cell.needs.weight)).sum();
        for (place, cell) in cells.iter().enumerate().filter(|(_, cell)| is_taker(cell)) {
            let room = moves.situation.ceiling(cell)[resource].saturating_sub(moves.shares[place][resource]);
            let worth = u64::from(moves.idle[resource]) * u64::from(cell.needs.weight);
            let given = (worth.div_ceil(weight.max(1)) as u32).min(room);
            moves.shares[place][resource] += given;
            moves.idle[resource] -= given;
            weight -= u64::from(cell.needs.weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::{Needs, Seen};
    use crate::machine::{Goals, Machine};

    fn cell(id: u16, has: u32, deadline_s: Option<f64>, response_s: f64) -> Cell {
        let seen =
            Seen { response_s, deviation_s: 0.0, samples: 9, utilisation: 1.0, backlog: 0.0, is_new_phase: false };
        let needs = Needs::best_effort(Amounts::threads(1), Amounts::threads(8));
        Cell { id: CellId(id), needs: Needs { deadline_s, ..needs }, has: Amounts::threads(has), seen: Some(seen) }
    }

    fn decide(optimizer: &mut Pota<4>, cells: &[Cell]) -> std::vec::Vec<u32> {
        let (machine, goals) = (Machine::new(8), Goals::default());
        let situation = Situation::new(&machine, &goals, cells).unwrap();
        let mut shares = std::vec![Amounts::NONE; cells.len()];
        optimizer.allocate(&situation, &mut Steps::new(1000), &mut shares).unwrap();
        crate::optimizer::check(&situation, &shares).unwrap();
        shares.iter().map(|share| share[Resource::Threads]).collect()
    }

    #[test]
    fn a_short_cell_gets_what_a_best_effort_cell_has() {
        assert_eq!(decide(&mut Pota::new(), &[cell(1, 2, Some(1.0), 1.7), cell(2, 6, None, 1.0)]), [4, 4]);
    }

    #[test]
    fn a_cell_that_is_just_in_time_gives_nothing() {
        assert_eq!(decide(&mut Pota::new(), &[cell(1, 2, Some(1.0), 1.7), cell(2, 6, Some(1.0), 0.8)]), [2, 6]);
    }

    #[test]
    fn a_cell_that_spares_gives_a_quantum_now_and_then() {
        let mut optimizer = Pota::new();
        let cells = [cell(1, 4, Some(1.0), 0.3), cell(2, 4, None, 1.0)];
        assert_eq!(decide(&mut optimizer, &cells), [4, 4]);
        assert_eq!(decide(&mut optimizer, &cells), [4, 4]);
        assert_eq!(decide(&mut optimizer, &cells), [3, 5]);
    }
}
