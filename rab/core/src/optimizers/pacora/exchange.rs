//! The minimum in whole quanta: the best exchange, again and again, until none is left.
//!
//! Exchanges are: a quantum from the idle ones to a cell or back, from cell to cell, and one kind against another, with the idle ones or with another cell. The last ones are what leads
//! along a cell's deadline, where a single quantum less would make it late. Only the two cells that took part need to be looked at again, so an exchange costs about 50 evaluations
//! and a pass over tables. First in large grains, then in single quanta.

use super::polish::Polish;
use super::problem::{Player, Problem};
use crate::optimizer::Steps;
use crate::resource::{Amounts, Resource};

const KINDS: usize = Resource::COUNT;

/// Evaluations for one cell's table.
const EVALUATIONS: u32 = 1 + (KINDS * (KINDS + 1)) as u32;

/// Grains, as parts of what there is; then single quanta.
const GRAINS: [u32; 2] = [16, 64];

/// How a cell's penalty changes. Infinite where the cell cannot.
#[derive(Clone, Copy, Debug)]
struct Table {
    more: [f64; KINDS],
    less: [f64; KINDS],
    /// Less of the first kind, more of the second.
    trade: [[f64; KINDS]; KINDS],
}

impl Table {
    const EMPTY: Self =
        Self { more: [f64::INFINITY; KINDS], less: [f64::INFINITY; KINDS], trade: [[f64::INFINITY; KINDS]; KINDS] };
}

/// Who gives or takes.
type Party = Option<usize>;

/// An exchange: `giver` gives `given` to `taker`; with `back`, `taker` gives that kind to `giver` for it. No party is the idle ones. With `then`, that cell takes that kind
/// from the idle ones, where the giver's power allows it.
#[derive(Clone, Copy, Debug)]
struct Deal {
    change: f64,
    giver: Party,
    given: Resource,
    taker: Party,
    back: Option<Resource>,
    then: Option<(usize, Resource)>,
}

/// The tables that the search works with.
#[derive(Clone, Debug)]
pub(super) struct Exchange<const CELLS: usize> {
    tables: [Table; CELLS],
    grain: [u32; KINDS],
    /// What is given out.
    given: Amounts,
    polish: Polish<CELLS>,
}

impl<const CELLS: usize> Exchange<CELLS> {
    pub(super) const fn new() -> Self {
        Self { tables: [Table::EMPTY; CELLS], grain: [1; KINDS], given: Amounts::NONE, polish: Polish::new() }
    }

    /// Improves `shares`, which keep the cells' boxes, until no exchange helps or the steps are gone. Afterwards the machine's limits are kept too, if that is possible at all.
    /// True if it was done before the steps were gone.
    pub(super) fn run(
        &mut self,
        problem: &Problem<'_>,
        players: &[Player],
        shares: &mut [Amounts],
        steps: &mut Steps,
    ) -> bool {
        self.given = shares.iter().take(players.len()).fold(Amounts::NONE, |sum, share| sum.plus(*share));
        self.repair(problem, players, shares);
        let mut last = [0; KINDS];
        for part in GRAINS.into_iter().map(Some).chain([None]) {
            for resource in Resource::ALL {
                let grain = part.map_or(1, |part| problem.totals[resource] / part);
                self.grain[resource.place()] = grain.max(1);
            }
            if self.grain == last {
                continue;
            }
            last = self.grain;
            if !self.improve(problem, players, shares, steps) {
                return false;
            }
        }
        true
    }

    fn improve(
        &mut self,
        problem: &Problem<'_>,
        players: &[Player],
        shares: &mut [Amounts],
        steps: &mut Steps,
    ) -> bool {
        if !steps.take(EVALUATIONS * players.len() as u32) {
            return false;
        }
        for (place, (player, share)) in players.iter().zip(shares.iter()).enumerate() {
            self.tables[place] = self.table(player, share);
        }
        let least = 1e-9 * (1.0 + problem.objective(players, shares).abs());
        loop {
            let Some(deal) = self.best(problem, players.len()).filter(|deal| deal.change < -least) else {
                if !self.grain.iter().all(|grain| *grain == 1) {
                    return true;
                }
                match self.polish.run(problem, players, shares, &mut self.given, least, steps) {
                    Some(changed) if changed.iter().any(Option::is_some) => {
                        for place in changed.into_iter().flatten() {
                            self.tables[place] = self.table(&players[place], &shares[place]);
                        }
                        continue;
                    }
                    Some(_) => return true,
                    None => return false,
                }
            };
            if !steps.take(2 * EVALUATIONS + players.len() as u32) {
                return false;
            }
            self.carry_out(&deal, shares);
            for place in [deal.giver, deal.taker, deal.then.map(|(place, _)| place)].into_iter().flatten() {
                self.tables[place] = self.table(&players[place], &shares[place]);
            }
        }
    }

