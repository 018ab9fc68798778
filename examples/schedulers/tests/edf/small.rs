//! All task sets of a small grid, with all phases, and all schedules with two deviations.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use pulse::home::linux;
use pulse::home::test::Search;
use pulse::{Shape, now};
use schedulers::edf::Edf;
use schedulers::edf::analysis::{Supply, Task, global, hyperperiod_ns, one_hart, utilisation_ppb};
use schedulers::sync::RawLock;

use crate::sets::{Placed, UNIT_NS, run, run_all};
use crate::virtual_time::{STEP_NS, execute, search};

const BILLION: u64 = 1_000_000_000;

/// All tasks with these periods, in units, and deadlines up to the next release.
fn tasks(periods: &[u64]) -> Vec<Task> {
    let mut tasks = Vec::new();
    for period in periods {
        for deadline in 1..=*period {
            for work in 1..=deadline {
                let [work_ns, deadline_ns, period_ns] = [work, deadline, *period].map(|units| units * UNIT_NS);
                tasks.push(Task { deadline_ns, ..Task::new(work_ns, period_ns) });
            }
        }
    }
    tasks
}

/// All sets of so many of these tasks.
fn sets(tasks: &[Task], size: usize) -> Vec<Vec<Task>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    let with_first = |(number, first): (usize, &Task)| {
        let rest = sets(&tasks[number..], size - 1);
        rest.into_iter().map(|rest| [&[*first], &rest[..]].concat()).collect::<Vec<_>>()
    };
    tasks.iter().enumerate().flat_map(with_first).collect()
}

fn for_hyperperiods(set: &[Task], hyperperiods: u64) -> Vec<Placed> {
    let all_ns = hyperperiods * hyperperiod_ns(set).expect("small periods");
    set.iter().map(|task| Placed::new(*task, all_ns)).collect()
}

/// Released together, a set on one hart is late if and only if the analysis refuses it.
fn analysis_and_schedule_agree(sets: &[Vec<Task>]) {
    let (mut admitted, mut refused) = (0, 0);
    for set in sets {
        let verdict = one_hart(set, Supply::Whole);
        let jobs = run(&for_hyperperiods(set, 1), 1);
        assert_eq!(jobs.missed == 0, verdict.is_ok(), "analysis says {verdict:?}, but saw {jobs:?} of {set:?}");
        *(if verdict.is_ok() { &mut admitted } else { &mut refused }) += 1;
    }
    println!("one hart, released together: {admitted} sets admitted, none late; {refused} refused, all late");
    assert!(admitted > 0 && refused > 0, "both kinds should be there: {admitted} and {refused}");
}

#[test]
fn every_pair_of_small_tasks_is_late_if_and_only_if_the_analysis_says_so() {
    analysis_and_schedule_agree(&sets(&tasks(&[2, 3, 4, 6]), 2));
}

#[test]
fn every_three_small_tasks_are_late_if_and_only_if_the_analysis_says_so() {
    analysis_and_schedule_agree(&sets(&tasks(&[2, 3, 4]), 3));
}

#[test]
fn an_admitted_pair_is_never_late_at_any_phase() {
    let mut runs = 0;
    for set in sets(&tasks(&[2, 3, 4]), 2) {
        if one_hart(&set, Supply::Whole).is_err() {
            continue;
        }
        // What matters is the distance: the first of the two begins at 0.
        let mut placed = for_hyperperiods(&set, 2);
        for late in 0..2 {
            // Half units too: releases while the other one executes.
            for half in 0..2 * set[late].period_ns / UNIT_NS {
                placed[late].offset_ns = half * UNIT_NS / 2;
                let jobs = run(&placed, 1);
                assert_eq!(jobs.missed, 0, "expected none late, saw {jobs:?} of {placed:?}");
                runs += 1;
            }
            placed[late].offset_ns = 0;
        }
    }
    println!("one hart, all phases: {runs} runs, none late");
}

#[test]
fn an_admitted_three_are_never_late_on_two_harts_at_any_phase() {
    let (mut admitted, mut runs) = (0, 0);
    for set in sets(&tasks(&[2, 3]), 3) {
        if global(&set, 2).is_err() {
            continue;
        }
        admitted += 1;
        let mut placed = for_hyperperiods(&set, 2);
        let periods = [1, 2].map(|number: usize| set[number].period_ns / UNIT_NS);
        for (first, second) in (0..periods[0]).flat_map(|first| (0..periods[1]).map(move |second| (first, second))) {
            placed[1].offset_ns = first * UNIT_NS;
            placed[2].offset_ns = second * UNIT_NS;
            let jobs = run(&placed, 2);
            assert_eq!(jobs.missed, 0, "expected none late, saw {jobs:?} of {placed:?}");
            runs += 1;
        }
    }
    println!("two harts, all phases: {admitted} sets admitted, {runs} runs, none late");
    assert!(admitted > 0, "the bound should admit some set");
}

#[test]
fn more_than_two_harts_work_is_late_on_two_harts() {
    let mut over = 0;
    for set in sets(&tasks(&[2, 3]), 3) {
        if utilisation_ppb(&set) <= 2 * BILLION {
            continue;
        }
        let jobs = run(&for_hyperperiods(&set, 1), 2);
        assert!(jobs.missed > 0, "more than two harts cannot be done in time, but saw {jobs:?} of {set:?}");
        over += 1;
    }
    println!("two harts, more than 200 percent: {over} sets, all late");
    assert!(over > 0, "there should be such sets");
}

