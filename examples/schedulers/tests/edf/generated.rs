//! Generated task sets from 60 to 100 percent of one, two and four harts.

use schedulers::edf::Jobs;
use schedulers::edf::analysis::utilisation_ppb;
use schedulers::edf::analysis::{Supply, Task, global, hyperperiod_ns, one_hart, partition, partition_bound_ppb};

use crate::sets::{Placed, Random, UNIT_NS, run, run_counted, uunifast};
use crate::virtual_time::STEP_NS;

const LEVELS: [u64; 5] = [60, 70, 80, 90, 100];

/// Sets for each number of harts and level.
const SETS: u64 = 50;

const TASKS_PER_HART: u32 = 4;

fn placed(set: &[Task], random: &mut Random) -> Vec<Placed> {
    let all_ns = hyperperiod_ns(set).expect("the periods have a small common multiple");
    let place = |task: &Task| {
        let offset_ns = random.below(3).saturating_sub(1) * random.below(task.period_ns / UNIT_NS) * UNIT_NS;
        Placed { offset_ns, ..Placed::new(*task, all_ns) }
    };
    set.iter().map(place).collect()
}

#[derive(Default)]
struct Row {
    admitted: u64,
    admitted_late: u64,
    other: u64,
    other_late: u64,
    jobs: u64,
    overhead_ns: u64,
}

impl Row {
    fn count(&mut self, admitted: bool, (jobs, overhead_ns): (Jobs, u64)) {
        self.jobs += jobs.finished;
        self.overhead_ns += overhead_ns;
        let (sets, late) = match admitted {
            true => (&mut self.admitted, &mut self.admitted_late),
            false => (&mut self.other, &mut self.other_late),
        };
        *sets += 1;
        *late += u64::from(jobs.missed > 0);
    }
}

/// The table of the book.
#[test]
fn admitted_sets_are_never_late() {
    println!("harts  use %  rule       admitted  late  not admitted  late    jobs  steps/job");
    for harts in [1, 2, 4_u32] {
        for level in LEVELS {
            let (mut anywhere, mut pinned) = (Row::default(), Row::default());
            for seed in 0..SETS {
                let mut random = Random(seed + 1_000 * u64::from(harts) + 100_000 * level);
                let set = uunifast(&mut random, harts * TASKS_PER_HART, level * u64::from(harts));
                let mut placed = placed(&set, &mut random);
                let admitted = if harts == 1 { one_hart(&set, Supply::Whole) } else { global(&set, harts) }.is_ok();
                let counted = run_counted(&placed, harts as usize);
                assert!(!admitted || counted.0.missed == 0, "admitted, but saw {counted:?} of {placed:?}");
                anywhere.count(admitted, counted);
                let partition = partition(&set, harts as usize, Supply::Whole);
                let bound = utilisation_ppb(&set) <= partition_bound_ppb(&set, harts);
                assert!(partition.is_ok() || !bound, "the bound promises a partition, but {partition:?} of {set:?}");
                let Ok(chosen) = partition else {
                    pinned.other += 1;
                    continue;
                };
                for (placed, hart) in placed.iter_mut().zip(chosen) {
                    placed.hart = Some(hart);
                }
                let counted = run_counted(&placed, harts as usize);
                assert_eq!(counted.0.missed, 0, "each hart has enough time, but saw {counted:?} of {placed:?}");
                pinned.count(true, counted);
            }
            for (rule, row) in [("anywhere", &anywhere), ("partition", &pinned)] {
                let Row { admitted, admitted_late, other, other_late, jobs, overhead_ns } = row;
                // Who has no partition is not run.
                let other_late = if rule == "partition" { "-".to_string() } else { other_late.to_string() };
                let steps = overhead_ns / STEP_NS / (*jobs).max(1);
                println!(
                    "{harts:>5}  {level:>5}  {rule:<9}  {admitted:>8}  {admitted_late:>4}  {other:>12}  {other_late:>4}  {jobs:>6}  {steps:>9}"
                );
            }
            if harts == 1 {
                assert_eq!(anywhere.admitted, SETS, "one hart can be used up to {level} percent");
            }
        }
    }
}

/// Where a full partition exists, every hart can be full.
#[test]
fn full_harts_of_a_partition_are_never_late() {
    for harts in [2, 4] {
        for seed in 0..SETS {
            let mut random = Random(seed);
            let mut all = Vec::new();
            for hart in 0..harts {
                let set = uunifast(&mut random, TASKS_PER_HART, 100);
                let placed = placed(&set, &mut random);
                all.extend(placed.into_iter().map(|placed| Placed { hart: Some(hart), ..placed }));
            }
            let jobs = run(&all, harts);
            assert_eq!(jobs.missed, 0, "expected none late, saw {jobs:?} of {all:?}");
        }
    }
}

/// The check can fail: one percent more than there is, and every set is late.
#[test]
fn one_percent_too_much_is_always_late() {
    for harts in [1, 2, 4_u32] {
        for seed in 0..SETS {
            let mut random = Random(seed);
            let set = uunifast(&mut random, harts * TASKS_PER_HART, 101 * u64::from(harts));
            assert!(partition(&set, harts as usize, Supply::Whole).is_err(), "nobody can admit {set:?}");
            let all_ns = hyperperiod_ns(&set).expect("the periods have a small common multiple");
            let together: Vec<Placed> = set.iter().map(|task| Placed::new(*task, all_ns)).collect();
            let jobs = run(&together, harts as usize);
            assert!(jobs.missed > 0, "101 percent cannot be done in time, but saw {jobs:?} of {set:?}");
        }
    }
}

/// Whoever is pinned: after each leap of the time, `run` looks whether the harts run the most urgent of those that they may.
#[test]
fn the_most_urgent_run_at_every_instant_whoever_is_pinned() {
    for harts in [2, 3] {
        for seed in 0..SETS {
            let mut random = Random(seed);
            let set = uunifast(&mut random, harts * TASKS_PER_HART, 100 * u64::from(harts));
            let mut placed = placed(&set, &mut random);
            for placed in &mut placed {
                placed.hart = Some(random.below(2 * u64::from(harts)) as usize).filter(|hart| *hart < harts as usize);
            }
            // Harts may have too much to do: then jobs are late, but still in order.
            run(&placed, harts as usize);
        }
    }
}
