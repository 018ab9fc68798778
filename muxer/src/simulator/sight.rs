//! Logs, and what each hardware thread sees of them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::vec::Vec;

use crate::inputs::{Found, Input, Inputs, Log, News, Reporter};
use crate::simulator::work::Work;
use crate::{CellId, Instant, Span};

/// A cell.
#[derive(Debug)]
pub(super) struct Talker {
    pub(super) log: Log,
    pub(super) reporter: Reporter,
    /// The hardware thread that has its lock.
    pub(super) locked_by: Option<usize>,
    /// When it is to be asked again, at the earliest that is known.
    pub(super) asked_again: Option<Instant>,
    pub(super) work: Work,
    recent: VecDeque<Stored>,
    wrong: Vec<Wrong>,
}

/// An input that not everybody may see yet.
#[derive(Debug)]
struct Stored {
    position: u64,
    /// From which true time on these hardware threads see it.
    seen: Vec<(usize, u64)>,
    /// And all others.
    by_all: u64,
}

/// Inputs of which a hardware thread reads another effect, by position.
#[derive(Debug)]
struct Wrong {
    thread: usize,
    position: u64,
    by: Span,
}

impl Talker {
    pub(super) fn new(work: Work) -> Self {
        Self {
            log: Log::new(),
            reporter: Reporter::new(),
            locked_by: None,
            asked_again: None,
            work,
            recent: VecDeque::new(),
            wrong: Vec::new(),
        }
    }

    /// Appends an input, which hardware threads see from these times on. Returns its position.
    pub(super) fn store(&mut self, now: u64, input: Input, seen: Vec<(usize, u64)>, by_all: u64) -> u64 {
        let is_over = |stored: &Stored| stored.by_all <= now && stored.seen.iter().all(|(_, at)| *at <= now);
        while self.recent.front().is_some_and(is_over) {
            self.recent.pop_front();
        }
        let position = self.log.end();
        self.log.append(input);
        self.reporter.published(input);
        self.recent.push_back(Stored { position, seen, by_all });
        position
    }

    /// A hardware thread has been told of an input: it sees it now at the latest, if it would see it soon.
    pub(super) fn told(&mut self, position: u64, thread: usize, now: u64, soon: u64) {
        let stored = self.recent.iter_mut().find(|stored| stored.position == position);
        let seen = stored.and_then(|stored| stored.seen.iter_mut().find(|(reader, _)| *reader == thread));
        if let Some((_, at)) = seen.filter(|(_, at)| *at <= soon) {
            *at = now.min(*at);
        }
    }

    /// A hardware thread reads another effect of the input at a position.
    pub(super) fn garble(&mut self, thread: usize, position: u64, by: Span) {
        self.wrong.push(Wrong { thread, position, by });
    }

    /// The position after the last input that a hardware thread sees.
    pub(super) fn end(&self, thread: usize, now: u64) -> u64 {
        let seen_at = |stored: &Stored| {
            let mine = stored.seen.iter().find(|(reader, _)| *reader == thread);
            mine.map_or(stored.by_all, |(_, at)| *at)
        };
        self.recent.iter().find(|stored| seen_at(stored) > now).map_or_else(|| self.log.end(), |stored| stored.position)
    }

    fn read(&self, thread: usize, position: u64, now: u64) -> Found {
        if position >= self.end(thread, now) {
            return Found::Nothing;
        }
        match self.log.read(position) {
            Found::Input(input) => Found::Input(self.garbled(thread, position, input)),
            other => other,
        }
    }

    fn garbled(&self, thread: usize, position: u64, input: Input) -> Input {
        let wrong = self.wrong.iter().find(|wrong| wrong.thread == thread && wrong.position == position);
        let Some(wrong) = wrong else { return input };
        let news = match input.news {
            News::Idle { until } if until <= input.effect + wrong.by => News::Wake,
            other => other,
        };
        Input { effect: input.effect + wrong.by, news }
    }
}

/// What a hardware thread sees while it decides.
pub(super) struct Sight<'a> {
    talkers: &'a BTreeMap<CellId, Talker>,
    thread: usize,
    now: Cell<u64>,
    glance_ns: u64,
    /// How often each cell was looked at.
    reads: RefCell<Vec<(CellId, u64)>>,
}

impl<'a> Sight<'a> {
    pub(super) fn new(talkers: &'a BTreeMap<CellId, Talker>, thread: usize, now: u64, glance_ns: u64) -> Self {
        Self { talkers, thread, now: Cell::new(now), glance_ns, reads: RefCell::default() }
    }

    /// Who was looked at, and how often.
    pub(super) fn reads(self) -> Vec<(CellId, u64)> {
        self.reads.into_inner()
    }

    /// Time passes with each look.
    fn glance(&self, cell: CellId) -> (Option<&Talker>, u64) {
        let mut reads = self.reads.borrow_mut();
        match reads.iter_mut().find(|(other, _)| *other == cell) {
            Some((_, count)) => *count += 1,
            None => reads.push((cell, 1)),
        }
        self.now.set(self.now.get() + self.glance_ns);
        (self.talkers.get(&cell), self.now.get())
    }
}

impl Inputs for Sight<'_> {
    fn read(&self, cell: CellId, position: u64) -> Found {
        let (talker, now) = self.glance(cell);
        talker.map_or(Found::Nothing, |talker| talker.read(self.thread, position, now))
    }

    fn end(&self, cell: CellId) -> u64 {
        let (talker, now) = self.glance(cell);
        talker.map_or(0, |talker| talker.end(self.thread, now))
    }
}
