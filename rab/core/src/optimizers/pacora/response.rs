//! Response-time functions: how long a cell's responses take, as a function of what it has.
//!
//! PACORA's form: a constant, and for every pair of kinds i <= j a coefficient over the square root of the product of the amounts. It is convex in the amounts when no
//! coefficient is negative, and covers work (over a), misses that more cache avoids, and kinds that help each other. What it cannot express is a cell that gets slower with
//! more.

use crate::cell::Needs;
use crate::resource::{Amounts, Resource};

const KINDS: usize = Resource::COUNT;

/// A constant and all pairs.
pub(super) const FEATURES: usize = 1 + KINDS * (KINDS + 1) / 2;

/// One over the square root of each amount's part of the whole; 0 for kinds that do not count.
pub(super) type Roots = [f64; KINDS];

/// What stands beside each coefficient.
pub(super) type Features = [f64; FEATURES];

/// The whole of each kind, 0 for kinds that do not count: those that the machine has not, or that the cell does not desire.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Scale(pub(super) [f64; KINDS]);

impl Scale {
    pub(super) fn new(totals: &Amounts, needs: &Needs) -> Self {
        let mut scale = [0.0; KINDS];
        for resource in Resource::ALL {
            if needs.desired[resource] > 0 {
                scale[resource.place()] = f64::from(totals[resource]);
            }
        }
        Self(scale)
    }

    /// Of one kind. Nothing counts as half a quantum, so that it has a finite response time.
    pub(super) fn root(&self, place: usize, quanta: u32) -> f64 {
        let whole = self.0[place];
        if whole > 0.0 { libm::sqrt(whole / f64::from(quanta).max(0.5)) } else { 0.0 }
    }

    pub(super) fn roots(&self, share: &Amounts) -> Roots {
        let mut roots = [0.0; KINDS];
        for resource in Resource::ALL {
            roots[resource.place()] = self.root(resource.place(), share[resource]);
        }
        roots
    }
}

/// The features of an allocation.
pub(super) fn features(roots: &Roots) -> Features {
    let mut features = [1.0; FEATURES];
    let mut place = 1;
    for first in 0..KINDS {
        for second in first..KINDS {
            features[place] = roots[first] * roots[second];
            place += 1;
        }
    }
    features
}

/// The place among the features of a kind alone.
pub(super) fn alone(kind: usize) -> usize {
    // Before it are the pairs of the kinds before, each with all from itself on.
    1 + kind * KINDS - kind * kind.saturating_sub(1) / 2
}

/// A response-time function: its coefficients, in seconds, none negative.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Response(pub(super) Features);

impl Response {
    /// Seconds with so much.
    pub(super) fn at(&self, roots: &Roots) -> f64 {
        let mut sum = self.0[0];
        let mut place = 1;
        for first in 0..KINDS {
            let others = &roots[first..];
            let row: f64 = self.0[place..].iter().zip(others).map(|(coefficient, root)| coefficient * root).sum();
            place += others.len();
            sum += row * roots[first];
        }
        sum
    }

    /// How it changes with the logarithm of each amount, at most 0.
    pub(super) fn elasticities(&self, roots: &Roots) -> [f64; KINDS] {
        let mut slopes = [0.0; KINDS];
        let mut place = 1;
        for first in 0..KINDS {
            for second in first..KINDS {
                let term = 0.5 * self.0[place] * roots[first] * roots[second];
                slopes[first] -= term;
                slopes[second] -= term;
                place += 1;
            }
        }
        slopes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_kind_alone_is_that_of_its_square() {
        for kind in 0..KINDS {
            let mut roots = [0.0; KINDS];
            roots[kind] = 3.0;
            assert_eq!(features(&roots)[alone(kind)], 9.0, "kind {kind}");
        }
    }

    #[test]
    fn a_response_is_the_product_of_coefficients_and_features() {
        let mut response = Response::default();
        for (place, coefficient) in response.0.iter_mut().enumerate() {
            *coefficient = place as f64;
        }
        let roots = [1.5, 2.0, 0.0, 0.5, 3.0];
        let sum: f64 =
            features(&roots).iter().zip(response.0).map(|(feature, coefficient)| feature * coefficient).sum();
        assert!((response.at(&roots) - sum).abs() < 1e-9);
    }

    #[test]
    fn elasticities_are_what_a_small_change_shows() {
        let mut response = Response::default();
        response.0[1..].fill(0.1);
        let (scale, share) = (Scale([1000.0; KINDS]), 500);
        let roots = scale.roots(&Amounts::NONE.with(Resource::Threads, share).with(Resource::Ways, share));
        let mut more = roots;
        more[0] = scale.root(0, share + 1);
        let seen = (response.at(&more) - response.at(&roots)) * f64::from(share);
        assert!((seen / response.elasticities(&roots)[0] - 1.0).abs() < 0.01, "{seen}");
    }
}
