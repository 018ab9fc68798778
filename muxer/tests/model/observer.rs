//! Judges what hardware threads decide, and what they ran, tick by tick.
//!
//! It knows plans, logs and what ran, and of replicas only what they publish: fingerprints, audits, missed periods.

use muxer::{Entry, Instant, Policy, Run, Span};

use super::config::{Fault, LEAD, TICK, at, ticks};
use super::protocol::World;
use super::replicas::{Published, Sight};
use super::state::{Disturbance, Period, Rule, State};

/// How many repairs one late thing may take.
const REPAIRS: usize = 3;

impl World {
    /// Compares a hardware thread that has decided with the others of its component, as far as both know of the same boundary: who is behind is asked what it would
    /// decide about the other one's boundary, if it might look there at this moment.
    pub(crate) fn compare(&self, state: &mut State, thread: usize) {
        let plan = &state.followed(thread).plan;
        for (number, cell) in self.cells.iter().enumerate() {
            if state.threads[thread].replica.replica().missed(*cell) > 0 && state.disturbance.is_none() {
                return state.blame(Rule::Budget, number);
            }
        }
        let others = plan.component_threads(thread).iter().filter(|other| *other != thread);
        let same = |other: &usize| state.threads[*other].follows == state.threads[thread].follows;
        let others: Vec<_> = others.filter(same).collect();
        for other in others {
            let (one, two) = (state.threads[thread].replica.replica(), state.threads[other].replica.replica());
            let split = match (one.audit(), two.audit()) {
                (Some((slice, ours)), Some((of, theirs))) if slice == of && ours != theirs => true,
                _ if one.boundary() == two.boundary() => one.digest() != two.digest(),
                // What someone would decide says nothing while the news that it waits for are late.
                _ if state.disturbance.is_some() => false,
                _ if one.boundary() < two.boundary() => self.would_differ(state, thread, two.boundary(), two.digest()),
                _ => self.would_differ(state, other, one.boundary(), one.digest()),
            };
            match &mut state.disturbance {
                Some(disturbance) => disturbance.is_split |= split,
                None if split => return state.blame(Rule::Agreement, other),
                None => {}
            }
        }
    }

    /// Whether a hardware thread, if it looked now, would decide about `boundary` otherwise.
    fn would_differ(&self, state: &State, thread: usize, boundary: Instant, digest: u64) -> bool {
        let may_look = self.clock(state, thread) + ticks(LEAD) >= boundary;
        if !may_look || state.pending(thread).is_some_and(|effective| effective <= boundary) {
            return false;
        }
        let behind = &state.threads[thread];
        let sight = Sight::new(&self.cells, &state.logs, &behind.visible, None);
        let asked = boundary.max(behind.asked);
        let answer = self.desk.decide(&behind.replica, state.followed(thread), asked, 1, &sight);
        let replica = answer.kept.replica();
        (replica.boundary(), replica.digest()) != (boundary, digest)
    }

    /// Judges the present tick, which is about to pass.
    pub(crate) fn judge(&self, state: &mut State) {
        let tick = state.now;
        let plan = state.in_force(at(tick)).clone();
        let runs: Vec<_> = state.threads.iter().map(|thread| thread.runs_at(at(tick))).collect();
        if let Some(behind) = runs.iter().position(|stretch| stretch.number != plan.number()) {
            self.object(state, Rule::Agreement, behind);
        }
        let runs: Vec<_> = runs.iter().map(|stretch| stretch.run).collect();
        if let Err((rule, place)) = self.judge_runs(state, &plan, &runs) {
            self.object(state, rule, place);
        }
        self.judge_reserves(state, &plan, &runs);
        self.recover(state);
    }

    /// Something is wrong. While something is late, only windows are promised.
    fn object(&self, state: &mut State, rule: Rule, place: usize) {
        match &mut state.disturbance {
            Some(disturbance) if rule != Rule::Window => disturbance.is_torn = true,
            _ => state.blame(rule, place),
        }
    }

