//! What is not in the plan: a cell went idle, or woke.
//!
//! Each cell has an append-only [`Log`] of such [`Input`]s. An input is stamped when it is published and takes **effect** a fixed delay after its stamp. Every
//! muxer looks at a boundary at most a lead before it, so an input that is visible by its effect less the lead is seen by all of them, and
//! all decide the same. Who publishes checks that ([`is_late`]) and otherwise brings the component to a new plan number. There is one log per cell and not one
//! for all: a muxer reads those of the cells with which it shares hardware threads and no others, a cell that writes a lot writes into its own, and a
//! change of plan moves nothing.

use core::sync::atomic::{AtomicU64, Ordering, fence};

use crate::{CellId, Instant, Span};

/// What a cell said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum News {
    /// It has work.
    Wake,
    /// It has none before this instant, at which it wakes without another input; [`Instant::NEVER`] if it must be woken.
    Idle {
        /// When it wakes by itself.
        until: Instant,
    },
}

/// News, and when all muxers act on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Input {
    /// The instant.
    pub effect: Instant,
    /// The news.
    pub news: News,
}

/// What was found at a position of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// This.
    Input(Input),
    /// Nothing yet.
    Nothing,
    /// It was overwritten: the reader is too far behind.
    Lost,
}

/// Where a replica reads inputs. Positions of each cell's log count up from 0.
pub trait Inputs {
    /// The input at a position.
    fn read(&self, cell: CellId, position: u64) -> Found;

    /// The position after the last input that is visible.
    fn end(&self, cell: CellId) -> u64;
}

/// No inputs: all cells always have work.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoInputs;

impl Inputs for NoInputs {
    fn read(&self, _: CellId, _: u64) -> Found {
        Found::Nothing
    }

    fn end(&self, _: CellId) -> u64 {
        0
    }
}

/// How many inputs a log keeps. A cell publishes at most two per delay, so this is several delays' worth.
pub const LOG_ENTRIES: usize = 16;

/// A cell's inputs. One writer at a time, any number of readers, nobody waits.
#[derive(Debug)]
pub struct Log {
    end: AtomicU64,
    slots: [Slot; LOG_ENTRIES],
}

/// An odd sequence: being written. Twice the position, and two more: holds it.
#[derive(Debug)]
struct Slot {
    sequence: AtomicU64,
    effect: AtomicU64,
    /// 0: woke. Otherwise idle until then.
    until: AtomicU64,
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

impl Log {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        let slots = [const { Slot { sequence: AtomicU64::new(0), effect: AtomicU64::new(0), until: AtomicU64::new(0) } };
            LOG_ENTRIES];
        Self { end: AtomicU64::new(0), slots }
    }

    /// Adds an input, which must not take effect before the last one. The caller sees to it that nobody else writes.
    pub fn append(&self, input: Input) {
        let position = self.end.load(Ordering::Relaxed);
        let slot = &self.slots[position as usize % LOG_ENTRIES];
        slot.sequence.store(position * 2 + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        slot.effect.store(input.effect.as_nanos(), Ordering::Relaxed);
        let until = match input.news {
            News::Wake => 0,
            News::Idle { until } => until.as_nanos().max(1),
        };
        slot.until.store(until, Ordering::Relaxed);
        slot.sequence.store(position * 2 + 2, Ordering::Release);
        self.end.store(position + 1, Ordering::SeqCst);
    }

    /// The input at a position.
    #[must_use]
    pub fn read(&self, position: u64) -> Found {
        let slot = &self.slots[position as usize % LOG_ENTRIES];
        let expected = position * 2 + 2;
        let before = slot.sequence.load(Ordering::Acquire);
        if before < expected - 1 {
            return Found::Nothing;
        }
        let (effect, until) = (slot.effect.load(Ordering::Relaxed), slot.until.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let after = slot.sequence.load(Ordering::Relaxed);
        if before > expected || after > expected {
            return Found::Lost;
        }
        if before != expected {
            return Found::Nothing;
        }
        let news = if until == 0 { News::Wake } else { News::Idle { until: Instant::from_nanos(until) } };
        Found::Input(Input { effect: Instant::from_nanos(effect), news })
    }

    /// The position after the last input.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::SeqCst)
    }

    /// Empties it, for another cell. Nobody may be reading.
    pub fn clear(&self) {
        for slot in &self.slots {
            slot.sequence.store(0, Ordering::Relaxed);
        }
        self.end.store(0, Ordering::SeqCst);
    }
}

/// What the harts of a cell are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Situation {
    /// Some hart has work.
    Busy,
    /// All are parked, until this instant at the earliest.
    Idle {
        /// The instant.
        until: Instant,
    },
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Nothing.
    Nothing,
    /// Ask again then, if nothing has changed.
    Later(Instant),
    /// Append this to the cell's log.
    Publish(Input),
}