/// Dhall and Liu 1978: the light tasks go first, on all harts, and the heavy one then has too little time.
#[test]
fn a_heavy_task_is_late_beside_light_ones_unless_it_has_its_own_hart() {
    let light = Task::new(2 * UNIT_NS, 10 * UNIT_NS);
    let heavy = Task::new(10 * UNIT_NS, 11 * UNIT_NS);
    let mut set = for_hyperperiods(&[light, light, heavy], 1);
    let jobs = run(&set, 2);
    assert!(jobs.missed > 0, "65 percent of two harts, and yet the heavy task must be late: {jobs:?}");
    for (placed, hart) in set.iter_mut().zip([0, 0, 1]) {
        placed.hart = Some(hart);
    }
    let jobs = run(&set, 2);
    assert_eq!(jobs.missed, 0, "each on its hart, expected none late, saw {jobs:?}");
}

/// A deviation of the search holds the hart up until its next tick: for up to a whole period, in the middle of a lock or a switch. Who needs no more than the hart is then late by no more than
/// what was lost.
#[test]
fn whatever_is_lost_at_any_two_steps_no_job_is_later_than_that() {
    for set in [
        &[Task::new(UNIT_NS, 2 * UNIT_NS), Task::new(3 * UNIT_NS, 6 * UNIT_NS)][..],
        &[Task::new(UNIT_NS, 2 * UNIT_NS), Task::new(UNIT_NS, 3 * UNIT_NS), Task::new(UNIT_NS, 6 * UNIT_NS)],
    ] {
        let set = for_hyperperiods(set, 2);
        let late = std::rc::Rc::new(std::cell::Cell::new(0));
        let seen = late.clone();
        let judge = move |jobs: schedulers::edf::Jobs, times: crate::virtual_time::Times| {
            let lost = times.overhead_ns() as i64;
            let seen_ns = jobs.lateness_ns;
            assert!(seen_ns <= lost, "{lost} ns were lost, but a job was {seen_ns} ns late");
            seen.set(seen.get() + u64::from(jobs.missed > 0));
        };
        let (_, explored, _) = run_all(&Search::exhaustive(2, 50_000), &set, 1, judge);
        let steps = explored.steps * STEP_NS;
        println!("up to two deviations: {} schedules, {} of them late, {steps} ns of steps", explored.runs, late.get());
        assert!(explored.complete, "all schedules with two deviations should have been run: {explored:?}");
        assert!(late.get() > 0, "losing a period should make some job late, or the check sees nothing");
    }
}

/// On two harts the search also lets either go on at any step.
#[test]
fn whatever_the_schedule_every_job_of_two_harts_is_done_once() {
    let set = [Task::new(UNIT_NS, 2 * UNIT_NS), Task::new(UNIT_NS, 2 * UNIT_NS), Task::new(2 * UNIT_NS, 3 * UNIT_NS)];
    let mut set = for_hyperperiods(&set, 1);
    let judge = |_: schedulers::edf::Jobs, _: crate::virtual_time::Times| {};
    for pinned in [None, Some(1)] {
        set[2].hart = pinned;
        run_all(&Search::exhaustive(1, 5_000), &set, 2, judge);
        run_all(&Search::random(500), &set, 2, judge);
    }
}

/// Pinned threads run where they were pinned, and on another hart only while theirs is taken away.
#[test]
fn pinned_threads_stay_on_their_harts_and_outlive_them() {
    const HARTS: usize = 3;
    for resized in [false, true] {
        let main = move |edf: &Arc<Edf>| {
            for number in 0..2 * HARTS {
                edf.spawn_on(number % HARTS, now() + number as u64 * UNIT_NS, move || {
                    for _ in 0..3 {
                        let seen = pulse::on_hart(pulse::Hart::number);
                        assert!(resized || seen == number % HARTS, "pinned to {}, saw hart {seen}", number % HARTS);
                        execute(UNIT_NS / 4);
                    }
                })
                .expect("there is room");
            }
            assert_eq!(edf.spawn_on(HARTS, 0, || {}), Err(schedulers::ranks::Full::Harts(HARTS)));
        };
        let how = Search::random(300);
        let how = if resized { how.with_resizes() } else { how };
        search(&how, HARTS, || Edf::partitioned(2 * HARTS + 1, 0, HARTS), main, None, |_, _| {});
    }
}

/// The same on real threads: each pinned thread yields to one that is pinned elsewhere, through a lock.
#[test]
fn pinned_threads_stay_on_their_harts_on_linux() {
    const HARTS: usize = 2;
    let edf = Edf::partitioned(2 * HARTS + 1, 1, HARTS);
    let main = edf.clone();
    let elsewhere = Arc::new(AtomicU64::new(0));
    let counted = elsewhere.clone();
    linux::run_within(Shape::new(HARTS), Duration::from_secs(20), &*edf, move || {
        let lock = Arc::new(main.lock().expect("there is room"));
        for number in 0..2 * HARTS {
            let (lock, counted) = (lock.clone(), counted.clone());
            let work = move || {
                for round in 0..200 {
                    lock.acquire();
                    pulse::sleep_until(now() + round % 2 * 50_000);
                    lock.release();
                    let seen = pulse::on_hart(pulse::Hart::number);
                    counted.fetch_add(u64::from(seen != number % HARTS), Relaxed);
                }
            };
            main.spawn_on(number % HARTS, now() + number as u64, work).expect("there is room");
        }
    });
    assert_eq!(elsewhere.load(Relaxed), 0, "rounds that a pinned thread did on another hart");
}
