//! Two parallel libraries that call each other: tasks with work stealing, of which each does loops in parallel. The result is right, each hart does one thing at a time and for one
//! library, and goes back when the library ends.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use pulse::home::linux;
use pulse::home::test::{Scenario, Search, explore};
use pulse::{Context, Hart, Queue, Shape, Spin, Summary, on_hart, point, yield_now};
use schedulers::lithe::fork_join::parallel_for;
use schedulers::lithe::stealing::Stealing;
use schedulers::lithe::{Choice, Id, Library, Lithe, TooMany};

const LIMIT: Duration = Duration::from_secs(60);

/// Who does what where.
#[derive(Default)]
struct Watch {
    /// Harts can be taken away, so that who was there goes on elsewhere.
    resized: bool,
    /// The number of the library that uses each hart, and 0 for none.
    busy: [AtomicU64; 4],
    sum: AtomicU64,
    pieces: AtomicU32,
    returned: AtomicBool,
}

impl Watch {
    /// A piece of a library's work.
    fn piece(&self, lithe: &Lithe, value: u64) {
        let of_context = lithe.here();
        let (hart, of_hart) = on_hart(|hart| (hart.number(), lithe.at(hart)));
        if !self.resized {
            assert_eq!(of_hart, of_context, "the library of the hart, and of the context that runs there");
            let other = self.busy[hart].swap(of_hart.number(), SeqCst);
            assert_eq!(other, 0, "hart {hart} is used by another library, or twice");
        }
        point("in a piece");
        self.sum.fetch_add(value, SeqCst);
        self.pieces.fetch_add(1, SeqCst);
        point("in a piece");
        if !self.resized {
            assert_eq!(self.busy[hart].swap(0, SeqCst), of_context.number(), "the library that used hart {hart}");
        }
    }
}

#[derive(Clone, Copy)]
struct Size {
    tasks: u64,
    numbers: u64,
    chunks: usize,
}

impl Size {
    fn pieces(self) -> u32 {
        (self.tasks * (self.numbers + 1)) as u32
    }

    fn sum(self) -> u64 {
        (0..self.tasks).map(|task| task + (0..self.numbers).map(|number| 100 * task + number).sum::<u64>()).sum()
    }
}

/// Tasks of one library, each of which calls a loop of the other.
fn compose(lithe: &Arc<Lithe>, watch: &Arc<Watch>, size: Size) {
    let root = lithe.here();
    let mut outer = root;
    Stealing::run(lithe, |tasks| {
        outer = lithe.here();
        for number in 0..size.tasks {
            let (lithe, watch) = (lithe.clone(), watch.clone());
            tasks.spawn(move |_| {
                watch.piece(&lithe, number);
                let own = lithe.here();
                let (inner, seen) = (lithe.clone(), watch.clone());
                let body = move |value: usize| seen.piece(&inner, 100 * number + value as u64);
                parallel_for(&lithe, 0..size.numbers as usize, size.chunks, body).expect("there is room");
                assert_eq!(lithe.here(), own, "the library of a task after its loop");
            });
        }
    })
    .expect("there is room");
    assert_ne!(outer, root, "a library that was called has a name of its own");
    assert_eq!(lithe.here(), root, "the library of the first context in the end");
    assert_eq!(lithe.harts(outer), 0, "harts in a library that has ended");
    watch.returned.store(true, SeqCst);
}

fn check(watch: &Watch, summary: &Summary, size: Size) {
    assert_eq!(watch.sum.load(SeqCst), size.sum(), "the sum over all tasks and numbers");
    assert_eq!(watch.pieces.load(SeqCst), size.pieces(), "pieces of work that were done");
    assert!(watch.returned.load(SeqCst), "the first context comes back");
    assert_eq!(summary.lost, 0, "lost contexts");
}

fn search(search: &Search, shape: Shape, size: Size, resized: bool) {
    explore(search, shape, || {
        let (lithe, watch) = (Lithe::new(8), Arc::new(Watch { resized, ..Watch::default() }));
        let (of_main, seen) = (lithe.clone(), watch.clone());
        Scenario {
            scheduler: lithe,
            main: Box::new(move || compose(&of_main, &watch, size)),
            check: Box::new(move |summary| check(&seen, summary, size)),
        }
    });
}

const SMALL: Size = Size { tasks: 3, numbers: 5, chunks: 3 };

#[test]
fn two_libraries_share_harts_under_every_schedule_that_was_tried() {
    for harts in 1..=3 {
        search(&Search::random(400), Shape::new(harts), SMALL, false);
        search(&Search::exhaustive(1, 4_000), Shape::new(harts), SMALL, false);
    }
    let smallest = Size { tasks: 1, numbers: 2, chunks: 2 };
    search(&Search::exhaustive(2, 6_000), Shape::new(2), smallest, false);
}

#[test]
fn two_libraries_survive_that_harts_are_taken_and_given_at_any_point() {
    for harts in [2, 3] {
        search(&Search::random(1_000).with_resizes(), Shape::new(1).up_to(harts), SMALL, true);
        search(&Search::exhaustive(1, 4_000).with_resizes(), Shape::new(harts), SMALL, true);
    }
}

#[test]
fn two_libraries_share_harts_on_linux() {
    let size = Size { tasks: 40, numbers: 500, chunks: 8 };
    for harts in [1, 2, 4] {
        let (lithe, watch) = (Lithe::new(64), Arc::new(Watch::default()));
        let (of_main, of_watch) = (lithe.clone(), watch.clone());
        let main = move || compose(&of_main, &of_watch, size);
        let summary = linux::run_within(Shape::new(harts), LIMIT, &lithe, main);
        check(&watch, &summary, size);
        if harts == 1 {
            // One thread for each task and chunk would be 361.
            assert_eq!(summary.created, 1, "contexts on one hart, where the first can do all of it");
        }
    }
}

