//! What a reserve is promised: a constant bandwidth server, kept by its rules and by what was decided, and by no code of the replicas.
//!
//! Abeni and Buttazzo's rules, gang-wide. The account begins each period with the budget and a lead, in which the gang leaves. What the gang holds is charged. A gang
//! that another one displaces had its last lead for leaving, and gets that back. A wake within the period goes on with what is left, less a lead, if that fits the rate until the
//! deadline, and starts a period otherwise.

use crate::{Instant, Span};

/// A reserve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    pub(super) budget: Span,
    pub(super) period: Span,
    pub(super) lead: Span,
    /// What is left on the account, in ns.
    pub(super) left: u64,
    pub(super) deadline: Instant,
    /// What was held in this period, less what was given back, in ns.
    net: i64,
    /// The cell has had work throughout the period, and the plan was the same.
    pub(super) is_whole: bool,
    /// Whether all that is known. Otherwise, since when the cell has had work, and what it has held since.
    pub(super) is_known: bool,
    watched: Option<(Instant, u64)>,
    slept: Instant,
    /// When it was last said to be looked at.
    pub(super) expected: Instant,
}

impl Server {
    pub(super) fn new(period: Span, budget: Span, lead: Span) -> Self {
        Self {
            budget,
            period,
            lead,
            left: 0,
            deadline: Instant::default(),
            net: 0,
            is_whole: false,
            is_known: true,
            watched: None,
            slept: Instant::default(),
            expected: Instant::default(),
        }
    }

    /// A period begins, with all of the budget.
    pub(super) fn fresh(&mut self, from: Instant) {
        self.left = (self.budget + self.lead).as_nanos();
        self.deadline = from + self.period;
        self.net = 0;
        self.is_whole = true;
        self.is_known = true;
    }

    /// The state is not known any more.
    pub(super) fn lose(&mut self) {
        self.is_known = false;
        self.is_whole = false;
        self.watched = None;
    }

    /// The gang held its hardware threads for that long.
    pub(super) fn charge(&mut self, elapsed: Span) {
        self.left = self.left.saturating_sub(elapsed.as_nanos());
        self.net += elapsed.as_nanos() as i64;
        if let Some((_, held)) = &mut self.watched {
            *held += elapsed.as_nanos();
        }
    }

    /// The cell went idle.
    pub(super) fn sleep(&mut self, at: Instant) {
        self.is_whole = false;
        self.watched = None;
        self.slept = at;
    }

    /// The cell has work again.
    pub(super) fn wake(&mut self, at: Instant) {
        if !self.is_known {
            // The last deadline was at most a period after it went to sleep.
            if at >= self.slept + self.period && self.slept > Instant::default() {
                self.fresh(at);
            }
            return;
        }
        let ahead = u128::from(self.deadline.since(at).as_nanos());
        let cost = u128::from((self.budget + self.lead.times(2)).as_nanos());
        if u128::from(self.left) * u128::from(self.period.as_nanos()) >= cost * ahead {
            self.fresh(at);
        } else {
            self.left = self.left.saturating_sub(self.lead.as_nanos());
            self.is_whole = false;
        }
    }

    /// At an instant at which the cell has work: the end of a period, if it has come. Returns by how much a promised budget was missed, if it was.
    pub(super) fn renew(&mut self, at: Instant) -> Option<u64> {
        if !self.is_known || self.deadline > at {
            return None;
        }
        let budget = self.budget.as_nanos() as i64;
        let missed = (self.is_whole && self.net < budget).then(|| (budget - self.net) as u64);
        let from = if self.deadline + self.period > at { self.deadline } else { at };
        self.fresh(from);
        missed
    }

    /// Another gang took its hardware threads, which it had held since `began`.
    pub(super) fn displaced(&mut self, at: Instant, began: Instant) {
        let back = self.lead.as_nanos().min(at.since(began).as_nanos());
        self.left += back;
        self.net -= back as i64;
    }

    /// By how much it got more than it may, in this period.
    pub(super) fn excess(&self) -> Option<u64> {
        let most = (self.budget + self.lead).as_nanos() as i64;
        (self.is_known && self.net > most).then(|| (self.net - most) as u64)
    }

    /// Enough is left to start.
    pub(super) fn can_start(&self) -> bool {
        self.left > self.lead.as_nanos()
    }

    /// While the account is not known: two periods with work contain a whole one. Returns by how much less than a budget was held in them.
    pub(super) fn watch(&mut self, at: Instant) -> Option<u64> {
        let (since, held) = *self.watched.get_or_insert((at, 0));
        if at < since + self.period.times(2) {
            return None;
        }
        self.watched = Some((at, 0));
        let budget = self.budget.as_nanos();
        (held < budget).then(|| budget - held)
    }

    /// When to look at it next, while the cell has work.
    pub(super) fn next(&self, at: Instant, holds: bool) -> Instant {
        match (self.is_known, self.watched) {
            (false, Some((since, _))) => since + self.period.times(2),
            (false, None) => at + self.period.times(2),
            (true, _) if holds => self.deadline.min(at + Span::from_nanos(self.left.max(1))),
            (true, _) => self.deadline,
        }
    }
}
