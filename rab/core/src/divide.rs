//! Dividing by weight between a lowest and a highest share: what the simple optimizers have in common, and what holds when an optimizer fails.

use crate::optimizer::{NoAllocation, Situation, Steps};
use crate::resource::{Amounts, Resource};

/// Gives each cell its minimum, and of the rest what its weight is worth, until it has as much as `wants` says or nothing is left. Whole quanta; what does not
/// divide goes to the first cells. If there is a limit to the power, quanta are withheld until it is kept.
///
/// Wants are taken as at least the minimum and at most what the cell desires. A step for each cell, kind and round; at most as many rounds as cells and one.
///
/// # Errors
/// [`NoAllocation::OutOfSteps`].
pub fn by_weight(
    situation: &Situation<'_>,
    steps: &mut Steps,
    weights: impl Fn(usize) -> u32,
    wants: impl Fn(usize) -> Amounts,
    shares: &mut [Amounts],
) -> Result<(), NoAllocation> {
    let cells = situation.cells();
    let totals = situation.machine().totals();
    let ceiling = |place: usize, resource: Resource| {
        let needs = &cells[place].needs;
        wants(place)[resource].clamp(needs.minimum[resource], needs.desired[resource])
    };
    for (share, cell) in shares.iter_mut().zip(cells) {
        *share = cell.needs.minimum;
    }
    for resource in Resource::ALL {
        let used: u32 = cells.iter().map(|cell| cell.needs.minimum[resource]).sum();
        let mut left = totals[resource].saturating_sub(used);
        while left > 0 {
            if !steps.take(cells.len() as u32) {
                return Err(NoAllocation::OutOfSteps);
            }
            let is_open = |place: usize, shares: &[Amounts]| shares[place][resource] < ceiling(place, resource);
            let open = (0..cells.len()).filter(|&place| is_open(place, shares));
            let weight: u64 = open.map(|place| u64::from(weights(place).max(1))).sum();
            if weight == 0 {
                break;
            }
            let round = left;
            for place in 0..cells.len() {
                if !is_open(place, shares) {
                    continue;
                }
                // At least one, so that every round gets on; the first cells get what does not divide.
                let worth = u64::from(round) * u64::from(weights(place).max(1)) / weight;
                let room = ceiling(place, resource) - shares[place][resource];
                let given = (worth as u32).max(1).min(room).min(left);
                shares[place][resource] += given;
                left -= given;
            }
        }
    }
    save_power(situation, steps, shares)
}

/// Takes quanta back until the power's limit is kept: always from the cell that has the most of the most thirsty kind beyond its minimum. Situations are such that this
/// can succeed.
///
/// # Errors
/// [`NoAllocation::OutOfSteps`].
pub fn save_power(situation: &Situation<'_>, steps: &mut Steps, shares: &mut [Amounts]) -> Result<(), NoAllocation> {
    let machine = situation.machine();
    let Some(most) = machine.most_watts else { return Ok(()) };
    let cells = situation.cells();
    let mut given = shares.iter().take(cells.len()).fold(Amounts::NONE, |sum, share| sum.plus(*share));
    while machine.watts(&given) > most {
        if !steps.take(cells.len() as u32) {
            return Err(NoAllocation::OutOfSteps);
        }
        let spare = |place: usize, resource: Resource| shares[place][resource] - cells[place].needs.minimum[resource];
        let watts = |resource: Resource| machine.supply(resource).map_or(0.0, |supply| supply.watts);
        let mut best: Option<(f64, usize, Resource)> = None;
        for resource in Resource::ALL.into_iter().filter(|&resource| watts(resource) > 0.0) {
            for place in (0..cells.len()).filter(|&place| spare(place, resource) > 0) {
                let worth = watts(resource) * f64::from(spare(place, resource));
                if best.is_none_or(|(other, _, _)| worth > other) {
                    best = Some((worth, place, resource));
                }
            }
        }
        let Some((_, place, resource)) = best else {
            return Err(NoAllocation::Power { watts: machine.watts(&given), most });
        };
        shares[place][resource] -= 1;
        given[resource] -= 1;
    }
    Ok(())
}
