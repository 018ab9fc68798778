//! A constant bandwidth server: the account of one event-triggered gang (Abeni and Buttazzo, RTSS 1998; as in Linux's `SCHED_DEADLINE`, gang-wide, and with
//! the time for switching on the account).
//!
//! The account holds what is left of the budget and one lead, in which the gang leaves its hardware threads. It is charged for all time that the gang holds them. When it is empty the gang waits for its
//! deadline. At the deadline the budget is renewed and what was left is lost: nothing is hoarded. A gang that someone else displaces gets the lead back in which it left;
//! one that goes idle does not, and pays one more when it wakes within its period: cells that come and go pay for that themselves.

use crate::{Instant, Span};

/// The rules of one reserve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) budget: Span,
    pub(crate) period: Span,
    pub(crate) lead: Span,
}

/// The account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    /// What is left, in ns, one lead included.
    pub(crate) left: u64,
    /// When it is renewed; the gang's priority until then.
    pub(crate) deadline: Instant,
}

impl Rules {
    /// What a whole period costs: the budget, one lead to leave, and one to bring back whom it displaced.
    fn cost(&self) -> Span {
        self.budget + self.lead.times(2)
    }

    /// A new period from `t` on.
    pub(crate) fn fresh(&self, t: Instant) -> Account {
        Account { left: (self.budget + self.lead).as_nanos(), deadline: t + self.period }
    }
}

impl Account {
    /// The cell has work again at `t`. It goes on with what is left if that fits its rate until the deadline, and starts a new period otherwise. Returns whether it
    /// does the latter.
    pub(crate) fn wake(&mut self, rules: &Rules, t: Instant) -> bool {
        let ahead = self.deadline.since(t).as_nanos();
        let is_too_much = u128::from(self.left) * u128::from(rules.period.as_nanos())
            >= u128::from(rules.cost().as_nanos()) * u128::from(ahead);
        if is_too_much {
            *self = rules.fresh(t);
        } else {
            self.left = self.left.saturating_sub(rules.lead.as_nanos());
        }
        is_too_much
    }

    /// The gang held its hardware threads for `elapsed`.
    pub(crate) fn charge(&mut self, elapsed: Span) {
        self.left = self.left.saturating_sub(elapsed.as_nanos());
    }

    /// Someone else displaced the gang, which had held its hardware threads for `held`.
    pub(crate) fn refund(&mut self, rules: &Rules, held: Span) {
        self.left += rules.lead.min(held).as_nanos();
    }

    /// Whether enough is left to start: more than the lead in which it would leave again.
    pub(crate) fn is_worth_a_start(&self, rules: &Rules) -> bool {
        self.left > rules.lead.as_nanos()
    }

    /// At the deadline, while the cell has work.
    pub(crate) fn renew(&mut self, rules: &Rules, t: Instant) {
        let from = if self.deadline + rules.period > t { self.deadline } else { t };
        *self = rules.fresh(from);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use proptest::prelude::*;

    use super::*;

    const RULES: Rules =
        Rules { budget: Span::from_nanos(300), period: Span::from_nanos(1_000), lead: Span::from_nanos(10) };

    fn ns(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn a_wake_after_the_deadline_starts_a_new_period() {
        let mut account = Account { left: 0, deadline: ns(500) };
        assert!(account.wake(&RULES, ns(500)));
        assert_eq!(account, Account { left: 310, deadline: ns(1_500) });
    }

    #[test]
    fn a_wake_before_it_goes_on_if_the_rest_fits_the_rate_and_starts_anew_otherwise() {
        // The rate is 320 in 1,000.
        let mut little = Account { left: 31, deadline: ns(1_000) };
        assert!(!little.wake(&RULES, ns(900)));
        assert_eq!(little, Account { left: 21, deadline: ns(1_000) });
        let mut much = Account { left: 32, deadline: ns(1_000) };
        assert!(much.wake(&RULES, ns(900)));
        assert_eq!(much, Account { left: 310, deadline: ns(1_900) });
    }

    #[test]
    fn an_empty_account_waits_for_its_deadline_however_often_the_cell_wakes() {
        let mut account = Account { left: 0, deadline: ns(1_000) };
        for t in (0..1_000).step_by(10) {
            assert!(!account.wake(&RULES, ns(t)));
            assert!(!account.is_worth_a_start(&RULES));
        }
    }

    #[test]
    fn what_is_left_at_the_deadline_is_lost() {
        let mut account = Account { left: 200, deadline: ns(1_000) };
        account.renew(&RULES, ns(1_000));
        assert_eq!(account, Account { left: 310, deadline: ns(2_000) });
    }

    proptest! {
        /// The theorem that admission rests on (Abeni and Buttazzo, theorem 1): whatever the cell does, what it uses in an interval, of periods that
        /// begin and end in it, is at most its rate times the interval.
        #[test]
        fn no_pattern_of_sleep_and_work_uses_more_than_the_rate(
            steps in proptest::collection::vec((1_u64..400, any::<bool>()), 1..60)
        ) {
            let mut account = Account::default();
            let (mut now, mut ready) = (0_u64, false);
            // What each period used: from, to, how much.
            let mut periods: std::vec::Vec<(u64, u64, u64)> = std::vec::Vec::new();
            for (length, wants) in steps {
                if wants && !ready && account.wake(&RULES, ns(now)) {
                    periods.push((now, now + 1_000, RULES.lead.as_nanos()));
                }
                ready = wants;
                let end = now + length;
                while now < end {
                    if ready && ns(now) >= account.deadline {
                        account.renew(&RULES, ns(now));
                        periods.push((now, now + 1_000, RULES.lead.as_nanos()));
                    }
                    let runs = ready && account.left > 0;
                    let until = if ready { account.deadline.as_nanos().min(end) } else { end };
                    let step = if runs { account.left.min(until - now) } else { until - now };
                    if runs {
                        account.charge(Span::from_nanos(step));
                        periods.last_mut().expect("it woke").2 += step;
                    }
                    now += step;
                }
            }
            for first in 0..periods.len() {
                let mut used = 0;
                for period in &periods[first..] {
                    used += period.2;
                    let length = period.1 - periods[first].0;
                    prop_assert!(used * 1_000 <= 320 * length, "{} in {} of {:?}", used, length, periods);
                }
            }
        }
    }
}
