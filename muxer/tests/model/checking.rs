//! The model as stateright sees it.

use muxer::inputs::{Advice, Situation};
use muxer::{Instant, Replica};
use stateright::{Model, Property};

use super::config::at;
use super::protocol::{Look, World};
use super::replicas::{Glimpse, Kept, Published, Sight};
use super::state::{Left, Rule, State, Stretch, Subject, Thread};

/// What may happen next. Hardware threads and cells have their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Time passes.
    Tick,
    /// A cell goes idle, until this tick or until it is woken, and a hardware thread publishes that.
    Idle { thread: usize, cell: usize, until: Option<u64> },
    /// A cell wakes, and a hardware thread publishes that.
    Wake { thread: usize, cell: usize },
    /// A hardware thread publishes the next plan.
    Change { thread: usize },
    /// A hardware thread publishes the present plan again, with its own state for all.
    Repair { thread: usize },
    /// What a hardware thread publishes reaches the next one of the others.
    Reach { publisher: usize },
    /// What a hardware thread publishes is late from now on.
    Stall { publisher: usize, is_noticed: bool },
    /// A hardware thread looks, because its timer or an interrupt came, or for any other reason.
    Look { thread: usize, look: Look },
    /// A hardware thread prepares for the next plan.
    Prepare { thread: usize },
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        (0..self.config.skews.len()).map(|skew| self.first(skew)).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.breach.is_some() || state.now >= self.config.horizon {
            return;
        }
        for thread in 0..self.config.threads {
            self.telling_actions(state, thread, actions);
            if !state.threads[thread].is_busy() {
                self.looking_actions(state, thread, actions);
                if self.may_publish(state, thread) {
                    self.publishing_actions(state, thread, actions);
                }
            }
        }
        if self.may_tick(state) {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        match action {
            Action::Tick => self.tick(&mut next),
            Action::Idle { thread, cell, until } => self.publish_input(&mut next, thread, cell, idle(until)),
            Action::Wake { thread, cell } => self.publish_input(&mut next, thread, cell, Situation::Busy),
            Action::Change { thread } => self.publish_change(&mut next, thread),
            Action::Repair { thread } => {
                next.left.repairs -= 1;
                let repair = self.own_repair(&next, thread);
                self.repair(&mut next, thread, repair);
            }
            Action::Reach { publisher } => self.reach(&mut next, publisher),
            Action::Stall { publisher, is_noticed } => self.stall(&mut next, publisher, is_noticed),
            Action::Look { thread, look } => self.look(&mut next, thread, look),
            Action::Prepare { thread } => self.prepare(&mut next, thread),
        }
        if !self.is_live(&next) {
            next.blame(Rule::Stuck, 0);
        }
        Some(next)
    }

    /// Few, because each is looked up by name in each state. Which rule was broken, the state says.
    fn properties(&self) -> Vec<Property<Self>> {
        let always = Property::always("all rules are kept", |_, state: &State| state.breach.is_none());
        [always].into_iter().chain(self.happenings.iter().map(|happening| happening.property())).collect()
    }
}

fn idle(until: Option<u64>) -> Situation {
    Situation::Idle { until: until.map_or(Instant::NEVER, at) }
}

