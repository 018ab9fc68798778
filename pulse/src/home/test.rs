//! A deterministic home for tests: harts are simulated on one thread, time is virtual, and at each *point* ([`crate::point`], locks, yields, wake-ups)
//! a director chooses which hart goes on and whether time leaps to a tick. So scheduling mistakes are found by search, and a run that failed is
//! replayed from its seed, always in the same way.
//!
//! Between points nothing is interrupted. What is to be found at a place in a scenario or a scheduler needs a point there; a loop that waits for another context
//! without a lock or yield needs one, or the run never ends (and fails after [`Search::steps_at_most`]).

use core::cell::RefCell;
use core::fmt::Write;
use std::boxed::Box;
use std::string::{String, ToString};
use std::sync::Mutex;
use std::vec::Vec;

use crate::hart::{Hart, event};
use crate::home::{Home, linux};
use crate::machine::{Machine, Shape};
use crate::scheduler::Scheduler;
use crate::switch::{self, Context, Stack, fiber};

/// Time passes at each step by so many ns.
const STEP_NS: u64 = 1_000;

/// After so many steps of one hart in sequence another one goes on, where a search has no other wish.
const PATIENCE: u32 = 64;

/// Bytes of a simulated hart's own stack.
const HART_STACK_BYTES: usize = 1 << 18;

/// Which schedules to try.
#[derive(Clone, Debug)]
pub struct Search {
    method: Method,
    resizes: bool,
    steps_at_most: u64,
}

#[derive(Clone, Debug)]
enum Method {
    Random { first: u64, runs: u64 },
    Exhaustive { deviations: usize, runs_at_most: u64 },
    Replay(Vec<Deviation>),
}

/// A step at which the director does something else than to let the same hart go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// Which step, from 0.
    pub step: u64,
    /// Which of the possibilities there, from 1.
    pub option: u32,
}

impl Search {
    /// So many random schedules, one for each seed from 0. Half of them switch often and half seldom.
    #[must_use]
    pub fn random(runs: u64) -> Self {
        Self { method: Method::Random { first: 0, runs }, resizes: false, steps_at_most: 200_000 }
    }

    /// The random schedule of one seed: replays a run that failed.
    #[must_use]
    pub fn seed(seed: u64) -> Self {
        Self { method: Method::Random { first: seed, runs: 1 }, ..Self::random(1) }
    }

    /// All schedules with at most so many deviations from the plain one, but no more runs than given.
    #[must_use]
    pub fn exhaustive(deviations: usize, runs_at_most: u64) -> Self {
        Self { method: Method::Exhaustive { deviations, runs_at_most }, ..Self::random(0) }
    }

    /// One schedule with exactly these deviations: replays what an exhaustive search found.
    #[must_use]
    pub fn replay(deviations: &[Deviation]) -> Self {
        Self { method: Method::Replay(deviations.to_vec()), ..Self::random(0) }
    }

    /// The director also takes harts away and gives them back, at any step.
    #[must_use]
    pub fn with_resizes(self) -> Self {
        Self { resizes: true, ..self }
    }

