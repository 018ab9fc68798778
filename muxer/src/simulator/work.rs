//! What cells do: when they have work, and who says so.

use crate::inputs::Situation;
use crate::simulator::random::Random;
use crate::simulator::scenario::{Says, Workload};
use crate::{CellId, Instant, Span};

/// A cell's work.
#[derive(Debug)]
pub(super) struct Work {
    workload: Workload,
    random: Random,
    situation: Situation,
    /// The number of the event that it waits for; earlier ones are void.
    pub(super) awaits: u64,
    /// What is left of the present job, in ns on its hardware threads, and since when it runs.
    left: u64,
    runs_since: Option<u64>,
    line: usize,
}

/// What comes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// When the next event is due, in true time.
    pub(super) next: Option<u64>,
    /// Whether the cell went to sleep or woke, so that somebody should say so.
    pub(super) is_news: bool,
    /// Who is to say so; none: anybody.
    pub(super) by: Option<usize>,
}

impl Turn {
    const NOTHING: Self = Self { next: None, is_news: false, by: None };
}

impl Work {
    pub(super) fn new(workload: &Workload, random: Random) -> Self {
        Self {
            workload: workload.clone(),
            random,
            situation: Situation::Busy,
            awaits: 0,
            left: 0,
            runs_since: None,
            line: 0,
        }
    }

    /// What its harts are doing, as a hardware thread sees it whose clock shows `clock`.
    pub(super) fn situation(&self, clock: Instant) -> Situation {
        match self.situation {
            Situation::Idle { until } if until <= clock => Situation::Busy,
            other => other,
        }
    }

    /// Who wakes this cell when it goes to sleep.
    pub(super) fn is_woken_by(&self, other: CellId) -> bool {
        matches!(self.workload, Workload::Woken { by, .. } if by == other)
    }

    /// The beginning.
    pub(super) fn begin(&mut self, now: u64, beginning: u64) -> Turn {
        match self.workload.clone() {
            Workload::Busy => Turn::NOTHING,
            Workload::Pattern { work, .. } | Workload::Woken { work, .. } => {
                let length = work.draw(&mut self.random);
                self.next_at(now + length)
            }
            Workload::Jobs { work, .. } => {
                self.left = work.draw(&mut self.random).max(1);
                Turn::NOTHING
            }
            Workload::Script(lines) => self.next_at_some(lines.first().map(|line| beginning + line.at.as_nanos())),
        }
    }

    fn next_at(&mut self, at: u64) -> Turn {
        self.next_at_some(Some(at))
    }

    fn next_at_some(&mut self, next: Option<u64>) -> Turn {
        self.awaits += 1;
        Turn { next, ..Turn::NOTHING }
    }

    /// What was awaited has come.
    pub(super) fn turn(&mut self, now: u64, clock: Instant, beginning: u64) -> Turn {
        match self.workload.clone() {
            Workload::Busy => Turn::NOTHING,
            Workload::Pattern { work, sleep, announces } => match self.situation {
                Situation::Busy => {
                    let length = sleep.draw(&mut self.random);
                    self.sleep(now, clock, length, announces)
                }
                Situation::Idle { until } => {
                    let is_known = until <= clock;
                    self.situation = Situation::Busy;
                    let length = work.draw(&mut self.random);
                    let next = self.next_at(now + length);
                    Turn { is_news: !is_known, ..next }
                }
            },
            Workload::Jobs { work, sleep, announces } => match self.situation {
                Situation::Busy => {
                    self.runs_since = None;
                    self.left = 0;
                    let length = sleep.draw(&mut self.random);
                    self.sleep(now, clock, length, announces)
                }
                Situation::Idle { until } => {
                    let is_known = until <= clock;
                    self.situation = Situation::Busy;
                    self.left = work.draw(&mut self.random).max(1);
                    let next = self.runs_since.map(|_| now + self.left);
                    self.runs_since = self.runs_since.map(|_| now);
                    Turn { is_news: !is_known, ..self.next_at_some(next) }
                }
            },
            Workload::Woken { .. } => {
                self.situation = Situation::Idle { until: Instant::NEVER };
                Turn { is_news: true, ..self.next_at_some(None) }
            }
            Workload::Script(lines) => {
                let Some(line) = lines.get(self.line) else { return Turn::NOTHING };
                self.situation = match line.says {
                    Says::Work => Situation::Busy,
                    Says::Sleep => Situation::Idle { until: Instant::NEVER },
                    Says::SleepFor(span) => Situation::Idle { until: clock + span },
                };
                self.line += 1;
                let next = self.next_at_some(lines.get(self.line).map(|line| beginning + line.at.as_nanos()));
                Turn { is_news: true, by: Some(line.by), ..next }
            }
        }
    }

    /// Goes to sleep. Every fourth cell that says when it wakes is woken before.
    fn sleep(&mut self, now: u64, clock: Instant, length: u64, announces: bool) -> Turn {
        let until = if announces { clock + Span::from_nanos(length) } else { Instant::NEVER };
        self.situation = Situation::Idle { until };
        let wakes = if announces && self.random.once_in(4) { self.random.between(1, length.max(1)) } else { length };
        let next = self.next_at(now + wakes);
        Turn { is_news: true, ..next }
    }

    /// Another cell wakes this one.
    pub(super) fn wake(&mut self, now: u64) -> Turn {
        let (Workload::Woken { work, .. }, Situation::Idle { .. }) = (self.workload.clone(), self.situation) else {
            return Turn::NOTHING;
        };
        self.situation = Situation::Busy;
        let length = work.draw(&mut self.random);
        let next = self.next_at(now + length);
        Turn { is_news: true, ..next }
    }

    /// Its first hart starts to run. Returns when its job is done, if that is known.
    pub(super) fn runs(&mut self, now: u64) -> Option<u64> {
        if !matches!(self.workload, Workload::Jobs { .. }) {
            return None;
        }
        self.runs_since = Some(now);
        if self.situation != Situation::Busy {
            return None;
        }
        self.next_at(now + self.left).next
    }

    /// Its first hart stops.
    pub(super) fn stops(&mut self, now: u64) {
        let Some(since) = self.runs_since.take() else { return };
        if self.situation == Situation::Busy {
            self.left = self.left.saturating_sub(now - since).max(1);
            // What was awaited does not come.
            self.awaits += 1;
        }
    }
}