impl World {
    /// All hardware threads follow the first plan, and have decided about instant zero.
    fn first(&self, skew: usize) -> State {
        let config = &self.config;
        let plan = Published::new(0, self.desk.plan(config, 0, 1, Instant::default()), None);
        let visible = vec![0; self.cells.len()];
        let logs = vec![Vec::new(); self.cells.len()];
        let threads = (0..config.threads).map(|number| Thread {
            replica: Kept::new(Box::new(Replica::new(
                number,
                &plan.plan,
                None,
                &Sight::new(&self.cells, &logs, &visible, None),
            ))),
            follows: 1,
            knows: 1,
            visible: visible.clone(),
            poked: false,
            until: None,
            sleeps_until: Instant::default(),
            asked: Instant::default(),
            interrupt: None,
            telling: None,
            asks_again: None,
            trail: vec![Stretch { from: Instant::default(), number: 1, run: None }],
            audits: Vec::new(),
        });
        let stalls = usize::from(config.stall.is_some());
        let mut state = State {
            now: 0,
            skew,
            threads: threads.collect(),
            logs: logs.clone(),
            plans: vec![plan],
            held: vec![None; self.cells.len()],
            periods: vec![Vec::new(); self.cells.len()],
            left: Left { inputs: config.inputs, repairs: config.repairs, stalls },
            disturbance: None,
            breach: None,
        };
        for thread in 0..config.threads {
            let mut look = Look::new(config.boundaries[0]);
            self.decide(&mut state, thread, Instant::default(), &mut look);
            self.look(&mut state, thread, look);
        }
        state
    }

    fn telling_actions(&self, state: &State, publisher: usize, actions: &mut Vec<Action>) {
        let Some(telling) = &state.threads[publisher].telling else { return };
        actions.push(Action::Reach { publisher });
        let Some(stall) = self.config.stall.filter(|_| state.left.stalls > 0 && telling.stalled.is_none()) else {
            return;
        };
        // It is late if the bound has passed.
        let is_last_moment = state.now == telling.since + self.config.visible;
        if is_last_moment && (stall.plans || matches!(telling.subject, Subject::Input(..))) {
            actions.push(Action::Stall { publisher, is_noticed: true });
            if stall.unnoticed {
                actions.push(Action::Stall { publisher, is_noticed: false });
            }
        }
    }

    fn looking_actions(&self, state: &State, thread: usize, actions: &mut Vec<Action>) {
        let is_forced = !self.has_reason(state, thread);
        if is_forced && self.may_prepare(state, thread) {
            actions.push(Action::Prepare { thread });
        }
        if is_forced && !self.config.restless {
            return;
        }
        for boundaries in self.config.boundaries.iter().copied() {
            let look = Look { is_forced, ..Look::new(boundaries) };
            actions.push(Action::Look { thread, look });
            for cell in 0..self.cells.len() {
                if state.threads[thread].visible[cell] < state.logs[cell].len() {
                    let moments = self.config.glimpses.iter().copied();
                    let glimpses = moments.map(|after| Look { glimpse: Some(Glimpse { cell, after }), ..look });
                    actions.extend(glimpses.map(|look| Action::Look { thread, look }));
                }
            }
        }
    }

    fn publishing_actions(&self, state: &State, thread: usize, actions: &mut Vec<Action>) {
        let is_advised = |cell, situation| matches!(self.advice(state, thread, cell, situation), Advice::Publish(_));
        let speakers = self.cells.iter().enumerate().filter(|(_, cell)| self.config.speakers.contains(&cell.0));
        for (cell, _) in speakers.filter(|_| state.left.inputs > 0) {
            for pause in &self.config.pauses {
                let until = pause.map(|pause| state.now + pause);
                if is_advised(cell, idle(until)) {
                    actions.push(Action::Idle { thread, cell, until });
                }
            }
            if is_advised(cell, Situation::Busy) {
                actions.push(Action::Wake { thread, cell });
            }
        }
        let may_plan = self.config.all_publish_plans || thread == 0;
        if may_plan && state.is_followed() {
            if state.latest().shape + 1 < self.config.plans.len() {
                actions.push(Action::Change { thread });
            }
            if state.left.repairs > 0 {
                actions.push(Action::Repair { thread });
            }
        }
    }

    /// Whether something can still happen, except at the end or after a breach.
    fn is_live(&self, state: &State) -> bool {
        let is_over = state.breach.is_some() || state.now >= self.config.horizon;
        let may_act = |thread: usize| self.has_reason(state, thread) || state.threads[thread].telling.is_some();
        is_over || self.may_tick(state) || (0..self.config.threads).any(may_act)
    }
}
