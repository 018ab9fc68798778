//! From shares to a place in the plan: what quanta mean on this machine. Pure.
//!
//! A **quantum** is a fixed part of one hardware thread's time. A cell with `s` of them, of which `q` are a hardware thread, is to have `s / q` hardware threads' worth of
//! time; on `n` hardware threads its gang runs `s / (q n)` of the time: an event-triggered cell by its budget, a best-effort cell by its weight.
//!
//! A cell with a fixed number of harts keeps its hardware threads. One that can grow and shrink gets the least number on which its quanta fit beside
//! the others', its present ones first, so that nothing moves without need; if they fit on whole hardware threads, it has those alone.

use alloc::vec::Vec;

use manifest::Policy;

use crate::promise::{self, Claim};

/// Weight of a whole hardware thread: weights of best-effort cells with and without a broker compare with it.
const WEIGHT: u64 = 1_000;

/// A cell that takes part in the division.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Where it is now, and under which policy.
    pub claim: Claim,
    /// The hardware threads that it may have.
    pub pool: u64,
    /// As many as it may have at once. As many as it has now, if that is fixed.
    pub most_harts: u32,
    /// What it gets, in quanta.
    pub share: u32,
}

impl Candidate {
    fn is_fixed(&self) -> bool {
        self.most_harts <= self.claim.threads.count_ones() && self.pool & !self.claim.threads == 0
    }

    fn most_harts(&self) -> u32 {
        self.most_harts.clamp(1, self.pool.count_ones().max(1))
    }

    /// Hardware threads that its share fills.
    fn least_harts(&self, quanta: u32) -> u32 {
        self.share.div_ceil(quanta.max(1)).clamp(1, self.most_harts())
    }
}

/// Quanta that can be divided on these hardware threads: what the cells that take no part (`others`) are not promised, less what budgets need besides. Budgets are admitted by the kernel with two leads each,
/// and with all of a window at the worst instant of their period.
#[must_use]
pub fn capacity(threads: u64, quanta: u32, others: &[Claim], parts: &[Claim], lead_ns: u64) -> u32 {
    let each = |number: u32| {
        let bit = 1_u64 << number;
        let taken = promise::taken(others, bit);
        let switching: f64 = parts
            .iter()
            .map(|claim| match claim.policy {
                Policy::EventTriggered { period_ns, .. } => 2.0 * lead_ns as f64 / period_ns.max(1) as f64,
                _ => 0.0,
            })
            .sum();
        let burst = parts.iter().map(|claim| burst(claim.policy, others, bit, lead_ns)).fold(0.0, f64::max);
        (1.0 - taken - switching - burst).max(0.0)
    };
    let bits = (0..64).filter(|number| threads >> number & 1 == 1);
    let has_budgets = parts.iter().any(|claim| matches!(claim.policy, Policy::EventTriggered { .. }));
    if has_budgets {
        // The least of all, because a gang has its time on all of its hardware threads at once.
        let least = bits.map(each).fold(1.0, f64::min);
        return (least * f64::from(quanta) * f64::from(threads.count_ones())) as u32;
    }
    bits.map(|number| (each(number) * f64::from(quanta)) as u32).sum()
}

/// The part of a budget's period that windows can take beyond their average, when they come all at once.
fn burst(policy: Policy, others: &[Claim], bit: u64, lead_ns: u64) -> f64 {
    let Policy::EventTriggered { period_ns, .. } = policy else { return 0.0 };
    let windows = others.iter().filter(|claim| claim.threads & bit != 0).map(|claim| match claim.policy {
        Policy::TimeTriggered { period_ns: of, length_ns, .. } if of > 0 => {
            let held = (length_ns + 3 * lead_ns) as f64;
            // At most h + (h / p) (P - h), of which (h / p) P is counted already, but for the leads.
            held + 3.0 * lead_ns as f64 * period_ns as f64 / of as f64 - held * held / of as f64
        }
        _ => 0.0,
    });
    windows.sum::<f64>() / period_ns.max(1) as f64
}

