//! What a plan promises to each gang.

use alloc::vec::Vec;

use manifest::Policy;

/// A gang's place in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its hardware threads, a bit each.
    pub threads: u64,
    /// When it runs.
    pub policy: Policy,
}

/// Windows that are laid out one by one; beyond that, their lengths are added up as if none ran beside another.
const WINDOWS_MAX: u64 = 20_000;

/// For each gang, the part of the time (0 to 1) in which it is promised to run.
///
/// Dedicated: all. Time-triggered: its windows. Event-triggered: its budget, while it has work; it gets less where it has less to do. Best-effort: of the time in
/// which none of its hardware threads belongs to someone else's window or budget, the part that its weight is of all weights of the best-effort gangs with which it
/// shares a hardware thread. That is the least that it gets if it always has work: budgets are counted as if all were used up and none at the same time as
/// another one, what idle cells leave comes on top, and so does what is left where gangs overlap in part. The time of switching is not taken off.
#[must_use]
pub fn promised(claims: &[Claim]) -> Vec<f64> {
    let share = |claim: &Claim| match claim.policy {
        Policy::Dedicated => 1.0,
        Policy::TimeTriggered { period_ns, length_ns, .. } => part(length_ns, period_ns),
        Policy::EventTriggered { period_ns, budget_ns } => part(budget_ns, period_ns),
        Policy::BestEffort { weight } => {
            let rivals = claims.iter().filter(|other| other.threads & claim.threads != 0);
            let weights: u64 = rivals
                .map(|other| if let Policy::BestEffort { weight } = other.policy { weight.into() } else { 0 })
                .sum();
            (1.0 - taken(claims, claim.threads)) * part(weight.into(), weights)
        }
    };
    claims.iter().map(share).collect()
}

fn part(of: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { (of as f64 / all as f64).min(1.0) }
}

/// The part of the time in which at least one of these hardware threads belongs to a window, a dedicated cell or, at worst, a budget.
pub(crate) fn taken(claims: &[Claim], threads: u64) -> f64 {
    let mut windows = Vec::new();
    let mut budgets = 0.0;
    for claim in claims.iter().filter(|claim| claim.threads & threads != 0) {
        match claim.policy {
            Policy::Dedicated => return 1.0,
            Policy::TimeTriggered { period_ns, phase_ns, length_ns } if period_ns > 0 => {
                windows.push((period_ns, phase_ns % period_ns, length_ns.min(period_ns)));
            }
            Policy::EventTriggered { period_ns, budget_ns } => budgets += part(budget_ns, period_ns),
            _ => {}
        }
    }
    let cycle =
        windows.iter().try_fold(1_u64, |cycle, window| (cycle / divisor(cycle, window.0)).checked_mul(window.0));
    let windows = match cycle {
        Some(cycle) if windows.iter().map(|window| cycle / window.0).sum::<u64>() <= WINDOWS_MAX => {
            covered(&windows, cycle)
        }
        _ => windows.iter().map(|window| part(window.2, window.0)).sum::<f64>(),
    };
    (windows + budgets).min(1.0)
}

/// The part of a cycle that windows (period, phase, length) cover. Every period divides the cycle.
fn covered(windows: &[(u64, u64, u64)], cycle: u64) -> f64 {
    let mut spans = Vec::new();
    for &(period, phase, length) in windows {
        for number in 0..cycle / period {
            let start = number * period + phase;
            let end = start + length;
            spans.push((start, end.min(cycle)));
            if end > cycle {
                spans.push((0, end - cycle));
            }
        }
    }
    spans.sort_unstable();
    let (mut sum, mut reached) = (0, 0);
    for (start, end) in spans {
        sum += end.saturating_sub(start.max(reached));
        reached = reached.max(end);
    }
    part(sum, cycle)
}

fn divisor(one: u64, two: u64) -> u64 {
    if two == 0 { one.max(1) } else { divisor(two, one % two) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn window(threads: u64, period: u64, phase: u64, length: u64) -> Claim {
        let policy = Policy::TimeTriggered { period_ns: period * MS, phase_ns: phase * MS, length_ns: length * MS };
        Claim { threads, policy }
    }

    fn best(threads: u64, weight: u32) -> Claim {
        Claim { threads, policy: Policy::BestEffort { weight } }
    }

    fn assert_promised(claims: &[Claim], expected: &[f64]) {
        let seen = promised(claims);
        assert_eq!(seen.len(), expected.len());
        for (seen, expected) in seen.iter().zip(expected) {
            assert!((seen - expected).abs() < 1e-9, "expected {expected}, saw {seen}");
        }
    }

    #[test]
    fn the_tour_promises_what_it_says() {
        let claims = [window(1, 50, 0, 3), best(0b11, 100), best(0b11, 100), window(0b11, 50, 25, 2)];
        assert_promised(&claims, &[0.06, 0.45, 0.45, 0.04]);
    }

    #[test]
    fn windows_on_different_threads_at_the_same_time_are_taken_once() {
        assert_promised(&[window(1, 10, 0, 2), window(2, 10, 1, 2), best(3, 1)], &[0.2, 0.2, 0.7]);
        assert_promised(&[window(1, 10, 9, 2), best(1, 1)], &[0.2, 0.8]);
        assert_promised(&[window(1, 10, 0, 1), window(2, 4, 0, 1), best(3, 1)], &[0.1, 0.25, 1.0 - 6.0 / 20.0]);
    }

    #[test]
    fn weights_count_among_those_who_share_a_thread() {
        assert_promised(&[best(1, 300), best(1, 100), best(2, 50)], &[0.75, 0.25, 1.0]);
        let dedicated = Claim { threads: 1, policy: Policy::Dedicated };
        assert_promised(&[dedicated, best(3, 1), best(2, 1)], &[1.0, 0.0, 0.5]);
    }

    fn reserve(threads: u64, period: u64, budget: u64) -> Claim {
        Claim { threads, policy: Policy::EventTriggered { period_ns: period * MS, budget_ns: budget * MS } }
    }

    #[test]
    fn budgets_are_promised_and_what_they_may_take_is_not() {
        assert_promised(&[reserve(3, 5, 1), best(1, 1), best(3, 3)], &[0.2, 0.2, 0.6]);
        // Neither shares a hardware thread with the other one, and the gang must do without both.
        assert_promised(&[reserve(1, 5, 1), reserve(2, 10, 3), best(3, 1), best(4, 1)], &[0.2, 0.3, 0.5, 1.0]);
        assert_promised(&[window(1, 50, 0, 3), reserve(1, 50, 12), best(1, 1)], &[0.06, 0.24, 0.7]);
        let dedicated = Claim { threads: 4, policy: Policy::Dedicated };
        assert_promised(&[dedicated, reserve(2, 5, 1), best(6, 1)], &[1.0, 0.2, 0.0]);
    }

    #[test]
    fn impossible_plans_do_no_harm() {
        assert_promised(&[window(1, 0, 5, 5), best(1, 0)], &[0.0, 0.0]);
        assert_promised(&[reserve(1, 0, 5), reserve(1, 5, 9), best(1, 1)], &[0.0, 1.0, 0.0]);
        assert_promised(&[reserve(1, 5, 4), reserve(1, 5, 4), best(1, 1)], &[0.8, 0.8, 0.0]);
        let odd = |period| Claim {
            threads: 1,
            policy: Policy::TimeTriggered { period_ns: period, phase_ns: u64::MAX, length_ns: u64::MAX },
        };
        let shares = promised(&[odd(u64::MAX), odd(u64::MAX - 2), odd(999_999_937), best(1, 1)]);
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");
    }
}
