//! What must hold at an instant, component by component.

use std::format;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

use super::server::Server;
use super::{Coming, Holding, Judge, Point};
use crate::inputs::News;
use crate::simulator::execution::Owed;
use crate::simulator::layout::{Layout, Placed};
use crate::simulator::report::{Property, Report};
use crate::window::{next_start, window_at};
use crate::{CellId, Instant, Policy, Run, Span};

impl<const W: usize> Judge<W> {
    /// Notes what gangs of a component have held up to an instant.
    pub(super) fn charge(&mut self, layout: &Layout<W>, component: usize, at: Instant, report: &mut Report) {
        for number in &layout.components[component].entries {
            let holding = &mut self.holdings[*number];
            let elapsed = at.since(holding.charged);
            holding.charged = at;
            if holding.holds {
                let cell = layout.entries[*number].entry.cell;
                let held = report.held.entry(cell).or_default();
                *held = *held + elapsed;
                if let Some(server) = self.servers.get_mut(&cell) {
                    server.charge(elapsed);
                }
            }
        }
    }

    /// A cell wakes at the instant that it named.
    pub(super) fn wakes(&mut self, cell: CellId, at: Instant) {
        if self.idle.get(&cell) == Some(&at) {
            self.woke(cell, at);
        }
    }

    fn woke(&mut self, cell: CellId, at: Instant) {
        if self.idle.remove(&cell).is_some()
            && let Some(server) = self.servers.get_mut(&cell)
        {
            server.wake(at);
        }
    }

    /// An input takes effect.
    pub(super) fn hears(&mut self, cell: CellId, news: News, at: Instant) {
        match news {
            News::Wake => self.woke(cell, at),
            News::Idle { until } => {
                if self.idle.insert(cell, until).is_none()
                    && let Some(server) = self.servers.get_mut(&cell)
                {
                    server.sleep(at);
                }
                if until <= at {
                    self.woke(cell, at);
                } else if until != Instant::NEVER {
                    self.enter(until, Point::Wakes(cell));
                }
            }
        }
    }

    fn is_ready(&self, placed: &Placed<W>) -> bool {
        !placed.is_heard || !self.idle.contains_key(&placed.entry.cell)
    }

    /// Periods end.
    pub(super) fn renew(&mut self, layout: &Layout<W>, component: usize, at: Instant) {
        for number in &layout.components[component].entries {
            let placed = &layout.entries[*number];
            let is_ready = self.is_ready(placed);
            let Some(server) = self.servers.get_mut(&placed.entry.cell).filter(|_| is_ready) else { continue };
            let before = *server;
            let budget = server.budget;
            let missed = if server.is_known { server.renew(at) } else { server.watch(at) };
            if missed.is_none() && before.is_known && before.is_whole && before.deadline <= at {
                // Who was displaced at the very deadline had its last lead for leaving.
                let (from, least) = (before.deadline - before.period, budget - before.lead);
                let (cell, threads) = (placed.entry.cell, placed.threads.clone());
                self.owed.push(Owed { cell, threads, from, to: before.deadline, least, is_window: false });
            }
            if let Some(missed) = missed {
                let what = format!("held {missed} ns less than its budget of {} ns", budget.as_nanos());
                self.blame(Property::Budget, at, placed, what);
            }
        }
    }

    fn blame(&mut self, property: Property, at: Instant, placed: &Placed<W>, what: String) {
        self.object(property, at, &[placed.entry.cell], &placed.threads, what);
    }

