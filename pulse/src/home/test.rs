//! A deterministic home for tests: harts are simulated on one thread, time is virtual, and at each *point* ([`crate::point`], locks, yields, wake-ups)
//! a director chooses which hart goes on and whether time leaps to a tick. So scheduling mistakes are found by search, and a run that failed is
//! replayed from its seed, always in the same way. What ran is recorded ([`crate::trace`]): a search that fails shows the last of it, and [`observe`] returns it.
//!
//! Between points nothing is interrupted. What is to be found at a place in a scenario or a scheduler needs a point there; a loop that waits for another context
//! without a lock or yield needs one, or the run never ends (and fails after [`Search::steps_at_most`]).

mod search;

use core::cell::RefCell;
use core::fmt::Write;
use std::boxed::Box;
use std::string::{String, ToString};
use std::sync::Mutex;
use std::vec::Vec;

use crate::hart::{Hart, event};
use crate::home::{Home, linux};
use crate::machine::{Machine, Shape, Summary};
use crate::scheduler::Scheduler;
use crate::switch::{self, Context, Stack, fiber};
use crate::trace::{Trace, Traced};
use search::{Guide, Method};

pub use search::{Deviation, Search};

/// Time passes at each step by so many ns.
const STEP_NS: u64 = 1_000;

/// After so many steps of one hart in sequence another one goes on, unless a search says otherwise.
const PATIENCE: u32 = 64;

/// How many of the latest spans of each hart are kept, for whoever wants to know what happened before a failure.
const SPANS: usize = 100;

/// And how many changes are shown.
const COLUMNS: usize = 100;

/// Bytes of a simulated hart's own stack.
const HART_STACK_BYTES: usize = 1 << 18;

/// What a search did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explored {
    /// Schedules that were run.
    pub runs: u64,
    /// Steps of all of them.
    pub steps: u64,
    /// There was nothing left to try, in an exhaustive search.
    pub complete: bool,
}

/// A scheduler and what its first context does, for one run; and what must hold in the end, if it ends well.
pub struct Scenario<S> {
    /// The scheduler, fresh.
    pub scheduler: S,
    /// What the first context does.
    pub main: Box<dyn FnOnce() + Send>,
    /// Looks at the result, outside of the machine; panics if it is wrong.
    pub check: Box<dyn FnOnce(&Summary)>,
}

impl<S> core::fmt::Debug for Scenario<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Scenario")
    }
}

/// Runs a scenario under many schedules. A run fails by a panic, or when contexts are left and nothing will ever wake them, or when it takes too many steps: then
/// this panics with the reason, the deviations, and how to replay it.
pub fn explore<S: Scheduler>(search: &Search, shape: Shape, scenario: impl Fn() -> Scenario<S>) -> Explored {
    let mut explored = Explored::default();
    let mut try_one = |guide: Guide| -> Steps {
        let replay = guide.replay();
        let (steps, observed) = run_once(search, shape, guide, scenario(), SPANS);
        explored.runs += 1;
        explored.steps += steps.taken;
        if let Some(failure) = observed.failure {
            let changes = observed.trace.changes(COLUMNS);
            panic!("{failure}\n{}\nwhat ran last:\n{changes}replay: {replay}", steps.told());
        }
        steps
    };
    match &search.method {
        Method::Random { first, runs } => {
            for seed in *first..first + runs {
                try_one(Guide::random(seed));
            }
        }
        Method::Replay(deviations) => {
            try_one(Guide::Given(deviations.clone()));
        }
        Method::Exhaustive { deviations: most, runs_at_most } => {
            let mut left = std::vec![Vec::new()];
            let mut runs = 0;
            while let Some(given) = left.pop() {
                if runs == *runs_at_most {
                    return explored;
                }
                runs += 1;
                let steps = try_one(Guide::Given(given.clone()));
                if given.len() < *most {
                    let from = given.last().map_or(0, |last: &Deviation| last.step + 1);
                    for (step, options) in (0..).zip(&steps.options).skip(from as usize) {
                        left.extend((1..*options).map(|option| {
                            let mut longer = given.clone();
                            longer.push(Deviation { step, option });
                            longer
                        }));
                    }
                }
            }
            explored.complete = true;
        }
    }
    explored
}

/// What a single run did.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// What the machine counted.
    pub summary: Summary,
    /// What ran where and when.
    pub trace: Trace,
    /// What went wrong, if anything did.
    pub failure: Option<String>,
}

/// Runs a scenario once, under the first schedule of a search, and tells what happened, whether it ended well or not. The latest `spans` of each hart are
/// recorded.
pub fn observe<S: Scheduler>(search: &Search, shape: Shape, spans: usize, scenario: Scenario<S>) -> Observed {
    let guide = match &search.method {
        Method::Random { first, .. } => Guide::random(*first),
        Method::Replay(deviations) => Guide::Given(deviations.clone()),
        Method::Exhaustive { .. } => Guide::Given(Vec::new()),
    };
    run_once(search, shape, guide, scenario, spans).1
}

