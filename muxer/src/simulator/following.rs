//! Replicas alone, each of which follows a sequence of plans and looks at instants of its own.

use std::collections::BTreeSet;
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

use proptest::prelude::*;

use crate::inputs::NoInputs;
use crate::{CellId, Entry, Instant, Plan, Policy, Replica, Run, Span, Spec, ThreadSet};

pub(super) const THREADS: usize = 4;
pub(super) const LEAD: Span = Span::from_nanos(50);
pub(super) const SLICE: Span = Span::from_nanos(10_000);
pub(super) const BEST: Policy = Policy::BestEffort { weight: 1 };

pub(super) fn ns(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

pub(super) fn window(period: u64, phase: u64, length: u64) -> Policy {
    let span = Span::from_nanos;
    Policy::TimeTriggered { period: span(period), phase: span(phase), length: span(length) }
}

pub(super) fn entry(cell: u16, threads: u64, policy: Policy) -> Entry {
    Entry { cell: CellId(cell), threads: ThreadSet::from_bits(threads), policy }
}

pub(super) fn plan(entries: &[Entry], effective: u64) -> Result<Plan, crate::Refusal> {
    Plan::validate(&Spec {
        number: 1 + effective,
        effective: ns(effective),
        slice: SLICE,
        lead: LEAD,
        machine: ThreadSet::from_bits((1 << THREADS) - 1),
        entries,
    })
}

/// The plan of those entries that fit, each with those before it.
pub(super) fn fitting(list: &[Entry], effective: u64) -> Plan {
    let mut entries = vec![];
    for candidate in list {
        entries.push(*candidate);
        if plan(&entries, effective).is_err() {
            entries.pop();
        }
    }
    plan(&entries, effective).expect("only entries that fit were kept")
}

pub(super) fn policies() -> impl Strategy<Value = Policy> {
    prop_oneof![
        1 => Just(Policy::Dedicated),
        3 => (1_u64..6, 0_u64..30, 1_u64..15).prop_map(|(period, phase, length)| window(period * 5_000, phase * 1_000 % (period * 5_000), 500 + length * 500)),
        6 => (1_u32..5).prop_map(|weight| Policy::BestEffort { weight }),
    ]
}

/// Entries of cells from `first` on hardware threads of which `threads` has the bits.
pub(super) fn entries(first: u16, threads: u64) -> impl Strategy<Value = Vec<Entry>> {
    let some =
        (1_u64..1 << THREADS).prop_map(move |bits| bits & threads).prop_filter("at least one", |bits| *bits != 0);
    proptest::collection::vec((some, policies()), 1..7).prop_map(move |list| {
        list.into_iter().zip(first..).map(|((threads, policy), cell)| entry(cell, threads, policy)).collect()
    })
}

/// Plans that follow each other, each keeping some entries of the one before.
pub(super) fn sequences() -> impl Strategy<Value = Vec<Plan>> {
    let change = (entries(0, u64::MAX), any::<u8>(), 1_u64..60_000);
    (entries(0, u64::MAX), 0_u64..50_000, proptest::collection::vec(change, 0..4)).prop_map(
        |(list, effective, changes)| {
            let mut plans = vec![fitting(&list, effective)];
            let (mut list, mut effective) = (list, effective);
            for (other, replaced, after) in changes {
                for (place, new) in other.into_iter().enumerate() {
                    match list.get_mut(place) {
                        Some(old) if replaced & 1 << place != 0 => *old = new,
                        Some(_) => {}
                        None => list.push(new),
                    }
                }
                effective += after;
                plans.push(fitting(&list, effective));
            }
            plans
        },
    )
}

/// What one hardware thread did: from when, what.
pub(super) type History = Vec<(Instant, Option<Run>)>;

/// Follows the plans on one hardware thread to `end`, as the kernel does: wakes `late()` ns late, goes over to a plan that is due and then asks what runs.
pub(super) fn follow(thread: usize, plans: &[Plan], end: Instant, mut late: impl FnMut() -> u64) -> (History, Replica) {
    let mut current = 0;
    let mut replica = Replica::new(thread, &plans[0], None, &NoInputs);
    let mut history = vec![];
    let mut now = plans[0].effective();
    loop {
        while let Some(next) = plans.get(current + 1).filter(|next| next.effective() <= now) {
            replica.adopt(&plans[current], next, None, &NoInputs);
            current += 1;
        }
        let decision = replica.decide(&plans[current], now, &NoInputs);
        if history.last().is_none_or(|(_, run)| *run != decision.run) {
            history.push((now, decision.run));
        }
        if now == end {
            return (history, replica);
        }
        let change = plans.get(current + 1).map(Plan::effective).into_iter().chain(decision.until).min();
        now = change.map_or(end, |change| change + Span::from_nanos(late())).min(end);
    }
}

/// What all hardware threads did, none of them ever late.
pub(super) fn follow_all(plans: &[Plan], end: Instant) -> Vec<History> {
    (0..THREADS).map(|thread| follow(thread, plans, end, || 0).0).collect()
}

pub(super) fn at(history: &History, instant: Instant) -> Option<Run> {
    history.iter().rev().find(|(from, _)| *from <= instant).and_then(|(_, run)| *run)
}

/// The start of the last window up to `t`, and how far `t` is behind it.
pub(super) fn last_window(t: Instant, period: Span, phase: Span) -> Option<(Instant, u64)> {
    let into = t.as_nanos().checked_sub(phase.as_nanos())? % period.as_nanos();
    Some((t - Span::from_nanos(into), into))
}

/// How long after `t` the next window on some of these hardware threads starts, in ns.
pub(super) fn next_window(plan: &Plan, threads: ThreadSet, t: Instant) -> Option<u64> {
    let shared = plan.entries().iter().filter(|other| other.threads.intersects(threads));
    let ahead = |other: &Entry| match other.policy {
        Policy::TimeTriggered { period, phase, .. } => Some(match last_window(t, period, phase) {
            Some((_, into)) => period.as_nanos() - into,
            None => phase.as_nanos() - t.as_nanos(),
        }),
        _ => None,
    };
    shared.filter_map(ahead).min()
}

/// Instants at which something changes, or should.
pub(super) fn instants(plan: &Plan, histories: &[History], end: Instant) -> BTreeSet<Instant> {
    let mut all: BTreeSet<_> = histories.iter().flatten().map(|(from, _)| *from).collect();
    for entry in plan.entries() {
        if let Policy::TimeTriggered { period, phase, length } = entry.policy {
            let mut start = ns(phase.as_nanos());
            while start < end {
                all.extend([start, start + length, start + length + LEAD]);
                start = start + period;
            }
        }
    }
    let before: Vec<_> = all.iter().map(|instant| *instant - Span::from_nanos(1)).collect();
    all.extend(before);
    all.insert(plan.effective());
    all.into_iter().filter(|instant| (plan.effective()..end).contains(instant)).collect()
}

/// Checks exclusivity, gang, guarantee and work conservation while a plan is in force.
pub(super) fn check(plan: &Plan, histories: &[History], end: Instant) -> Result<(), String> {
    for t in instants(plan, histories, end) {
        let runs: Vec<_> = histories.iter().map(|history| at(history, t)).collect();
        let mut free = ThreadSet::from_bits((1 << THREADS) - 1);
        for (thread, run) in runs.iter().enumerate() {
            let Some(run) = run else { continue };
            let entry = plan.entry(run.cell).ok_or(format!("{run:?} is not of the plan at {t}"))?;
            require(entry.threads.contains(thread), || format!("exclusivity: {run:?} on {thread} at {t}"))?;
            for member in entry.threads.iter() {
                require(runs[member] == Some(*run), || format!("gang: {run:?} is not on {member} at {t}"))?;
            }
            require(run.since <= t, || format!("{run:?} is activated in the future at {t}"))?;
            free = free.without(ThreadSet::from_bits(1 << thread));
        }
        for entry in plan.entries() {
            let first = entry.threads.iter().next().expect("not empty");
            let run = runs[first].filter(|run| run.cell == entry.cell);
            check_entry(plan, entry, run, free, t).map_err(|rule| format!("{rule}: {entry:?} at {t}: {runs:?}"))?;
        }
    }
    Ok(())
}

/// Checks what an entry was promised.
pub(super) fn check_entry(
    plan: &Plan,
    entry: &Entry,
    run: Option<Run>,
    free: ThreadSet,
    t: Instant,
) -> Result<(), &'static str> {
    match entry.policy {
        Policy::Dedicated => require(run.is_some(), || "guarantee"),
        Policy::EventTriggered { .. } => Ok(()),
        Policy::TimeTriggered { period, phase, length } => {
            let holds = (length + LEAD).as_nanos();
            let due = last_window(t, period, phase).filter(|(_, into)| *into < holds).map(|(start, _)| start);
            require(due.is_some() == run.is_some(), || "guarantee")?;
            match (due, run) {
                (Some(start), Some(run)) if start >= plan.effective() => {
                    require(run.since == start, || "guarantee, activation")
                }
                (_, Some(run)) => require(run.since <= plan.effective(), || "activation in the middle of a window"),
                _ => Ok(()),
            }
        }
        Policy::BestEffort { .. } => {
            let soon = next_window(plan, entry.threads, t).is_some_and(|ahead| ahead < (LEAD + LEAD).as_nanos());
            require(soon || !entry.threads.is_within(free), || "work conservation")
        }
    }
}

pub(super) fn require<E>(holds: bool, message: impl FnOnce() -> E) -> Result<(), E> {
    if holds { Ok(()) } else { Err(message()) }
}
