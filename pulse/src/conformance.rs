//! A suite that any scheduler can be put through, in the deterministic home, on Linux threads and in a cell: no lost or doubled thread, no missed wake-up, mutual exclusion,
//! bounded waiting where it is promised, and all of this while harts are taken away and given back.
//!
//! Implement [`Subject`] for your scheduler, and call `deterministic` and `on_linux` from a test, and `in_cell` from a cell. All of them panic when something is wrong.

extern crate alloc;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
#[cfg(feature = "std")]
use core::time::Duration;

#[cfg(feature = "cell")]
use crate::home::cell;
#[cfg(feature = "std")]
use crate::home::linux;
#[cfg(feature = "std")]
use crate::home::test::{Scenario, Search, explore};
use crate::{Context, Hart, MAX_HARTS, Next, Scheduler, Shape, Summary, point, yield_now};

/// What a scheduler promises beyond running every thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promises {
    /// A thread that never yields is interrupted for others of the same urgency.
    pub slices: bool,
    /// While a thread can run but does not, on a machine of one hart, each other one has at most so many turns, if all are equally urgent.
    pub turns_between: Option<u32>,
}

/// A scheduler with what its threads use, as the suite needs it.
pub trait Subject: Scheduler + Send + Sync + Sized + 'static {
    /// What it promises.
    const PROMISES: Promises;
    /// A lock that waits by [`crate::suspend`].
    type Lock: Send + Sync + 'static;
    /// A condition to wait for under a lock.
    type Condition: Send + Sync + 'static;

    /// A fresh scheduler.
    fn fresh() -> Arc<Self>;

    /// Gives a new thread to the scheduler. All are equally urgent if that is something it knows, unless `urgency` differs.
    fn start(this: &Arc<Self>, urgency: u64, context: Context);

    /// A lock that is free.
    fn lock(this: &Arc<Self>) -> Self::Lock;
    /// Takes it, waiting if need be.
    fn acquire(lock: &Self::Lock);
    /// Gives it back.
    fn release(lock: &Self::Lock);
    /// A condition.
    fn condition(this: &Arc<Self>) -> Self::Condition;
    /// Gives the lock back, waits to be notified, and takes the lock again.
    fn wait(condition: &Self::Condition, lock: &Self::Lock);
    /// Wakes one that waits, if any.
    fn notify_one(condition: &Self::Condition);
}

/// The scenario in which turns are counted.
const BOUNDED: &str = "waiting is bounded";

/// The scenario in which nothing is interrupted.
const UNINTERRUPTED: &str = "sleeping harts are woken";

/// Starts a thread.
fn spawn<S: Subject>(scheduler: &Arc<S>, urgency: u64, work: impl FnOnce() + Send + 'static) {
    let context = Context::new(work).expect("there is memory for a thread");
    S::start(scheduler, urgency, context);
}

/// How much a scenario does.
#[derive(Clone, Copy, Debug)]
struct Size {
    threads: u32,
    rounds: u32,
}

