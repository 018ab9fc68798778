//! What must hold of every optimizer, shipped or not. Each function checks one promise and says how it is broken. Every run is the same.
//!
//! ```
//! use rab_core::optimizers::Fair;
//! use rab_core::simulator::conformance;
//!
//! assert_eq!(conformance::all(|| Fair), Ok(()));
//! ```

mod situations;

use core::fmt;
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use super::random::Random;
use super::scenario::{Scenario, scenarios};
use super::world::simulate;
use crate::cell::CellId;
use crate::control::STEPS;
use crate::optimizer::{NoAllocation, Optimizer, Situation, Steps, check};
use crate::resource::{Amounts, Resource};
use situations::Told;

/// Systems at random that an optimizer is told of.
const SYSTEMS: u64 = 300;
/// Decisions in each.
const ROUNDS: usize = 3;
/// Cells of the large system: as many as the broker has to serve.
const CELLS: usize = 16;
/// Scenarios in which nothing need ever change once all have what they need.
const STEADY: [&str; 5] = ["steps", "phases", "cache", "power", "late plans"];
/// Those of them in which only hardware threads are to be divided: simple enough to come to rest entirely where nothing is measured wrong.
const SIMPLE: [&str; 3] = ["steps", "phases", "late plans"];
/// Periods in which an optimizer may find out.
const SETTLING: u32 = 100;
/// Plans that may come into force afterwards, in three times as many periods: under noise, and without it.
const CHANGES: usize = 10;
const CHANGES_WITHOUT_NOISE: usize = 2;
/// Turns afterwards, up after down or down after up, of what is proposed for a cell: of at most each so manieth decision.
const TURNS_EVERY: usize = 4;

/// A promise that an optimizer does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The optimizer.
    pub optimizer: String,
    /// What should hold.
    pub promise: &'static str,
    /// What was seen instead.
    pub seen: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the optimizer {} {}, but {}", self.optimizer, self.promise, self.seen)
    }
}

impl std::error::Error for Broken {}

fn broken<T>(optimizer: &impl Optimizer, promise: &'static str, seen: String) -> Result<T, Broken> {
    Err(Broken { optimizer: optimizer.name().to_string(), promise, seen })
}

/// All promises of this module, one after the other.
///
/// # Errors
/// The first that is broken.
pub fn all<O: Optimizer>(fresh: impl Fn() -> O) -> Result<(), Broken> {
    limits(&fresh)?;
    steps(&fresh)?;
    repeats(&fresh)?;
    forgets(&fresh)?;
    settles(&fresh)
}

/// Whatever it is told: nobody gets less than the minimum or more than desired, and together they get no more than there is, power included.
///
/// # Errors
/// What was allocated, or why nothing was.
pub fn limits<O: Optimizer>(fresh: impl Fn() -> O) -> Result<(), Broken> {
    const PROMISE: &str = "should give nobody less than the minimum or more than desired, nor more than there is";
    for seed in 0..SYSTEMS {
        let mut random = Random::new(seed);
        let told = Told::random(&mut random);
        if !told.is_possible() {
            continue;
        }
        let mut optimizer = fresh();
        let mut has = told.has.clone();
        for round in 0..ROUNDS {
            // The last time it may not become ready; what it says then must be right all the same.
            let steps = if round + 1 < ROUNDS { STEPS } else { (random.number() % 4000) as u32 };
            match decide(&mut optimizer, &told, &mut random, &mut has, 0, steps) {
                Ok(()) => {}
                Err(NoAllocation::OutOfSteps) if round + 1 == ROUNDS => {}
                Err(reason) => return broken(&optimizer, PROMISE, format!("in system {seed}: {reason}")),
            }
        }
    }
    Ok(())
}

