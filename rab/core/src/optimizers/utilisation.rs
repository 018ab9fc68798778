//! Hardware threads by recent utilisation.
//!
//! After the asynchronous abstract machines paper, section 5.1: a machine manager assigns cores by their recent utilisation and the load of the whole system, because too many cores
//! do not only lie idle but can make an application slower. The paper gives neither thresholds nor a formula. Decided here:
//!
//! - A cell wants as many hardware threads as its work would keep busy to [`AIMED_AT`]; requests that wait count as work: so much more that they would be gone in one period.
//! - Between [`TOO_IDLE`] and [`TOO_BUSY`] without a backlog it wants what it has. It grows at once and shrinks only after [`PATIENCE`] decisions in a row, to what the
//!   busiest of them needed.
//! - When more is wanted than there is, what cells want beyond their minimum is divided in proportion to weight times want. What nobody wants stays idle.
//! - Other resources are not looked at: they are divided by weight.

use heapless::Vec;

use crate::cell::{Cell, CellId};
use crate::divide::by_weight;
use crate::optimizer::{NoAllocation, Optimizer, Situation, Steps};
use crate::resource::{Amounts, Resource};

/// How busy hardware threads are to be.
const AIMED_AT: f64 = 0.75;
/// Above this the cell grows.
const TOO_BUSY: f64 = 0.9;
/// Below this it shrinks, if it stays so.
const TOO_IDLE: f64 = 0.55;
/// Decisions in a row in which a cell has to be too idle before it shrinks.
const PATIENCE: u32 = 3;

/// What is remembered of a cell that is too idle.
#[derive(Clone, Copy, Debug)]
struct Idle {
    cell: CellId,
    has: u32,
    decisions: u32,
    most: u32,
}

/// Gives hardware threads to those that use theirs, for at most so many cells.
#[derive(Clone, Debug, Default)]
pub struct Utilisation<const CELLS: usize> {
    idle: Vec<Idle, CELLS>,
}

impl<const CELLS: usize> Utilisation<CELLS> {
    /// With nothing remembered.
    #[must_use]
    pub const fn new() -> Self {
        Self { idle: Vec::new() }
    }

    /// Hardware threads that the cell wants.
    fn want(&mut self, cell: &Cell) -> u32 {
        let has = cell.has[Resource::Threads];
        if has == 0 {
            return cell.needs.desired[Resource::Threads];
        }
        let Some(seen) = cell.seen else { return has };
        let busy = f64::from(has) * (seen.utilisation.min(1.0) + seen.backlog.min(1.0));
        let needed = libm::ceil(busy / AIMED_AT).clamp(1.0, f64::from(has) * 2.0 + 1.0) as u32;
        if seen.utilisation > TOO_BUSY || seen.backlog >= 1.0 {
            self.forget(cell.id);
            return needed.max(has + 1);
        }
        if seen.utilisation >= TOO_IDLE || needed >= has {
            self.forget(cell.id);
            return has;
        }
        let Some(place) = self.idle.iter().position(|idle| idle.cell == cell.id) else {
            // Without room it is not remembered, and the cell does not shrink.
            let _ = self.idle.push(Idle { cell: cell.id, has, decisions: 1, most: needed });
            return has;
        };
        let idle = &mut self.idle[place];
        if idle.has != has {
            *idle = Idle { cell: cell.id, has, decisions: 0, most: needed };
        }
        idle.decisions = idle.decisions.saturating_add(1);
        idle.most = idle.most.max(needed);
        if idle.decisions < PATIENCE { has } else { idle.most.min(has) }
    }
}

impl<const CELLS: usize> Optimizer for Utilisation<CELLS> {
    fn name(&self) -> &'static str {
        "utilisation"
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
        let mut wants: Vec<Amounts, CELLS> = Vec::new();
        for cell in cells {
            // There is room: as many as cells.
            let _ = wants.push(cell.needs.desired.with(Resource::Threads, self.want(cell)));
        }
        let weight = |place: usize| cells[place].needs.weight.saturating_mul(wants[place][Resource::Threads].max(1));
        by_weight(situation, steps, weight, |place| wants[place], shares)
    }

    fn explain(&self, cell: CellId, out: &mut dyn core::fmt::Write) -> core::fmt::Result {
        match self.idle.iter().find(|idle| idle.cell == cell) {
            Some(idle) => write!(out, "too idle for {} decisions, needs {} threads", idle.decisions, idle.most),
            None => Ok(()),
        }
    }

    fn forget(&mut self, cell: CellId) {
        self.idle.retain(|idle| idle.cell != cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::{Needs, Seen};
    use crate::machine::{Goals, Machine};

    fn cell(id: u16, has: u32, utilisation: f64, backlog: f64) -> Cell {
        let seen = Seen { response_s: 1.0, deviation_s: 0.0, samples: 9, utilisation, backlog, is_new_phase: false };
        let needs = Needs::best_effort(Amounts::threads(1), Amounts::threads(8));
        Cell { id: CellId(id), needs, has: Amounts::threads(has), seen: Some(seen) }
    }

    fn decide(optimizer: &mut Utilisation<4>, cells: &[Cell]) -> std::vec::Vec<u32> {
        let (machine, goals) = (Machine::new(8), Goals::default());
        let situation = Situation::new(&machine, &goals, cells).unwrap();
        let mut shares = std::vec![Amounts::NONE; cells.len()];
        optimizer.allocate(&situation, &mut Steps::new(1000), &mut shares).unwrap();
        shares.iter().map(|share| share[Resource::Threads]).collect()
    }

    #[test]
    fn a_busy_cell_grows_at_once_and_an_idle_one_shrinks_after_a_while() {
        let mut optimizer = Utilisation::new();
        let cells = [cell(1, 2, 1.0, 1.0), cell(2, 3, 0.4, 0.0)];
        assert_eq!(decide(&mut optimizer, &cells), [5, 3]);
        assert_eq!(decide(&mut optimizer, &cells), [5, 3]);
        assert_eq!(decide(&mut optimizer, &cells), [5, 2]);
    }

    #[test]
    fn a_cell_between_the_thresholds_keeps_what_it_has() {
        let mut optimizer = Utilisation::new();
        for _ in 0..10 {
            assert_eq!(decide(&mut optimizer, &[cell(1, 3, 0.6, 0.0), cell(2, 4, 0.85, 0.2)]), [3, 4]);
        }
    }

    #[test]
    fn more_than_there_is_is_divided_by_what_is_wanted() {
        let mut optimizer = Utilisation::new();
        assert_eq!(decide(&mut optimizer, &[cell(1, 6, 1.0, 0.5), cell(2, 2, 1.0, 0.5)]).iter().sum::<u32>(), 8);
    }
}
