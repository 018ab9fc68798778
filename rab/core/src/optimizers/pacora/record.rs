//! What was measured of a cell with which resources, and the response-time function fitted to it.
//!
//! PACORA fits by non-negative least squares with ageing, updated online. Decided here: instead of a factorisation that absorbs every measurement, a cell's record has a
//! row for each of the last few *different* allocations. A cell that stays long with one allocation would otherwise drown what is known of all others, just before
//! it is needed. Fitting from at most [`ROWS`] rows costs a bounded number of operations and cannot drift numerically.

use heapless::Vec;

use super::response::{FEATURES, Features, Response, Scale, alone, features};
use crate::cell::{CellId, Needs, Seen};
use crate::resource::{Amounts, Resource};

/// Allocations that are remembered.
const ROWS: usize = 12;
/// What a row keeps of its weight from decision to decision.
const AGEING: f64 = 0.985;
/// What rows keep of their weight when the cell begins a new phase.
const PHASE: f64 = 0.3;
/// The relative difference from what was measured with the same share that is a new phase although nobody noticed its beginning.
const KNOWN: f64 = 0.1;
/// The relative difference from what was expected with another share that makes the function doubtful.
const GUESSED: f64 = 0.3;
/// The relative error to which measurements are believed at best: the form of the function is not exact either.
const FLOOR: f64 = 0.02;
/// The weight of the assumed shape against that of one fresh row.
const ASSUMED: f64 = 0.02;
/// Passes over the coefficients in one fit, at most.
const PASSES: usize = 24;

#[derive(Clone, Copy, Debug)]
struct Row {
    share: Amounts,
    response_s: f64,
    weight: f64,
    is_of_this_phase: bool,
}

/// What is known of a cell.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) cell: CellId,
    pub(super) response: Response,
    pub(super) scale: Scale,
    rows: Vec<Row, ROWS>,
}

impl Record {
    /// Nothing is measured. Assumed is that with all that it desires it would just be in time.
    pub(super) fn new(cell: CellId, needs: &Needs, totals: &Amounts) -> Self {
        let scale = Scale::new(totals, needs);
        let share = needs.desired.least(*totals).most(needs.minimum);
        let response = assumed(&scale, &share, needs.deadline_s.unwrap_or(1.0));
        Self { cell, response, scale, rows: Vec::new() }
    }

    /// Allocations that are remembered now.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Half of the least that it was measured with, or has: with less than that nobody knows.
    pub(super) fn known_low(&self, has: &Amounts) -> Amounts {
        let mut low = self.rows.iter().fold(*has, |low, row| low.least(row.share));
        for resource in Resource::ALL {
            low[resource] = low[resource].div_ceil(2);
        }
        low
    }

    /// Seconds that are expected with so much.
    pub(super) fn expects(&self, share: &Amounts) -> f64 {
        self.response.at(&self.scale.roots(share))
    }

    /// Adds a measurement with this share and fits anew.
    pub(super) fn learn(&mut self, share: &Amounts, seen: &Seen, needs: &Needs, totals: &Amounts) {
        self.scale = Scale::new(totals, needs);
        let error = seen.deviation_s / (seen.response_s * libm::sqrt(f64::from(seen.samples.max(1))));
        self.doubt(share, seen, error);
        for row in &mut self.rows {
            row.weight *= AGEING;
        }
        let weight = (FLOOR / error.max(FLOOR)) * (FLOOR / error.max(FLOOR));
        let row = Row { share: *share, response_s: seen.response_s, weight, is_of_this_phase: true };
        if let Some(known) = self.rows.iter_mut().find(|row| row.share == *share) {
            *known = row;
        } else if let Err(row) = self.rows.push(row) {
            let lightest = self.rows.iter_mut().reduce(|best, row| if row.weight < best.weight { row } else { best });
            if let Some(lightest) = lightest {
                *lightest = row;
            }
        }
        self.fit(&row);
    }

    /// Changes what is remembered if what is seen now contradicts it. `error` is the relative error of what is seen.
    fn doubt(&mut self, share: &Amounts, seen: &Seen, error: f64) {
        if self.rows.is_empty() {
            return;
        }
        let known = self.rows.iter().find(|row| row.share == *share).copied();
        let was = known.map_or_else(|| self.expects(share), |row| row.response_s);
        let factor = if was > 0.0 { (seen.response_s / was).clamp(1e-3, 1e3) } else { 1.0 };
        let is_beyond = |least: f64| (factor - 1.0).abs() > least.max(4.0 * error);
        let is_wrong = known.is_some() && is_beyond(KNOWN);
        let is_of_this_phase = known.is_none_or(|row| row.is_of_this_phase);
        if seen.is_new_phase || (is_wrong && is_of_this_phase) {
            for row in &mut self.rows {
                row.is_of_this_phase = false;
            }
        }
        let is_guess_wrong = known.is_none() && is_beyond(GUESSED);
        if !seen.is_new_phase && !is_wrong && !is_guess_wrong {
            return;
        }
        // What changed is most often how much there is to do, which stretches the whole function: better than to know nothing. What was measured since stays as it is.
        for row in self.rows.iter_mut().filter(|row| !row.is_of_this_phase) {
            row.weight *= PHASE;
            if !is_guess_wrong || seen.is_new_phase {
                row.response_s *= factor;
            }
        }
    }