    /// What of the state under the plan before goes over to the one that comes.
    pub(super) fn succeed(&mut self, coming: &Rc<Coming<W>>, at: Instant) {
        let (old, new) = (self.plan.clone(), &coming.layout);
        let mut holdings = Vec::new();
        for placed in &new.entries {
            let before = old.as_ref().and_then(|old| {
                let number = old.layout.of_cell(placed.entry.cell)?;
                Some((number, &old.layout.entries[number]))
            });
            let fresh = Holding { holds: false, began: at, charged: at, edge: at };
            let goes_on = before.filter(|(_, former)| {
                former.entry.threads == placed.entry.threads && former.component.is_some() && placed.component.is_some()
            });
            holdings.push(goes_on.map_or(fresh, |(number, _)| Holding {
                charged: at,
                edge: at,
                ..self.holdings[number]
            }));
        }
        self.holdings = holdings;
        let mut servers = std::mem::take(&mut self.servers);
        for placed in &new.entries {
            let Policy::EventTriggered { period, budget } = placed.entry.policy else { continue };
            let kept = servers
                .remove(&placed.entry.cell)
                .filter(|server| (server.period, server.budget, server.lead) == (period, budget, new.lead));
            let mut server = kept.unwrap_or_else(|| Server::new(period, budget, new.lead));
            let what = old.as_ref().map_or(Fate::Fresh, |old| fate(old, coming, placed, kept.is_some()));
            match what {
                Fate::Same => {}
                Fate::Kept => server.is_whole = false,
                Fate::Restarted if self.is_ready(placed) => server.fresh(at),
                Fate::Restarted => {}
                Fate::Fresh => {
                    server = Server::new(period, budget, new.lead);
                    if self.is_ready(placed) {
                        server.fresh(at);
                    }
                }
            }
            // What was expected under the number of the plan before is void.
            server.expected = Instant::default();
            self.servers.insert(placed.entry.cell, server);
        }
        // Who ran under the plan before is displaced by nobody where the past is forgotten.
        for (number, placed) in new.entries.iter().enumerate() {
            let is_known = old.as_ref().is_some_and(|old| is_known(old, coming, placed));
            let is_repaired = coming.repairs.is_some_and(|threads| threads.intersects(placed.entry.threads));
            if !is_known || is_repaired {
                self.holdings[number].holds = false;
            }
        }
    }

    /// A hardware thread for which the plan has nothing.
    pub(super) fn check_idle_thread(&mut self, thread: usize, at: Instant, plan: &Coming<W>) {
        if let (_, Some(run)) = self.runs[thread] {
            let what = format!("cell {} runs where plan {} has nobody", run.cell.0, plan.number);
            self.object(Property::Exclusivity, at, &[run.cell], &[thread], what);
        }
    }

    /// Checks a component.
    pub(super) fn check(&mut self, plan: &Rc<Coming<W>>, component: usize, at: Instant) {
        let layout = &plan.layout;
        let group = &layout.components[component];
        if let Some(thread) = group.threads.iter().find(|thread| self.runs[**thread].0 != plan.number) {
            let what = format!("follows plan {}, but {} is in force", self.runs[*thread].0, plan.number);
            self.object(Property::Agreement, at, &[], &[*thread], what);
        }
        for thread in &group.threads {
            let Some(run) = self.runs[*thread].1 else { continue };
            let placed = layout.of_cell(run.cell).map(|number| &layout.entries[number]);
            match placed.filter(|placed| placed.threads.contains(thread)) {
                None => {
                    let what = format!("cell {} has no business on hardware thread {thread}", run.cell.0);
                    self.object(Property::Exclusivity, at, &[run.cell], &[*thread], what);
                }
                Some(placed) => self.check_gang(placed, *thread, run, at),
            }
        }
        let is_disturbed = self.is_disturbed(plan, component, at);
        for number in &group.entries {
            let placed = &layout.entries[*number];
            let run = self.runs[placed.threads[0]].1.filter(|run| run.cell == placed.entry.cell);
            match placed.entry.policy {
                Policy::Dedicated if run.is_none() => {
                    self.blame(Property::Dedicated, at, placed, "does not run".into())
                }
                Policy::Dedicated => {}
                Policy::TimeTriggered { .. } => self.check_window(plan, *number, run, at),
                Policy::EventTriggered { .. } => self.follow_reserve(plan, *number, run, at, is_disturbed),
                Policy::BestEffort { .. } => {}
            }
            let holding = &mut self.holdings[*number];
            if run.is_some() && !holding.holds {
                holding.began = at;
            }
            holding.holds = run.is_some();
        }
        for number in &group.entries {
            let placed = &layout.entries[*number];
            match placed.entry.policy {
                Policy::EventTriggered { .. } => self.check_deadline(layout, *number, at),
                Policy::BestEffort { .. } => self.check_share(layout, *number, at),
                _ => {}
            }
        }
    }

    /// Whether decisions in a component may be wrong at an instant because of a fault.
    fn is_disturbed(&self, plan: &Coming<W>, component: usize, at: Instant) -> bool {
        let set = plan.layout.components[component].set;
        self.disturbances.iter().any(|disturbance| {
            disturbance.threads.intersects(set) && (disturbance.from..=disturbance.until).contains(&at)
        })
    }