    /// Exclusivity, gangs, windows, idle cells, work conservation.
    fn judge_runs(&self, state: &State, plan: &Published, runs: &[Option<Run>]) -> Result<(), (Rule, usize)> {
        let require = |holds: bool, rule, place| if holds { Ok(()) } else { Err((rule, place)) };
        let tick = state.now;
        // Windows come first: they are promised whatever happens to others.
        for (number, entry) in self.entries(plan) {
            if let Policy::TimeTriggered { period, phase, length } = entry.policy {
                let start = window_start(at(tick), period, phase, length);
                for thread in entry.threads.iter() {
                    let run = runs[thread].filter(|run| run.cell == entry.cell);
                    require(start.is_some() == run.is_some(), Rule::Window, number)?;
                    let is_exact = run.is_none_or(|run| Some(run.since) == start || start < Some(plan.effective()));
                    require(is_exact, Rule::Window, number)?;
                }
            }
        }
        for (thread, run) in runs.iter().enumerate() {
            let Some(run) = run else { continue };
            let entry = plan.plan.entry(run.cell).filter(|entry| entry.threads.contains(thread));
            let entry = entry.ok_or((Rule::Gang, thread))?;
            let is_whole = entry.threads.iter().all(|member| runs[member] == Some(*run));
            require(is_whole && run.since <= at(tick), Rule::Gang, thread)?;
        }
        for (number, entry) in self.entries(plan) {
            let has_work = state.has_work(number, tick);
            let runs_here = |thread: usize| runs[thread].is_some_and(|run| run.cell == entry.cell);
            if plan.plan.hears(entry.cell) && !has_work {
                require(!entry.threads.iter().any(runs_here), Rule::Idle, number)?;
            }
            if matches!(entry.policy, Policy::BestEffort { .. }) && has_work {
                let would_fit = entry.threads.iter().all(|thread| runs[thread].is_none());
                require(!would_fit || stops_soon(plan, entry, at(tick)), Rule::Conservation, number)?;
            }
        }
        Ok(())
    }

    /// The entries of a plan, with the numbers of their cells.
    fn entries<'a>(&self, plan: &'a Published) -> impl Iterator<Item = (usize, &'a Entry)> {
        let number = |entry: &Entry| self.cells.iter().position(|cell| *cell == entry.cell).unwrap_or(0);
        plan.plan.entries().iter().map(move |entry| (number(entry), entry))
    }

    /// Follows the periods in which reserves are promised their budgets. Time counts that a gang can use: not the lead in which it leaves.
    ///
    /// Whether a wake within a period starts a new one depends on what is left of the budget. The observer does not keep that account: it follows all periods that are
    /// possible, and in one of them the promise must be kept.
    fn judge_reserves(&self, state: &mut State, plan: &Published, runs: &[Option<Run>]) {
        let tick = state.now;
        let starts = plan.effective() == at(tick);
        let former = state.plans.iter().rev().find(|other| other.number() < plan.number()).cloned();
        for number in 0..self.cells.len() {
            let entry = plan.plan.entry(self.cells[number]);
            let since = entry.and_then(|entry| runs_whole(entry, runs));
            let held = std::mem::replace(&mut state.held[number], since);
            // The lead before a plan is not counted as lost: whom the plan displaces had held its hardware threads until then.
            let is_usable = held.is_some() && (since == held || starts);
            if !self.pass(&mut state.periods[number], tick, is_usable) {
                self.object(state, Rule::Budget, number);
            }
            let reserve = entry.and_then(|entry| Some((entry, self.reserve(entry)?)));
            let Some((entry, (period, budget))) = reserve else {
                state.periods[number].clear();
                continue;
            };
            let (had_work, has_work) = (tick == 0 || state.has_work(number, tick - 1), state.has_work(number, tick));
            let woke = has_work && (!had_work || state.went_idle(number, tick));
            let is_new = former.as_ref().is_none_or(|former| begins_periods(former, plan, entry));
            let is_touched = self.is_touched(former.as_ref(), plan, entry);
            let is_disturbed = state.disturbance.is_some();
            let periods = &mut state.periods[number];
            if starts && is_new && !woke {
                *periods = vec![Period::new(tick, period, budget)];
            } else if is_disturbed || starts && is_touched {
                *periods = anything(tick, period, budget);
            } else if woke {
                *periods = woken(periods, tick, period, budget);
            }
            if !has_work {
                // It is promised nothing until it wakes, and past deadlines are all alike.
                for period in periods.iter_mut() {
                    (period.owed, period.is_promised) = (0, false);
                    period.deadline = if period.deadline <= tick { 0 } else { period.deadline };
                }
            }
            periods.sort_unstable();
            periods.dedup();
        }
    }

    /// The tick before has passed. False if no period is left in which the promise was kept.
    fn pass(&self, periods: &mut Vec<Period>, tick: u64, is_usable: bool) -> bool {
        let was_possible = !periods.is_empty();
        periods.iter_mut().for_each(|period| period.owed -= u64::from(is_usable).min(period.owed));
        periods.retain(|period| period.deadline != tick || period.owed == 0 || !period.is_promised);
        for period in periods.iter_mut().filter(|period| period.deadline == tick && tick > 0) {
            *period = Period::new(tick, period.length, period.budget);
        }
        periods.is_empty() != was_possible
    }

    /// The period and the budget of an entry that has them, in ticks.
    fn reserve(&self, entry: &Entry) -> Option<(u64, u64)> {
        let more = if let Some(Fault::Overpromise(more)) = self.config.fault { more } else { 0 };
        match entry.policy {
            Policy::EventTriggered { period, budget } => {
                Some((period.as_nanos() / TICK, budget.as_nanos() / TICK + more))
            }
            _ => None,
        }
    }

    /// Whether a change of plan, or a repair, concerns the component of an entry.
    fn is_touched(&self, former: Option<&Published>, plan: &Published, entry: &Entry) -> bool {
        let threads = plan.plan.concerned_by(entry.cell);
        let is_repaired = plan.repair.as_ref().is_some_and(|repair| repair.threads.intersects(threads));
        let of_it = |plan: &Published| -> Vec<Entry> {
            plan.plan.entries().iter().filter(|entry| entry.threads.intersects(threads)).copied().collect()
        };
        is_repaired || former.is_none_or(|former| of_it(former) != of_it(plan))
    }

    /// Whether what was late is over.
    fn recover(&self, state: &mut State) {
        let Some(Disturbance { arrived: Some(arrived), until, wants_repair, repairs, is_split, .. }) =
            state.disturbance
        else {
            return;
        };
        let patience = 2 * self.config.delay + self.config.slice + 4;
        if state.now > arrived + patience || repairs > REPAIRS {
            state.blame(Rule::Recovery, 0);
        }
        if !wants_repair && until <= Some(at(state.now + 1)) {
            if is_split && repairs == 0 {
                state.blame(Rule::Recovery, 1);
            }
            state.disturbance = None;
        }
    }
}