    /// A run that takes more steps fails. 200,000 unless said.
    #[must_use]
    pub fn steps_at_most(self, steps_at_most: u64) -> Self {
        Self { steps_at_most, ..self }
    }
}

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
    pub check: Box<dyn FnOnce(&crate::Summary)>,
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
    let mut try_one = |guide: Guide| -> Trace {
        let replay = guide.replay();
        let (trace, failure) = run_once(search, shape, guide, scenario());
        explored.runs += 1;
        explored.steps += trace.step;
        if let Some(failure) = failure {
            panic!("{failure}\n{}\nreplay: {replay}", trace.told());
        }
        trace
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
                let trace = try_one(Guide::Given(given.clone()));
                if given.len() < *most {
                    let from = given.last().map_or(0, |last: &Deviation| last.step + 1);
                    for (step, options) in (0..).zip(&trace.options).skip(from as usize) {
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

/// Who decides.
#[derive(Clone, Debug)]
enum Guide {
    Given(Vec<Deviation>),
    Random { seed: u64, state: u64, one_in: u64 },
}

impl Guide {
    fn random(seed: u64) -> Self {
        Self::Random { seed, state: seed, one_in: [2, 3, 6, 20, 60, 200][(seed % 6) as usize] }
    }

    fn replay(&self) -> String {
        match self {
            Self::Given(deviations) => std::format!("Search::replay(&{deviations:?})"),
            Self::Random { seed, .. } => std::format!("Search::seed({seed})"),
        }
    }

    /// One of so many options; 0 is the plain one.
    fn choose(&mut self, step: u64, options: u32) -> u32 {
        match self {
            Self::Given(deviations) => {
                let given = deviations.iter().find(|deviation| deviation.step == step);
                given.map_or(0, |deviation| deviation.option.min(options - 1))
            }
            Self::Random { state, one_in, .. } => {
                if options < 2 || !random(state).is_multiple_of(*one_in) {
                    return 0;
                }
                1 + (random(state) % u64::from(options - 1)) as u32
            }
        }
    }
}

/// SplitMix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What happened in a run.
#[derive(Debug, Default)]
struct Trace {
    step: u64,
    options: Vec<u32>,
    deviations: Vec<String>,
}

impl Trace {
    /// The schedule for a reader: the last deviations, which matter most.
    fn told(&self) -> String {
        const SHOWN: usize = 40;
        let mut told = std::format!("schedule of {} steps, {} deviations", self.step, self.deviations.len());
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
) -> (Trace, Option<String>) {
    let machine = SPARE.take(&TEST, &shape);
    let harts = machine.harts();
    let start = Simulated { place: Place::Point("start"), armed_at: u64::MAX, masked: 1 };
    STAGE.set(Stage { clock: 1_000_000, harts: std::vec![start; harts.len()] });
    let Scenario { scheduler, main, check } = scenario;
    let mut main = Some(main);
    let scheduler = &scheduler;
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
    let mut trace = Trace::default();
    let stuck = direct(search, machine, &fibers, &mut guide, &mut trace);
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
    (trace, failure)
}

/// Lets harts go on until all have ended. Says what is wrong if they never will.
fn direct(
    search: &Search,
    machine: &'static Machine,
    fibers: &[fiber::Fiber<'_>],
    guide: &mut Guide,
    trace: &mut Trace,
) -> Option<String> {
    let harts = machine.harts();
    let mut present = 0;
    let mut in_sequence = 0;
    loop {
        if fibers.iter().all(fiber::Fiber::has_finished) {
            return None;
        }
        if trace.step >= search.steps_at_most {
            return Some(std::format!("not ended after {} steps: {}", trace.step, describe(machine)));
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
        let stay = able.contains(&present) && place(present) != Place::Waiting && in_sequence < PATIENCE;
        let plain = if stay { present } else { *able.iter().find(|hart| **hart > present).unwrap_or(&able[0]) };
        let mut options = std::vec![Action::Go(plain)];
        options.extend(able.iter().filter(|hart| **hart != plain).map(|hart| Action::Go(*hart)));
        let ticks = harts[plain].earliest() != u64::MAX;
        options.extend(ticks.then_some(Action::Leap(plain)));
        if search.resizes {
            options.extend((1..=harts.len()).filter(|count| *count != machine.wanted()).map(Action::Resize));
        }
        let option = guide.choose(trace.step, options.len() as u32);
        trace.options.push(options.len() as u32);
        let action = options[option as usize];
        if option != 0 {
            let at = place(present);
            trace
                .deviations
                .push(std::format!("step {}, option {option}: {action:?}; hart {present} was at {at:?}", trace.step));
        }
        trace.step += 1;
        let next = match action {
            Action::Go(hart) => hart,
            Action::Leap(hart) => {
                // The timer may be armed for an earlier instant, which does not matter any more.
                pass_time(harts, harts[hart].earliest());
                hart
            }
            Action::Resize(count) => {
                machine.resize(count);
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
