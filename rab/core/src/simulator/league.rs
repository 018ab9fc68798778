//! How optimizers compare: all of them in all scenarios, each with several seeds of the noise. As a table, and as pictures.

mod over_time;
mod picture;
mod table;

use std::boxed::Box;
use std::string::{String, ToString};
use std::vec::Vec;

use super::report::Report;
use super::scenario::Scenario;
use super::world::simulate;
use crate::optimizer::Optimizer;

pub use over_time::over_time;

/// The seeds of each run's noise.
pub const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

/// Those to which the others' penalties are related: a partition that nobody adapts, and one by weight.
pub const YARDSTICKS: [&str; 2] = ["static", "fair"];

/// Finds an optimizer by its name, with nothing learnt.
pub type Find<'a> = &'a dyn Fn(&str) -> Option<Box<dyn Optimizer>>;

/// What is told of an optimizer in a scenario. All of it is the less the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Seconds until all targets were met again, the longest time of the run.
    ToTargets,
    /// Seconds that cells were late, summed over cells.
    Late,
    /// Joules.
    Energy,
    /// Plans that came into force.
    Changes,
    /// Quanta that went from one to another, or to one from nobody.
    Moved,
    /// Penalties times seconds.
    Penalty,
}

impl Measure {
    /// All, in the order of the table.
    pub const ALL: [Self; 6] = [Self::ToTargets, Self::Late, Self::Energy, Self::Changes, Self::Moved, Self::Penalty];

    /// What it is called, with its unit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ToTargets => "to targets, s",
            Self::Late => "late, s",
            Self::Energy => "energy, J",
            Self::Changes => "changes",
            Self::Moved => "moved",
            Self::Penalty => "penalty",
        }
    }

    /// Digits that are worth printing after the point.
    const fn digits(self) -> usize {
        match self {
            Self::ToTargets | Self::Late => 1,
            Self::Penalty => 2,
            Self::Energy | Self::Changes | Self::Moved => 0,
        }
    }

    /// Letters of its column.
    const fn width(self) -> usize {
        match self {
            Self::ToTargets | Self::Energy => 18,
            Self::Late => 22,
            Self::Moved => 16,
            Self::Penalty => 25,
            Self::Changes => 13,
        }
    }

    fn of(self, report: &Report) -> f64 {
        match self {
            Self::ToTargets => report.longest_late_s,
            Self::Late => report.violation_s,
            Self::Energy => report.energy_j,
            Self::Changes => f64::from(report.changes),
            Self::Moved => f64::from(report.moved),
            Self::Penalty => report.penalty,
        }
    }
}

/// The median of several runs, and the least and the most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figure {
    /// Half of the runs had at most this.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Figure {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        Self { median: at(values.len() / 2), least: at(0), most: at(values.len().saturating_sub(1)) }
    }
}

/// An optimizer in a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The optimizer.
    pub optimizer: String,
    /// In the order of [`Measure::ALL`].
    pub figures: [Figure; Measure::ALL.len()],
    /// Its median penalty in relation to that of each of the [`YARDSTICKS`].
    pub relative: [f64; YARDSTICKS.len()],
    /// Decisions in all runs in which it gave no answer that counts.
    pub failures: u32,
    /// Why its last decision of the first run was as it was.
    pub why: String,
}

impl Row {
    fn new(optimizer: &str, reports: &[Report]) -> Self {
        let figure = |measure: Measure| Figure::of(reports.iter().map(|report| measure.of(report)).collect());
        Self {
            optimizer: optimizer.to_string(),
            figures: Measure::ALL.map(figure),
            relative: [1.0; YARDSTICKS.len()],
            failures: reports.iter().map(|report| report.failures).sum(),
            why: reports.first().map(|report| report.why.clone()).unwrap_or_default(),
        }
    }

    /// What was measured.
    #[must_use]
    pub fn figure(&self, measure: Measure) -> Figure {
        self.figures[measure as usize]
    }
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct League {
    /// The scenarios' names, and how each optimizer did, in the order in which they were named.
    pub scenarios: Vec<(String, Vec<Row>)>,
    /// Optimizers, the one with the least penalties first, with the geometric mean over the scenarios of [`Row::relative`].
    pub ranking: Vec<(String, [f64; YARDSTICKS.len()])>,
}

impl League {
    /// Lets these compete, and the yardsticks with them, which come first. Names that `find` does not know are left out.
    #[must_use]
    pub fn play(names: &[&str], find: Find<'_>, scenarios: &[Scenario]) -> Self {
        let mut all: Vec<&str> = YARDSTICKS.to_vec();
        all.extend(names.iter().filter(|name| !YARDSTICKS.contains(name)));
        let scenarios: Vec<_> =
            scenarios.iter().map(|scenario| (scenario.name.to_string(), compete(&all, find, scenario))).collect();
        let mean = |name: &str, yardstick: usize| {
            let rows = scenarios.iter().flat_map(|(_, rows)| rows).filter(|row| row.optimizer == name);
            let logarithms: Vec<f64> = rows.map(|row| libm::log(row.relative[yardstick])).collect();
            libm::exp(logarithms.iter().sum::<f64>() / logarithms.len().max(1) as f64)
        };
        let known = all.into_iter().filter(|name| find(name).is_some());
        let mut ranking: Vec<_> = known.map(|name| (name.to_string(), [mean(name, 0), mean(name, 1)])).collect();
        ranking.sort_by(|(_, one), (_, two)| one[1].total_cmp(&two[1]));
        Self { scenarios, ranking }
    }
}

fn compete(names: &[&str], find: Find<'_>, scenario: &Scenario) -> Vec<Row> {
    let mut rows = Vec::new();
    for name in names {
        let run = |seed| Some(simulate(scenario, &mut *find(name)?, seed));
        let reports: Vec<Report> = SEEDS.into_iter().filter_map(run).collect();
        if !reports.is_empty() {
            rows.push(Row::new(name, &reports));
        }
    }
    let penalty = |row: &Row| row.figure(Measure::Penalty).median;
    let yardsticks = YARDSTICKS.map(|name| rows.iter().find(|row| row.optimizer == name).map_or(1.0, penalty));
    for row in &mut rows {
        // A scenario without any penalty would tell nothing.
        row.relative = yardsticks.map(|yardstick| penalty(row).max(f64::EPSILON) / yardstick.max(f64::EPSILON));
    }
    rows
}

#[cfg(test)]
mod tests;