    fn check_gang(&mut self, placed: &Placed<W>, thread: usize, run: Run, at: Instant) {
        if let Some(other) = placed.threads.iter().find(|other| self.runs[**other].1 != Some(run)) {
            let what = format!("{run:?} on hardware thread {thread}, {:?} on {other}", self.runs[*other].1);
            self.object(Property::Gang, at, &[run.cell], &[thread, *other], what);
        }
        if run.since > at {
            self.object(Property::Gang, at, &[run.cell], &[thread], format!("activated in the future: {run:?}"));
        }
    }

    fn check_window(&mut self, plan: &Rc<Coming<W>>, number: usize, run: Option<Run>, at: Instant) {
        let placed = &plan.layout.entries[number];
        let Policy::TimeTriggered { period, phase, length } = placed.entry.policy else { return };
        let whole = length + plan.layout.lead;
        let due = window_at(at, period, phase, whole);
        match (due, run) {
            (None, Some(run)) => self.blame(Property::Window, at, placed, format!("runs outside its window: {run:?}")),
            (Some(start), None) => self.blame(Property::Window, at, placed, format!("misses its window of {start}")),
            (Some(start), Some(run)) => {
                // What both plans have goes on.
                let had_it = self.before.as_ref().filter(|before| {
                    let number = before.layout.of_cell(placed.entry.cell);
                    before.effective <= start
                        && before.layout.lead == plan.layout.lead
                        && number.is_some_and(|number| before.layout.entries[number].entry == placed.entry)
                });
                let is_right = if start >= plan.effective || had_it.is_some() {
                    run.since == start
                } else {
                    run.since <= plan.effective
                };
                if !is_right {
                    self.blame(Property::Window, at, placed, format!("its window starts at {start}: {run:?}"));
                }
            }
            (None, None) => {}
        }
        let ended = window_at(at - Span::from_nanos(1), period, phase, whole).filter(|start| *start + whole == at);
        if let Some(from) = ended.filter(|start| *start >= plan.effective) {
            let (cell, threads) = (placed.entry.cell, placed.threads.clone());
            self.owed.push(Owed { cell, threads, from, to: from + length, least: length, is_window: true });
        }
        let edge = due.map_or_else(|| next_start(at, period, phase), |start| start + whole);
        if self.holdings[number].edge != edge {
            self.holdings[number].edge = edge;
            self.enter(edge, Point::Look(plan.number, number));
        }
    }

    /// Follows a reserve's account.
    fn follow_reserve(
        &mut self,
        plan: &Rc<Coming<W>>,
        number: usize,
        run: Option<Run>,
        at: Instant,
        is_disturbed: bool,
    ) {
        let placed = &plan.layout.entries[number];
        let is_ready = self.is_ready(placed);
        let Holding { holds: held, began, .. } = self.holdings[number];
        let Some(server) = self.servers.get_mut(&placed.entry.cell) else { return };
        if is_disturbed {
            server.lose();
        }
        let mut wrong = None;
        if server.is_known {
            match (held, run.is_some()) {
                (true, false) if is_ready && server.left > 0 => server.displaced(at, began),
                (false, true) if is_ready && !server.can_start() => {
                    wrong = Some((Property::Hoarding, format!("starts with {} ns left", server.left)));
                }
                (true, true) if server.left == 0 => {
                    wrong = Some((Property::Hoarding, format!("goes on with nothing left until {}", server.deadline)));
                }
                _ => {}
            }
            if let Some(excess) = server.excess() {
                wrong = Some((Property::Hoarding, format!("got {excess} ns more than its budget and a lead")));
            }
        }
        if run.is_some() && !is_ready {
            wrong = Some((Property::Idleness, "runs without work".into()));
        }
        if is_ready {
            let next = server.next(at, run.is_some()).max(at + Span::from_nanos(1));
            if server.expected != next {
                server.expected = next;
                self.enter(next, Point::Look(plan.number, number));
            }
        }
        if let Some((property, what)) = wrong {
            self.blame(property, at, placed, what);
        }
    }

