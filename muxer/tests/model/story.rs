//! Running a check, and telling what it found.

use std::fmt::Write;

use muxer::Instant;
use stateright::{Checker, HasDiscoveries, Model, Path};

use super::checking::Action;
use super::config::{Config, ticks};
use super::happenings::Happening;
use super::protocol::World;
use super::state::{Rule, State};

/// Checks a configuration exhaustively: no rule is broken, and the things named happen.
pub(crate) fn check(config: Config, happenings: &[Happening]) {
    let is_deep = config.is_deep;
    let builder = World::new(config, happenings).checker().finish_when(HasDiscoveries::AnyFailures);
    // Breadth first, the first story found is the shortest; depth first takes far less memory.
    if is_deep { judge(&builder.spawn_dfs().join()) } else { judge(&builder.spawn_bfs().join()) }
}

fn judge(checker: &impl Checker<World>) {
    let world = checker.model();
    summarise(checker);
    if let Some((rule, story)) = broken(checker) {
        panic!("{}: {rule:?} does not hold\n{story}", world.config.name);
    }
    for happening in &world.happenings {
        let is_found = checker.discovery(happening.property().name).is_some();
        assert!(is_found, "{}: {happening:?} never happened", world.config.name);
    }
}

/// Checks that a configuration with a fault breaks one of these rules, and tells how.
pub(crate) fn refute(config: Config, rules: &[Rule]) {
    let builder = World::new(config, &[]).checker().finish_when(HasDiscoveries::AnyFailures);
    let checker = builder.spawn_bfs().join();
    summarise(&checker);
    let name = checker.model().config.name;
    let Some((rule, story)) = broken(&checker) else { panic!("{name}: the fault was not found") };
    println!("{rule:?} does not hold\n{story}");
    assert!(rules.contains(&rule), "{name}: {rule:?} is broken");
}

fn summarise(checker: &impl Checker<World>) {
    let world = checker.model();
    let (states, depth, time) = (checker.unique_state_count(), checker.max_depth(), world.began.elapsed());
    println!("{}: {states} states, {depth} steps deep, {time:.1?}", world.config.name);
}

/// The rule that was broken, if one was, and how it came to that.
fn broken(checker: &impl Checker<World>) -> Option<(Rule, String)> {
    let rules = checker.model().properties().into_iter().find(|rules| rules.expectation.discovery_is_failure())?;
    let path = checker.discovery(rules.name)?;
    let rule = path.last_state().breach?.rule;
    Some((rule, checker.model().tell_path(path)))
}

impl World {
    /// One line for each step, and what each hardware thread was about to do after it.
    fn tell_path(&self, path: Path<State, Action>) -> String {
        let mut story = String::new();
        let steps = path.into_vec();
        for (number, (state, _)) in steps.iter().enumerate() {
            let action = number.checked_sub(1).and_then(|before| steps[before].1.clone());
            let _ = match action {
                Some(action) => writeln!(story, "tick {:2}  {action:?}", state.now),
                None => writeln!(story, "tick  0  start, clocks ahead by {:?}", self.config.skews[state.skew]),
            };
            let before = number.checked_sub(1).map(|before| &steps[before].0);
            for thread in 0..self.config.threads {
                let (old, new) = (before.map(|state| &state.threads[thread]), &state.threads[thread]);
                if old.is_none_or(|old| old.trail != new.trail || old.until != new.until || old.follows != new.follows)
                {
                    let _ = writeln!(story, "         {}", self.tell_thread(state, thread));
                }
            }
            if before.is_some_and(|before| before.logs != state.logs || before.plans.len() < state.plans.len()) {
                let _ = writeln!(story, "         {}", self.tell_news(state));
            }
        }
        if let Some((State { breach: Some(breach), disturbance, .. }, _)) = steps.last() {
            let _ = writeln!(story, "{breach:?}; {disturbance:?}");
        }
        story
    }

    fn tell_thread(&self, state: &State, number: usize) -> String {
        let thread = &state.threads[number];
        let runs = thread.trail.iter().map(|stretch| {
            let from = tick_of(stretch.from);
            let run = stretch
                .run
                .map_or("nobody".into(), |run| format!("cell {} (since {})", run.cell.0, tick_of(run.since)));
            format!("from {from} {run}")
        });
        let runs: Vec<_> = runs.collect();
        let until = thread.until.map_or("for ever".into(), |until| format!("until {}", tick_of(until)));
        let replica = thread.replica.replica();
        let digest = replica.digest() & 0xffff;
        let boundary = tick_of(replica.boundary());
        format!(
            "hardware thread {number}, plan {}: {} {until}; at boundary {boundary} with {digest:04x}",
            thread.follows,
            runs.join(", ")
        )
    }

    fn tell_news(&self, state: &State) -> String {
        let inputs = state.logs.iter().zip(&self.cells).flat_map(|(log, cell)| {
            log.iter().map(move |input| format!("cell {} {:?} at {}", cell.0, input.news, tick_of(input.effect)))
        });
        let plans = state.plans.iter().map(|plan| format!("plan {} at {}", plan.number(), tick_of(plan.effective())));
        inputs.chain(plans).collect::<Vec<_>>().join("; ")
    }
}

/// An instant in ticks.
fn tick_of(instant: Instant) -> String {
    let nanos = instant.as_nanos();
    let tick = ticks(1).as_nanos();
    if nanos.is_multiple_of(tick) {
        (nanos / tick).to_string()
    } else {
        format!("{} + {} ns", nanos / tick, nanos % tick)
    }
}