/// It counts its work, is ready in the steps that the broker gives it, and stops when they are used up, to go on well the next time.
///
/// # Errors
/// How many steps it took or had.
pub fn steps<O: Optimizer>(fresh: impl Fn() -> O) -> Result<(), Broken> {
    const PROMISE: &str = "should take a step for each cell at least, and heed their end";
    let told = Told::large(CELLS);
    let mut random = Random::new(1);
    for few in [0, 1, 7, 50, 400, 3000] {
        let mut optimizer = fresh();
        let mut has = told.has.clone();
        for round in 0..ROUNDS {
            let cells = told.cells(&mut random, &has, 0);
            let Ok(situation) = Situation::new(&told.machine, &told.goals, &cells) else { continue };
            let given = if round == 1 { few } else { STEPS };
            let (mut steps, mut shares) = (Steps::new(given), has.clone());
            let answer = optimizer.allocate(&situation, &mut steps, &mut shares);
            let taken = given - steps.left();
            if answer == Err(NoAllocation::OutOfSteps) && round == 1 {
                continue;
            }
            if let Err(reason) = answer {
                return broken(&optimizer, PROMISE, format!("for {CELLS} cells, with {given} steps: {reason}"));
            }
            // With less it may answer with what it has found so far.
            if (taken as usize) < CELLS.min(given as usize) {
                return broken(&optimizer, PROMISE, format!("it answered for {CELLS} cells after {taken} steps"));
            }
            has = shares;
        }
    }
    Ok(())
}

/// The same situations in the same order give the same decisions.
///
/// # Errors
/// Where two runs part.
pub fn repeats<O: Optimizer>(fresh: impl Fn() -> O) -> Result<(), Broken> {
    const PROMISE: &str = "should decide the same when it is told the same";
    for seed in 0..SYSTEMS / 10 {
        let run = || {
            let mut random = Random::new(seed);
            let told = Told::random(&mut random);
            let (mut optimizer, mut has) = (fresh(), told.has.clone());
            let mut all = Vec::new();
            for _ in 0..ROUNDS {
                let answer = decide(&mut optimizer, &told, &mut random, &mut has, 0, STEPS);
                all.push((answer, has.clone()));
            }
            all
        };
        let (one, two) = (run(), run());
        if one != two {
            return broken(&fresh(), PROMISE, format!("in system {seed} it decided {one:?}, and then {two:?}"));
        }
    }
    for scenario in scenarios() {
        let short = Scenario { length_s: 6.0, ..scenario };
        let (one, two) = (simulate(&short, fresh(), 1), simulate(&short, fresh(), 1));
        if one != two {
            return broken(&fresh(), PROMISE, format!("in {}:\n{one}\n{two}", short.name));
        }
    }
    Ok(())
}

/// Cells come and go for ever: what is kept of those that are gone takes no room.
///
/// # Errors
/// Why it would not decide in the end.
pub fn forgets<O: Optimizer>(fresh: impl Fn() -> O) -> Result<(), Broken> {
    const PROMISE: &str = "should forget cells that are gone";
    let told = Told::large(4);
    let mut random = Random::new(1);
    let mut optimizer = fresh();
    for first in (0..2000).step_by(told.needs.len()) {
        let mut has = told.has.clone();
        if let Err(reason) = decide(&mut optimizer, &told, &mut random, &mut has, first, STEPS) {
            return broken(&optimizer, PROMISE, format!("when {first} cells had been there before: {reason}"));
        }
        (first..).take(told.needs.len()).for_each(|id| optimizer.forget(CellId(id)));
    }
    Ok(())
}

/// While loads stay the same it comes to rest, with late plans too, and whether measurements are noisy or not: neither do plans change
/// nor does it propose this and that in turns, which the loop would damp.
///
/// # Errors
/// What went to and fro.
pub fn settles<O: Optimizer>(fresh: impl Fn() -> O) -> Result<(), Broken> {
    for mut scenario in scenarios().into_iter().filter(|scenario| STEADY.contains(&scenario.name)) {
        scenario.applications.iter_mut().for_each(|application| application.loads.clear());
        if SIMPLE.contains(&scenario.name) {
            let mut quiet = scenario.clone();
            for application in &mut quiet.applications {
                (application.noise, application.outliers) = (0.0, 0.0);
            }
            settles_in(&quiet, fresh(), CHANGES_WITHOUT_NOISE, "without noise")?;
        }
        settles_in(&scenario, fresh(), CHANGES, "under noise")?;
    }
    Ok(())
}

