//! Who is twice as late as allowed gets twice the weight.
//!
//! A weight says how many times what a cell has it should have: its response time over its deadline. All there is is divided by weight times what cells have. It settles
//! where all cells use the same part of their deadlines, whether that is in time for any of them or not.

use rab_core::divide::by_weight;
use rab_core::{Amounts, Cell, NoAllocation, Optimizer, Resource, Situation, Steps};

/// Divides by response times. Keeps nothing from decision to decision.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proportional;

/// What best-effort cells count as: as if they used this part of a deadline.
const BEST_EFFORT: f64 = 0.5;

/// Weights are whole numbers; this many are a hardware thread that is just in time.
const UNIT: f64 = 100.0;

fn weight(cell: &Cell) -> u32 {
    let strain = match (cell.seen, cell.needs.deadline_s) {
        (Some(seen), Some(deadline)) => seen.response_s / deadline,
        (Some(_), None) => BEST_EFFORT,
        (None, _) => 1.0,
    };
    let has = f64::from(cell.has[Resource::Threads].max(1));
    // At most four times as much in one step: measurements are noisy. Casting from a float clips.
    (UNIT * has * strain.clamp(0.25, 4.0)) as u32
}

impl Optimizer for Proportional {
    fn name(&self) -> &'static str {
        "proportional"
    }

    fn allocate(
        &mut self,
        situation: &Situation<'_>,
        steps: &mut Steps,
        shares: &mut [Amounts],
    ) -> Result<(), NoAllocation> {
        let cells = situation.cells();
        by_weight(situation, steps, |place| weight(&cells[place]), |place| cells[place].needs.desired, shares)
    }
}

#[cfg(test)]
mod tests {
    use rab_core::optimizers::Static;
    use rab_core::simulator::{conformance, scenarios, simulate};

    use super::Proportional;

    #[test]
    fn it_keeps_what_every_optimizer_promises() {
        assert_eq!(conformance::all(|| Proportional), Ok(()));
    }

    #[test]
    fn it_is_late_less_than_a_static_partition_when_the_load_changes() {
        let scenario = scenarios().into_iter().find(|scenario| scenario.name == "phases").expect("it is there");
        let (mine, other) = (simulate(&scenario, Proportional, 1), simulate(&scenario, Static, 1));
        assert!(mine.violation_s < other.violation_s, "\n{mine}\n{other}");
        assert_eq!(mine.failures, 0, "{}", mine.why);
    }
}