type Meet = Arc<dyn Fn() + Send + Sync>;

/// Runs `main` under many schedules, with the number of harts and a function that returns when it was called so often: those who call it wait for each other, and keep their harts.
fn search_meeting(main: fn(&Arc<Lithe>, usize, Meet)) {
    for harts in [2, 3] {
        for how in [Search::random(300), Search::exhaustive(1, 3_000)] {
            explore(&how.steps_at_most(50_000), Shape::new(harts), || {
                let (lithe, begun) = (Lithe::new(8), Arc::new(AtomicU32::new(0)));
                let (of_main, seen) = (lithe.clone(), begun.clone());
                let meet = Arc::new(move || {
                    begun.fetch_add(1, SeqCst);
                    while begun.load(SeqCst) < harts as u32 {
                        point("waits for the other harts");
                    }
                });
                let check = move |_: &Summary| assert_eq!(seen.load(SeqCst), harts as u32, "pieces that met");
                Scenario {
                    scheduler: lithe,
                    main: Box::new(move || main(&of_main, harts, meet)),
                    check: Box::new(check),
                }
            });
        }
    }
}

#[test]
fn a_loop_in_a_task_gets_the_harts_it_asks_for() {
    search_meeting(|lithe, harts, meet| {
        let inner = lithe.clone();
        let task = move |_: &Arc<Stealing>| {
            parallel_for(&inner, 0..harts, harts, move |_| meet()).expect("there is room");
        };
        Stealing::run(lithe, |tasks| tasks.spawn(task)).expect("there is room");
    });
}

#[test]
fn tasks_of_one_hart_are_taken_by_the_others() {
    search_meeting(|lithe, harts, meet| {
        let start = |tasks: &Arc<Stealing>| {
            for _ in 0..harts {
                let meet = meet.clone();
                tasks.spawn(move |_| meet());
            }
        };
        Stealing::run(lithe, start).expect("there is room");
    });
}

/// A library that gives harts to the child that was called last.
#[derive(Debug, Default)]
struct LastFirst {
    ready: Spin<Queue>,
    had_a_choice: Arc<AtomicU32>,
}

impl Library for LastFirst {
    fn enter(self: Arc<Self>, lithe: &Lithe, hart: &Hart) -> Choice {
        let ready = self.ready.lock().pop();
        if let Some(context) = ready {
            return Choice::Run(context);
        }
        let (seen, last) = (AtomicU32::new(0), AtomicU64::new(0));
        let chosen = lithe.wanting(hart, |child| {
            seen.fetch_add(1, SeqCst);
            last.fetch_max(child.number(), SeqCst);
            u64::MAX - child.number()
        });
        if seen.load(SeqCst) > 1 {
            self.had_a_choice.fetch_add(1, SeqCst);
        }
        assert_eq!(chosen.map_or(0, Id::number), last.load(SeqCst), "the child that was chosen");
        chosen.map_or(Choice::Yield, Choice::Give)
    }

    fn ready(&self, _: &Hart, context: Context) {
        self.ready.lock().push(context);
    }
}

#[test]
fn the_parent_decides_which_child_gets_a_hart() {
    let choices = Arc::new(AtomicU32::new(0));
    explore(&Search::random(200), Shape::new(3), || {
        let (lithe, sum) = (Lithe::new(8), Arc::new(AtomicU64::new(0)));
        let (of_main, seen, had_a_choice) = (lithe.clone(), sum.clone(), choices.clone());
        let main = move || {
            let parent = Arc::new(LastFirst { had_a_choice, ..LastFirst::default() });
            let ended = Arc::new(AtomicU32::new(0));
            let work = || {
                for _ in 0..2 {
                    let (lithe, sum, ended) = (of_main.clone(), sum.clone(), ended.clone());
                    let child = move || {
                        let body = move |value: usize| {
                            sum.fetch_add(value as u64, SeqCst);
                        };
                        parallel_for(&lithe, 0..6, 6, body).expect("there is room");
                        ended.fetch_add(1, SeqCst);
                    };
                    of_main.spawn(child).expect("there is memory");
                }
                while ended.load(SeqCst) < 2 {
                    yield_now();
                }
            };
            of_main.with(parent, work).expect("there is room");
        };
        Scenario {
            scheduler: lithe,
            main: Box::new(main),
            check: Box::new(move |_| assert_eq!(seen.load(SeqCst), 30, "the sum of both loops")),
        }
    });
    assert!(choices.load(SeqCst) > 0, "in no run was there a choice between children");
}

#[test]
fn a_library_that_finds_no_room_is_told_so() {
    let refused = Arc::new(AtomicU32::new(0));
    let (lithe, seen) = (Lithe::new(1), refused.clone());
    let of_main = lithe.clone();
    linux::run_within(Shape::new(1), LIMIT, &lithe, move || {
        let inner = of_main.clone();
        let outer = parallel_for(&of_main, 0..1, 1, move |_| {
            let expected = Err(TooMany { libraries: 1 });
            assert_eq!(parallel_for(&inner, 0..1, 1, |_| ()), expected, "a second library where one fits");
            refused.fetch_add(1, SeqCst);
        });
        assert_eq!(outer, Ok(()), "the first library");
    });
    assert_eq!(seen.load(SeqCst), 1, "calls that were refused");
}
