//! How many credits a receiver gives. Pure: the caller says what time it is.

/// What a sender was promised: messages per second, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Contract {
    /// Messages per second in the long run. 0: the burst is all that there will ever be.
    pub rate_per_s: u32,
    /// Messages that may come at once after a pause.
    pub burst: u32,
}

/// One message, in the unit in which a [`Bucket`] counts: it gains the rate in each nanosecond.
const MESSAGE: u64 = 1_000_000_000;

/// A token bucket that keeps a [`Contract`]. Credits that were given and are not used yet count as being in it, so that in any span of `t` seconds at most
/// `burst + rate_per_s * t` messages come, whenever the sender chooses to use its credits. Nothing is lost to rounding.
///
/// Who gives the credits does not see when they are used, only that they were when it looks: until then they fill the bucket. A receiver that looks
/// seldom should therefore offer a burst as large as what comes at the rate in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    contract: Contract,
    /// What is in it to be given, in billionths of a message.
    level: u64,
    /// Credits that were given and were not used when it was last refilled, or given since.
    unused: u32,
    /// When that was, in ns.
    at: u64,
}

impl Bucket {
    /// A full one, at `now_ns`.
    #[must_use]
    pub const fn new(contract: Contract, now_ns: u64) -> Self {
        Self { contract, level: contract.burst as u64 * MESSAGE, unused: 0, at: now_ns }
    }

    /// The contract.
    #[must_use]
    pub const fn contract(&self) -> Contract {
        self.contract
    }

    /// Fills in what has come until `now_ns`, when so many of the credits that were given are `unused`. An instant before the last one counts as that.
    pub fn refill(&mut self, now_ns: u64, unused: u32) {
        let elapsed = now_ns.saturating_sub(self.at);
        let gain = elapsed.saturating_mul(u64::from(self.contract.rate_per_s));
        let most = u64::from(self.contract.burst.saturating_sub(self.unused)) * MESSAGE;
        self.level = self.level.saturating_add(gain).min(most);
        self.unused = unused;
        self.at = self.at.max(now_ns);
    }

    /// Takes as many credits as there are, at most `most`.
    #[must_use]
    pub fn take(&mut self, most: u32) -> u32 {
        let credits = self.available().min(most);
        self.level -= u64::from(credits) * MESSAGE;
        self.unused = self.unused.saturating_add(credits);
        credits
    }

    /// Credits that are there.
    #[must_use]
    pub fn available(&self) -> u32 {
        // The level is at most the burst, which is of this type.
        u32::try_from(self.level / MESSAGE).unwrap_or(u32::MAX)
    }

    /// The instant, in ns, at which there is a credit, if nothing is taken and no credit used before; `None` if there will not be one.
    #[must_use]
    pub fn next_at(&self) -> Option<u64> {
        let missing = MESSAGE.saturating_sub(self.level);
        if missing == 0 {
            return Some(self.at);
        }
        if self.contract.rate_per_s == 0 || self.unused >= self.contract.burst {
            return None;
        }
        Some(self.at.saturating_add(missing.div_ceil(u64::from(self.contract.rate_per_s))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_the_rate() {
        let mut bucket = Bucket::new(Contract { rate_per_s: 1_000, burst: 5 }, 100);
        assert_eq!(bucket.take(3), 3);
        assert_eq!(bucket.take(9), 2);
        assert_eq!((bucket.take(9), bucket.next_at()), (0, None), "all credits are unused");
        bucket.refill(100, 0);
        assert_eq!(bucket.next_at(), Some(1_000_100), "one message per millisecond");
        bucket.refill(1_000_099, 0);
        assert_eq!(bucket.take(9), 0);
        bucket.refill(1_000_100, 0);
        assert_eq!(bucket.take(9), 1);
    }

    #[test]
    fn a_pause_fills_no_more_than_the_burst() {
        let mut bucket = Bucket::new(Contract { rate_per_s: u32::MAX, burst: u32::MAX }, 0);
        assert_eq!(bucket.take(u32::MAX), u32::MAX);
        bucket.refill(0, 0);
        bucket.refill(u64::MAX, 0);
        assert_eq!(bucket.available(), u32::MAX);
    }

    #[test]
    fn credits_that_are_not_used_count_as_being_in_the_bucket() {
        let mut bucket = Bucket::new(Contract { rate_per_s: 1_000, burst: 5 }, 0);
        assert_eq!(bucket.take(5), 5);
        bucket.refill(1_000_000_000, 5);
        assert_eq!(bucket.take(5), 0, "a thousand have come, and all had to flow over");
        bucket.refill(2_000_000_000, 3);
        assert_eq!(bucket.take(5), 0, "as far as is known they were used this moment");
        bucket.refill(3_000_000_000, 3);
        assert_eq!(bucket.take(5), 2);
    }

    #[test]
    fn time_that_runs_backwards_gives_nothing() {
        let mut bucket = Bucket::new(Contract { rate_per_s: 1_000_000_000, burst: 10 }, 1_000);
        assert_eq!(bucket.take(10), 10);
        bucket.refill(0, 0);
        bucket.refill(1_000, 0);
        assert_eq!(bucket.take(10), 0);
    }

    #[test]
    fn without_a_rate_the_burst_is_all() {
        let mut bucket = Bucket::new(Contract { rate_per_s: 0, burst: 1 }, 0);
        assert_eq!(bucket.next_at(), Some(0));
        assert_eq!(bucket.take(2), 1);
        bucket.refill(u64::MAX, 0);
        assert_eq!((bucket.take(1), bucket.next_at()), (0, None));
    }
}