    /// A reserve with work and a budget waits only for windows and for earlier deadlines.
    fn check_deadline(&mut self, layout: &Layout<W>, number: usize, at: Instant) {
        let placed = &layout.entries[number];
        let Some(server) = self.servers.get(&placed.entry.cell).copied() else { return };
        let waits = self.is_ready(placed) && !self.holdings[number].holds && server.is_known && server.can_start();
        if !waits || is_stopped_soon(layout, placed, at) {
            return;
        }
        let is_kept = placed.neighbours.iter().any(|other| {
            let neighbour = &layout.entries[*other].entry;
            self.holdings[*other].holds
                && match neighbour.policy {
                    Policy::BestEffort { .. } => false,
                    Policy::EventTriggered { .. } => self.servers.get(&neighbour.cell).is_none_or(|other| {
                        !other.is_known || (other.deadline, neighbour.cell) < (server.deadline, placed.entry.cell)
                    }),
                    Policy::Dedicated | Policy::TimeTriggered { .. } => true,
                }
        });
        if !is_kept {
            let what = format!("waits with {} ns left until {}, for nobody", server.left, server.deadline);
            self.blame(Property::EarliestDeadline, at, placed, what);
        }
    }

    /// A best-effort gang with work waits only if some of its hardware threads is taken.
    fn check_share(&mut self, layout: &Layout<W>, number: usize, at: Instant) {
        let placed = &layout.entries[number];
        match (self.is_ready(placed), self.holdings[number].holds) {
            (false, true) => self.blame(Property::Idleness, at, placed, "runs without work".into()),
            (true, false) => {
                let is_kept = placed.threads.iter().any(|thread| self.runs[*thread].1.is_some());
                if !is_kept && !is_stopped_soon(layout, placed, at) {
                    self.blame(Property::WorkConservation, at, placed, "waits, and its hardware threads idle".into());
                }
            }
            _ => {}
        }
    }
}

/// Whether a window on a gang's hardware threads starts within two leads, so that it is not worth a start.
fn is_stopped_soon<const W: usize>(layout: &Layout<W>, placed: &Placed<W>, at: Instant) -> bool {
    placed.neighbours.iter().any(|other| match layout.entries[*other].entry.policy {
        Policy::TimeTriggered { period, phase, .. } => next_start(at, period, phase) < at + layout.lead.times(2),
        _ => false,
    })
}

/// What becomes of a reserve's account.
enum Fate {
    /// Nobody notices the change.
    Same,
    /// It is kept, and the promise holds from the next period on.
    Kept,
    /// It starts a period with the plan, if the cell has work.
    Restarted,
    /// It starts with the plan.
    Fresh,
}

fn fate<const W: usize>(old: &Coming<W>, new: &Coming<W>, placed: &Placed<W>, is_alike: bool) -> Fate {
    let thread = placed.threads[0];
    if let Some(threads) = new.repairs
        && old.layout.component_threads(thread).iter().any(|member| threads.contains(*member))
    {
        return Fate::Fresh;
    }
    if is_same(old, new, thread) {
        return Fate::Same;
    }
    // Its account is known where it was kept: on the hardware threads of the component in which it was.
    let was_here = old.layout.of_cell(placed.entry.cell).and_then(|number| old.layout.entries[number].component);
    let is_here = was_here.is_some() && was_here == old.layout.of_thread[thread];
    if !is_alike || !is_here || !is_known(old, new, placed) {
        Fate::Fresh
    } else if adds_load(old, new, thread) {
        Fate::Restarted
    } else {
        Fate::Kept
    }
}

/// Whether all hardware threads that will decide about an entry decided together before.
fn is_known<const W: usize>(old: &Coming<W>, new: &Coming<W>, placed: &Placed<W>) -> bool {
    let thread = placed.threads[0];
    let before = old.layout.component_threads(thread);
    new.layout.component_threads(thread).iter().all(|member| before.contains(member))
}

/// Whether some reserve or window is new in a component, or has other rules.
fn adds_load<const W: usize>(old: &Coming<W>, new: &Coming<W>, thread: usize) -> bool {
    let Some(component) = new.layout.of_thread[thread] else { return false };
    new.layout.components[component].entries.iter().any(|number| {
        let entry = &new.layout.entries[*number].entry;
        let before = old.layout.of_cell(entry.cell).map(|number| &old.layout.entries[number]);
        let is_load = matches!(entry.policy, Policy::EventTriggered { .. } | Policy::TimeTriggered { .. });
        is_load && before.is_none_or(|before| before.entry != *entry)
    })
}

/// Whether a component is the same under both plans.
fn is_same<const W: usize>(old: &Coming<W>, new: &Coming<W>, thread: usize) -> bool {
    match (old.layout.of_thread[thread], new.layout.of_thread[thread]) {
        (Some(one), Some(two)) => old.layout.is_same(one, &new.layout, two),
        _ => false,
    }
}