    /// Least squares of relative errors with no coefficient below 0, by coordinate descent from the last fit. The assumed shape, put through the newest row, holds where
    /// nothing was measured.
    fn fit(&mut self, newest: &Row) {
        let mut square = [[0.0; FEATURES]; FEATURES];
        let mut product = [0.0; FEATURES];
        for row in &self.rows {
            let line = features(&self.scale.roots(&row.share)).map(|feature| feature / row.response_s);
            for first in 0..FEATURES {
                let weighted = row.weight * line[first];
                product[first] += weighted;
                for (sum, factor) in square[first].iter_mut().zip(line) {
                    *sum += weighted * factor;
                }
            }
        }
        let shape = assumed(&self.scale, &newest.share, newest.response_s);
        let at_newest = features(&self.scale.roots(&newest.share));
        for place in 0..FEATURES {
            let line = at_newest[place] / newest.response_s;
            let weight = ASSUMED * line * line;
            square[place][place] += weight;
            product[place] += weight * shape.0[place];
        }
        if self.rows.len() == 1 {
            self.response = shape;
        }
        descend(&square, &product, &mut self.response.0);
    }
}

/// Lowers the coefficients' square error, one at a time.
fn descend(square: &[Features; FEATURES], product: &Features, coefficients: &mut Features) {
    for _ in 0..PASSES {
        let mut largest = 0.0_f64;
        for place in 0..FEATURES {
            let diagonal = square[place][place];
            if diagonal <= 0.0 {
                coefficients[place] = 0.0;
                continue;
            }
            let sum: f64 = square[place].iter().zip(coefficients.iter()).map(|(factor, value)| factor * value).sum();
            let better = (coefficients[place] + (product[place] - sum) / diagonal).max(0.0);
            // In units of the error that it makes.
            largest = largest.max((better - coefficients[place]).abs() * libm::sqrt(diagonal));
            coefficients[place] = better;
        }
        if largest < 1e-4 {
            return;
        }
    }
}

/// What is assumed of a cell with one measurement: most of its time is work that hardware threads share, a little is not, and each other kind matters a little.
fn assumed(scale: &Scale, share: &Amounts, response_s: f64) -> Response {
    let at = features(&scale.roots(share));
    let others = Resource::ALL.into_iter().filter(|&kind| kind != Resource::Threads && scale.0[kind.place()] > 0.0);
    let part = 0.2 / others.clone().count().max(1) as f64;
    let mut response = Response::default();
    let mut left = 1.0;
    for kind in others {
        response.0[alone(kind.place())] = part * response_s / at[alone(kind.place())];
        left -= part;
    }
    let threads = alone(Resource::Threads.place());
    if at[threads] > 0.0 {
        response.0[threads] = (left - 0.1) * response_s / at[threads];
        left = 0.1;
    }
    response.0[0] = left * response_s;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(response_s: f64) -> Seen {
        Seen { response_s, deviation_s: 0.0, samples: 9, utilisation: 1.0, backlog: 0.0, is_new_phase: false }
    }

    #[test]
    fn one_measurement_is_met_and_more_hardware_threads_help() {
        let (totals, needs) = (Amounts::threads(16), Needs::best_effort(Amounts::NONE, Amounts::threads(16)));
        let mut record = Record::new(CellId(1), &needs, &totals);
        record.learn(&Amounts::threads(4), &seen(2.0), &needs, &totals);
        assert!((record.expects(&Amounts::threads(4)) - 2.0).abs() < 1e-6);
        assert!(record.expects(&Amounts::threads(8)) < 1.3);
    }

    #[test]
    fn the_function_is_found_from_a_handful_of_allocations() {
        let totals = Amounts::threads(16).with(Resource::Ways, 12);
        let needs = Needs::best_effort(Amounts::NONE, totals);
        let share = |threads, ways| Amounts::threads(threads).with(Resource::Ways, ways);
        let truth = |threads: u32, ways: u32| {
            let (threads, ways) = (f64::from(threads), f64::from(ways));
            0.3 + 4.0 / threads + 1.5 / ways + 0.8 / libm::sqrt(threads * ways)
        };
        let mut record = Record::new(CellId(1), &needs, &totals);
        for (threads, ways) in [(4, 4), (6, 4), (6, 2), (10, 6), (2, 8), (12, 2), (8, 10), (3, 3)] {
            record.learn(&share(threads, ways), &seen(truth(threads, ways)), &needs, &totals);
        }
        for (threads, ways) in [(5, 5), (9, 3), (14, 8), (7, 7)] {
            let (expected, true_s) = (record.expects(&share(threads, ways)), truth(threads, ways));
            assert!((expected / true_s - 1.0).abs() < 0.05, "{threads} {ways}: {expected} for {true_s}");
        }
    }

    #[test]
    fn a_new_phase_stretches_what_was_known() {
        let (totals, needs) = (Amounts::threads(16), Needs::best_effort(Amounts::NONE, Amounts::threads(16)));
        let mut record = Record::new(CellId(1), &needs, &totals);
        for threads in [2, 4, 8] {
            record.learn(&Amounts::threads(threads), &seen(1.0 + 8.0 / f64::from(threads)), &needs, &totals);
        }
        let new = Seen { is_new_phase: true, ..seen(4.0) };
        record.learn(&Amounts::threads(8), &new, &needs, &totals);
        let expected = record.expects(&Amounts::threads(2));
        assert!((expected - 10.0).abs() < 1.0, "{expected}");
    }
}
