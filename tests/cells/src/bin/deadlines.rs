//! Earliest deadline first in a cell that has only part of its hardware threads: task sets from 60 to 110 percent of what it is promised, beside whatever else runs. No job may be late where theory says
//! that none is; above 100 percent some must be, or this sees nothing.
//!
//! Each set is run twice: with threads pinned to harts, each of which has the same utilisation, and with the same threads on any hart. A job executes until the clock, looked at often, has shown it
//! so much time: what passes between two looks that are far apart was not its own. A job's work contains `overhead` for its scheduling, which it does not execute.
//!
//! Arguments: `period=NS` of the windows or the reserve; `length=NS` of the windows, or `budget=NS` of the reserve; `sets=N` for each utilisation (default 2); `overhead=NS` (default 40000);
//! `gap=NS`, from which distance on two looks are far apart (default 3000); `seed=N`.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use alloc::vec::Vec;

use cell::arguments::number;
use cell::{hart, println, time};
use pulse::home::cell as home;
use pulse::{Shape, now, sleep_until};
use schedulers::edf::analysis::{Supply, Task, global, in_windows, one_hart};
use schedulers::edf::{Edf, Jobs, Periodic};
use test_cells::{Random, check, check_equal, finish};

cell::entry!(main);

const PERCENTS: [u64; 6] = [60, 70, 80, 90, 100, 110];

const TASKS_PER_HART: usize = 4;

/// Tasks' periods in periods of the supply, and their common multiple.
const PERIODS: [u64; 5] = [2, 3, 4, 6, 12];
const ALL: u64 = 12;

/// Each set runs for so many of its hyperperiods.
const HYPERPERIODS: u64 = 2;

static SCHEDULER: spin::Mutex<Option<Arc<Edf>>> = spin::Mutex::new(None);
static ROWS: spin::Mutex<Vec<Row>> = spin::Mutex::new(Vec::new());

/// What the manifest says.
#[derive(Clone, Copy)]
struct Settings {
    period_ns: u64,
    supply: Supply,
    supplied_ns: u64,
    overhead_ns: u64,
    gap_ns: u64,
}

impl Settings {
    fn read() -> Self {
        let period_ns = number("period", 5_000_000);
        let (length_ns, budget_ns) = (number("length", 0), number("budget", 0));
        let (supply, supplied_ns) = match length_ns {
            0 => (Supply::Reserve { period_ns, budget_ns }, budget_ns),
            _ => (Supply::Windows { period_ns, length_ns }, length_ns),
        };
        Self { period_ns, supply, supplied_ns, overhead_ns: number("overhead", 40_000), gap_ns: number("gap", 3_000) }
    }
}

/// What became of a set.
struct Row {
    percent: u64,
    pinned: bool,
    admitted: bool,
    expected: u64,
    jobs: Jobs,
}

/// A set in which each hart has so many percent of its supply, spread evenly over all that sum up to it: cut at random.
fn generate(settings: &Settings, percent: u64, random: &mut Random) -> Vec<(usize, Task)> {
    let mut set = Vec::new();
    for hart in 0..hart::count() as usize {
        let all_ns = settings.supplied_ns * ALL * percent / 100;
        let mut cuts: Vec<u64> = (1..TASKS_PER_HART).map(|_| random.next_number() % all_ns).collect();
        cuts.extend([0, all_ns]);
        cuts.sort_unstable();
        for ends in cuts.windows(2) {
            let period = PERIODS[(random.next_number() % PERIODS.len() as u64) as usize];
            set.push((hart, Task::new((ends[1] - ends[0]) * period / ALL, period * settings.period_ns)));
        }
    }
    set
}

/// Executes for so many ns.
fn execute(work_ns: u64, gap_ns: u64) {
    let (mut last, mut executed) = (time::now(), 0);
    while executed < work_ns {
        let now = time::now();
        let passed = now - last;
        if passed < gap_ns {
            executed += passed;
        }
        last = now;
        core::hint::spin_loop();
    }
}

