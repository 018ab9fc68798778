//! Judges what replicas decide, for each instant of the timebase.
//!
//! It knows plans, inputs and decisions, and of replicas nothing but these. It goes through all instants at which something is decided, or should be, once
//! nobody can decide about them any more. What it expects of reserves is in [`server`], what else it checks in [`checks`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::rc::Rc;
use std::string::String;
use std::vec;
use std::vec::Vec;
use std::{fmt, format, mem};

use crate::inputs::{Input, News};
use crate::simulator::execution::Owed;
use crate::simulator::layout::Layout;
use crate::simulator::report::{Property, Report, Violation};
use crate::simulator::scenario::Scenario;
use crate::{CellId, Instant, Repair, Run, Span, ThreadSet, Trouble};

mod checks;
mod server;

use server::Server;

/// How many violations are described.
const DESCRIBED: usize = 100;

/// How many of the events before the first violation are described.
const REMEMBERED: usize = 40;

/// What may change at an instant.
#[derive(Clone)]
enum Point<const W: usize> {
    Plan(Rc<Coming<W>>),
    /// A cell that said when it wakes does.
    Wakes(CellId),
    Input(CellId, News),
    /// A hardware thread runs something by the plan of this number.
    Decided(usize, u64, Option<Run>),
    /// Something is expected of an entry of the plan of this number.
    Look(u64, usize),
}

/// A plan, and what it repairs.
struct Coming<const W: usize> {
    number: u64,
    effective: Instant,
    layout: Rc<Layout<W>>,
    /// The hardware threads of the components that it repairs.
    repairs: Option<ThreadSet<W>>,
}

/// A point, in the order of instants, then of kinds, then of arrival.
struct Entered<const W: usize> {
    key: (Instant, u8, u64),
    point: Point<W>,
}

/// What is known to be broken: decisions on reserves and best-effort cells may differ there from an instant to another one.
struct Disturbance<const W: usize> {
    threads: ThreadSet<W>,
    from: Instant,
    until: Instant,
    /// When the late news are there.
    there: Instant,
    /// Those who have not decided anything since: what they have wrong shows when they do.
    waiting: ThreadSet<W>,
    /// Not even the plan is known to all.
    is_plan: bool,
    /// The first instant at which something was wrong.
    first: Option<Instant>,
}

/// An entry of the plan in force.
#[derive(Clone, Copy)]
struct Holding {
    holds: bool,
    /// Since when it holds its hardware threads, and up to when that is charged.
    began: Instant,
    charged: Instant,
    /// The next start or end of its window.
    edge: Instant,
}

/// What hardware threads decided, and what is to be said of it.
pub(super) struct Judge<const W: usize> {
    points: BinaryHeap<Reverse<Entered<W>>>,
    entered: u64,
    /// The instant up to which all is judged.
    processed: Instant,
    plan: Option<Rc<Coming<W>>>,
    before: Option<Rc<Coming<W>>>,
    /// What each hardware thread was last known to decide, and what it runs at the instant that is judged.
    last: Vec<(u64, Option<Run>)>,
    runs: Vec<(u64, Option<Run>)>,
    holdings: Vec<Holding>,
    /// Cells that are idle, until when.
    idle: BTreeMap<CellId, Instant>,
    servers: BTreeMap<CellId, Server>,
    digests: HashMap<(u64, usize, Instant), (u64, usize)>,
    disturbances: Vec<Disturbance<W>>,
    objections: Vec<Violation>,
    owed: Vec<Owed>,
    fingerprint: u64,
    /// What has been judged last, up to the first violation.
    story: VecDeque<(Instant, Point<W>)>,
    bound: Span,
    /// From the publication of a repair to its effect, and by how much clocks differ.
    delay: Span,
}

