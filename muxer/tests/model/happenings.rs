//! Things that must happen somewhere, or the model does not show what it is for.

use muxer::inputs::{Input, News};
use muxer::{Entry, Policy};
use stateright::Property;

use super::config::at;
use super::protocol::World;
use super::state::{Disturbance, State, Stretch};

/// Something that happens in some state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// A reserve preempts a best-effort cell.
    Preempts,
    /// An idle cell's time is used by another.
    Reuses,
    /// A plan changes while an input is on its way.
    Crosses,
    /// A wake needs an interrupt.
    Interrupts,
    /// A gang is torn apart by late news.
    Tears,
    /// Replicas differ after late news.
    Splits,
    /// A replica finds itself in trouble.
    Troubles,
    /// A fingerprint shows a difference.
    Audits,
    /// A repair is published.
    Repairs,
    /// All agree again.
    Recovers,
}

impl Happening {
    /// As a property for stateright.
    pub(crate) fn property(self) -> Property<World> {
        match self {
            Self::Preempts => Property::sometimes("preempts", |_, state| preempts(state)),
            Self::Reuses => Property::sometimes("reuses", reuses),
            Self::Crosses => Property::sometimes("crosses", |_, state| crosses(state)),
            Self::Interrupts => Property::sometimes("interrupts", |_, state| interrupts(state)),
            Self::Tears => Property::sometimes("tears", |_, state| disturbed(state, |it| it.is_torn)),
            Self::Splits => Property::sometimes("splits", |_, state| disturbed(state, |it| it.is_split)),
            Self::Troubles => Property::sometimes("troubles", |_, state| disturbed(state, |it| it.trouble.is_some())),
            Self::Audits => Property::sometimes("audits", |_, state| disturbed(state, |it| it.is_audited)),
            Self::Repairs => Property::sometimes("repairs", |_, state| disturbed(state, |it| it.repairs > 0)),
            Self::Recovers => Property::sometimes("recovers", |_, state| recovers(state)),
        }
    }
}

fn disturbed(state: &State, is_so: fn(&Disturbance) -> bool) -> bool {
    state.disturbance.as_ref().is_some_and(is_so)
}

/// The one thing that may be late was, and it is over.
fn recovers(state: &State) -> bool {
    state.left.stalls == 0 && state.disturbance.is_none()
}

/// A best-effort cell makes way for a reserve.
fn preempts(state: &State) -> bool {
    let policy = |stretch: &Stretch| {
        let plan = state.plans.iter().find(|plan| plan.number() == stretch.number)?;
        Some(plan.plan.entry(stretch.run?.cell)?.policy)
    };
    state.threads.iter().any(|thread| {
        thread.trail.windows(2).any(|pair| {
            matches!(policy(&pair[0]), Some(Policy::BestEffort { .. }))
                && matches!(policy(&pair[1]), Some(Policy::EventTriggered { .. }))
        })
    })
}

/// A best-effort cell runs on a hardware thread of an idle cell.
fn reuses(world: &World, state: &State) -> bool {
    let plan = &state.in_force(at(state.now)).plan;
    let is_idle = |entry: &&Entry| {
        let cell = world.cells.iter().position(|cell| *cell == entry.cell);
        plan.hears(entry.cell) && cell.is_some_and(|cell| !state.has_work(cell, state.now))
    };
    plan.entries().iter().filter(is_idle).any(|idle| {
        idle.threads.iter().any(|thread| {
            let run = state.threads[thread].runs_at(at(state.now)).run;
            let user = run.and_then(|run| plan.entry(run.cell)).filter(|user| user.cell != idle.cell);
            user.is_some_and(|user| matches!(user.policy, Policy::BestEffort { .. }))
        })
    })
}

/// A plan is on its way, and an input.
fn crosses(state: &State) -> bool {
    let is_on_its_way = state.logs.iter().flatten().any(|input| input.effect > at(state.now));
    !state.is_followed() && is_on_its_way
}

/// A hardware thread is being interrupted, and there is nothing but a wake that it could be for.
fn interrupts(state: &State) -> bool {
    let is_interrupted = state.threads.iter().any(|thread| thread.interrupt.is_some());
    let wakes = |last: &Input| last.effect > at(state.now) && last.news == News::Wake;
    is_interrupted && state.is_followed() && state.logs.iter().any(|log| log.last().is_some_and(wakes))
}
