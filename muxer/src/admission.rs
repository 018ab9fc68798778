//! Whether what a plan promises can be kept: exactly for windows, safely for reserves.
//!
//! **Windows** of two cells that share a hardware thread must never meet; see [`collision`].
//!
//! **Reserves** are constant bandwidth servers, scheduled gang by gang, the earliest deadline first. Every budget costs two leads besides: one to leave, and one to bring
//! back whom it displaced. A window costs its length, the lead after it, and two leads before it, in which no gang is started. A plan is
//! accepted if each component passes one of two tests:
//!
//! - **As on one processor**, where every two reserves of the component share a hardware thread, so that at most one of them runs at a time. The demand of a server
//!   with cost `C` and period `P` in an interval of length `L` is at most `C L / P`, and none where `L < P` (Abeni and Buttazzo, RTSS 1998). Windows take at most `h + (h / p) (L - h)`
//!   of any interval `L` if each holds for `h` in every `p`. What they take together must not exceed `L`, for every `L`; it suffices to look at the
//!   servers' periods and at the rates, because the sum is linear in between.
//! - **Gang by gang.** While a gang waits, some hardware thread that it needs is held by a window or by a gang that it shares it with and whose deadline is
//!   earlier: what runs elsewhere cannot keep it. So a gang is safe if its own cost, all windows on its hardware threads, and what each neighbour can execute with deadlines in its
//!   period, fit into the period. A neighbour's carry-in is at most its cost, hence `C + (C / P) (L - C)` (after Bertogna, Cirinei and Lipari, ECRTS 2005,
//!   with the neighbours in the place of all tasks and one processor in the place of many).

use heapless::Vec;

use crate::plan::{MAX_CELLS, SHORTEST, window_of};
use crate::threads::Bits;
use crate::{Instant, Plan, Policy, Span, Spec};

/// A periodic window, in ns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) period: u64,
    pub(crate) phase: u64,
    pub(crate) length: u64,
}

impl Window {
    /// From a start of this window to the next start of the other one, at the least over all time.
    fn distance_to(self, other: Self) -> u64 {
        let divisor = gcd(self.period, other.period);
        (other.phase + divisor - self.phase % divisor) % divisor
    }
}

/// An instant at which both would hold a hardware thread that they share, if there is one.
///
/// Two periodic windows meet somewhere if and only if they meet modulo the greatest common divisor of their periods: the difference of
/// two starts takes exactly the values congruent to the difference of the phases. A dedicated cell meets all but best-effort ones.
pub(crate) fn collision(one: &Policy, two: &Policy, lead: Span) -> Option<Instant> {
    match (one, two) {
        (Policy::BestEffort { .. }, _) | (_, Policy::BestEffort { .. }) => None,
        (Policy::Dedicated, other) | (other, Policy::Dedicated) => {
            Some(Instant::from_nanos(window_of(other).map_or(0, |window| window.phase)))
        }
        _ => {
            let (one, two, lead) = (window_of(one)?, window_of(two)?, lead.as_nanos());
            let (ahead, behind) = (one.distance_to(two), two.distance_to(one));
            // The window that starts later starts inside the other one, `ahead` or `behind` after its start.
            if ahead < one.length + lead {
                Some(meeting(one, two, ahead))
            } else {
                (behind < two.length + lead).then(|| meeting(two, one, behind))
            }
        }
    }
}

/// The longest window that entry `index` could have, with its period and phase, beside the windows and dedicated cells among all others.
pub(crate) fn largest_window<const WORDS: usize>(spec: &Spec<'_, WORDS>, index: usize) -> Span {
    let entry = &spec.entries[index];
    let Some(window) = window_of(&entry.policy) else { return Span::ZERO };
    let lead = spec.lead.as_nanos();
    let mut room = window.period - lead;
    let others = spec
        .entries
        .iter()
        .enumerate()
        .filter(|(place, other)| *place != index && other.threads.intersects(entry.threads));
    for (_, other) in others {
        if matches!(other.policy, Policy::Dedicated) {
            return Span::ZERO;
        }
        let Some(other) = window_of(&other.policy) else { continue };
        if other.distance_to(window) < other.length + lead {
            return Span::ZERO;
        }
        room = room.min(window.distance_to(other).saturating_sub(lead));
    }
    if room < SHORTEST.as_nanos() { Span::ZERO } else { Span::from_nanos(room) }
}