/// Where each candidate is to be, and under which policy, in their order. `quanta` are a hardware thread.
#[must_use]
pub fn claims(candidates: &[Candidate], quanta: u32) -> Vec<Claim> {
    let mut loads = Loads::new();
    let mut places: Vec<u64> = candidates.iter().map(|candidate| candidate.claim.threads).collect();
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    // Fixed ones first; then those that need no more hardware threads than they have, which stay among those; then those that grow. Large ones find no room later.
    order.sort_by_key(|place| {
        let candidate = &candidates[*place];
        let grows = candidate.least_harts(quanta) > candidate.claim.threads.count_ones();
        (!candidate.is_fixed(), grows, core::cmp::Reverse(candidate.share))
    });
    for place in order {
        let candidate = &candidates[place];
        if !candidate.is_fixed() {
            let others = (0..candidates.len()).filter(|other| *other != place);
            let theirs = others.fold(0, |mask, other| mask | places[other]);
            places[place] = loads.place(candidate, quanta, theirs);
        }
        loads.add(places[place], candidate.share);
    }
    let claim = |(candidate, threads): (&Candidate, u64)| {
        let harts = u64::from(threads.count_ones().max(1));
        let (share, whole) = (u64::from(candidate.share), u64::from(quanta.max(1)) * harts);
        let policy = match candidate.claim.policy {
            Policy::EventTriggered { period_ns, .. } => {
                let budget_ns = (u128::from(period_ns) * u128::from(share) / u128::from(whole)) as u64;
                Policy::EventTriggered { period_ns, budget_ns: budget_ns.min(period_ns.saturating_sub(1)) }
            }
            Policy::BestEffort { .. } => {
                let weight = (WEIGHT * share / whole).clamp(1, *manifest::limits::WEIGHT.end());
                Policy::BestEffort { weight: weight as u32 }
            }
            other => other,
        };
        Claim { threads, policy }
    };
    candidates.iter().zip(places).map(claim).collect()
}

/// The share for which [`claims`] made this claim; nothing for policies that it leaves alone.
#[must_use]
pub fn share(claim: &Claim, quanta: u32) -> Option<u32> {
    let (of, whole) = match claim.policy {
        Policy::EventTriggered { period_ns, budget_ns } => (budget_ns, period_ns),
        Policy::BestEffort { weight } => (weight.into(), WEIGHT),
        _ => return None,
    };
    let all = u128::from(quanta) * u128::from(claim.threads.count_ones());
    let whole = u128::from(whole.max(1));
    u32::try_from((u128::from(of) * all + whole / 2) / whole).ok()
}

/// What is given out on each hardware thread, in quanta, rounded up.
struct Loads([u32; 64]);

impl Loads {
    fn new() -> Self {
        Self([0; 64])
    }

    fn add(&mut self, threads: u64, share: u32) {
        let each = share.div_ceil(threads.count_ones().max(1));
        for (number, load) in self.0.iter_mut().enumerate() {
            *load += if threads >> number & 1 == 1 { each } else { 0 };
        }
    }

    /// The least number of hardware threads on which the share fits; if there is none, those that are loaded least. `theirs` are those that others have.
    fn place(&self, candidate: &Candidate, quanta: u32, theirs: u64) -> u64 {
        let least = candidate.least_harts(quanta);
        for harts in least..=candidate.most_harts() {
            let each = candidate.share.div_ceil(harts);
            if let Some(threads) = self.choose(candidate, harts, theirs, |load| load + each <= quanta) {
                return threads;
            }
        }
        self.choose(candidate, least, theirs, |_| true).unwrap_or(candidate.claim.threads)
    }