/// Whether theory says that no job will be late.
fn admitted(settings: &Settings, set: &[(usize, Task)], pinned: bool) -> bool {
    let harts = hart::count();
    if pinned {
        let of = |hart| set.iter().filter(move |(on, _)| *on == hart).map(|(_, task)| *task).collect::<Vec<_>>();
        return (0..harts as usize).all(|hart| one_hart(&of(hart), settings.supply).is_ok());
    }
    let tasks: Vec<Task> = set.iter().map(|(_, task)| *task).collect();
    match settings.supply {
        Supply::Windows { period_ns, length_ns } => {
            in_windows(&tasks, period_ns, length_ns).and_then(|tasks| global(&tasks, harts)).is_ok()
        }
        _ => false,
    }
}

/// Runs a set and waits until all its jobs have finished.
fn run(edf: &Arc<Edf>, settings: &Settings, set: &[(usize, Task)], pinned: bool, random: &mut Random) -> (u64, Jobs) {
    let Settings { period_ns, overhead_ns, gap_ns, .. } = *settings;
    edf.take_jobs();
    // At any phase of the supply.
    let first_ns = now() + 1_000_000 + random.next_number() % period_ns;
    let for_ns = HYPERPERIODS * ALL * period_ns;
    let mut expected = 0;
    for (hart, task) in set {
        let Task { period_ns, deadline_ns, work_ns, .. } = *task;
        let jobs = for_ns / period_ns;
        expected += jobs;
        let times = Periodic { first_ns, period_ns, deadline_ns, jobs, hart: pinned.then_some(*hart) };
        let work_ns = work_ns.saturating_sub(overhead_ns);
        if let Err(error) = edf.spawn_periodic(times, move |_| execute(work_ns, gap_ns)) {
            check("there is room for a thread", false, error);
            return (expected, edf.take_jobs());
        }
    }
    let mut until = first_ns + for_ns;
    while edf.jobs().finished < expected {
        sleep_until(until);
        until = now() + period_ns;
    }
    (expected, edf.take_jobs())
}

fn body(edf: &Arc<Edf>) {
    let settings = Settings::read();
    let mut random = Random(number("seed", 1).max(1));
    for percent in PERCENTS {
        for _ in 0..number("sets", 2) {
            let set = generate(&settings, percent, &mut random);
            for pinned in [true, false] {
                let admitted = admitted(&settings, &set, pinned);
                let (expected, jobs) = run(edf, &settings, &set, pinned, &mut random);
                ROWS.lock().push(Row { percent, pinned, admitted, expected, jobs });
            }
        }
    }
}

fn main(this: u32) {
    let harts = hart::count() as usize;
    let edf = SCHEDULER.lock().get_or_insert_with(|| Edf::partitioned(TASKS_PER_HART * harts + 1, 0, harts)).clone();
    let of_main = edf.clone();
    let summary = home::run(this, Shape::new(harts), &*edf, move || body(&of_main));
    if this == 0 {
        check_equal("contexts lost", 0, summary.lost);
        judge();
    }
}

fn judge() -> ! {
    let rows = core::mem::take(&mut *ROWS.lock());
    println!("use %  rule      promised  jobs  missed  worst lateness us");
    for Row { percent, pinned, admitted, jobs, .. } in &rows {
        let (rule, promised) = (if *pinned { "pinned" } else { "anywhere" }, if *admitted { "yes" } else { "no" });
        let Jobs { finished, missed, lateness_ns } = jobs;
        println!("{percent:>5}  {rule:<8}  {promised:>8}  {finished:>4}  {missed:>6}  {:>17}", lateness_ns / 1_000);
    }
    let counted = rows.iter().all(|row| row.jobs.finished == row.expected);
    check("every job finished once", counted, "see the table");
    let mut promised = 0;
    for Row { percent, pinned, admitted, jobs, .. } in &rows {
        let kept = !admitted || jobs.missed == 0;
        promised += u64::from(*admitted);
        test_cells::check_quietly(
            "no job is late where theory says that none is",
            kept,
            format_args!("{percent} percent, pinned: {pinned}: expected none late, saw {jobs:?}"),
        );
        test_cells::check_quietly(
            "more than is promised cannot be done in time",
            *percent <= 100 || jobs.missed > 0,
            format_args!("{percent} percent, pinned: {pinned}: expected some late, saw {jobs:?}"),
        );
    }
    let least = number("promised", 1);
    check("sets that theory admits", promised >= least, format_args!("expected at least {least}, saw {promised}"));
    finish()
}
