//! A schedule that can be seen: [`Traced`] wraps a scheduler and notes what each hart ran, from when to when, and why it left. It sees only what the callbacks
//! see, so it works in every home and costs a clock reading and two stores per callback. [`Trace`] is the result, as data, text or SVG.
//!
//! It does not know whether the hart itself ran: while a cell's gang is not active, its contexts count as running.
//!
//! Nothing is allocated while it records: each hart has a buffer of fixed size, which keeps its latest spans.

extern crate alloc;

mod drawing;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::hart::Hart;
use crate::scheduler::{Fault, Next, Scheduler};
use crate::switch::Context;

/// Why a context left its hart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Left {
    /// [`Scheduler::tick`]: its slice was over, or someone interrupted the hart.
    Tick,
    /// [`Scheduler::yielded`].
    Yielded,
    /// It waits for something: [`crate::suspend`]. Noted when its hart asks for the next, a moment after it was put away: another hart may run it already.
    Suspended,
    /// It ran to its end.
    Done,
    /// Its hart was taken away.
    Resized,
    /// [`Scheduler::fault`].
    Faulted,
    /// It had not left when the trace was taken.
    Running,
}

/// One context on one hart, without interruption by its scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The hart's number.
    pub hart: usize,
    /// The context's [`id`](crate::Control::id).
    pub context: u64,
    /// When it was chosen, in ns of [`crate::now`].
    pub from: u64,
    /// When it left.
    pub to: u64,
    /// Why it left.
    pub left: Left,
}

const _: () = assert!(size_of::<Span>() == 40, "the documentation of `Traced::new` says so");

impl Span {
    /// How long it was, in ns.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.to - self.from
    }
}

/// What one hart has noted.
#[derive(Debug, Default)]
struct Row {
    /// The latest spans; a ring once it is full.
    spans: Vec<Span>,
    /// Where the next one goes when it is full.
    next: usize,
    forgotten: u64,
    /// What runs, since when.
    running: Option<(u64, u64)>,
}

impl Row {
    fn end(&mut self, hart: usize, now: u64, left: Left) {
        let Some((context, from)) = self.running.take() else { return };
        let span = Span { hart, context, from, to: now, left };
        if self.spans.len() < self.spans.capacity() {
            return self.spans.push(span);
        }
        self.forgotten += 1;
        let capacity = self.spans.len();
        if let Some(oldest) = self.spans.get_mut(self.next) {
            *oldest = span;
            self.next = (self.next + 1) % capacity;
        }
    }
}

/// A scheduler whose schedule is recorded. It does what the one inside does.
#[derive(Debug)]
pub struct Traced<S> {
    scheduler: S,
    /// By hart. Only the hart itself writes its row, with events masked, so nobody waits for these locks.
    rows: Box<[Line]>,
}

#[derive(Debug)]
#[repr(align(128))]
struct Line(::spin::Mutex<Row>);

impl<S: Scheduler> Traced<S> {
    /// Records the latest `spans` (40 bytes each) of each of so many harts; what happens on others is not recorded. `scheduler` may be an [`Arc`].
    #[must_use]
    pub fn new(scheduler: S, harts: usize, spans: usize) -> Self {
        let row = |_| Line(::spin::Mutex::new(Row { spans: Vec::with_capacity(spans), ..Row::default() }));
        Self { scheduler, rows: (0..harts).map(row).collect() }
    }

    /// The scheduler inside.
    pub fn scheduler(&self) -> &S {
        &self.scheduler
    }

    /// What was recorded so far, up to the latest instant that was noted. Complete after the machine's end.
    #[must_use]
    pub fn trace(&self) -> Trace {
        let (mut spans, mut running, mut forgotten) = (Vec::new(), Vec::new(), 0);
        for (hart, row) in self.rows.iter().enumerate() {
            let row = crate::masked(|| {
                let row = row.0.lock();
                forgotten += row.forgotten;
                running.extend(row.running.map(|(context, from)| (hart, context, from)));
                let (newer, older) = row.spans.split_at(row.next);
                [older, newer].concat()
            });
            spans.extend(row);
        }
        let noted = running.iter().map(|(_, _, from)| *from).chain(spans.iter().map(|span| span.to));
        let latest = noted.max().unwrap_or(0);
        let still = |(hart, context, from)| Span { hart, context, from, to: latest, left: Left::Running };
        spans.extend(running.into_iter().map(still));
        spans.sort_by_key(|span| (span.from, span.hart));
        Trace { harts: self.rows.len(), spans, forgotten, labels: BTreeMap::new() }
    }

    fn note(&self, hart: &Hart, note: impl FnOnce(&mut Row, u64)) {
        if let Some(row) = self.rows.get(hart.number()) {
            note(&mut row.0.lock(), hart.now());
        }
    }

