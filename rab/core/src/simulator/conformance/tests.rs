//! The suite finds what is wrong: an optimizer for each promise that it breaks. Those that keep them are tested where they are.

use core::cell::Cell as Counter;

use super::*;
use crate::cell::Cell;
use crate::divide::by_weight;

/// `fair`, with a mistake.
#[derive(Clone, Copy, Debug)]
enum Wrong<'a> {
    /// One quantum less than it should be, for the first cell.
    Stingy,
    /// One more.
    Generous,
    /// It counts no work.
    Uncounted,
    /// It decides by something that is not in the situation.
    Moody(&'a Counter<u32>),
    /// It refuses after so many cells.
    Full(usize),
    /// It gives to one half of the cells and then to the other.
    Swinging(u32),
    /// Who is in time gets one hardware thread less until it is late, then twice as many.
    Sawtooth,
}

impl Optimizer for Wrong<'_> {
    fn name(&self) -> &'static str {
        "wrong"
    }

    fn allocate(
        &mut self,
        situation: &Situation<'_>,
        steps: &mut Steps,
        shares: &mut [Amounts],
    ) -> Result<(), NoAllocation> {
        let cells = situation.cells();
        let desired = |place: usize| cells[place].needs.desired;
        let mut own = Steps::new(STEPS);
        let steps = if matches!(self, Self::Uncounted) { &mut own } else { steps };
        let turn = match self {
            Self::Moody(mood) => mood.replace(mood.get() + 1),
            Self::Swinging(decisions) => {
                *decisions += 1;
                *decisions
            }
            _ => 0,
        };
        let weight = |place: usize| if turn as usize % 2 == place % 2 { 1 } else { 5 };
        let wants = |place: usize| {
            let Cell { needs, has, seen, .. } = &cells[place];
            let (Some(seen), Some(deadline_s), Self::Sawtooth) = (seen, needs.deadline_s, &self) else {
                return desired(place);
            };
            let threads = has[Resource::Threads];
            let threads = if seen.response_s > deadline_s { threads * 2 } else { threads.saturating_sub(1) };
            desired(place).with(Resource::Threads, threads)
        };
        by_weight(situation, steps, weight, wants, shares)?;
        match self {
            Self::Stingy if !cells.is_empty() => shares[0][Resource::Threads] -= 1,
            Self::Generous if !cells.is_empty() => shares[0][Resource::Threads] += 1,
            Self::Full(room) => {
                *room = room.checked_sub(cells.len()).ok_or(NoAllocation::Other("it is full"))?;
            }
            _ => {}
        }
        Ok(())
    }
}

#[track_caller]
fn assert_breaks(result: Result<(), Broken>, expected: &str) {
    let seen = result.expect_err("it should break the promise").seen;
    assert!(seen.contains(expected), "expected `{expected}`, seen `{seen}`");
}

#[test]
fn each_promise_is_found_broken_by_whoever_breaks_it() {
    let mood = Counter::new(0);
    assert_breaks(limits(|| Wrong::Stingy), "its minimum is");
    assert_breaks(limits(|| Wrong::Generous), "answer must not be");
    assert_breaks(steps(|| Wrong::Uncounted), "after 0 steps");
    assert_breaks(repeats(|| Wrong::Moody(&mood)), "and then");
    assert_breaks(forgets(|| Wrong::Full(100)), "when 100 cells had been there before: it is full");
    assert_breaks(settles(|| Wrong::Swinging(0)), "more and less threads for cell 0 in turns");
    assert_breaks(settles(|| Wrong::Sawtooth), "without noise the plan changed");
}

#[test]
fn what_turns_is_counted() {
    for (numbers, expected) in [(&[3, 3, 3][..], 0), (&[1, 2, 2, 5], 0), (&[1, 2, 1, 1, 2], 2), (&[], 0)] {
        assert_eq!(turns(numbers.iter().copied()), expected, "{numbers:?}");
    }
}