    /// So many hardware threads that qualify: those that it has first, then those that nobody has, then the least loaded.
    fn choose(&self, candidate: &Candidate, harts: u32, theirs: u64, qualifies: impl Fn(u32) -> bool) -> Option<u64> {
        let is_there = |number: &u32| candidate.pool >> number & 1 == 1 && qualifies(self.0[*number as usize]);
        let mut numbers: Vec<u32> = (0..64).filter(is_there).collect();
        let is_in = |mask: u64, number: u32| mask >> number & 1 == 1;
        numbers.sort_by_key(|&number| {
            (!is_in(candidate.claim.threads, number), is_in(theirs, number), self.0[number as usize], number)
        });
        let chosen = numbers.get(..harts as usize)?;
        Some(chosen.iter().fold(0, |mask, number| mask | 1 << number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn reserve(threads: u64, share: u32) -> Candidate {
        let policy = Policy::EventTriggered { period_ns: 20 * MS, budget_ns: MS };
        fixed(threads, policy, share)
    }

    fn fixed(threads: u64, policy: Policy, share: u32) -> Candidate {
        Candidate { claim: Claim { threads, policy }, pool: threads, most_harts: threads.count_ones(), share }
    }

    fn elastic(threads: u64, pool: u64, share: u32) -> Candidate {
        let policy = Policy::BestEffort { weight: 1 };
        Candidate { claim: Claim { threads, policy }, pool, most_harts: pool.count_ones(), share }
    }

    fn places(candidates: &[Candidate], quanta: u32) -> Vec<u64> {
        claims(candidates, quanta).iter().map(|claim| claim.threads).collect()
    }

    #[test]
    fn a_share_of_a_fixed_gang_is_a_budget_or_a_weight() {
        let claims = claims(&[reserve(3, 8), fixed(3, Policy::BestEffort { weight: 7 }, 4)], 16);
        assert_eq!(claims[0].policy, Policy::EventTriggered { period_ns: 20 * MS, budget_ns: 5 * MS });
        assert_eq!(claims[1].policy, Policy::BestEffort { weight: 125 });
        assert_eq!((claims[0].threads, claims[1].threads), (3, 3));
    }

    #[test]
    fn a_share_is_known_from_its_claim() {
        for share in 0..=24 {
            let claims = claims(&[reserve(3, share), fixed(7, Policy::BestEffort { weight: 7 }, share.max(1))], 8);
            let seen = [super::share(&claims[0], 8), super::share(&claims[1], 8)];
            assert_eq!(seen, [Some(share.min(16)), Some(share.max(1))], "of a reserve and of a weight");
        }
        let dedicated = Claim { threads: 1, policy: Policy::Dedicated };
        assert_eq!(super::share(&dedicated, 8), None);
    }

    #[test]
    fn whole_hardware_threads_are_handed_out_whole() {
        assert_eq!(places(&[elastic(1, 15, 1), elastic(2, 15, 1), elastic(4, 15, 2)], 1), [1, 2, 12]);
        let seen = places(&[elastic(1, 0xff, 32), elastic(2, 0xff, 16), elastic(4, 0xff, 8), elastic(8, 0xff, 8)], 8);
        assert_eq!(seen.iter().map(|mask| mask.count_ones()).collect::<Vec<_>>(), [4, 2, 1, 1]);
        assert_eq!(seen.iter().fold(0, |all, mask| all ^ mask), 0xff, "{seen:?}");
    }

    #[test]
    fn nothing_moves_without_need() {
        let first = [elastic(0b0011, 15, 16), elastic(0b0100, 15, 8), elastic(0b1000, 15, 8)];
        assert_eq!(places(&first, 8), [0b0011, 0b0100, 0b1000]);
        // One gives a hardware thread up, another one takes it, the third one stays.
        let then = [elastic(0b0011, 15, 8), elastic(0b0100, 15, 16), elastic(0b1000, 15, 8)];
        assert_eq!(places(&then, 8), [0b0001, 0b0110, 0b1000]);
    }

    #[test]
    fn what_fits_on_no_whole_hardware_thread_is_spread() {
        let seen = places(&[elastic(1, 3, 11), elastic(2, 3, 11), elastic(2, 3, 10)], 16);
        assert_eq!(seen, [1, 2, 3]);
    }

    #[test]
    fn too_much_is_placed_where_least_is() {
        let seen = places(&[elastic(1, 3, 16), elastic(2, 3, 16), elastic(2, 3, 16)], 16);
        assert_eq!(seen.len(), 3);
        assert!(seen.iter().all(|mask| mask.count_ones() == 1 && mask & !3 == 0), "{seen:?}");
    }

    #[test]
    fn windows_and_switching_are_not_divided() {
        let window = |length| Claim {
            threads: 1,
            policy: Policy::TimeTriggered { period_ns: 10 * MS, phase_ns: 0, length_ns: length },
        };
        let parts: Vec<Claim> = [reserve(1, 1), reserve(1, 1)].iter().map(|candidate| candidate.claim).collect();
        assert_eq!(capacity(1, 16, &[], &[], 0), 16);
        assert_eq!(capacity(3, 16, &[], &parts, 0), 32);
        // A tenth, and of a period of 20 ms another 0.9 ms at the worst instant.
        assert_eq!(capacity(1, 1000, &[window(MS)], &parts, 0), 855);
        assert_eq!(capacity(1, 1000, &[], &parts, MS / 4), 950);
        let dedicated = Claim { threads: 1, policy: Policy::Dedicated };
        assert_eq!(capacity(3, 16, &[dedicated], &parts, 0), 0);
    }
}