/// The steps of a run.
#[derive(Debug, Default)]
struct Steps {
    taken: u64,
    options: Vec<u32>,
    deviations: Vec<String>,
}

impl Steps {
    /// The schedule for a reader: the last deviations, which matter most.
    fn told(&self) -> String {
        const SHOWN: usize = 40;
        let mut told = std::format!("schedule of {} steps, {} deviations", self.taken, self.deviations.len());
        for line in self.deviations.iter().skip(self.deviations.len().saturating_sub(SHOWN)) {
            let _ = write!(told, "\n  {line}");
        }
        told
    }
}

/// Where a simulated hart is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Point(&'static str),
    Parked {
        until: u64,
    },
    /// Waits for another hart: a lock.
    Waiting,
    Ended,
}

#[derive(Clone, Copy, Debug)]
struct Simulated {
    place: Place,
    armed_at: u64,
    masked: u32,
}

/// What the home's functions see of the run on this thread.
#[derive(Debug, Default)]
struct Stage {
    clock: u64,
    harts: Vec<Simulated>,
}

std::thread_local! {
    static STAGE: RefCell<Stage> = const { RefCell::new(Stage { clock: 0, harts: Vec::new() }) };
}

/// What the director may do at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// This hart goes on.
    Go(usize),
    /// Time leaps to this hart's next tick, and it goes on.
    Leap(usize),
    /// So many harts from now on.
    Resize(usize),
}

fn run_once<S: Scheduler>(
    search: &Search,
    shape: Shape,
    mut guide: Guide,
    scenario: Scenario<S>,
    spans: usize,
) -> (Steps, Observed) {
    let machine = SPARE.take(&TEST, &shape);
    let harts = machine.harts();
    let start = Simulated { place: Place::Point("start"), armed_at: u64::MAX, masked: 1 };
    STAGE.set(Stage { clock: 1_000_000, harts: std::vec![start; harts.len()] });
    let Scenario { scheduler, main, check } = scenario;
    let mut main = Some(main);
    let traced = Traced::new(scheduler, harts.len(), spans);
    let scheduler = &traced;
    let fibers: Vec<_> = harts
        .iter()
        .map(|hart| {
            let main = if hart.number() == 0 { main.take() } else { None };
            fiber::Fiber::new(take_stack(), move || {
                let result = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
                    if let Some(main) = main {
                        scheduler.ready(hart, Context::new(main).expect("the first context has a stack"));
                    }
                    hart.drive(scheduler);
                }));
                if let Err(failure) = result {
                    machine.fail(failure);
                }
            })
        })
        .collect();
    let mut steps = Steps::default();
    let stuck = direct(search, machine, &fibers, &mut guide, &mut steps);
    let summary = machine.summary();
    let failure = machine.take_failure().map(|failure| message(&*failure)).or(stuck);
    let failure = failure.or_else(|| {
        let checked = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| check(&summary)));
        checked.err().map(|failure| message(&*failure))
    });
    if failure.is_none() && machine.live() == 0 && summary.lost == 0 {
        let mut stacks = STACKS.lock().expect("nobody panics here");
        stacks.extend(fibers.into_iter().filter_map(fiber::Fiber::into_stack));
        SPARE.put(machine);
    }
    (steps, Observed { summary, trace: traced.trace(), failure })
}

