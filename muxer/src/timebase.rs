//! From a time-stamp counter to the timebase and back, and how far two counters are apart.

/// How one hardware thread reads the timebase: `((counter + offset) * multiplier) >> 32` nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timebase {
    offset: u64,
    multiplier: u64,
}

impl Timebase {
    /// A counter of `hz` ticks a second, whose value `zero` is the timebase's zero; an `hz` of 0 counts as 1. `multiplier` is exact to
    /// 2^-32 ns a tick: below 0.3 ns a second at 1 GHz, and the same for all hardware threads.
    #[must_use]
    pub fn new(hz: u64, zero: u64) -> Self {
        let multiplier = ((1_000_000_000_u128 << 32) / u128::from(hz.max(1))).min(u128::from(u64::MAX)) as u64;
        Self { offset: zero.wrapping_neg(), multiplier: multiplier.max(1) }
    }

    /// For a hardware thread whose counter is `ahead` ticks ahead of this one's.
    #[must_use]
    pub fn corrected(self, ahead: i64) -> Self {
        Self { offset: self.offset.wrapping_sub(ahead as u64), ..self }
    }

    /// Added, wrapping, to the counter.
    #[must_use]
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// Nanoseconds a tick, times 2^32.
    #[must_use]
    pub fn multiplier(self) -> u64 {
        self.multiplier
    }

    /// The timebase at a value of the counter, in ns.
    #[must_use]
    pub fn nanos(self, counter: u64) -> u64 {
        let ticks = counter.wrapping_add(self.offset);
        ((u128::from(ticks) * u128::from(self.multiplier)) >> 32) as u64
    }

    /// The first value of the counter at which the timebase is `nanos` or later: a timer set to it is never early.
    #[must_use]
    pub fn counter(self, nanos: u64) -> u64 {
        let ticks = (u128::from(nanos) << 32).div_ceil(u128::from(self.multiplier));
        (ticks.min(u128::from(u64::MAX)) as u64).wrapping_sub(self.offset)
    }
}

/// How far another hardware thread's counter is ahead of ours, by exchanges: we read `sent`, it reads `remote`, we read `received`. The exchange with
/// the least round trip is believed; half of its round trip bounds the error.
#[derive(Clone, Copy, Debug, Default)]
pub struct OffsetEstimator {
    best: Option<(u64, i64)>,
}

impl OffsetEstimator {
    /// Adds an exchange, in ticks.
    pub fn add(&mut self, sent: u64, remote: u64, received: u64) {
        let trip = received.wrapping_sub(sent);
        let middle = sent.wrapping_add(trip / 2);
        if self.best.is_none_or(|(least, _)| trip < least) {
            self.best = Some((trip, remote.wrapping_sub(middle) as i64));
        }
    }

    /// How many ticks the other counter is ahead, and the most by which that may be wrong. None before the first exchange. An offset
    /// that is not larger than the error is reported as 0, because the counters agree as far as can be told; what was left out is in the error.
    #[must_use]
    pub fn estimate(&self) -> Option<(i64, u64)> {
        self.best.map(|(trip, ahead)| {
            let error = trip.div_ceil(2);
            if ahead.unsigned_abs() <= error { (0, error + ahead.unsigned_abs()) } else { (ahead, error) }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_timer_is_never_early_and_at_most_a_tick_late(
            hz in 100_000_000_u64..6_000_000_000, zero in any::<u64>(), nanos in 0_u64..1 << 56
        ) {
            let base = Timebase::new(hz, zero);
            let counter = base.counter(nanos);
            prop_assert!(base.nanos(counter) >= nanos);
            if nanos > 0 {
                prop_assert!(base.nanos(counter.wrapping_sub(1)) < nanos);
            }
        }

        #[test]
        fn the_timebase_never_runs_backwards(hz in 100_000_000_u64..6_000_000_000, a in 0_u64..1 << 60, b in 0_u64..1 << 60) {
            let base = Timebase::new(hz, 0);
            prop_assert!(base.nanos(a.min(b)) <= base.nanos(a.max(b)));
        }

        #[test]
        fn the_estimated_offset_is_within_its_own_error(
            ahead in prop_oneof![-1_000_000_i64..1_000_000, -3_000_i64..3_000],
            trips in proptest::collection::vec((20_u64..5_000, 20_u64..5_000), 1..50),
        ) {
            let mut estimator = OffsetEstimator::default();
            let mut now = 1 << 40;
            for (there, back) in trips {
                let remote = (now + there).wrapping_add(ahead as u64);
                estimator.add(now, remote, now + there + back);
                now += 10_000;
            }
            let (estimate, error) = estimator.estimate().expect("there were exchanges");
            prop_assert!((estimate - ahead).unsigned_abs() <= error, "{estimate} +- {error}, but it is {ahead}");
        }
    }
}