impl<const W: usize> Judge<W> {
    pub(super) fn new(scenario: &Scenario<W>) -> Self {
        let threads = scenario.machine.threads;
        Self {
            points: BinaryHeap::new(),
            entered: 0,
            processed: Instant::default(),
            plan: None,
            before: None,
            last: vec![(0, None); threads],
            runs: vec![(0, None); threads],
            holdings: Vec::new(),
            idle: BTreeMap::new(),
            servers: BTreeMap::new(),
            digests: HashMap::new(),
            disturbances: Vec::new(),
            objections: Vec::new(),
            owed: Vec::new(),
            fingerprint: 0,
            story: VecDeque::new(),
            bound: scenario.repair_bound(),
            delay: scenario.machine.timing().delay + scenario.machine.clock_error,
        }
    }

    /// A plan is published.
    pub(super) fn plan(&mut self, number: u64, effective: Instant, layout: Rc<Layout<W>>, repair: Option<&Repair<W>>) {
        let repairs = repair.map(|repair| repair.threads);
        self.enter(effective, Point::Plan(Rc::new(Coming { number, effective, layout, repairs })));
    }

    /// An input is stored.
    pub(super) fn input(&mut self, cell: CellId, input: Input) {
        self.enter(input.effect, Point::Input(cell, input.news));
    }

    /// A hardware thread decides what it runs from an instant on.
    pub(super) fn decided(&mut self, thread: usize, at: Instant, number: u64, run: Option<Run>) {
        let before = mem::replace(&mut self.last[thread], (number, run));
        if before != (number, run) {
            // Before a plan is effective, replicas say what will run then.
            self.enter(at, Point::Decided(thread, number, run));
        }
    }

    /// A hardware thread has asked about an instant.
    pub(super) fn asked(&mut self, thread: usize, at: Instant) {
        for disturbance in self.disturbances.iter_mut().filter(|disturbance| disturbance.there <= at) {
            if disturbance.waiting.contains(thread) {
                disturbance.waiting = disturbance.waiting.without(ThreadSet::range(thread, 1));
                disturbance.until = disturbance.until.max(at + self.bound);
            }
        }
    }

    /// A replica's fingerprint at a boundary: that of the others of its component is the same.
    pub(super) fn digest(&mut self, thread: usize, component: usize, number: u64, boundary: Instant, digest: u64) {
        let seen = *self.digests.entry((number, component, boundary)).or_insert((digest, thread));
        if seen.0 != digest {
            let what = format!("fingerprints {:x} and {digest:x} under plan {number}", seen.0);
            self.objections.push(Violation {
                property: Property::Agreement,
                at: boundary,
                cells: Vec::new(),
                threads: vec![seen.1, thread],
                what,
            });
        }
    }

    /// A replica is in trouble, or found that it differs from its neighbour.
    pub(super) fn trouble(&mut self, thread: usize, at: Instant, trouble: Option<Trouble>) {
        let what = trouble.map_or_else(|| "its audit differs".into(), |trouble| format!("{trouble:?}"));
        let (property, cells, threads) = (Property::Bounds, Vec::new(), vec![thread]);
        self.objections.push(Violation { property, at, cells, threads, what });
    }

    /// Something else is wrong.
    pub(super) fn object(
        &mut self,
        property: Property,
        at: Instant,
        cells: &[CellId],
        threads: &[usize],
        what: String,
    ) {
        let (cells, threads) = (cells.to_vec(), threads.to_vec());
        self.objections.push(Violation { property, at, cells, threads, what });
    }

    /// From an instant on decisions on reserves and best-effort cells may differ on these hardware threads; for as long as it may take to repair that after
    /// `there`, when the late news are there.
    pub(super) fn disturb(&mut self, threads: ThreadSet<W>, from: Instant, there: Instant, is_plan: bool) {
        let until = there + self.bound;
        self.disturbances.push(Disturbance { threads, from, until, there, waiting: threads, is_plan, first: None });
    }