fn settles_in(scenario: &Scenario, optimizer: impl Optimizer, most: usize, how: &str) -> Result<(), Broken> {
    const PROMISE: &str = "should come to rest while nothing changes";
    let mut recorder = Recorder { optimizer, proposed: Vec::new() };
    let report = simulate(scenario, &mut recorder, 7);
    let (name, changed) = (scenario.name, &report.changed_at);
    let changes = changed.iter().filter(|&&period| period >= SETTLING).count();
    if changes > most {
        let seen =
            format!("in `{name}` {how} the plan changed {changes} times after period {SETTLING}: at {changed:?}");
        return broken(&recorder, PROMISE, seen);
    }
    let settled = recorder.proposed.get(SETTLING as usize..).unwrap_or_default();
    for place in 0..scenario.applications.len() {
        for resource in Resource::ALL {
            let turns = turns(settled.iter().filter_map(|shares| Some(shares.get(place)?[resource])));
            if turns * TURNS_EVERY > settled.len() {
                let (cell, decisions) = (CellId(place as u16), settled.len());
                let seen = format!(
                    "in `{name}` {how} it proposed more and less {resource} for {cell} in turns: {turns} turns in {decisions} decisions"
                );
                return broken(&recorder, PROMISE, seen);
            }
        }
    }
    Ok(())
}

/// One decision. What is allocated is checked and becomes what they have.
fn decide(
    optimizer: &mut impl Optimizer,
    told: &Told,
    random: &mut Random,
    has: &mut Vec<Amounts>,
    first: u16,
    steps: u32,
) -> Result<(), NoAllocation> {
    let cells = told.cells(random, has, first);
    let situation = Situation::new(&told.machine, &told.goals, &cells)?;
    let mut shares = has.clone();
    optimizer.allocate(&situation, &mut Steps::new(steps), &mut shares)?;
    check(&situation, &shares).map_err(NoAllocation::Breach)?;
    *has = shares;
    Ok(())
}

/// How often a row of numbers turns from falling to rising or back.
fn turns(numbers: impl Iterator<Item = u32>) -> usize {
    let (mut last, mut way, mut turns) = (None, None, 0);
    for number in numbers {
        let now = last.map(|last| number.cmp(&last)).filter(|way| way.is_ne());
        if now.is_some() {
            turns += usize::from(way.is_some() && way != now);
            way = now;
        }
        last = Some(number);
    }
    turns
}

/// Keeps what an optimizer proposes.
struct Recorder<O> {
    optimizer: O,
    proposed: Vec<Vec<Amounts>>,
}

impl<O: Optimizer> Optimizer for Recorder<O> {
    fn name(&self) -> &'static str {
        self.optimizer.name()
    }

    fn allocate(
        &mut self,
        situation: &Situation<'_>,
        steps: &mut Steps,
        shares: &mut [Amounts],
    ) -> Result<(), NoAllocation> {
        self.optimizer.allocate(situation, steps, shares)?;
        let mut proposed = vec![Amounts::NONE; situation.cells().len()];
        proposed.iter_mut().zip(shares).for_each(|(to, from)| *to = *from);
        self.proposed.push(proposed);
        Ok(())
    }

    fn expects(&self, cell: CellId, share: &Amounts) -> Option<f64> {
        self.optimizer.expects(cell, share)
    }

    fn forget(&mut self, cell: CellId) {
        self.optimizer.forget(cell);
    }
}

#[cfg(test)]
mod tests;
