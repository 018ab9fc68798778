//! Which hardware threads a cell gets or loses when it is resized, and what is said of it.

use alloc::vec::Vec;

use manifest::Policy;

use crate::promise::Claim;

/// How long a cell has to release harts, in ns, before they are taken.
pub const DEADLINE_NS: u64 = 100_000_000;

/// A cell that was given notice, until it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shrinking {
    /// The hardware threads that it will have.
    pub threads: u64,
    /// When the others are taken, released or not, in ns.
    pub deadline_ns: u64,
}

impl Shrinking {
    /// Whether the plan may change now, for a cell that has so many harts and is to have so many of which so many that go are released.
    #[must_use]
    pub fn is_over(&self, now: u64, harts: u32, wanted: u32, released: u32) -> bool {
        now >= self.deadline_ns || released >= harts.saturating_sub(wanted)
    }
}

/// The hardware threads of a cell that has those in `now` and is to have `harts` of the machine's, beside others. None: there are not so many.
///
/// It loses the highest, so that its other harts stay where they are. It gets those that the fewest others use, and of those that serve alike rather one above its own, for the same reason;
/// none of a dedicated cell, under which it would never run.
#[must_use]
pub fn choose(now: u64, harts: u32, machine: u64, others: &[Claim]) -> Option<u64> {
    let mut threads = now;
    while threads.count_ones() > harts {
        threads &= !(1 << threads.ilog2());
    }
    let top = threads.checked_ilog2().unwrap_or(0);
    let users = |thread: u32| others.iter().filter(move |other| other.threads & 1 << thread != 0);
    let is_free = |thread: &u32| {
        (machine & !threads) & 1 << thread != 0 && !users(*thread).any(|other| other.policy == Policy::Dedicated)
    };
    let mut candidates: Vec<u32> = (0..u64::BITS).filter(is_free).collect();
    candidates.sort_by_key(|thread| (users(*thread).count(), *thread < top, *thread));
    let more = candidates.into_iter().take(harts.saturating_sub(threads.count_ones()) as usize);
    let threads = more.fold(threads, |threads, thread| threads | 1 << thread);
    (harts > 0 && threads.count_ones() == harts).then_some(threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(threads: u64) -> Claim {
        Claim { threads, policy: Policy::BestEffort { weight: 1 } }
    }

    #[test]
    fn a_cell_loses_its_highest_hardware_threads() {
        assert_eq!(choose(0b1011_0010, 2, 0xff, &[]), Some(0b0001_0010));
        assert_eq!(choose(0b110, 2, 0xff, &[]), Some(0b110));
        assert_eq!(choose(0b110, 0, 0xff, &[]), None);
    }

    #[test]
    fn a_cell_gets_idle_hardware_threads_first_and_never_those_of_a_dedicated_cell() {
        let dedicated = Claim { threads: 0b1, policy: Policy::Dedicated };
        let others = [dedicated, best(0b1000), best(0b11000)];
        assert_eq!(choose(0b10, 2, 0b11_1111, &others), Some(0b110));
        assert_eq!(choose(0b10, 3, 0b11_1111, &others), Some(0b10_0110));
        assert_eq!(choose(0b10, 4, 0b11_1111, &others), Some(0b11_0110), "the one with fewer users");
        assert_eq!(choose(0b10, 5, 0b11_1111, &others), Some(0b11_1110));
        assert_eq!(choose(0b10, 6, 0b11_1111, &others), None);
    }

    #[test]
    fn harts_stay_where_they_are_if_that_costs_nothing() {
        assert_eq!(choose(0b100, 2, 0b1111, &[]), Some(0b1100));
        assert_eq!(choose(0b100, 3, 0b1111, &[]), Some(0b1101));
        assert_eq!(choose(1 << 63, 2, u64::MAX, &[]), Some(1 << 63 | 1));
    }

    #[test]
    fn shrinking_is_over_when_all_are_released_or_the_deadline_has_passed() {
        let shrinking = Shrinking { threads: 1, deadline_ns: 100 };
        assert!(!shrinking.is_over(99, 3, 1, 1));
        assert!(shrinking.is_over(99, 3, 1, 2));
        assert!(shrinking.is_over(100, 3, 1, 0));
    }
}