    fn enter(&mut self, at: Instant, point: Point<W>) {
        self.entered += 1;
        let order = match point {
            Point::Plan(_) => 0,
            Point::Wakes(_) => 1,
            Point::Input(..) => 2,
            Point::Decided(..) => 3,
            Point::Look(..) => 4,
        };
        let key = (at.max(self.processed), order, self.entered);
        self.points.push(Reverse(Entered { key, point }));
    }

    /// Judges all instants before `horizon`.
    pub(super) fn advance(&mut self, horizon: Instant, report: &mut Report) {
        while let Some(at) = self.points.peek().map(|next| next.0.key.0).filter(|at| *at < horizon) {
            let mut points = Vec::new();
            while let Some(next) = self.points.peek().filter(|next| next.0.key.0 == at) {
                let point = next.0.point.clone();
                self.points.pop();
                self.remember(at, &point);
                points.push(point);
            }
            self.processed = at;
            self.process(at, points, report);
        }
        self.processed = self.processed.max(horizon);
        self.digests.retain(|(_, _, boundary), _| *boundary >= horizon);
        self.resolve_before(horizon, report);
        self.disturbances.retain(|disturbance| {
            disturbance.until >= horizon || disturbance.first.is_some() || !disturbance.waiting.is_empty()
        });
    }

    fn resolve_before(&mut self, instant: Instant, report: &mut Report) {
        for objection in mem::take(&mut self.objections) {
            if objection.at >= instant {
                self.objections.push(objection);
            } else {
                self.resolve(objection, report);
            }
        }
    }

    /// What cells should have got of hardware threads, as was decided since this was asked last.
    pub(super) fn owed(&mut self) -> Vec<Owed> {
        mem::take(&mut self.owed)
    }

    fn remember(&mut self, at: Instant, point: &Point<W>) {
        if !matches!(point, Point::Look(..)) {
            self.story.push_back((at, point.clone()));
            if self.story.len() > REMEMBERED {
                self.story.pop_front();
            }
        }
    }

    /// The end.
    pub(super) fn finish(&mut self, report: &mut Report) {
        for objection in mem::take(&mut self.objections) {
            self.resolve(objection, report);
        }
        report.fingerprint = self.fingerprint;
    }

    /// Excuses what follows from a fault, and notes everything else.
    fn resolve(&mut self, objection: Violation, report: &mut Report) {
        let is_of_plan =
            |property| matches!(property, Property::Window | Property::Dedicated | Property::BoundedDecision);
        let excuse = self.disturbances.iter_mut().find(|disturbance| {
            let is_there = objection.threads.iter().any(|thread| disturbance.threads.contains(*thread));
            let is_then = disturbance.from <= objection.at
                && (objection.at <= disturbance.until || !disturbance.waiting.is_empty());
            is_there && is_then && (disturbance.is_plan || !is_of_plan(objection.property))
        });
        if let Some(disturbance) = excuse {
            report.excused += 1;
            disturbance.first = Some(disturbance.first.map_or(objection.at, |first| first.min(objection.at)));
            return;
        }
        if report.violation_count == 0 {
            report.story = self.story.iter().map(|(at, point)| format!("{} ns: {point}", at.as_nanos())).collect();
        }
        report.violation_count += 1;
        if report.violations.len() < DESCRIBED {
            report.violations.push(objection);
        }
    }