/// A server, or a window seen as one: what it costs, how often.
#[derive(Clone, Copy)]
struct Load {
    cost: u64,
    period: u64,
}

impl Load {
    /// What it takes in an interval at its rate, rounded up.
    fn at_rate(self, length: u64) -> u64 {
        (u128::from(self.cost) * u128::from(length)).div_ceil(u128::from(self.period)).try_into().unwrap_or(u64::MAX)
    }

    /// The most that it takes in any interval if it is a window, which is never late.
    fn at_most(self, length: u64) -> u64 {
        let whole = (length / self.period).saturating_mul(self.cost);
        whole.saturating_add(self.cost.min(length % self.period))
    }

    /// The most that it takes in any interval, if it begins at the worst instant, or was late into it.
    fn at_worst(self, length: u64) -> u64 {
        let rest = length.saturating_sub(self.cost);
        self.cost.min(length).saturating_add(self.at_rate(rest))
    }
}

/// A reserve whose budget cannot be promised, by index, if there is one.
pub(crate) fn overloaded<const CELLS: usize, const WORDS: usize>(plan: &Plan<CELLS, WORDS>) -> Option<usize> {
    plan.reserved_components().find_map(|members| {
        let late = gang_by_gang(plan, &members)?;
        as_on_one_processor(plan, &members).then_some(late)
    })
}

/// What an entry takes of its hardware threads, switches included, and whether it is a reserve.
fn load<const CELLS: usize, const WORDS: usize>(plan: &Plan<CELLS, WORDS>, index: usize) -> Option<(Load, bool)> {
    let lead = plan.lead();
    match plan.entries()[index].policy {
        Policy::EventTriggered { period, budget } => {
            let cost = budget + lead.times(2);
            Some((Load { cost: cost.as_nanos(), period: period.as_nanos() }, true))
        }
        Policy::TimeTriggered { period, length, .. } => {
            let cost = length + lead.times(3);
            Some((Load { cost: cost.as_nanos().min(period.as_nanos()), period: period.as_nanos() }, false))
        }
        Policy::Dedicated | Policy::BestEffort { .. } => None,
    }
}

/// The first reserve whose own cost and that of its neighbours do not fit into its period.
fn gang_by_gang<const CELLS: usize, const WORDS: usize>(plan: &Plan<CELLS, WORDS>, members: &[usize]) -> Option<usize> {
    members.iter().copied().find(|index| {
        let Some((own, true)) = load(plan, *index) else { return false };
        let others = plan.neighbours(*index, members).filter_map(|other| Some((other, load(plan, other)?)));
        let demand = others.fold(own.cost, |sum, (other, (load, is_reserve))| {
            let comebacks = plan.lead().as_nanos().saturating_mul(comebacks(plan, members, *index, other));
            let takes = if is_reserve { load.at_worst(own.period) } else { load.at_most(own.period) };
            sum.saturating_add(takes).saturating_add(comebacks)
        });
        demand > own.period
    })
}

/// How often, in a period of `index`, its neighbour `other` may displace it once more because someone who does not concern `index` kept the neighbour from
/// running for a while.
fn comebacks<const CELLS: usize, const WORDS: usize>(
    plan: &Plan<CELLS, WORDS>,
    members: &[usize],
    index: usize,
    other: usize,
) -> u64 {
    let Policy::EventTriggered { period, .. } = plan.entries()[index].policy else { return 0 };
    let own = plan.place(index);
    let strangers = plan.place(other).conflicts & !own.conflicts & !(1 << own.place);
    let strangers = Bits(strangers).filter_map(|place| members.get(usize::from(place)));
    let times = |stranger: &usize| load(plan, *stranger).map_or(0, |(load, _)| period.as_nanos() / load.period + 2);
    if window_of(&plan.entries()[other].policy).is_some() { 0 } else { strangers.map(times).sum() }
}