/// What a scenario leaves to be done: in the first context, and afterwards.
type Parts = (Box<dyn FnOnce() + Send>, Box<dyn FnOnce(&Summary)>);
/// A scenario's name and how it is made.
type Named<S> = (&'static str, fn(&Arc<S>, Size) -> Parts);

/// The scenarios that fit what a scheduler promises.
fn scenarios<S: Subject>() -> Vec<Named<S>> {
    let mut all: Vec<Named<S>> = vec![
        ("every thread runs once", runs_once),
        ("a lock excludes", excludes),
        ("no wake-up is missed", wakes),
        ("sleepers wake in time", sleeps),
        (UNINTERRUPTED, wakes_harts),
    ];
    if S::PROMISES.slices {
        all.push(("busy threads are interrupted", slices));
    }
    if S::PROMISES.turns_between.is_some() {
        all.push((BOUNDED, takes_turns));
    }
    all
}

/// Threads that start threads; each of them must run exactly once and to its end.
fn runs_once<S: Subject>(scheduler: &Arc<S>, size: Size) -> Parts {
    let begun: Arc<Vec<AtomicU32>> = Arc::new((0..2 * size.threads).map(|_| AtomicU32::new(0)).collect());
    let ended = Arc::new(AtomicU32::new(0));
    let (seen, seen_ended, scheduler) = (begun.clone(), ended.clone(), scheduler.clone());
    let main = move || {
        for number in 0..size.threads {
            let (begun, ended, scheduler_of_child) = (begun.clone(), ended.clone(), scheduler.clone());
            spawn(&scheduler, 0, move || {
                begun[number as usize].fetch_add(1, SeqCst);
                let (begun_too, ended_too) = (begun.clone(), ended.clone());
                spawn(&scheduler_of_child, 0, move || {
                    yield_now();
                    begun_too[(number + size.threads) as usize].fetch_add(1, SeqCst);
                    ended_too.fetch_add(1, SeqCst);
                });
                for _ in 0..size.rounds {
                    yield_now();
                }
                ended.fetch_add(1, SeqCst);
            });
        }
    };
    let check = move |summary: &Summary| {
        let counts: Vec<u32> = seen.iter().map(|count| count.load(SeqCst)).collect();
        assert!(
            counts.iter().all(|count| *count == 1),
            "each thread should begin once, but they began {counts:?} times"
        );
        assert_eq!(seen_ended.load(SeqCst), 2 * size.threads, "threads that ended");
        let expected = Summary { created: u64::from(2 * size.threads + 1), lost: 0, ..*summary };
        assert_eq!(*summary, expected, "contexts");
    };
    (Box::new(main), Box::new(check))
}

/// Threads that count under a lock, in steps that others could disturb.
fn excludes<S: Subject>(scheduler: &Arc<S>, size: Size) -> Parts {
    let (count, inside) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let (seen, scheduler) = (count.clone(), scheduler.clone());
    let main = move || {
        let lock = Arc::new(S::lock(&scheduler));
        for number in 0..size.threads {
            let (lock, count, inside) = (lock.clone(), count.clone(), inside.clone());
            spawn(&scheduler, u64::from(number), move || {
                for round in 0..size.rounds {
                    S::acquire(&lock);
                    assert!(!inside.swap(true, SeqCst), "two threads have the lock");
                    let before = count.load(SeqCst);
                    point("inside");
                    if (round + number) % 2 == 0 {
                        yield_now();
                    }
                    count.store(before + 1, SeqCst);
                    inside.store(false, SeqCst);
                    S::release(&lock);
                    point("outside");
                }
            });
        }
    };
    let check = move |summary: &Summary| {
        assert_eq!(seen.load(SeqCst), size.threads * size.rounds, "what the threads counted");
        assert_eq!(summary.lost, 0, "lost contexts");
    };
    (Box::new(main), Box::new(check))
}

/// Senders and receivers of numbers through one place, with two conditions. A missed wake-up leaves all asleep.
fn wakes<S: Subject>(scheduler: &Arc<S>, size: Size) -> Parts {
    struct Place<S: Subject> {
        lock: S::Lock,
        filled: S::Condition,
        emptied: S::Condition,
        value: AtomicU64,
        sum: AtomicU64,
    }
    const EMPTY: u64 = 0;
    let sum = Arc::new(AtomicU64::new(0));
    let (seen, scheduler) = (sum.clone(), scheduler.clone());
    let main = move || {
        let place = Arc::new(Place::<S> {
            lock: S::lock(&scheduler),
            filled: S::condition(&scheduler),
            emptied: S::condition(&scheduler),
            value: AtomicU64::new(EMPTY),
            sum: AtomicU64::new(0),
        });
        for number in 0..size.threads {
            let sender = place.clone();
            spawn(&scheduler, 0, move || {
                for round in 0..size.rounds {
                    S::acquire(&sender.lock);
                    while sender.value.load(SeqCst) != EMPTY {
                        S::wait(&sender.emptied, &sender.lock);
                    }
                    sender.value.store(u64::from(number * size.rounds + round + 1), SeqCst);
                    S::notify_one(&sender.filled);
                    S::release(&sender.lock);
                }
            });
            let (receiver, sum) = (place.clone(), sum.clone());
            spawn(&scheduler, 0, move || {
                for _ in 0..size.rounds {
                    S::acquire(&receiver.lock);
                    while receiver.value.load(SeqCst) == EMPTY {
                        S::wait(&receiver.filled, &receiver.lock);
                    }
                    let value = receiver.value.swap(EMPTY, SeqCst);
                    sum.store(receiver.sum.fetch_add(value, SeqCst) + value, SeqCst);
                    S::notify_one(&receiver.emptied);
                    S::release(&receiver.lock);
                }
            });
        }
    };
    let check = move |summary: &Summary| {
        let most = u64::from(size.threads * size.rounds);
        assert_eq!(seen.load(SeqCst), most * (most + 1) / 2, "the sum of what was sent, each number once");
        assert_eq!(summary.lost, 0, "lost contexts");
    };
    (Box::new(main), Box::new(check))
}

/// Sleepers, in no order.
fn sleeps<S: Subject>(scheduler: &Arc<S>, size: Size) -> Parts {
    let (late, woken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (early, seen, scheduler) = (late.clone(), woken.clone(), scheduler.clone());
    let main = move || {
        for number in 0..size.threads {
            let (early, woken) = (late.clone(), woken.clone());
            spawn(&scheduler, 0, move || {
                for round in 0..size.rounds.min(5) {
                    let at = crate::now() + u64::from((number * 7 + round * 3) % 11) * 20_000;
                    crate::sleep_until(at);
                    early.fetch_or(crate::now() < at, SeqCst);
                }
                woken.fetch_add(1, SeqCst);
            });
        }
    };
    let check = move |_: &Summary| {
        assert!(!early.load(SeqCst), "a sleeper woke before its instant");
        assert_eq!(seen.load(SeqCst), size.threads, "sleepers that woke every time");
    };
    (Box::new(main), Box::new(check))
}

/// Threads that wait for each other without ever yielding.
fn slices<S: Subject>(scheduler: &Arc<S>, size: Size) -> Parts {
    let begun = Arc::new(AtomicU32::new(0));
    let scheduler = scheduler.clone();
    let main = move || {
        for _ in 0..size.threads {
            let begun = begun.clone();
            spawn(&scheduler, 0, move || {
                begun.fetch_add(1, SeqCst);
                while begun.load(SeqCst) < size.threads {
                    point("busy");
                    core::hint::spin_loop();
                }
            });
        }
    };
    (Box::new(main), Box::new(|_: &Summary| {}))
}

/// As many threads as there are harts, which wait for each other while none is interrupted: all harts must have been woken.
fn wakes_harts<S: Subject>(scheduler: &Arc<S>, size: Size) -> Parts {
    let scheduler = scheduler.clone();
    let main = move || {
        // All others are asleep by then.
        crate::sleep_until(crate::now() + 500_000);
        let (start, _) = slices(&scheduler, size);
        start();
    };
    (Box::new(main), Box::new(|_: &Summary| {}))
}

/// Threads that only yield. [`Watched`] counts how many others have a turn before each has its own.
fn takes_turns<S: Subject>(scheduler: &Arc<S>, size: Size) -> Parts {
    let scheduler = scheduler.clone();
    let main = move || {
        for _ in 0..size.threads {
            spawn(&scheduler, 0, move || {
                for _ in 0..size.rounds {
                    yield_now();
                    point("turn");
                }
            });
        }
    };
    (Box::new(main), Box::new(|_: &Summary| {}))
}

/// A scenario with a fresh scheduler.
struct Made<S> {
    scheduler: Watched<S>,
    main: Box<dyn FnOnce() + Send>,
    check: Box<dyn FnOnce(&Summary)>,
}

/// Makes a scenario for so many harts.
fn make<S: Subject>((name, scenario): Named<S>, harts: usize, size: Size) -> Made<S> {
    let size = Size { threads: if name == UNINTERRUPTED { harts as u32 } else { size.threads }, ..size };
    let scheduler = S::fresh();
    let (main, check) = scenario(&scheduler, size);
    let scheduler = Watched::new(scheduler, name == UNINTERRUPTED);
    let bound = (name == BOUNDED).then(|| scheduler.bound(harts, size.threads));
    let check = Box::new(|summary: &Summary| {
        check(summary);
        bound.into_iter().for_each(|bound| bound());
    });
    Made { scheduler, main, check }
}

/// The same, and then takes harts away and gives them back, many times.
fn resizing(main: impl FnOnce() + Send + 'static, harts: usize) -> Box<dyn FnOnce() + Send> {
    Box::new(move || {
        main();
        for count in (1..MAX_HARTS).cycle().take(40) {
            crate::resize(1 + count * 7 % harts);
            yield_now();
        }
    })
}

/// Puts a scheduler through all scenarios in the deterministic home: on one to three harts, with `runs` random schedules each, with and without resizing, and with all schedules
/// that deviate in one place. Panics with what was found, and how to replay it.
#[cfg(feature = "std")]
pub fn deterministic<S: Subject>(runs: u64) {
    // No scenario needs so many steps: a few thousand at most.
    let limited = |search: Search| search.steps_at_most(50_000);
    for named in scenarios::<S>() {
        for harts in 1..=3 {
            let scenario = || {
                let Made { scheduler, main, check } = make(named, harts, Size { threads: 3, rounds: 3 });
                Scenario { scheduler, main, check }
            };
            let shape = Shape::new(harts);
            std::println!("{}, {harts} harts", named.0);
            explore(&limited(Search::random(runs)), shape, scenario);
            explore(&limited(Search::exhaustive(1, runs)), shape, scenario);
            if ![BOUNDED, UNINTERRUPTED].contains(&named.0) {
                explore(&limited(Search::random(runs)).with_resizes(), Shape::new(1).up_to(harts), scenario);
            }
        }
    }
}

/// Puts a scheduler through all scenarios on Linux threads, on one to four harts, with and without resizing. `limit` is for a single scenario: generous, as it only ends runs in which
/// something was lost.
#[cfg(feature = "std")]
pub fn on_linux<S: Subject>(limit: Duration) {
    for named in scenarios::<S>() {
        for harts in [1, 2, 4] {
            for resizes in [false, true].into_iter().filter(|resizes| !resizes || named.0 != UNINTERRUPTED) {
                std::println!("{}, {harts} harts{}", named.0, if resizes { ", resized" } else { "" });
                let Made { scheduler, main, check } = make(named, harts, Size { threads: 12, rounds: 40 });
                let main = if resizes { resizing(main, harts) } else { main };
                check(&linux::run_within(Shape::new(harts), limit, &scheduler, main));
            }
        }
    }
}

/// A hart's way to the scheduler of a step, which hart 0 makes.
#[cfg(feature = "cell")]
static SHARED: crate::Spin<(u32, Option<Arc<dyn Scheduler + Send + Sync>>)> = crate::Spin::new((0, None));

/// Puts a scheduler through all scenarios in a cell, on one hart and on all, with and without resizing. To be called by each hart, by its number; `passed` is told of each scenario
/// on hart 0. A failure is a panic, which stops the cell; one in which something was lost never ends.
#[cfg(feature = "cell")]
pub fn in_cell<S: Subject>(hart: u32, harts: usize, passed: impl Fn(&str)) {
    static STEPS: [AtomicU32; MAX_HARTS] = [const { AtomicU32::new(0) }; MAX_HARTS];
    for named in scenarios::<S>() {
        for (used, resizes) in [(1, false), (harts, false), (harts, true)] {
            if resizes && named.0 == UNINTERRUPTED {
                continue;
            }
            // All harts take part, as none must miss a step.
            let shape = Shape::new(used).up_to(harts);
            let step = STEPS[hart as usize].fetch_add(1, SeqCst) + 1;
            if hart > 0 {
                let scheduler = shared(step);
                cell::run(hart, shape, &*scheduler, || ());
                continue;
            }
            let Made { scheduler, main, check } = make(named, used, Size { threads: 6, rounds: 10 });
            let scheduler = Arc::new(scheduler);
            let before = core::mem::replace(&mut *SHARED.lock(), (step, Some(scheduler.clone())));
            drop(before);
            let main = if resizes { resizing(main, used) } else { main };
            check(&cell::run(hart, shape, &*scheduler, main));
            passed(&alloc::format!("{}, {used} harts{}", named.0, if resizes { ", resized" } else { "" }));
        }
    }
}

/// Waits for the scheduler of a step.
#[cfg(feature = "cell")]
fn shared(step: u32) -> Arc<dyn Scheduler + Send + Sync> {
    loop {
        if let (of, Some(scheduler)) = &*SHARED.lock()
            && *of == step
        {
            return scheduler.clone();
        }
        core::hint::spin_loop();
    }
}

/// A shared scheduler that counts turns: how many contexts were run while another one waited for its turn.
struct Watched<S> {
    subject: Arc<S>,
    /// Contexts go on after every tick.
    uninterrupted: bool,
    turns: AtomicU64,
    /// For each context, by its number: the count of turns when it began to wait for one, or `u64::MAX` if nobody knows.
    since: Vec<AtomicU64>,
    worst: Arc<AtomicU64>,
}

impl<S: Subject> Watched<S> {
    const CONTEXTS: usize = 128;

    fn new(subject: Arc<S>, uninterrupted: bool) -> Self {
        let since = (0..Self::CONTEXTS).map(|_| AtomicU64::new(u64::MAX)).collect();
        Self { subject, uninterrupted, turns: AtomicU64::new(0), since, worst: Arc::default() }
    }

    /// What must hold in the end for the waiting to be bounded, where that is promised: on one hart, for so many threads.
    fn bound(&self, harts: usize, threads: u32) -> impl FnOnce() + use<S> {
        let bound = S::PROMISES.turns_between.filter(|_| harts == 1).map(|turns| u64::from(turns * (threads + 1)));
        let worst = self.worst.clone();
        move || {
            let worst = worst.load(SeqCst);
            if let Some(bound) = bound {
                assert!(
                    worst <= bound,
                    "a thread that could run waited for {worst} turns of others instead of at most {bound}"
                );
            }
        }
    }

    fn waits(&self, context: &Context) {
        self.since[context.id() as usize % Self::CONTEXTS].store(self.turns.load(SeqCst), SeqCst);
    }

    fn chosen(&self, next: Next) -> Next {
        if let Next::Run(context) = &next {
            let since = self.since[context.id() as usize % Self::CONTEXTS].swap(u64::MAX, SeqCst);
            self.worst.fetch_max(self.turns.fetch_add(1, SeqCst).saturating_sub(since), SeqCst);
        }
        next
    }
}

impl<S: Subject> Scheduler for Watched<S> {
    fn enter(&self, hart: &Hart) -> Next {
        self.chosen(self.subject.enter(hart))
    }

    fn ready(&self, hart: &Hart, context: Context) {
        self.waits(&context);
        self.subject.ready(hart, context);
    }

    fn yielded(&self, hart: &Hart, context: Context) -> Next {
        self.waits(&context);
        self.chosen(self.subject.yielded(hart, context))
    }

    fn tick(&self, hart: &Hart, context: Context) -> Next {
        if self.uninterrupted {
            return Next::Run(context);
        }
        self.waits(&context);
        self.chosen(self.subject.tick(hart, context))
    }

    fn done(&self, hart: &Hart, context: Context) -> Next {
        self.chosen(self.subject.done(hart, context))
    }

    fn resize(&self, hart: &Hart, context: Option<Context>) {
        self.subject.resize(hart, context);
    }

    fn notify(&self, hart: &Hart) {
        self.subject.notify(hart);
    }

    fn fault(&self, hart: &Hart, context: Context, fault: crate::Fault) -> Next {
        self.subject.fault(hart, context, fault)
    }
}
