//! Replicas that were away for too long, and how they come back.

#![forbid(unsafe_code)]

use std::cell::Cell;

use muxer::inputs::{Found, Input, Inputs, News, NoInputs};
use muxer::{CellId, Entry, Instant, Plan, Policy, Replica, Span, Spec, ThreadSet, Trouble};

const SLICE: Span = Span::from_micros(10);

fn ns(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn plan() -> Plan {
    let both = ThreadSet::from_bits(0b11);
    let entry = |cell, policy| Entry { cell: CellId(cell), threads: both, policy };
    let best = Policy::BestEffort { weight: 1 };
    let period = Span::from_micros(100);
    let entries = [
        entry(1, Policy::TimeTriggered { period, phase: Span::ZERO, length: SLICE }),
        entry(2, Policy::EventTriggered { period, budget: SLICE }),
        entry(3, best),
        entry(4, best),
    ];
    let lead = Span::from_nanos(50);
    let spec = Spec { number: 1, effective: ns(0), slice: SLICE, lead, machine: both, entries: &entries };
    Plan::validate(&spec).expect("a window, a reserve and what is left")
}

fn run_at(replica: &mut Replica, plan: &Plan, at: u64) -> (Option<u16>, Option<Trouble>) {
    let decision = replica.decide(plan, ns(at), &NoInputs);
    (decision.run.map(|run| run.cell.0), decision.trouble)
}

#[test]
fn a_replica_that_was_away_for_too_long_serves_windows_only_and_says_so() {
    let plan = plan();
    let mut replica = Replica::new(0, &plan, None, &NoInputs);
    // A hundred thousand boundaries later, in the middle of a window, and after it.
    let far = 1_000_000_000;
    assert_eq!(run_at(&mut replica, &plan, far + 5_000), (Some(1), Some(Trouble::Lost)));
    assert_eq!(run_at(&mut replica, &plan, far + 50_000), (None, Some(Trouble::Lost)));
    assert_eq!(run_at(&mut replica, &plan, far + 100_000), (Some(1), Some(Trouble::Lost)));
    assert!(replica.repair(&plan).checkpoint.is_none(), "it has nothing to offer");
    // One that was there all the time offers more.
    let mut sibling = Replica::new(1, &plan, None, &NoInputs);
    for at in (0..far + 100_000).step_by(100_000) {
        assert_eq!(run_at(&mut sibling, &plan, at).1, None);
    }
    assert!(sibling.repair(&plan).checkpoint.is_some());
}

#[test]
fn after_a_repair_all_decide_the_same_whoever_asked_for_it() {
    let plan = plan();
    let far = 1_000_000_000;
    for by_the_lost_one in [false, true] {
        let (mut lost, mut sound) = (Replica::new(0, &plan, None, &NoInputs), Replica::new(1, &plan, None, &NoInputs));
        for at in (0..far).step_by(100_000) {
            assert_eq!(run_at(&mut sound, &plan, at).1, None);
        }
        assert_eq!(run_at(&mut lost, &plan, far).1, Some(Trouble::Lost));
        let repair = if by_the_lost_one { lost.repair(&plan) } else { sound.repair(&plan) };
        let mut next = plan.clone();
        next.reissue(2, ns(far + 42_000));
        for replica in [&mut lost, &mut sound] {
            replica.adopt(&plan, &next, Some(&repair), &NoInputs);
        }
        for at in (far + 42_000..far + 500_000).step_by(3_000) {
            let seen = run_at(&mut lost, &next, at);
            assert_eq!(seen, run_at(&mut sound, &next, at), "at {at}");
            assert_eq!(seen.1, None);
        }
        assert_eq!(lost.digest(), sound.digest());
        assert_eq!(lost.missed(CellId(2)), 0);
    }
}

#[test]
fn a_repair_charges_nobody_for_the_time_in_which_nobody_knows_who_ran() {
    let both = ThreadSet::from_bits(0b11);
    let best = |cell| Entry { cell: CellId(cell), threads: both, policy: Policy::BestEffort { weight: 1 } };
    let (lead, entries) = (Span::from_nanos(50), [best(3), best(4)]);
    let spec = Spec { number: 1, effective: ns(0), slice: SLICE, lead, machine: both, entries: &entries };
    let plan = Plan::<64>::validate(&spec).expect("two cells");
    let mut replica = Replica::new(0, &plan, None, &NoInputs);
    // At 20,000 both have had the same, and cell 3 has begun again.
    assert_eq!(run_at(&mut replica, &plan, 21_000), (Some(3), None));
    let repair = replica.repair(&plan);
    let mut next = plan.clone();
    next.reissue(2, ns(28_000));
    replica.adopt(&plan, &next, Some(&repair), &NoInputs);
    assert_eq!(
        run_at(&mut replica, &next, 28_000),
        (Some(3), None),
        "both are owed the same, so the lowest cell is first"
    );
}

#[test]
fn a_short_absence_is_made_up_for() {
    let plan = plan();
    let (mut late, mut punctual) = (Replica::new(0, &plan, None, &NoInputs), Replica::new(1, &plan, None, &NoInputs));
    for at in (0..1_000_000).step_by(10_000) {
        let _ = run_at(&mut punctual, &plan, at);
    }
    assert_eq!(run_at(&mut late, &plan, 999_999).1, None);
    assert_eq!(run_at(&mut late, &plan, 1_005_000), run_at(&mut punctual, &plan, 1_005_000));
    assert_eq!(late.digest(), punctual.digest());
}

/// An input of one cell that comes into sight at some time.
struct Sight {
    input: Input,
    is_seen: Cell<bool>,
}

impl Inputs for Sight {
    fn read(&self, cell: CellId, position: u64) -> Found {
        let is_there = self.is_seen.get() && cell == CellId(3) && position == 0;
        if is_there { Found::Input(self.input) } else { Found::Nothing }
    }

    fn end(&self, _: CellId) -> u64 {
        u64::from(self.is_seen.get())
    }
}

#[test]
fn a_replica_that_sees_an_input_after_its_effect_says_so_and_one_that_sees_it_before_does_not() {
    let plan = plan();
    let input = Input { effect: ns(25_000), news: News::Idle { until: Instant::NEVER } };
    let sight = Sight { input, is_seen: Cell::new(false) };
    let mut replica = Replica::new(0, &plan, None, &sight);
    let mut at = |at, is_seen| {
        sight.is_seen.set(is_seen);
        replica.decide(&plan, ns(at), &sight).trouble
    };
    assert_eq!(at(31_000, false), None);
    assert_eq!(at(32_000, true), Some(Trouble::Stale));
    assert_eq!(at(90_000, true), Some(Trouble::Stale), "until it is repaired");
    let mut early = Replica::new(0, &plan, None, &sight);
    assert_eq!(early.decide(&plan, ns(24_000), &sight).trouble, None);
    assert_eq!(early.decide(&plan, ns(90_000), &sight).trouble, None);
}