/// Whether a component in which at most one reserve runs at a time asks for more than all the time, or is no such component.
fn as_on_one_processor<const CELLS: usize, const WORDS: usize>(plan: &Plan<CELLS, WORDS>, members: &[usize]) -> bool {
    let loads = || members.iter().filter_map(|index| Some((*index, load(plan, *index)?)));
    let reserves: Vec<(usize, Load), MAX_CELLS> =
        loads().filter_map(|(index, (load, is_reserve))| is_reserve.then_some((index, load))).collect();
    let bits = reserves.iter().fold(0_u64, |bits, (index, _)| bits | 1 << plan.place(*index).place);
    let is_clique = reserves.iter().all(|(index, _)| {
        let place = plan.place(*index);
        (place.conflicts | 1 << place.place) & bits == bits
    });
    if !is_clique {
        return true;
    }
    // A window that touches none of the reserves takes nothing from them.
    let windows: Vec<Load, MAX_CELLS> = loads()
        .filter_map(|(index, (load, is_reserve))| {
            (!is_reserve && plan.place(index).conflicts & bits != 0).then_some(load)
        })
        .collect();
    let demand = |length: u64| {
        let budgets = reserves.iter().filter(|(_, load)| load.period <= length).map(|(_, load)| load.at_rate(length));
        budgets.chain(windows.iter().map(|load| load.at_worst(length))).fold(0, u64::saturating_add)
    };
    // The rates, over a length at which rounding does not matter.
    let long = 1 << 60;
    let rate = reserves.iter().map(|(_, load)| load).chain(&windows).map(|load| load.at_rate(long));
    rate.fold(0, u64::saturating_add) > long || reserves.iter().any(|(_, load)| demand(load.period) > load.period)
}

/// The first start of the second window (period, phase) that is exactly `distance` after a start of the first one. There is one, because the
/// distance is congruent to the difference of the phases modulo the greatest common divisor of the periods. Beyond the timebase's end: its end.
///
/// It solves `o1 + a p1 + distance = o2 (mod p2)` for the least `a`, by the modular inverse, and goes on by whole common multiples to the second window's
/// phase.
fn meeting(one: Window, two: Window, distance: u64) -> Instant {
    let (p1, o1, p2, o2) = (one.period, one.phase, two.period, two.phase);
    let wide = i128::from;
    let divisor = wide(gcd(p1, p2));
    let (step, modulus) = (wide(p1) / divisor, wide(p2) / divisor);
    let periods = (wide(o2) - wide(o1) - wide(distance)) / divisor * inverse(step, modulus);
    let start = wide(o1) + periods.rem_euclid(modulus) * wide(p1) + wide(distance);
    let common = wide(p1) * modulus;
    let short = (wide(o2) - start).max(0);
    let meeting = start + (short + common - 1) / common * common;
    Instant::from_nanos(meeting.try_into().unwrap_or(u64::MAX))
}

