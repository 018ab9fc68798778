//! What a cell is given when it starts, it keeps. The other yardstick: a partition that nobody adapts.

use crate::divide::save_power;
use crate::optimizer::{NoAllocation, Optimizer, Situation, Steps};
use crate::resource::{Amounts, Resource};

/// Leaves every cell what it has. A cell that starts gets what it desires, as far as that is free; it never takes from others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Static;

impl Optimizer for Static {
    fn name(&self) -> &'static str {
        "static"
    }

    fn allocate(
        &mut self,
        situation: &Situation<'_>,
        steps: &mut Steps,
        shares: &mut [Amounts],
    ) -> Result<(), NoAllocation> {
        let cells = situation.cells();
        if !steps.take(cells.len() as u32) {
            return Err(NoAllocation::OutOfSteps);
        }
        let mut left = situation.machine().totals();
        // The minimums of all come first: no share that is kept may stand against a promise.
        for (share, cell) in shares.iter_mut().zip(cells) {
            *share = cell.needs.minimum;
            left = left.minus(cell.needs.minimum);
        }
        let wants = |has: Amounts, desired: Amounts| if has == Amounts::NONE { desired } else { has.least(desired) };
        for is_starting in [false, true] {
            for (share, cell) in shares.iter_mut().zip(cells) {
                if (cell.has == Amounts::NONE) != is_starting {
                    continue;
                }
                for resource in Resource::ALL {
                    let wanted = wants(cell.has, cell.needs.desired)[resource].saturating_sub(share[resource]);
                    let given = wanted.min(left[resource]);
                    share[resource] += given;
                    left[resource] -= given;
                }
            }
        }
        save_power(situation, steps, shares)
    }
}