    fn left(&self, hart: &Hart, left: Left) {
        self.note(hart, |row, now| row.end(hart.number(), now, left));
    }

    fn chosen(&self, hart: &Hart, next: Next) -> Next {
        if let Next::Run(context) = &next {
            self.note(hart, |row, now| row.running = Some((context.id(), now)));
        }
        next
    }
}

impl<S: Scheduler> Scheduler for Traced<S> {
    fn enter(&self, hart: &Hart) -> Next {
        // What ran until now and left without a callback of its own.
        self.left(hart, Left::Suspended);
        self.chosen(hart, self.scheduler.enter(hart))
    }

    fn ready(&self, hart: &Hart, context: Context) {
        self.scheduler.ready(hart, context);
    }

    fn yielded(&self, hart: &Hart, context: Context) -> Next {
        self.left(hart, Left::Yielded);
        self.chosen(hart, self.scheduler.yielded(hart, context))
    }

    fn tick(&self, hart: &Hart, context: Context) -> Next {
        self.left(hart, Left::Tick);
        self.chosen(hart, self.scheduler.tick(hart, context))
    }

    fn done(&self, hart: &Hart, context: Context) -> Next {
        self.left(hart, Left::Done);
        self.chosen(hart, self.scheduler.done(hart, context))
    }

    fn resize(&self, hart: &Hart, context: Option<Context>) {
        self.left(hart, Left::Resized);
        self.scheduler.resize(hart, context);
    }

    fn notify(&self, hart: &Hart) {
        self.scheduler.notify(hart);
    }

    fn fault(&self, hart: &Hart, context: Context, fault: Fault) -> Next {
        self.left(hart, Left::Faulted);
        self.chosen(hart, self.scheduler.fault(hart, context, fault))
    }
}

/// A shared scheduler, as its threads know it too.
impl<S: Scheduler + Send> Scheduler for Arc<S> {
    fn enter(&self, hart: &Hart) -> Next {
        (**self).enter(hart)
    }

    fn ready(&self, hart: &Hart, context: Context) {
        (**self).ready(hart, context);
    }

    fn yielded(&self, hart: &Hart, context: Context) -> Next {
        (**self).yielded(hart, context)
    }

    fn tick(&self, hart: &Hart, context: Context) -> Next {
        (**self).tick(hart, context)
    }

    fn done(&self, hart: &Hart, context: Context) -> Next {
        (**self).done(hart, context)
    }

    fn resize(&self, hart: &Hart, context: Option<Context>) {
        (**self).resize(hart, context);
    }

    fn notify(&self, hart: &Hart) {
        (**self).notify(hart);
    }

    fn fault(&self, hart: &Hart, context: Context, fault: Fault) -> Next {
        (**self).fault(hart, context, fault)
    }
}

/// What ran where and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    harts: usize,
    spans: Vec<Span>,
    forgotten: u64,
    labels: BTreeMap<u64, String>,
}

impl Trace {
    /// All spans, by when they began. A hart is idle (or taken away) between two of its spans, and in its scheduler.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// How many spans were too old for the buffers.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The first and the last instant, in ns.
    #[must_use]
    pub fn extent(&self) -> (u64, u64) {
        let to = self.spans.iter().map(|span| span.to).max().unwrap_or(0);
        (self.spans.first().map_or(to, |span| span.from), to)
    }

    /// How long a context ran, in ns.
    #[must_use]
    pub fn ran(&self, context: u64) -> u64 {
        self.spans.iter().filter(|span| span.context == context).map(Span::length).sum()
    }

    /// The numbers of the contexts in it.
    #[must_use]
    pub fn contexts(&self) -> Vec<u64> {
        let mut contexts: Vec<u64> = self.spans.iter().map(|span| span.context).collect();
        contexts.sort_unstable();
        contexts.dedup();
        contexts
    }

    /// Says what a context is, for whoever reads the drawing.
    #[must_use]
    pub fn label(mut self, context: u64, label: impl Into<String>) -> Self {
        self.labels.insert(context, label.into());
        self
    }

    /// The part from one instant to another, both in ns since the trace's first. What lies across an end is cut.
    #[must_use]
    pub fn between(&self, from: u64, to: u64) -> Self {
        let start = self.extent().0;
        let (from, to) = (start.saturating_add(from), start.saturating_add(to));
        let inside = self.spans.iter().filter(|span| span.from < to && span.to > from);
        let cut = |span: &Span| Span { from: span.from.max(from), to: span.to.min(to), ..*span };
        Self { spans: inside.map(cut).collect(), ..self.clone() }
    }
}
