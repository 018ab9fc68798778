//! Tasks and their futures: each task runs once, each value arrives, and only tasks that wait take contexts.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use pulse::home::linux;
use pulse::home::test::{Scenario, Search, explore};
use pulse::{Hart, Shape, Summary, on_hart, point, yield_now};
use schedulers::sync::{Condition, Lock, Mutex, RawLock};
use schedulers::tasks::{LOOK_AROUND, Tasks};

const LIMIT: Duration = Duration::from_secs(60);

/// Runs `main` under many schedules, then looks at what it has left in `T`.
fn search<T: Default + Send + Sync + 'static>(
    search: &Search,
    shape: Shape,
    main: fn(&Arc<Tasks>, &Arc<T>),
    check: fn(&T, &Summary),
) {
    explore(search, shape, || {
        let (tasks, left) = (Tasks::new(), Arc::new(T::default()));
        let (of_main, of_check) = (tasks.clone(), left.clone());
        Scenario {
            scheduler: tasks,
            main: Box::new(move || main(&of_main, &left)),
            check: Box::new(move |summary| check(&of_check, summary)),
        }
    });
}

/// As [`search`]: random, with resizes, and all schedules that deviate once, on one to three harts.
fn search_all<T: Default + Send + Sync + 'static>(main: fn(&Arc<Tasks>, &Arc<T>), check: fn(&T, &Summary)) {
    for harts in 1..=3 {
        search(&Search::random(300), Shape::new(harts), main, check);
        search(&Search::exhaustive(1, 3_000), Shape::new(harts), main, check);
        search(&Search::random(300).with_resizes(), Shape::new(1).up_to(harts), main, check);
    }
}

fn fibonacci(tasks: &Tasks, number: u32) -> u64 {
    if number < 2 {
        return u64::from(number);
    }
    let one = tasks.spawn(move |tasks| fibonacci(tasks, number - 1));
    let other = fibonacci(tasks, number - 2);
    one.wait(tasks) + other
}

#[test]
fn values_of_nested_tasks_arrive() {
    #[derive(Default)]
    struct Left(AtomicU32);
    search_all::<Left>(
        |tasks, left| left.0.store(fibonacci(tasks, 6) as u32, SeqCst),
        |left, _| assert_eq!(left.0.load(SeqCst), 8, "the sixth Fibonacci number"),
    );
}

#[test]
fn each_task_runs_once_also_if_nobody_waits() {
    #[derive(Default)]
    struct Left([AtomicU32; 20], [AtomicU32; 20]);
    search_all::<Left>(
        |tasks, left| {
            for number in 0..20 {
                let left = left.clone();
                let future = tasks.spawn(move |tasks| {
                    left.0[number].fetch_add(1, SeqCst);
                    let left = left.clone();
                    drop(tasks.spawn(move |_| left.1[number].fetch_add(1, SeqCst)));
                    number
                });
                if number % 3 == 0 {
                    assert_eq!(future.wait(tasks), number, "a task's value");
                }
            }
        },
        |left, summary| {
            let counts: Vec<u32> = left.0.iter().chain(&left.1).map(|count| count.load(SeqCst)).collect();
            assert!(counts.iter().all(|count| *count == 1), "each should run once, but they ran {counts:?} times");
            assert_eq!(summary.lost, 0, "lost contexts");
        },
    );
}

#[test]
fn a_task_that_waits_keeps_its_stack_and_the_others_go_on() {
    #[derive(Default)]
    struct Left(AtomicU32);
    search_all::<Left>(
        |tasks, left| {
            let place = Arc::new((Mutex::new(Lock::new(tasks), 0_u32), Condition::new(tasks)));
            for number in 1..=4 {
                let (place, left) = (place.clone(), left.clone());
                drop(tasks.spawn(move |_| {
                    let mut turn = place.0.lock();
                    // In the reverse of the order in which they begin: all but one have to wait.
                    while *turn != 4 - number {
                        turn = place.0.wait(&place.1, turn);
                    }
                    *turn += 1;
                    drop(turn);
                    place.1.notify_all();
                    left.0.fetch_add(number, SeqCst);
                }));
            }
        },
        |left, summary| {
            assert_eq!(left.0.load(SeqCst), 10, "the sum of the numbers of tasks that ended");
            assert_eq!(summary.lost, 0, "lost contexts");
        },
    );
}

/// The first context waits for many tasks by yielding, which must not need contexts or time for ever.
#[test]
fn who_yields_lets_tasks_run() {
    const MANY: u32 = LOOK_AROUND + 8;
    #[derive(Default)]
    struct Left(AtomicU32);
    let main = |tasks: &Arc<Tasks>, left: &Arc<Left>| {
        for _ in 0..MANY {
            let left = left.clone();
            drop(tasks.spawn(move |_| left.0.fetch_add(1, SeqCst)));
        }
        while left.0.load(SeqCst) < MANY {
            yield_now();
        }
    };
    for harts in 1..=3 {
        search::<Left>(&Search::random(60), Shape::new(harts), main, |_, _| ());
        search::<Left>(&Search::random(60).with_resizes(), Shape::new(1).up_to(harts), main, |_, _| ());
    }
}