/// Lets harts go on until all have ended. Says what is wrong if they never will.
fn direct(
    search: &Search,
    machine: &'static Machine,
    fibers: &[fiber::Fiber<'_>],
    guide: &mut Guide,
    steps: &mut Steps,
) -> Option<String> {
    let harts = machine.harts();
    let mut present = 0;
    let mut in_sequence = 0;
    loop {
        if fibers.iter().all(fiber::Fiber::has_finished) {
            return None;
        }
        if steps.taken >= search.steps_at_most {
            return Some(std::format!("not ended after {} steps: {}", steps.taken, describe(machine)));
        }
        let able = able_harts(harts);
        if able.is_empty() {
            // All sleep: nothing happens until the first of them wakes.
            let next = STAGE.with_borrow(|stage| stage.harts.iter().map(wakes_at).min().unwrap_or(u64::MAX));
            if next == u64::MAX {
                return Some(std::format!("asleep for ever: {}", describe(machine)));
            }
            pass_time(harts, next);
            continue;
        }
        if able.iter().all(|hart| place(*hart) == Place::Waiting)
            && able.len() + ended() == harts.len()
            && in_sequence > PATIENCE
        {
            return Some(std::format!("all harts wait for each other: {}", describe(machine)));
        }
        let stay = able.contains(&present) && place(present) != Place::Waiting && in_sequence < search.patience;
        let plain = if stay { present } else { *able.iter().find(|hart| **hart > present).unwrap_or(&able[0]) };
        let mut options = std::vec![Action::Go(plain)];
        options.extend(able.iter().filter(|hart| **hart != plain).map(|hart| Action::Go(*hart)));
        let ticks = harts[plain].earliest() != u64::MAX;
        options.extend(ticks.then_some(Action::Leap(plain)));
        if search.resizes {
            options.extend((1..=harts.len()).filter(|count| *count != harts[0].harts()).map(Action::Resize));
        }
        let option = guide.choose(steps.taken, options.len() as u32);
        steps.options.push(options.len() as u32);
        let action = options[option as usize];
        if option != 0 {
            let at = place(present);
            steps
                .deviations
                .push(std::format!("step {}, option {option}: {action:?}; hart {present} was at {at:?}", steps.taken));
        }
        steps.taken += 1;
        let next = match action {
            Action::Go(hart) => hart,
            Action::Leap(hart) => {
                // The timer may be armed for an earlier instant, which does not matter any more.
                pass_time(harts, harts[hart].earliest());
                hart
            }
            Action::Resize(count) => {
                switch::become_hart(Some(&harts[plain]), 1);
                crate::resize(count);
                plain
            }
        };
        in_sequence = if next == present { in_sequence + 1 } else { 0 };
        present = next;
        pass_time(harts, STAGE.with_borrow(|stage| stage.clock) + STEP_NS);
        switch::become_hart(Some(&harts[next]), STAGE.with_borrow(|stage| stage.harts[next].masked));
        fibers[next].resume();
        let masked = switch::masked();
        switch::become_hart(None, 0);
        STAGE.with_borrow_mut(|stage| {
            stage.harts[next].masked = masked;
            if fibers[next].has_finished() {
                stage.harts[next].place = Place::Ended;
            }
        });
    }
}

fn place(hart: usize) -> Place {
    STAGE.with_borrow(|stage| stage.harts[hart].place)
}

fn ended() -> usize {
    STAGE.with_borrow(|stage| stage.harts.iter().filter(|hart| hart.place == Place::Ended).count())
}

/// Harts that can go on.
fn able_harts(harts: &[Hart]) -> Vec<usize> {
    STAGE.with_borrow(|stage| {
        let able = |hart: &usize| match stage.harts[*hart].place {
            Place::Point(_) | Place::Waiting => true,
            Place::Parked { until } => until <= stage.clock || harts[*hart].has_events(),
            Place::Ended => false,
        };
        (0..harts.len()).filter(able).collect()
    })
}

/// When a sleeping hart wakes by itself.
fn wakes_at(hart: &Simulated) -> u64 {
    match hart.place {
        Place::Parked { until } => until.min(hart.armed_at),
        _ => u64::MAX,
    }
}

/// Time goes on to an instant, and ticks come that are due.
fn pass_time(harts: &[Hart], to: u64) {
    STAGE.with_borrow_mut(|stage| {
        stage.clock = stage.clock.max(to);
        for (simulated, hart) in stage.harts.iter_mut().zip(harts) {
            if simulated.armed_at <= stage.clock {
                simulated.armed_at = u64::MAX;
                hart.raise(event::TICK);
            }
        }
    });
}

fn describe(machine: &Machine) -> String {
    let places = STAGE.with_borrow(|stage| stage.harts.iter().map(|hart| hart.place).collect::<Vec<_>>());
    std::format!("{} contexts have not finished; harts: {places:?}", machine.live())
}

/// What a panic said.
fn message(failure: &(dyn core::any::Any + Send)) -> String {
    let text = failure.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| failure.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a text".to_string())
}

static SPARE: linux::Spare = linux::Spare::new(true);

/// Stacks of harts that have ended.
static STACKS: Mutex<Vec<Stack>> = Mutex::new(Vec::new());

fn take_stack() -> Stack {
    let spare = STACKS.lock().expect("nobody panics here").pop();
    spare.or_else(|| linux::allocate_stack(HART_STACK_BYTES)).expect("there is memory for a hart's stack")
}

/// The home.
#[derive(Debug)]
struct Test;

static TEST: Test = Test;

impl Test {
    /// Gives the stage to the director.
    fn pause_at(place: Place) {
        let Some(hart) = switch::current() else { return };
        STAGE.with_borrow_mut(|stage| stage.harts[hart.number()].place = place);
        fiber::pause();
    }
}

impl Home for Test {
    fn now(&self) -> u64 {
        STAGE.with_borrow(|stage| stage.clock)
    }

    fn arm(&self, hart: &Hart, at: u64) {
        STAGE.with_borrow_mut(|stage| stage.harts[hart.number()].armed_at = at);
    }

    fn park(&self, hart: &Hart, until: u64) {
        if !hart.has_events() {
            Self::pause_at(Place::Parked { until });
        }
    }

    fn kick(&self, _hart: &Hart) {
        // A hart with events is able to go on, and looks at them at its next point.
    }

    fn relax(&self) {
        Self::pause_at(Place::Waiting);
    }

    fn point(&self, place: &'static str) {
        Self::pause_at(Place::Point(place));
        crate::masked(|| ());
    }

    fn stack(&self, bytes: usize) -> Option<Stack> {
        linux::allocate_stack(bytes)
    }

    fn shield(&self, machine: &'static Machine, work: &mut dyn FnMut()) {
        linux::shield(machine, work);
    }
}
