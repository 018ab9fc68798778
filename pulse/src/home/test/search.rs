//! Which schedules are tried: at random by seed, all with few deviations, or one.

use std::string::String;
use std::vec::Vec;

use super::PATIENCE;

/// Which schedules to try.
#[derive(Clone, Debug)]
pub struct Search {
    pub(super) method: Method,
    pub(super) resizes: bool,
    pub(super) steps_at_most: u64,
    /// After so many steps of one hart in sequence another one goes on, where there is no other wish.
    pub(super) patience: u32,
}

#[derive(Clone, Debug)]
pub(super) enum Method {
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
        let method = Method::Random { first: 0, runs };
        Self { method, resizes: false, steps_at_most: 200_000, patience: PATIENCE }
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

    /// One schedule, in which all harts go on in turn, step by step, as if they ran at the same time, and ticks come when they are due.
    #[must_use]
    pub fn in_turn() -> Self {
        Self { patience: 1, ..Self::replay(&[]) }
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

/// Who decides.
#[derive(Clone, Debug)]
pub(super) enum Guide {
    Given(Vec<Deviation>),
    Random { seed: u64, state: u64, one_in: u64 },
}

impl Guide {
    pub(super) fn random(seed: u64) -> Self {
        Self::Random { seed, state: seed, one_in: [2, 3, 6, 20, 60, 200][(seed % 6) as usize] }
    }

    pub(super) fn replay(&self) -> String {
        match self {
            Self::Given(deviations) => std::format!("Search::replay(&{deviations:?})"),
            Self::Random { seed, .. } => std::format!("Search::seed({seed})"),
        }
    }

    /// One of so many options; 0 is the plain one.
    pub(super) fn choose(&mut self, step: u64, options: u32) -> u32 {
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
