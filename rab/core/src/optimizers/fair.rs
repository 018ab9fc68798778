//! Shares by weight, whatever cells achieve. The yardstick for optimizers that look.

use crate::divide::by_weight;
use crate::optimizer::{NoAllocation, Optimizer, Situation, Steps};
use crate::resource::Amounts;

/// Divides all there is by the cells' weights, between minimum and desired.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fair;

impl Optimizer for Fair {
    fn name(&self) -> &'static str {
        "fair"
    }

    fn allocate(
        &mut self,
        situation: &Situation<'_>,
        steps: &mut Steps,
        shares: &mut [Amounts],
    ) -> Result<(), NoAllocation> {
        let cells = situation.cells();
        by_weight(situation, steps, |place| cells[place].needs.weight, |place| cells[place].needs.desired, shares)
    }
}