/// The start of the window that `t` is in, if it is in one, or in the lead after one.
fn window_start(t: Instant, period: Span, phase: Span, length: Span) -> Option<Instant> {
    let into = t.as_nanos().checked_sub(phase.as_nanos())? % period.as_nanos();
    (into < (length + ticks(LEAD)).as_nanos()).then(|| t - Span::from_nanos(into))
}

/// Whether a window on an entry's hardware threads starts so soon that it is not worth a start.
fn stops_soon(plan: &Published, entry: &Entry, t: Instant) -> bool {
    let soon = ticks(2 * LEAD).as_nanos();
    plan.plan.entries().iter().filter(|other| other.threads.intersects(entry.threads)).any(|other| match other.policy {
        Policy::TimeTriggered { period, phase, .. } => {
            let (t, period, phase) = (t.as_nanos(), period.as_nanos(), phase.as_nanos());
            let next = if t < phase { phase } else { t + period - (t - phase) % period };
            next - t < soon
        }
        _ => false,
    })
}

/// Whether all reserves with work in an entry's component start a period with this plan: if it repairs the component, or joins hardware threads, or has a reserve or
/// a window that is new or has other rules.
fn begins_periods(former: &Published, plan: &Published, entry: &Entry) -> bool {
    let threads = plan.plan.concerned_by(entry.cell);
    let is_repaired = plan.repair.as_ref().is_some_and(|repair| repair.threads.intersects(threads));
    let joins = threads.iter().any(|thread| !threads.is_within(former.plan.component_threads(thread)));
    let is_load = |entry: &&Entry| !matches!(entry.policy, Policy::BestEffort { .. });
    let of_it = plan.plan.entries().iter().filter(|other| other.threads.intersects(threads));
    let adds_load = of_it.filter(is_load).any(|other| former.plan.entry(other.cell) != Some(other));
    is_repaired || joins || adds_load
}

/// Since when a gang runs, if all of it does.
fn runs_whole(entry: &Entry, runs: &[Option<Run>]) -> Option<Instant> {
    let first = runs[entry.threads.iter().next()?].filter(|run| run.cell == entry.cell)?;
    entry.threads.iter().all(|thread| runs[thread] == Some(first)).then_some(first.since)
}

/// The periods that are possible where nothing is known: one that begins now, or any that is under way.
fn anything(tick: u64, length: u64, budget: u64) -> Vec<Period> {
    let under_way = (1..length).map(|ahead| Period::under_way(tick + ahead, length, budget));
    under_way.chain([Period::new(tick, length, budget)]).collect()
}

/// The periods that are possible after a wake: a new one; or the present one, of which nothing is promised any more.
fn woken(periods: &[Period], tick: u64, length: u64, budget: u64) -> Vec<Period> {
    let left = periods.iter().filter(|period| period.deadline > tick);
    let under_way = left.map(|period| Period::under_way(period.deadline, length, budget));
    under_way.chain([Period::new(tick, length, budget)]).collect()
}