/// The times that inputs go by; the same for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From an input's stamp to its effect.
    pub delay: Span,
    /// The plan's lead.
    pub lead: Span,
    /// By how much clocks may differ, and what a store needs to be seen.
    pub slack: Span,
}

impl Timing {
    /// The delay that a lead needs: a sleeper that is told by an interrupt needs about what a timer's interrupt needs, and then it looks a lead early.
    #[must_use]
    pub const fn new(lead: Span, slack: Span) -> Self {
        Self { delay: Span::from_nanos(lead.as_nanos() * 2 + slack.as_nanos() * 4), lead, slack }
    }

    /// Whether something that was published by `now`, with this effect, may have come too late for some muxer.
    #[must_use]
    pub fn is_late(&self, now: Instant, effect: Instant) -> bool {
        now > effect - self.lead - self.slack
    }

    /// Whether a muxer that looks by itself only at `looks` would miss this effect, so that it must be told.
    #[must_use]
    pub fn sleeps_past(&self, looks: Instant, effect: Instant) -> bool {
        looks > effect - self.lead
    }
}

/// Decides which of a cell's changes are worth an input, and sees to it that a cell publishes at most two per delay. Whoever has it may write the
/// cell's log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reporter {
    last: Option<Input>,
}

impl Reporter {
    /// Of a cell that has published nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// What to do, `now`. `is_heard`: the plan has a use for the time of this cell when it is idle.
    ///
    /// A pause is published only if it lasts the delay and a switch there and back; shorter ones are the cell's own. A wake is published only if the cell
    /// would not wake by itself as soon. A cell that pauses for a shorter time than it said is woken, and pauses anew when it runs.
    #[must_use]
    pub fn advise(&self, now: Instant, situation: Situation, is_heard: bool, timing: &Timing) -> Advice {
        // Who published the last one may have a clock that is ahead; a log's inputs take effect in their order all the same.
        let effect = self.last.map_or(Instant::default(), |last| last.effect).max(now + timing.delay);
        let sleeps_until = match self.last {
            Some(Input { news: News::Idle { until }, .. }) if until > now => Some(until),
            _ => None,
        };
        match (situation, sleeps_until) {
            (Situation::Busy, Some(until)) if until > effect => Advice::Publish(Input { effect, news: News::Wake }),
            // It woke and paused again before anybody said so, and now means to wake earlier than the muxers think.
            (Situation::Idle { until: earlier }, Some(until)) if until > effect && earlier < until => {
                Advice::Publish(Input { effect, news: News::Wake })
            }
            (Situation::Idle { until }, None) if is_heard && until > effect + timing.lead.times(4) => {
                match self.last.filter(|last| last.effect > now) {
                    Some(last) => Advice::Later(last.effect),
                    None => Advice::Publish(Input { effect, news: News::Idle { until } }),
                }
            }
            _ => Advice::Nothing,
        }
    }