/// The inverse of `value` modulo `modulus`, which have no common divisor (extended Euclid).
fn inverse(value: i128, modulus: i128) -> i128 {
    let (mut rest, mut next_rest) = (modulus, value.rem_euclid(modulus));
    let (mut factor, mut next_factor) = (0, 1);
    while next_rest != 0 {
        let quotient = rest / next_rest;
        (rest, next_rest) = (next_rest, rest - quotient * next_rest);
        (factor, next_factor) = (next_factor, factor - quotient * next_factor);
    }
    factor.rem_euclid(modulus)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::inputs::{Found, Input, Inputs, News};
    use crate::{CellId, Entry, Reason, Replica, ThreadSet};

    const LEAD: Span = Span::from_nanos(50);
    const THREADS: usize = 3;

    fn spec(entries: &[Entry]) -> Spec<'_> {
        Spec {
            number: 1,
            effective: Instant::from_nanos(0),
            slice: Span::from_micros(10),
            lead: LEAD,
            machine: ThreadSet::from_bits((1 << THREADS) - 1),
            entries,
        }
    }

    fn us(micros: u64) -> Span {
        Span::from_micros(micros)
    }

    fn reserve(cell: u16, threads: u64, period: u64, budget: u64) -> Entry {
        let policy = Policy::EventTriggered { period: us(period), budget: us(budget) };
        Entry { cell: CellId(cell), threads: ThreadSet::from_bits(threads), policy }
    }

    fn window(cell: u16, threads: u64, period: u64, phase: u64, length: u64) -> Entry {
        let policy = Policy::TimeTriggered { period: us(period), phase: us(phase), length: us(length) };
        Entry { cell: CellId(cell), threads: ThreadSet::from_bits(threads), policy }
    }

    /// Inputs that are all known from the beginning: for each cell, in order.
    struct Script(Vec<Vec<Input>>);

    impl Inputs for Script {
        fn read(&self, cell: CellId, position: u64) -> Found {
            let list = self.0.get(usize::from(cell.0));
            list.and_then(|list| list.get(position as usize)).map_or(Found::Nothing, |input| Found::Input(*input))
        }

        fn end(&self, cell: CellId) -> u64 {
            self.0.get(usize::from(cell.0)).map_or(0, |list| list.len() as u64)
        }
    }

    /// Sleep and work in turns, each so many ns.
    fn script(lengths: &[u64]) -> Vec<Input> {
        let mut effect = 0;
        let turns = lengths.iter().enumerate().map(|(turn, length)| {
            effect += length;
            let news = if turn % 2 == 0 { News::Idle { until: Instant::NEVER } } else { News::Wake };
            Input { effect: Instant::from_nanos(effect), news }
        });
        turns.collect()
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let threads = || 1_u64..1 << THREADS;
        let some = prop_oneof![
            4 => (threads(), 4_u64..40, 1_u64..20).prop_map(|(threads, period, budget)| reserve(0, threads, period, budget.min(period - 1))),
            1 => (threads(), 2_u64..8, 0_u64..40, 1_u64..8).prop_map(|(threads, period, phase, length)| window(0, threads, period * 5, phase % (period * 5), length)),
        ];
        proptest::collection::vec(some, 2..7).prop_map(|list| {
            list.into_iter().zip(0..).map(|(entry, cell)| Entry { cell: CellId(cell), ..entry }).collect()
        })
    }

    /// Keeps those that fit, each with those before it.
    fn admitted(list: &[Entry]) -> (Plan, usize) {
        let mut kept: Vec<Entry> = Vec::new();
        for entry in list {
            kept.push(*entry);
            if Plan::<64>::validate(&spec(&kept)).is_err() {
                kept.pop();
            }
        }
        let reserves = kept.iter().filter(|entry| matches!(entry.policy, Policy::EventTriggered { .. })).count();
        (Plan::validate(&spec(&kept)).expect("only entries that fit were kept"), reserves)
    }

    fn assert_nothing_missed(plan: &Plan, inputs: &impl Inputs) -> Result<(), TestCaseError> {
        let end = Instant::from_nanos(2_000_000);
        for thread in 0..THREADS {
            let mut replica = Replica::new(thread, plan, None, inputs);
            let mut now = Instant::from_nanos(0);
            while let Some(until) = replica.decide(plan, now, inputs).until.filter(|until| *until < end) {
                now = until;
            }
            for entry in plan.entries() {
                prop_assert_eq!(replica.missed(entry.cell), 0, "{:?} seen from hardware thread {}", entry, thread);
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        #[test]
        fn no_admitted_budget_is_missed_when_all_cells_always_have_work(list in entries()) {
            let (plan, _) = admitted(&list);
            assert_nothing_missed(&plan, &crate::inputs::NoInputs)?;
        }

        #[test]
        fn no_admitted_budget_is_missed_however_cells_sleep_and_wake(
            list in entries(),
            turns in proptest::collection::vec(proptest::collection::vec(prop_oneof![1_u64..2_000, 1_u64..60_000], 60), 7)
        ) {
            let (plan, _) = admitted(&list);
            let inputs = Script(turns.iter().map(|lengths| script(lengths)).collect());
            assert_nothing_missed(&plan, &inputs)?;
        }

        #[test]
        fn what_a_refusal_says_would_fit_fits_and_noticeably_more_does_not(list in entries()) {
            let mut kept: Vec<Entry> = Vec::new();
            for entry in &list {
                kept.push(*entry);
                let Err(refusal) = Plan::<64>::validate(&spec(&kept)) else { continue };
                if matches!(refusal.reason, Reason::Overlap(_) | Reason::Overload) {
                    prop_assert_eq!(refusal.entry, kept.len() - 1);
                    let with = |amount: Span| {
                        let mut changed = kept.clone();
                        match &mut changed.last_mut().expect("not empty").policy {
                            Policy::TimeTriggered { length, .. } => *length = amount,
                            Policy::EventTriggered { budget, .. } => *budget = amount,
                            _ => {}
                        }
                        Plan::<64>::validate(&spec(&changed)).map_err(|refusal| refusal.reason)
                    };
                    // A window that fits among windows may still be too much for a reserve.
                    let fits = with(refusal.fits);
                    let is_right = refusal.fits == Span::ZERO || fits.is_ok() || matches!(fits, Err(Reason::Overload));
                    prop_assert!(is_right, "{:?} does not fit: {:?}", refusal, fits.err());
                    let more = refusal.fits.max(SHORTEST) + Span::from_nanos(refusal.fits.as_nanos() / 50 + 50);
                    prop_assert!(with(more).is_err(), "more than {:?} fits", refusal);
                }
                kept.pop();
            }
        }
    }

    #[test]
    fn reserves_that_take_turns_on_one_hardware_thread_may_use_nearly_all_of_it() {
        // Three quarters and a fifth, and for each of the periods two leads twice.
        assert!(Plan::<64>::validate(&spec(&[reserve(1, 1, 40, 30), reserve(2, 1, 10, 2)])).is_ok());
        let refused = Plan::<64>::validate(&spec(&[reserve(1, 1, 40, 30), reserve(2, 1, 10, 3)]));
        let refusal = refused.expect_err("more than all");
        assert_eq!((refusal.reason, refusal.entry), (Reason::Overload, 1));
        // A quarter of ten microseconds, less the time for switching on both sides.
        assert!((2_300..2_500).contains(&refusal.fits.as_nanos()), "{refusal:?}");
    }

    #[test]
    fn a_reserve_is_not_kept_out_by_what_runs_elsewhere() {
        let apart = [reserve(1, 0b001, 10, 9), reserve(2, 0b010, 10, 9), reserve(3, 0b100, 10, 9)];
        assert!(Plan::<64>::validate(&spec(&apart)).is_ok());
        let chain = [reserve(1, 0b011, 10, 4), reserve(2, 0b110, 10, 4), reserve(3, 0b001, 40, 4)];
        assert!(
            Plan::<64>::validate(&spec(&chain)).is_err(),
            "the second and the third together keep the first from its threads"
        );
    }

    #[test]
    fn a_neighbour_in_the_middle_of_its_period_counts() {
        // The first may meet the end of one of the second's periods and the beginning of the next one. The third keeps this from being one processor's case.
        let with = |budget| [reserve(1, 0b011, 10, budget), reserve(2, 0b110, 9, 4), reserve(3, 0b001, 100, 1)];
        let refusal = Plan::<64>::validate(&spec(&with(4))).expect_err("4 of 10 beside 4 of 9, twice");
        assert_eq!((refusal.reason, refusal.entry, refusal.other), (Reason::Overload, 2, 0));
        assert!(Plan::<64>::validate(&spec(&with(1))).is_ok());
    }

    /// The largest budget of the last entry, in ns, if that asks for too much.
    fn fits(list: &[Entry]) -> u64 {
        Plan::<64>::validate(&spec(list)).expect_err("it asks for too much").fits.as_nanos()
    }

    #[test]
    fn a_window_takes_its_length_and_the_leads_around_it_from_a_reserve() {
        // 10,000 less 5,000, the window's three leads, and the budget's two.
        let found = fits(&[window(1, 1, 10, 0, 5), reserve(2, 1, 10, 6)]);
        assert!((4_740..=4_750).contains(&found), "{found}");
    }

    #[test]
    fn a_neighbour_that_others_keep_from_running_displaces_a_gang_once_more_for_each() {
        // The first takes up to 2,100 and a fiftieth of the rest, and comes back after the second, a lead each time.
        let found = fits(&[reserve(1, 0b011, 100, 2), reserve(2, 0b010, 10, 1), reserve(3, 0b001, 10, 9)]);
        assert!((7_474..=7_484).contains(&found), "{found}");
    }
}
