//! The interface between the broker and whatever decides.

use core::fmt;

use crate::cell::{BadNeeds, Cell, CellId};
use crate::machine::{Goals, Machine};
use crate::resource::{Amounts, Resource};

/// Decides who gets what. Implementations know neither kernel nor cell; the same situations in the same order must give the same decisions.
pub trait Optimizer {
    /// What it is called in manifests and reports.
    fn name(&self) -> &'static str;

    /// Decides: writes what each cell of the situation is to have into the place with the same index of `shares`, which hold at least what each has now.
    ///
    /// The work must be bounded by `steps`; what a step is, is the optimizer's own measure, about the evaluation of one cell with one allocation.
    /// What is written is checked afterwards ([`check`]), so a mistake here costs no cell what it was promised.
    ///
    /// # Errors
    /// Why there is no allocation. The last one then stays in force.
    fn allocate(
        &mut self,
        situation: &Situation<'_>,
        steps: &mut Steps,
        shares: &mut [Amounts],
    ) -> Result<(), NoAllocation>;

    /// The response time that it expects of a cell with these resources, in seconds. Nothing if it does not predict.
    fn expects(&self, _cell: CellId, _share: &Amounts) -> Option<f64> {
        None
    }

    /// Writes on one line what it believes of a cell, for whoever asks why.
    ///
    /// # Errors
    /// The writer's.
    fn explain(&self, _cell: CellId, _out: &mut dyn fmt::Write) -> fmt::Result {
        Ok(())
    }

    /// The cell is gone; nothing of it needs to be kept.
    fn forget(&mut self, _cell: CellId) {}
}

impl<O: Optimizer + ?Sized> Optimizer for &mut O {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn allocate(
        &mut self,
        situation: &Situation<'_>,
        steps: &mut Steps,
        shares: &mut [Amounts],
    ) -> Result<(), NoAllocation> {
        (**self).allocate(situation, steps, shares)
    }

    fn expects(&self, cell: CellId, share: &Amounts) -> Option<f64> {
        (**self).expects(cell, share)
    }

    fn explain(&self, cell: CellId, out: &mut dyn fmt::Write) -> fmt::Result {
        (**self).explain(cell, out)
    }

    fn forget(&mut self, cell: CellId) {
        (**self).forget(cell);
    }
}

/// All that a decision is made of. It can be satisfied: there is enough for all minimums.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    machine: &'a Machine,
    goals: &'a Goals,
    cells: &'a [Cell],
}

impl<'a> Situation<'a> {
    /// Checks and puts together. Costs a pass over the cells' pairs.
    ///
    /// # Errors
    /// Why no optimizer could satisfy it.
    pub fn new(machine: &'a Machine, goals: &'a Goals, cells: &'a [Cell]) -> Result<Self, NoAllocation> {
        let goals_are_sane =
            goals.watt_penalty.is_finite() && goals.watt_penalty >= 0.0 && (0.0..1.0).contains(&goals.margin);
        if !machine.is_sane() || !goals_are_sane {
            return Err(NoAllocation::NotFinite);
        }
        let mut minimums = Amounts::NONE;
        for (place, cell) in cells.iter().enumerate() {
            cell.needs.check().map_err(|mistake| NoAllocation::Needs { cell: cell.id, mistake })?;
            if cells[..place].iter().any(|other| other.id == cell.id) {
                return Err(NoAllocation::Twice(cell.id));
            }
            if !cell.seen.is_none_or(is_sane) {
                return Err(NoAllocation::NotFinite);
            }
            minimums = minimums.plus(cell.needs.minimum);
        }
        let totals = machine.totals();
        if let Some(resource) = minimums.beyond(&totals) {
            return Err(NoAllocation::Minimums { resource, wanted: minimums[resource], total: totals[resource] });
        }
        let watts = machine.watts(&minimums);
        match machine.most_watts.filter(|most| watts > *most) {
            Some(most) => Err(NoAllocation::Power { watts, most }),
            None => Ok(Self { machine, goals, cells }),
        }
    }

    /// What there is.
    #[must_use]
    pub fn machine(&self) -> &'a Machine {
        self.machine
    }

    /// What the owner wants.
    #[must_use]
    pub fn goals(&self) -> &'a Goals {
        self.goals
    }

    /// Who shares it; no cell is there twice.
    #[must_use]
    pub fn cells(&self) -> &'a [Cell] {
        self.cells
    }

    /// The most that a cell can be given: what it desires, or all there is.
    #[must_use]
    pub fn ceiling(&self, cell: &Cell) -> Amounts {
        cell.needs.desired.least(self.machine.totals())
    }
}

fn is_sane(seen: crate::cell::Seen) -> bool {
    let is_fine = |value: f64| value.is_finite() && value >= 0.0;
    is_fine(seen.response_s)
        && seen.response_s > 0.0
        && [seen.deviation_s, seen.utilisation, seen.backlog].into_iter().all(is_fine)
}

/// How much work a decision may still cost.
#[derive(Debug, PartialEq, Eq)]
pub struct Steps(u32);

