//! Locks whose holders inherit deadlines: an inversion lasts no longer than a lock is held, and what the analysis adds for it is enough.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use pulse::home::test::Search;
use pulse::{now, sleep_until};
use schedulers::edf::Edf;
use schedulers::edf::analysis::{Supply, Task, hyperperiod_ns, one_hart};
use schedulers::sync::{Lock, RawLock};

use crate::sets::{OVERHEAD_NS, Placed, UNIT_NS, run};
use crate::virtual_time::{execute, search};

/// Pairs whose second task holds a lock for most of its work, and whose first one takes it too: at any phase, none is late if the analysis admits them.
#[test]
fn an_admitted_pair_with_a_lock_is_never_late_at_any_phase() {
    let (mut admitted, mut refused, mut refused_late, mut runs) = (0, 0, 0, 0);
    for [period, other] in [[2, 4], [3, 4], [3, 6], [4, 6]] {
        for (work, other_work) in (1..period).flat_map(|work| (1..=other).map(move |other_work| (work, other_work))) {
            for locked in 1..=other_work {
                let [mut one, two] = [(work, period), (other_work, other)]
                    .map(|(work, period): (u64, u64)| Task::new(work * UNIT_NS, period * UNIT_NS));
                one.locked_ns = UNIT_NS / 2;
                let set = [one, Task { locked_ns: locked * UNIT_NS, ..two }];
                let verdict = one_hart(&set, Supply::Whole);
                let all_ns = 2 * hyperperiod_ns(&set).expect("small periods");
                let mut late = false;
                for quarters in 0..4 * period {
                    let placed = set.map(|task| Placed::new(task, all_ns));
                    let placed = [Placed { offset_ns: quarters * UNIT_NS / 4, ..placed[0] }, placed[1]];
                    let jobs = run(&placed, 1);
                    assert!(verdict.is_err() || jobs.missed == 0, "admitted, but saw {jobs:?} of {placed:?}");
                    late |= jobs.missed > 0;
                    runs += 1;
                }
                admitted += u64::from(verdict.is_ok());
                refused += u64::from(verdict.is_err());
                refused_late += u64::from(verdict.is_err() && late);
            }
        }
    }
    println!(
        "one hart with a lock, all phases, {runs} runs: {admitted} sets admitted, none late; {refused} refused, {refused_late} of them late"
    );
    assert!(admitted > 0 && refused_late > 0, "both kinds should be there: {admitted} and {refused_late}");
}

/// The longest that an urgent thread waits for a lock that the least urgent one holds for `held_ns`, when both come at all distances and one between has work without end.
fn longest_wait<L: RawLock + Send + Sync + 'static>(
    harts: usize,
    held_ns: u64,
    lock: impl Fn(&Arc<Edf>) -> L + Send + Clone + 'static,
) -> u64 {
    const MIDDLE_NS: u64 = 20 * UNIT_NS;
    let mut longest = 0;
    for step in 0..24 {
        let waited = Arc::new(Mutex::new(0));
        let (told, lock) = (waited.clone(), lock.clone());
        let main = move |edf: &Arc<Edf>| {
            let lock = Arc::new(lock(edf));
            let start_ns = now() + UNIT_NS;
            let low = lock.clone();
            edf.spawn(start_ns + 1_000 * UNIT_NS, move || {
                sleep_until(start_ns);
                low.acquire();
                execute(held_ns);
                low.release();
            })
            .expect("there is room");
            for _ in 0..harts {
                edf.spawn(start_ns + 500 * UNIT_NS, move || {
                    sleep_until(start_ns + UNIT_NS / 3);
                    execute(MIDDLE_NS);
                })
                .expect("there is room");
            }
            let (high, told) = (lock, told.clone());
            edf.spawn(start_ns + 100 * UNIT_NS, move || {
                sleep_until(start_ns + step * UNIT_NS / 6);
                let asked = now();
                high.acquire();
                *told.lock().expect("nobody panics") = now() - asked;
                high.release();
            })
            .expect("there is room");
        };
        let fresh = || Edf::new(8, 1);
        search(&Search::replay(&[]), harts, fresh, main, Some(Edf::is_settled), |_, _| {});
        longest = longest.max(*waited.lock().expect("nobody panics"));
    }
    longest
}

#[test]
fn the_longest_inversion_is_a_critical_section() {
    for harts in [1, 2] {
        for held in [1, 2, 3] {
            let held_ns = held * UNIT_NS;
            let most = held_ns + OVERHEAD_NS;
            let inherited = longest_wait(harts, held_ns, |edf| edf.lock().expect("there is room"));
            assert!(inherited <= most, "{harts} harts: expected a wait of at most {most} ns, saw {inherited}");
            // The bound is met: somebody comes right after the lock was taken.
            assert!(inherited > held_ns / 2, "{harts} harts: expected a wait near {held_ns} ns, saw {inherited}");
            // The check can fail: without inheritance the one between goes first.
            let plain = longest_wait(harts, held_ns, Lock::new);
            assert!(plain > 10 * UNIT_NS, "{harts} harts: without inheritance, expected a long wait, saw {plain} ns");
            println!("{harts} harts, lock held for {held_ns} ns: waited {inherited} ns; without inheritance {plain}");
        }
    }
}

/// The same chain of two locks as in the other tests, over all schedules with a deviation: whatever happens, both are given back and the urgent one gets both.
#[test]
fn locks_are_given_back_in_every_schedule_with_a_deviation() {
    let done = Arc::new(AtomicU64::new(0));
    let counted = done.clone();
    let main = move |edf: &Arc<Edf>| {
        let locks = [edf.lock(), edf.lock()].map(|lock| Arc::new(lock.expect("there is room")));
        for number in 0..3_u64 {
            let (locks, counted) = (locks.clone(), counted.clone());
            let pinned = (number % 2) as usize;
            edf.spawn_on(pinned, (3 - number) * 100 * UNIT_NS, move || {
                locks[0].acquire();
                execute(UNIT_NS);
                locks[1].acquire();
                execute(UNIT_NS);
                locks[1].release();
                locks[0].release();
                counted.fetch_add(1, SeqCst);
            })
            .expect("there is room");
        }
    };
    let fresh = || Edf::partitioned(8, 2, 2);
    let (explored, _) = search(&Search::exhaustive(1, 10_000), 2, fresh, main, None, |_, _| {});
    assert_eq!(done.load(SeqCst), 3 * explored.runs, "threads that had both locks in {} schedules", explored.runs);
    assert!(explored.complete, "all schedules with a deviation should have been run: {explored:?}");
}