#[test]
fn a_task_behind_a_busy_one_is_run_by_who_yields() {
    #[derive(Default)]
    struct Left(AtomicBool);
    let main = |tasks: &Arc<Tasks>, left: &Arc<Left>| {
        let busy = left.clone();
        drop(tasks.spawn(move |tasks| {
            // It keeps its hart until another hart has run what is in the queue there.
            let behind = busy.clone();
            drop(tasks.spawn(move |_| behind.0.store(true, SeqCst)));
            while !busy.0.load(SeqCst) {
                point("busy");
            }
        }));
        while !left.0.load(SeqCst) {
            yield_now();
        }
    };
    for how in [Search::random(200), Search::exhaustive(1, 2_000)] {
        search::<Left>(&how.steps_at_most(50_000), Shape::new(2), main, |_, _| ());
    }
}

#[test]
fn what_was_begun_goes_on_before_tasks_that_were_not() {
    let begun = Arc::new(AtomicU32::new(0));
    let seen = begun.clone();
    let main = move |tasks: &Arc<Tasks>| {
        for _ in 0..10 {
            let begun = begun.clone();
            drop(tasks.spawn(move |_| begun.fetch_add(1, SeqCst)));
        }
        for turn in 1..=5 {
            yield_now();
            assert_eq!(begun.load(SeqCst), turn, "tasks that began while the first context yielded {turn} times");
        }
    };
    contexts(main);
    assert_eq!(seen.load(SeqCst), 10, "tasks that ran in the end");
}

#[test]
fn tasks_of_one_hart_are_taken_by_the_others() {
    #[derive(Default)]
    struct Left(AtomicU32);
    for how in [Search::random(300), Search::exhaustive(1, 3_000)] {
        let main = |tasks: &Arc<Tasks>, left: &Arc<Left>| {
            // They wait for each other and keep their harts, and so does the first context.
            let meet = |left: &Left| {
                left.0.fetch_add(1, SeqCst);
                while left.0.load(SeqCst) < 3 {
                    point("waits for the other harts");
                }
            };
            for _ in 0..2 {
                let left = left.clone();
                drop(tasks.spawn(move |_| meet(&left)));
            }
            meet(left);
        };
        search::<Left>(&how.steps_at_most(50_000), Shape::new(3), main, |_, _| ());
    }
}

/// How many contexts are made on one hart, the first included.
fn contexts(main: impl FnOnce(&Arc<Tasks>) + Send + 'static) -> u64 {
    let tasks = Tasks::new();
    let of_main = tasks.clone();
    linux::run_within(Shape::new(1), LIMIT, &tasks, move || main(&of_main)).created
}

#[test]
fn contexts_are_made_only_for_tasks_that_wait() {
    let direct = contexts(|tasks| {
        for number in 0..100 {
            assert_eq!(tasks.spawn(move |_| number).wait(tasks), number, "a task's value");
        }
    });
    assert_eq!(direct, 1, "contexts where each task is waited for at once");
    let queued = contexts(|tasks| (0..20).for_each(|number| drop(tasks.spawn(move |_| number))));
    assert_eq!(queued, 2, "contexts where tasks run one after the other");
    let waiting = contexts(|tasks| {
        let lock = Arc::new(Lock::new(tasks));
        lock.acquire();
        for _ in 0..10 {
            let lock = lock.clone();
            drop(tasks.spawn(move |_| {
                lock.acquire();
                lock.release();
            }));
        }
        for _ in 0..10 {
            yield_now();
        }
        lock.release();
    });
    assert_eq!(waiting, 11, "contexts where ten tasks wait at the same time");
}

#[test]
fn tasks_of_a_hart_that_was_taken_are_run() {
    #[derive(Default)]
    struct Left(AtomicBool, AtomicU32);
    let main = |tasks: &Arc<Tasks>, left: &Arc<Left>| {
        // Started on the second hart, which is then taken away.
        let started = left.clone();
        drop(tasks.spawn(move |tasks| {
            if on_hart(Hart::number) == 1 {
                for _ in 0..5 {
                    let started = started.clone();
                    drop(tasks.spawn(move |_| started.1.fetch_add(1, SeqCst)));
                }
                pulse::resize(1);
            } else {
                started.1.fetch_add(5, SeqCst);
            }
            started.0.store(true, SeqCst);
        }));
        while !left.0.load(SeqCst) {
            point("waits for the second hart");
            yield_now();
        }
    };
    for how in [Search::random(600), Search::exhaustive(1, 3_000)] {
        search::<Left>(&how, Shape::new(2), main, |left, _| assert_eq!(left.1.load(SeqCst), 5, "tasks that ran"));
    }
}

#[test]
fn values_arrive_on_linux() {
    for harts in [1, 2, 4] {
        let tasks = Tasks::new();
        let seen = Arc::new(AtomicU32::new(0));
        let (of_main, left) = (tasks.clone(), seen.clone());
        linux::run_within(Shape::new(harts), LIMIT, &tasks, move || {
            left.store(fibonacci(&of_main, 22) as u32, SeqCst);
        });
        assert_eq!(seen.load(SeqCst), 17_711, "the 22nd Fibonacci number on {harts} harts");
    }
}