    /// Notes what was published.
    pub fn published(&mut self, input: Input) {
        self.last = Some(input);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing::new(Span::from_nanos(100), Span::from_nanos(25));

    fn ns(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    fn publish(reporter: &mut Reporter, now: u64, situation: Situation) -> Advice {
        let advice = reporter.advise(ns(now), situation, true, &TIMING);
        if let Advice::Publish(input) = advice {
            reporter.published(input);
        }
        advice
    }

    #[test]
    fn a_cell_that_pauses_anew_before_its_wake_was_published_is_not_forgotten() {
        let mut reporter = Reporter::default();
        let idle = |until| Situation::Idle { until: ns(until) };
        assert!(matches!(publish(&mut reporter, 1_000, idle(u64::MAX)), Advice::Publish(_)));
        // An event woke it, it did its work and paused until 50,000, all before who posted the event could report it.
        let expected = Advice::Publish(Input { effect: ns(2_000) + TIMING.delay, news: News::Wake });
        assert_eq!(publish(&mut reporter, 2_000, idle(50_000)), expected);
        let expected =
            Advice::Publish(Input { effect: ns(4_000) + TIMING.delay, news: News::Idle { until: ns(50_000) } });
        assert_eq!(publish(&mut reporter, 4_000, idle(50_000)), expected);
        assert_eq!(publish(&mut reporter, 5_000, idle(60_000)), Advice::Nothing, "it wakes early enough");
    }

    #[test]
    fn a_log_gives_what_was_appended_and_says_what_it_lost() {
        let log = Log::new();
        assert_eq!((log.read(0), log.end()), (Found::Nothing, 0));
        let input = |number: u64| Input {
            effect: ns(number),
            news: if number.is_multiple_of(2) { News::Wake } else { News::Idle { until: ns(number * 10) } },
        };
        for number in 0..LOG_ENTRIES as u64 + 3 {
            log.append(input(number));
            assert_eq!(log.read(number), Found::Input(input(number)));
            assert_eq!(log.read(number + 1), Found::Nothing);
        }
        assert_eq!(log.read(2), Found::Lost);
        assert_eq!(log.read(3), Found::Input(input(3)));
        log.clear();
        assert_eq!((log.read(0), log.read(3), log.end()), (Found::Nothing, Found::Nothing, 0));
    }

    #[test]
    fn a_long_pause_is_published_once_and_its_end_only_if_it_comes_early() {
        let mut reporter = Reporter::new();
        let idle = Situation::Idle { until: ns(50_000) };
        let effect = ns(1_300);
        assert_eq!(
            publish(&mut reporter, 1_000, idle),
            Advice::Publish(Input { effect, news: News::Idle { until: ns(50_000) } })
        );
        assert_eq!(publish(&mut reporter, 1_100, idle), Advice::Nothing);
        let mut early = reporter;
        assert_eq!(
            publish(&mut early, 2_000, Situation::Busy),
            Advice::Publish(Input { effect: ns(2_300), news: News::Wake })
        );
        // All know of 50,000.
        assert_eq!(publish(&mut reporter, 49_800, Situation::Busy), Advice::Nothing);
        assert_eq!(publish(&mut reporter, 50_000, Situation::Busy), Advice::Nothing);
    }

    #[test]
    fn a_short_pause_and_that_of_a_cell_whose_time_nobody_can_use_are_not_published() {
        let reporter = Reporter::new();
        let idle = |until| Situation::Idle { until: ns(until) };
        assert_eq!(reporter.advise(ns(0), idle(700), true, &TIMING), Advice::Nothing);
        assert!(matches!(reporter.advise(ns(0), idle(701), true, &TIMING), Advice::Publish(_)));
        assert_eq!(reporter.advise(ns(0), idle(5_000), false, &TIMING), Advice::Nothing);
    }

    #[test]
    fn a_cell_that_comes_and_goes_publishes_two_inputs_per_delay_at_most() {
        let mut reporter = Reporter::new();
        let mut published = [0_u64; 100];
        for now in 0..20_000 {
            let situation = if now % 2 == 0 { Situation::Idle { until: Instant::NEVER } } else { Situation::Busy };
            if let Advice::Publish(_) = publish(&mut reporter, now, situation) {
                published[now as usize / 300] += 1;
            }
        }
        assert!(published.iter().all(|count| *count <= 3), "{published:?}");
        assert!(published.iter().sum::<u64>() <= 2 * 20_000 / 300 + 2, "{published:?}");
    }

    #[test]
    fn inputs_take_effect_in_their_order_although_publishers_clocks_differ() {
        let mut reporter = Reporter::new();
        assert!(matches!(publish(&mut reporter, 20, Situation::Idle { until: Instant::NEVER }), Advice::Publish(_)));
        let wake = Input { effect: ns(320), news: News::Wake };
        assert_eq!(publish(&mut reporter, 10, Situation::Busy), Advice::Publish(wake));
    }

    #[test]
    fn a_postponed_pause_is_published_when_it_was_said() {
        let mut reporter = Reporter::new();
        let idle = Situation::Idle { until: Instant::NEVER };
        assert!(matches!(publish(&mut reporter, 0, idle), Advice::Publish(_)));
        assert!(matches!(publish(&mut reporter, 10, Situation::Busy), Advice::Publish(_)));
        assert_eq!(publish(&mut reporter, 20, idle), Advice::Later(ns(310)));
        assert!(matches!(publish(&mut reporter, 310, idle), Advice::Publish(_)));
    }

    #[test]
    fn what_others_may_decide_without_is_late() {
        // They look a lead before the effect, by clocks that may be ahead.
        assert!(!TIMING.is_late(ns(875), ns(1_000)));
        assert!(TIMING.is_late(ns(876), ns(1_000)));
    }
}
