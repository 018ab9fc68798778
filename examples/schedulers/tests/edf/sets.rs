//! Task sets: how they are generated, and how they are run.

use std::sync::Arc;

use pulse::home::test::{Explored, Search};
use pulse::now;
use schedulers::edf::analysis::Task;
use schedulers::edf::{Edf, Jobs, Periodic};
use schedulers::sync::RawLock;

use crate::virtual_time::{STEP_NS, Settled, Times, execute, search};

/// One unit of the grids on which task sets are enumerated.
pub(crate) const UNIT_NS: u64 = 100_000_000;

/// What is taken off each job's work for the scheduler: the analysis sees the whole work, the job executes the rest. Each run checks that it took no more.
pub(crate) const OVERHEAD_NS: u64 = 500_000;

/// A task as it is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    pub(crate) task: Task,
    /// Its first release after the start.
    pub(crate) offset_ns: u64,
    pub(crate) hart: Option<usize>,
    pub(crate) jobs: u64,
}

impl Placed {
    /// Released from the start for so long, anywhere.
    pub(crate) fn new(task: Task, for_ns: u64) -> Self {
        Self { task, offset_ns: 0, hart: None, jobs: for_ns / task.period_ns }
    }
}

/// Runs a task set in the plain schedule.
pub(crate) fn run(set: &[Placed], harts: usize) -> Jobs {
    run_counted(set, harts).0
}

/// The same, and how long all steps for the scheduler took together, in ns.
pub(crate) fn run_counted(set: &[Placed], harts: usize) -> (Jobs, u64) {
    let plain = Search::replay(&[]).steps_at_most(10_000_000);
    let (jobs, explored, _) = run_checked(&plain, set, harts, Some(Edf::is_settled), |_, _| {});
    let overhead_ns = explored.steps * STEP_NS;
    // The set's first thread has the place of one more job.
    assert!(
        overhead_ns <= (jobs.finished + 1) * OVERHEAD_NS,
        "expected at most {OVERHEAD_NS} ns of overhead for each job, saw {overhead_ns} for {} of {set:?}",
        jobs.finished
    );
    (jobs, overhead_ns)
}

/// Runs a task set in the schedules of a search. Returns the jobs and the times of the last run.
pub(crate) fn run_all(
    how: &Search,
    set: &[Placed],
    harts: usize,
    judge: impl Fn(Jobs, Times) + Clone + 'static,
) -> (Jobs, Explored, Times) {
    run_checked(how, set, harts, None, judge)
}

fn run_checked(
    how: &Search,
    set: &[Placed],
    harts: usize,
    settled: Option<Settled<Edf>>,
    judge: impl Fn(Jobs, Times) + Clone + 'static,
) -> (Jobs, Explored, Times) {
    let last = Arc::new(std::sync::Mutex::new(None));
    let (set, seen) = (set.to_vec(), last.clone());
    let (expected, room) = (set.iter().map(|placed| placed.jobs).sum::<u64>(), set.len() + 1);
    let fresh = move || Edf::partitioned(room, 1, harts);
    let judge = move |edf: &Edf, times: Times| {
        let jobs = edf.jobs();
        assert_eq!(jobs.finished, expected, "jobs that finished");
        *seen.lock().expect("nobody panics") = Some(jobs);
        judge(jobs, times);
    };
    let (explored, times) = search(how, harts, fresh, move |edf| start(edf, &set), settled, judge);
    let jobs = last.lock().expect("nobody panics").expect("it ran");
    (jobs, explored, times)
}

fn start(edf: &Arc<Edf>, set: &[Placed]) {
    let lock = Arc::new(edf.lock().expect("there is room for a lock"));
    let start_ns = now() + UNIT_NS;
    for Placed { task, offset_ns, hart, jobs } in set.iter().copied() {
        let lock = lock.clone();
        let first_ns = start_ns + offset_ns;
        let times = Periodic { first_ns, period_ns: task.period_ns, deadline_ns: task.deadline_ns, jobs, hart };
        let work_ns = task.work_ns.saturating_sub(OVERHEAD_NS);
        let job = move |_| {
            if task.locked_ns == 0 {
                return execute(work_ns);
            }
            // The lock is taken as soon as possible: then a job blocks whoever is released right after it.
            lock.acquire();
            execute(task.locked_ns.min(work_ns));
            lock.release();
            execute(work_ns - task.locked_ns.min(work_ns));
        };
        edf.spawn_periodic(times, job).expect("there is room for a thread");
    }
}

/// Random numbers (SplitMix64): the same in each run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    /// From 0 to 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Periods in units whose common multiple is 120.
const PERIODS: [u64; 10] = [4, 5, 6, 8, 10, 12, 15, 20, 24, 30];

/// So many tasks with deadlines at the next releases, and utilisations that are spread evenly over all that sum up to `percent` of a hart (UUniFast: Bini and Buttazzo 2005; those with a
/// task over 100 percent are thrown away: Davis and Burns 2009).
pub(crate) fn uunifast(random: &mut Random, tasks: u32, percent: u64) -> Vec<Task> {
    loop {
        let mut left = percent as f64 / 100.0;
        let mut utilisations = Vec::new();
        for others in (1..tasks).rev() {
            let next = left * random.fraction().powf(1.0 / f64::from(others));
            utilisations.push(left - next);
            left = next;
        }
        utilisations.push(left);
        if utilisations.iter().any(|utilisation| *utilisation > 1.0) {
            continue;
        }
        let task = |utilisation: &f64| {
            let period_ns = PERIODS[random.below(PERIODS.len() as u64) as usize] * UNIT_NS;
            // At least what is taken off for the scheduler.
            Task::new(((period_ns as f64 * utilisation) as u64).max(OVERHEAD_NS), period_ns)
        };
        let mut set: Vec<Task> = utilisations.iter().map(task).collect();
        // What was rounded, up or down, is made up for by the largest, so that the sum is right to a few billionths and never too large.
        let all_ns = 120 * UNIT_NS;
        let sum = |set: &[Task]| set.iter().map(|task| task.work_ns * (all_ns / task.period_ns)).sum::<u64>();
        let (wanted, has) = (all_ns / 100 * percent, sum(&set));
        let largest = set.iter_mut().max_by_key(|task| task.work_ns).expect("a set has tasks");
        let jobs = all_ns / largest.period_ns;
        largest.work_ns = (largest.work_ns * jobs + wanted - has) / jobs;
        if largest.work_ns <= largest.period_ns {
            return set;
        }
    }
}