    fn process(&mut self, at: Instant, points: Vec<Point<W>>, report: &mut Report) {
        if let Some(coming) =
            points.iter().find_map(|point| if let Point::Plan(coming) = point { Some(coming) } else { None })
        {
            self.take_over(Rc::clone(coming), at, report);
        }
        let Some(plan) = self.plan.clone() else { return };
        let layout = Rc::clone(&plan.layout);
        let is_new = plan.effective == at || points.iter().any(|point| matches!(point, Point::Plan(_)));
        let mut touched = BTreeSet::new();
        if is_new {
            touched.extend(0..layout.components.len());
        }
        for point in &points {
            let component = match point {
                Point::Plan(_) => None,
                Point::Wakes(cell) | Point::Input(cell, _) => {
                    layout.of_cell(*cell).and_then(|number| layout.entries[number].component)
                }
                Point::Decided(thread, ..) => layout.of_thread[*thread],
                Point::Look(number, entry) if *number == plan.number => layout.entries[*entry].component,
                Point::Look(..) => None,
            };
            touched.extend(component);
        }
        for component in &touched {
            self.charge(&layout, *component, at, report);
        }
        for point in &points {
            match point {
                Point::Wakes(cell) => self.wakes(*cell, at),
                Point::Input(cell, news) => self.hears(*cell, *news, at),
                _ => {}
            }
        }
        for component in &touched {
            self.renew(&layout, *component, at);
        }
        let mut outside = Vec::new();
        for point in points {
            if let Point::Decided(thread, number, run) = point {
                self.runs[thread] = (number, run);
                let run = run.map_or(0, |run| run.since.as_nanos() ^ u64::from(run.cell.0) << 48);
                self.fingerprint = (self.fingerprint ^ at.as_nanos() ^ (thread as u64) << 40 ^ run)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15);
                if layout.of_thread[thread].is_none() {
                    outside.push(thread);
                }
            }
        }
        for thread in outside {
            self.check_idle_thread(thread, at, &plan);
        }
        for component in touched {
            self.check(&plan, component, at);
        }
    }

    /// Another plan comes into force.
    fn take_over(&mut self, coming: Rc<Coming<W>>, at: Instant, report: &mut Report) {
        self.resolve_before(at, report);
        if let Some(old) = self.plan.clone() {
            for component in 0..old.layout.components.len() {
                self.charge(&old.layout, component, at, report);
            }
        }
        self.succeed(&coming, at);
        if let Some(threads) = coming.repairs {
            for disturbance in self.disturbances.iter_mut().filter(|other| other.threads.intersects(threads)) {
                if let Some(first) = disturbance.first.take() {
                    report.repair_times.add(at.since(first).as_nanos());
                }
                // A repair that was published when all late news were there puts everything right at once.
                let is_right = disturbance.threads.is_within(threads) && disturbance.there + self.delay <= at;
                if is_right && !disturbance.is_plan && disturbance.from < at {
                    disturbance.until = disturbance.until.min(at - Span::from_nanos(1));
                    disturbance.waiting = ThreadSet::EMPTY;
                }
            }
        }
        // Whoever decides together with somebody who is wrong may be wrong.
        for disturbance in self.disturbances.iter_mut().filter(|disturbance| disturbance.until >= at) {
            for group in &coming.layout.components {
                if group.set.intersects(disturbance.threads) {
                    disturbance.threads = disturbance.threads.union(group.set);
                }
            }
        }
        self.before = self.plan.replace(coming);
    }
}

impl<const W: usize> fmt::Display for Point<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(coming) if coming.repairs.is_some() => write!(f, "plan {} repairs", coming.number),
            Self::Plan(coming) => write!(f, "plan {}", coming.number),
            Self::Wakes(cell) => write!(f, "cell {} wakes by itself", cell.0),
            Self::Input(cell, news) => write!(f, "cell {}: {news:?}", cell.0),
            Self::Decided(thread, plan, None) => write!(f, "hardware thread {thread} idles (plan {plan})"),
            Self::Decided(thread, plan, Some(run)) => {
                let since = run.since.as_nanos();
                write!(f, "hardware thread {thread} runs cell {} since {since} (plan {plan})", run.cell.0)
            }
            Self::Look(..) => write!(f, "something is expected"),
        }
    }
}

impl<const W: usize> PartialEq for Entered<W> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<const W: usize> Eq for Entered<W> {}

impl<const W: usize> PartialOrd for Entered<W> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<const W: usize> Ord for Entered<W> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}
