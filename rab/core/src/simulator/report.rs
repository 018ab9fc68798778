//! How an optimizer did in a scenario.

use core::fmt;
use std::string::String;
use std::vec::Vec;

use crate::resource::Amounts;

/// Sums over a whole run. Times are those without noise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The optimizer.
    pub optimizer: String,
    /// Seconds that cells were late, summed over cells.
    pub violation_s: f64,
    /// The longest time without a pause in which a cell was late: so long it took until all were in time again.
    pub longest_late_s: f64,
    /// Penalties of the cells, times seconds.
    pub penalty: f64,
    /// Joules.
    pub energy_j: f64,
    /// What best-effort cells finished.
    pub progress: f64,
    /// Plans that came into force.
    pub changes: u32,
    /// Quanta that cells were given by these plans beyond what they had before.
    pub moved: u32,
    /// Decisions in which the optimizer gave no answer that counts.
    pub failures: u32,
    /// The period of each change, from 0.
    pub changed_at: Vec<u32>,
    /// What each application had in each period.
    pub history: Vec<Vec<Amounts>>,
    /// Why the last decision was as it was.
    pub why: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<12} late {:6.2} s  penalty {:8.3}  energy {:6.0} J  best effort {:6.0}  changes {:3}  failures {}",
            self.optimizer, self.violation_s, self.penalty, self.energy_j, self.progress, self.changes, self.failures
        )
    }
}
