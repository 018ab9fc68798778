//! What a hardware thread's clock shows in true time.
//!
//! Clocks drift, and are corrected before they are too far off: a clock's error goes back and forth between its bounds.

use crate::Instant;

/// A hardware thread's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Clock {
    /// By how much it is ahead in the beginning, in ns.
    pub ahead_ns: i64,
    /// How much it gains in a second, in ns.
    pub drift_ns: i64,
    /// It is ahead or behind by this much at most, in ns.
    pub error_ns: i64,
}

impl Clock {
    /// What it shows at a true time, in ns. It never runs backwards as long as it drifts by less than a second in a second.
    #[must_use]
    pub fn shows(&self, now: u64) -> Instant {
        let error = i128::from(self.error_ns);
        if error == 0 {
            return Instant::from_nanos(now);
        }
        let ahead = i128::from(self.ahead_ns) + i128::from(self.drift_ns) * i128::from(now) / 1_000_000_000;
        let folded = (ahead + error).rem_euclid(4 * error);
        let ahead = if folded > 2 * error { 3 * error - folded } else { folded - error };
        Instant::from_nanos((i128::from(now) + ahead).max(0) as u64)
    }

    /// The first true time at which it shows this or more.
    #[must_use]
    pub fn reaches(&self, instant: Instant) -> u64 {
        let error = self.error_ns.unsigned_abs() + 1;
        let (mut low, mut high) = (instant.as_nanos().saturating_sub(error), instant.as_nanos().saturating_add(error));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.shows(middle) >= instant { high = middle } else { low = middle + 1 }
        }
        low
    }
}