impl Steps {
    /// So many.
    #[must_use]
    pub fn new(steps: u32) -> Self {
        Self(steps)
    }

    /// Takes some away; false, and none are left, if there are not so many. What this says must be heeded.
    #[must_use]
    pub fn take(&mut self, steps: u32) -> bool {
        let is_enough = self.0 >= steps;
        self.0 = self.0.saturating_sub(steps);
        is_enough
    }

    /// How many are left.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.0
    }
}

/// Why there is no allocation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NoAllocation {
    /// More cells than the optimizer has room for.
    TooManyCells {
        /// As many as there are.
        cells: usize,
        /// As many as it has room for.
        most: usize,
    },
    /// The minimums are more than there is.
    Minimums {
        /// Of this kind.
        resource: Resource,
        /// All minimums.
        wanted: u32,
        /// What there is.
        total: u32,
    },
    /// The minimums draw more power than is allowed.
    Power {
        /// What they draw.
        watts: f64,
        /// What is allowed.
        most: f64,
    },
    /// A cell's needs contradict themselves.
    Needs {
        /// The cell.
        cell: CellId,
        /// What is wrong.
        mistake: BadNeeds,
    },
    /// A cell is there twice.
    Twice(CellId),
    /// A measurement, a goal or a price is negative, infinite or not a number.
    NotFinite,
    /// The work was not done in the steps that it was given.
    OutOfSteps,
    /// The optimizer wrote something that must not be.
    Breach(Breach),
    /// A reason of the optimizer's own.
    Other(&'static str),
}

impl fmt::Display for NoAllocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyCells { cells, most } => write!(f, "{cells} cells, the optimizer has room for {most}"),
            Self::Minimums { resource, wanted, total } => {
                write!(f, "the cells' minimums are {wanted} {resource}, the machine has {total}")
            }
            Self::Power { watts, most } => write!(f, "the cells' minimums draw {watts:.1} W, {most:.1} W are allowed"),
            Self::Needs { cell, mistake } => write!(f, "{cell}: {mistake}"),
            Self::Twice(cell) => write!(f, "{cell} is there twice"),
            Self::NotFinite => f.write_str("a measurement, goal or price is negative, infinite or not a number"),
            Self::OutOfSteps => f.write_str("the optimizer was not ready in the steps that it had"),
            Self::Breach(breach) => write!(f, "the optimizer's answer must not be: {breach}"),
            Self::Other(reason) => f.write_str(reason),
        }
    }
}

/// What an allocation does that it must not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Breach {
    /// It gives out more than there is.
    TooMuch {
        /// Of this kind.
        resource: Resource,
        /// What it gives out.
        given: u32,
        /// What there is.
        total: u32,
    },
    /// It gives a cell less than its minimum.
    TooLittle {
        /// The cell.
        cell: CellId,
        /// Of this kind.
        resource: Resource,
        /// What it gives.
        given: u32,
        /// What the cell was promised.
        minimum: u32,
    },
    /// It gives a cell more than it desires.
    Unwanted {
        /// The cell.
        cell: CellId,
        /// Of this kind.
        resource: Resource,
        /// What it gives.
        given: u32,
        /// The most that the cell desires.
        desired: u32,
    },
    /// It draws more power than is allowed.
    Power {
        /// What it draws.
        watts: f64,
        /// What is allowed.
        most: f64,
    },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMuch { resource, given, total } => {
                write!(f, "{given} {resource} are given out, there are {total}")
            }
            Self::TooLittle { cell, resource, given, minimum } => {
                write!(f, "{cell} gets {given} {resource}, its minimum is {minimum}")
            }
            Self::Unwanted { cell, resource, given, desired } => {
                write!(f, "{cell} gets {given} {resource}, it desires at most {desired}")
            }
            Self::Power { watts, most } => write!(f, "{watts:.1} W are drawn, {most:.1} W are allowed"),
        }
    }
}

/// Whether these shares, one for each cell of the situation, may be put in force.
///
/// # Errors
/// The first thing that must not be.
pub fn check(situation: &Situation<'_>, shares: &[Amounts]) -> Result<(), Breach> {
    let mut given = Amounts::NONE;
    for (place, cell) in situation.cells().iter().enumerate() {
        let share = shares.get(place).copied().unwrap_or_default();
        if let Some(resource) = cell.needs.minimum.beyond(&share) {
            let minimum = cell.needs.minimum[resource];
            return Err(Breach::TooLittle { cell: cell.id, resource, given: share[resource], minimum });
        }
        if let Some(resource) = share.beyond(&cell.needs.desired) {
            let desired = cell.needs.desired[resource];
            return Err(Breach::Unwanted { cell: cell.id, resource, given: share[resource], desired });
        }
        given = given.plus(share);
    }
    let totals = situation.machine().totals();
    if let Some(resource) = given.beyond(&totals) {
        return Err(Breach::TooMuch { resource, given: given[resource], total: totals[resource] });
    }
    let watts = situation.machine().watts(&given);
    match situation.machine().most_watts.filter(|most| watts > *most) {
        Some(most) => Err(Breach::Power { watts, most }),
        None => Ok(()),
    }
}
