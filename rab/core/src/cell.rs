//! What an optimizer is told of a cell.

use core::fmt;

use crate::resource::{Amounts, Resource};

/// Names a cell. The broker gives a number to one cell only, ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId(pub u16);

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cell {}", self.0)
    }
}

/// What a cell was promised and what it would like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Needs {
    /// It never has less. At least one quantum of hardware threads.
    pub minimum: Amounts,
    /// More is of no use to it.
    pub desired: Amounts,
    /// Seconds within which a response is to come; without it the cell is best-effort: the sooner the better.
    pub deadline_s: Option<f64>,
    /// Penalty of each second that a response comes after its deadline; of a best-effort cell, of each second that it takes.
    pub slope: f64,
    /// Its share where shares go by weight; at least 1.
    pub weight: u32,
}

impl Needs {
    /// A best-effort cell of slope 1 and weight 1.
    #[must_use]
    pub fn best_effort(minimum: Amounts, desired: Amounts) -> Self {
        let minimum = minimum.most(Amounts::threads(1));
        Self { minimum, desired: desired.most(minimum), deadline_s: None, slope: 1.0, weight: 1 }
    }

    /// The same, with a deadline in seconds and the penalty of each second after it.
    #[must_use]
    pub fn with_deadline(self, deadline_s: f64, slope: f64) -> Self {
        Self { deadline_s: Some(deadline_s), slope, ..self }
    }

    /// The same, with a number of heartbeats that it is to reach in each second: each has a deadline. The penalty is that of a second after it.
    #[must_use]
    pub fn with_heartbeats(self, per_s: f64, slope: f64) -> Self {
        self.with_deadline(1.0 / per_s, slope)
    }

    /// What is wrong with it.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self) -> Result<(), BadNeeds> {
        if self.minimum[Resource::Threads] == 0 {
            return Err(BadNeeds::NoThreads);
        }
        if let Some(resource) = self.minimum.beyond(&self.desired) {
            let (minimum, desired) = (self.minimum[resource], self.desired[resource]);
            return Err(BadNeeds::DesiredBelowMinimum { resource, minimum, desired });
        }
        if let Some(deadline) = self.deadline_s.filter(|deadline| !(deadline.is_finite() && *deadline > 0.0)) {
            return Err(BadNeeds::Deadline(deadline));
        }
        if !(self.slope.is_finite() && self.slope >= 0.0) {
            return Err(BadNeeds::Slope(self.slope));
        }
        if self.weight == 0 { Err(BadNeeds::Weight) } else { Ok(()) }
    }

    /// Penalty of this response.
    #[must_use]
    pub fn penalty(&self, response_s: f64) -> f64 {
        self.slope * (response_s - self.deadline_s.unwrap_or(0.0)).max(0.0)
    }
}

/// What is wrong with a cell's needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BadNeeds {
    /// The minimum has no hardware thread.
    NoThreads,
    /// The cell desires less than it cannot do without.
    DesiredBelowMinimum {
        /// Of this kind.
        resource: Resource,
        /// What it cannot do without.
        minimum: u32,
        /// What it desires.
        desired: u32,
    },
    /// The deadline is not a positive number of seconds.
    Deadline(f64),
    /// The slope is not a number that is at least 0.
    Slope(f64),
    /// The weight is 0.
    Weight,
}

impl fmt::Display for BadNeeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoThreads => f.write_str("the minimum has no hardware thread, a cell needs at least one"),
            Self::DesiredBelowMinimum { resource, minimum, desired } => {
                write!(f, "{desired} {resource} are desired but {minimum} are the minimum, desire at least those")
            }
            Self::Deadline(deadline) => write!(f, "the deadline of {deadline} s is not a positive time"),
            Self::Slope(slope) => write!(f, "the slope {slope} is not a number of at least 0"),
            Self::Weight => f.write_str("the weight is 0, the least is 1"),
        }
    }
}

/// What was measured of a cell with the resources that it has now, after filtering.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Seconds that a response takes, or from heartbeat to heartbeat; positive.
    pub response_s: f64,
    /// How much single measurements deviate from that, in seconds.
    pub deviation_s: f64,
    /// Measurements that this is made of.
    pub samples: u32,
    /// The part of its hardware threads' time in which it had work, from 0 to 1.
    pub utilisation: f64,
    /// Requests that wait, for each of its quanta of hardware threads.
    pub backlog: f64,
    /// It began to behave differently since the last decision, with the same resources.
    pub is_new_phase: bool,
}

/// What an optimizer is told of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Its name.
    pub id: CellId,
    /// What it needs.
    pub needs: Needs,
    /// What it has now; nothing if it is about to start.
    pub has: Amounts,
    /// How it does; nothing if that is not known yet.
    pub seen: Option<Seen>,
}