    fn table(&self, player: &Player, share: &Amounts) -> Table {
        let mut table = Table::EMPTY;
        let roots = player.scale.roots(share);
        let now = player.penalty(&roots);
        let mut more = [None; KINDS];
        let mut less = [None; KINDS];
        for resource in Resource::ALL {
            let (kind, grain) = (resource.place(), self.grain[resource.place()]);
            if player.high[resource] - share[resource] >= grain {
                more[kind] = Some(player.scale.root(kind, share[resource] + grain));
            }
            if share[resource] - player.low[resource] >= grain {
                less[kind] = Some(player.scale.root(kind, share[resource] - grain));
            }
        }
        let mut changed = roots;
        let mut with = |kind: usize, root: f64, other: Option<(usize, f64)>| {
            changed[kind] = root;
            if let Some((other, root)) = other {
                changed[other] = root;
            }
            let change = player.penalty(&changed) - now;
            changed = roots;
            change
        };
        for kind in 0..KINDS {
            if let Some(root) = more[kind] {
                table.more[kind] = with(kind, root, None);
            }
            let Some(root) = less[kind] else { continue };
            table.less[kind] = with(kind, root, None);
            for (other, more) in more.iter().enumerate().filter(|(other, _)| *other != kind) {
                if let Some(other_root) = *more {
                    table.trade[kind][other] = with(kind, root, Some((other, other_root)));
                }
            }
        }
        table
    }

    /// The exchange that helps most, whether it helps or not.
    fn best(&self, problem: &Problem<'_>, cells: usize) -> Option<Deal> {
        let mut best: Option<Deal> = None;
        let mut offer = |deal: Deal| {
            if deal.change.is_finite() && best.is_none_or(|best| deal.change < best.change) {
                best = Some(deal);
            }
        };
        let tables = &self.tables[..cells];
        for given in Resource::ALL.into_iter().filter(|&resource| problem.totals[resource] > 0) {
            let kind = given.place();
            let cost = problem.cost[kind] * f64::from(self.grain[kind]);
            let takers = two_least(tables.iter().map(|table| table.more[kind]));
            let givers = two_least(tables.iter().map(|table| table.less[kind]));
            if let Some((taker, change)) = takers[0].filter(|_| self.is_idle(problem, given, None)) {
                offer(Deal { change: change + cost, giver: None, given, taker: Some(taker), back: None, then: None });
            }
            if let Some((giver, change)) = givers[0] {
                offer(Deal { change: change - cost, giver: Some(giver), given, taker: None, back: None, then: None });
            }
            for (giver, taker, change) in pairs(givers, takers) {
                offer(Deal { change, giver: Some(giver), given, taker: Some(taker), back: None, then: None });
            }
            for back in Resource::ALL.into_iter().filter(|&back| back != given && problem.totals[back] > 0) {
                let other = back.place();
                let other_cost = problem.cost[other] * f64::from(self.grain[other]);
                let ones = two_least(tables.iter().map(|table| table.trade[kind][other]));
                if let Some((giver, change)) = ones[0].filter(|_| self.is_idle(problem, back, Some(given))) {
                    let change = change - cost + other_cost;
                    offer(Deal { change, giver: Some(giver), given, taker: None, back: Some(back), then: None });
                }
                if problem.machine.most_watts.is_some() && self.is_idle(problem, back, Some(given)) {
                    let takers = two_least(tables.iter().map(|table| table.more[other]));
                    for (giver, taker, change) in pairs(givers, takers) {
                        let (change, then) = (change - cost + other_cost, Some((taker, back)));
                        offer(Deal { change, giver: Some(giver), given, taker: None, back: None, then });
                    }
                }
                // Each pair once.
                let others = two_least(tables.iter().map(|table| table.trade[other][kind]));
                for (giver, taker, change) in pairs(ones, others).filter(|_| kind < other) {
                    offer(Deal { change, giver: Some(giver), given, taker: Some(taker), back: Some(back), then: None });
                }
            }
        }
        best
    }

