//! A distribution in bounded memory: buckets whose width is a thirty-second of their value.

use alloc::vec;
use alloc::vec::Vec;

/// Each power of two is divided into `1 << PRECISION` buckets.
const PRECISION: u32 = 5;
const BUCKETS: usize = ((64 - PRECISION as usize) + 1) << PRECISION;

/// Counts values; quantiles are exact to about 3 percent, the maximum exactly. 15 KiB.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, max: 0 }
    }
}

fn bucket(value: u64) -> usize {
    let exponent = 63_u32.saturating_sub(value.leading_zeros());
    if exponent < PRECISION {
        return value as usize;
    }
    let shift = exponent - PRECISION;
    ((shift as usize + 1) << PRECISION) + ((value >> shift) as usize & ((1 << PRECISION) - 1))
}

/// The largest value of a bucket.
fn top(bucket: usize) -> u64 {
    if bucket >> PRECISION == 0 {
        return bucket as u64;
    }
    let shift = (bucket >> PRECISION) - 1;
    let leading = (1_u64 << PRECISION) + (bucket as u64 & ((1 << PRECISION) - 1));
    (leading << shift) | ((1_u64 << shift) - 1)
}

impl Histogram {
    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        if let Some(count) = self.buckets.get_mut(bucket(value)) {
            *count += 1;
        }
        self.count += 1;
        self.max = self.max.max(value);
    }

    /// Values counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The largest value, or none.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// A value that `thousandths` of all values do not exceed, rounded up by at most a thirty-second; none if there are no values.
    #[must_use]
    pub fn quantile(&self, thousandths: u64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let wanted = (u128::from(self.count) * u128::from(thousandths.min(1000))).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= wanted {
                return Some(top(index).min(self.max));
            }
        }
        Some(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_bucket_that_holds_it() {
        let powers = (0..64).flat_map(|bit| [1 << bit, (1_u64 << bit) + 1, (1_u64 << bit) - 1]);
        for value in (0..2000).chain(powers).chain([u64::MAX]) {
            let index = bucket(value);
            assert!(index < BUCKETS, "{value}");
            assert!(
                top(index) >= value && top(index) - value <= value / 32,
                "{value} in a bucket up to {}",
                top(index)
            );
        }
        assert!((0..100_000).map(bucket).is_sorted());
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.quantile(500), histogram.max()), (None, None));
        (1..=10_000).for_each(|value| histogram.record(value));
        let near = |quantile: Option<u64>, value: u64| quantile.is_some_and(|q| q >= value && q <= value + value / 32);
        assert!(near(histogram.quantile(500), 5_000), "{:?}", histogram.quantile(500));
        assert!(near(histogram.quantile(990), 9_900));
        assert_eq!(
            (histogram.quantile(1000), histogram.max(), histogram.count()),
            (Some(10_000), Some(10_000), 10_000)
        );
        assert_eq!(histogram.quantile(0), Some(1));
    }
}