    /// Whether a grain of this kind is idle and may be used, if one of the other kind becomes idle for it.
    fn is_idle(&self, problem: &Problem<'_>, resource: Resource, freed: Option<Resource>) -> bool {
        let mut given = self.given;
        if let Some(freed) = freed {
            given[freed] = given[freed].saturating_sub(self.grain[freed.place()]);
        }
        given[resource] = given[resource].saturating_add(self.grain[resource.place()]);
        problem.allows(&given)
    }

    fn carry_out(&mut self, deal: &Deal, shares: &mut [Amounts]) {
        self.hand_over(deal.giver, deal.taker, deal.given, shares);
        if let Some(back) = deal.back {
            self.hand_over(deal.taker, deal.giver, back, shares);
        }
        if let Some((place, resource)) = deal.then {
            self.hand_over(None, Some(place), resource, shares);
        }
    }

    fn hand_over(&mut self, from: Party, to: Party, resource: Resource, shares: &mut [Amounts]) {
        let grain = self.grain[resource.place()];
        match from {
            Some(place) => shares[place][resource] -= grain,
            None => self.given[resource] += grain,
        }
        match to {
            Some(place) => shares[place][resource] += grain,
            None => self.given[resource] -= grain,
        }
    }

    /// Takes quanta back until the machine's limits are kept, each where it does the least harm for what it is short of.
    fn repair(&mut self, problem: &Problem<'_>, players: &[Player], shares: &mut [Amounts]) {
        while !problem.allows(&self.given) {
            let short = self.given.beyond(&problem.totals);
            let mut best: Option<(f64, usize, Resource, u32)> = None;
            for (place, (player, share)) in players.iter().zip(shares.iter()).enumerate() {
                let now = player.penalty(&player.scale.roots(share));
                for resource in
                    Resource::ALL.into_iter().filter(|&resource| short.is_none_or(|short| short == resource))
                {
                    let watts = problem.machine.supply(resource).map_or(0.0, |supply| supply.watts);
                    let grain = (problem.totals[resource] / 32).max(1).min(share[resource] - player.low[resource]);
                    if grain == 0 || (short.is_none() && watts <= 0.0) {
                        continue;
                    }
                    let fewer = share.with(resource, share[resource] - grain);
                    let harm = player.penalty(&player.scale.roots(&fewer)) - now;
                    let per = if short.is_none() { watts * f64::from(grain) } else { f64::from(grain) };
                    if best.is_none_or(|(least, _, _, _)| harm / per < least) {
                        best = Some((harm / per, place, resource, grain));
                    }
                }
            }
            let Some((_, place, resource, grain)) = best else { return };
            shares[place][resource] -= grain;
            self.given[resource] -= grain;
        }
    }
}

/// The two least and where they are.
fn two_least(values: impl Iterator<Item = f64>) -> [Option<(usize, f64)>; 2] {
    let mut least = [None, None];
    for (place, value) in values.enumerate().filter(|(_, value)| value.is_finite()) {
        if least[0].is_none_or(|(_, best)| value < best) {
            least = [Some((place, value)), least[0]];
        } else if least[1].is_none_or(|(_, best)| value < best) {
            least[1] = Some((place, value));
        }
    }
    least
}

/// All pairs of different cells, with the sum of their changes.
fn pairs(
    first: [Option<(usize, f64)>; 2],
    second: [Option<(usize, f64)>; 2],
) -> impl Iterator<Item = (usize, usize, f64)> {
    let all = first.into_iter().flatten().flat_map(move |one| second.into_iter().flatten().map(move |two| (one, two)));
    all.filter(|(one, two)| one.0 != two.0).map(|(one, two)| (one.0, two.0, one.1 + two.1))
}
