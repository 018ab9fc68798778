//! Execution in virtual time: a thread executes for so many ns, can be preempted at any of them, and nobody spins.
//!
//! In the deterministic home a step of any hart takes 1 us of the common clock, and the clock leaps when all harts sleep. So a thread that executes is put aside by a layer around the scheduler, and its
//! hart sleeps until the execution would end or an event comes; then the layer asks the scheduler whom to run, as a tick would. The scheduler, its locks and the framework run as they are; harts execute beside
//! each other; and all steps together are exactly the overhead.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use pulse::home::test::{Explored, Scenario, Search, explore};
use pulse::{Context, Hart, MAX_HARTS, Next, Scheduler, Shape, with_running, yield_now};

/// The word of a context that holds what it has still to execute, in ns. The first belongs to the scheduler within.
const LEFT: usize = 1;

/// A step of the deterministic home.
pub(crate) const STEP_NS: u64 = 1_000;

/// Executes for so many ns of virtual time. For threads under [`Virtual`].
pub(crate) fn execute(ns: u64) {
    with_running(|control| control.set_word(LEFT, ns)).expect("only a thread executes");
    // It may be preempted on the way into the layer, and then has executed when it comes there.
    while with_running(|control| control.word(LEFT)) != Some(0) {
        yield_now();
    }
}

/// The layer.
pub(crate) struct Virtual<S> {
    inner: Arc<S>,
    /// Who executes on each hart, and since when. Never contended: harts change at points only, and there is none within.
    executing: [Mutex<Option<(Context, u64)>>; MAX_HARTS],
    times: Arc<Mutex<Times>>,
    settled: Option<Settled<S>>,
}

/// What must hold of a scheduler, for so many harts, whenever time has leapt.
pub(crate) type Settled<S> = fn(&S, usize) -> bool;

/// More than harts do between two leaps.
const LEAP_NS: u64 = 500 * STEP_NS;

/// What became of the harts' time, in ns.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    /// The first and the last callback.
    first: Option<u64>,
    last: u64,
    executed: u64,
    /// For how long hart 0 had nothing to do, and since when it has not.
    idle: u64,
    idle_since: Option<u64>,
}

impl Times {
    /// On one hart: what was neither executed nor idle.
    pub(crate) fn overhead_ns(&self) -> u64 {
        self.last - self.first.unwrap_or(self.last) - self.executed - self.idle
    }
}

impl<S: Scheduler> Virtual<S> {
    fn new(inner: Arc<S>, times: Arc<Mutex<Times>>, settled: Option<Settled<S>>) -> Self {
        Self { inner, executing: [const { Mutex::new(None) }; MAX_HARTS], times, settled }
    }

    /// A callback begins.
    fn called(&self, hart: &Hart) {
        let last = self.times.lock().expect("nobody panics here").last;
        if let Some(settled) = self.settled.filter(|_| last > 0 && hart.now() > last + LEAP_NS) {
            let now = hart.now();
            // Nothing has changed yet since the leap: the first callback after it is this one.
            assert!(settled(&self.inner, hart.harts()), "from {last} to {now} ns others should have run");
        }
        let mut times = self.times.lock().expect("nobody panics here");
        times.first.get_or_insert(hart.now());
        times.last = hart.now();
        if hart.number() == 0 {
            let since = times.idle_since.take();
            times.idle += since.map_or(0, |since| hart.now() - since);
        }
    }

    fn place(&self, hart: &Hart, context: Context) -> Next {
        let until = hart.now() + context.word(LEFT);
        *self.executing[hart.number()].lock().expect("nobody panics here") = Some((context, hart.now()));
        Next::Idle { until }
    }

    /// Who has executed here until now.
    fn take(&self, hart: &Hart) -> Option<Context> {
        let (context, since) = self.executing[hart.number()].lock().expect("nobody panics here").take()?;
        let passed = (hart.now() - since).min(context.word(LEFT));
        context.set_word(LEFT, context.word(LEFT) - passed);
        self.times.lock().expect("nobody panics here").executed += passed;
        Some(context)
    }

    /// What the scheduler within has chosen.
    fn chosen(&self, hart: &Hart, next: Next) -> Next {
        match next {
            Next::Run(context) if context.word(LEFT) > 0 => self.place(hart, context),
            Next::Idle { until } => {
                if hart.number() == 0 {
                    self.times.lock().expect("nobody panics here").idle_since = Some(hart.now());
                }
                Next::Idle { until }
            }
            run => run,
        }
    }
}

impl<S: Scheduler + Send> Scheduler for Virtual<S> {
    fn enter(&self, hart: &Hart) -> Next {
        self.called(hart);
        let next = match self.take(hart) {
            Some(context) if context.word(LEFT) == 0 => return Next::Run(context),
            Some(context) => self.inner.tick(hart, context),
            None => self.inner.enter(hart),
        };
        self.chosen(hart, next)
    }

    fn ready(&self, hart: &Hart, context: Context) {
        self.called(hart);
        self.inner.ready(hart, context);
    }

    fn yielded(&self, hart: &Hart, context: Context) -> Next {
        self.called(hart);
        if context.word(LEFT) > 0 {
            return self.place(hart, context);
        }
        let next = self.inner.yielded(hart, context);
        self.chosen(hart, next)
    }

    fn tick(&self, hart: &Hart, context: Context) -> Next {
        self.called(hart);
        let next = self.inner.tick(hart, context);
        self.chosen(hart, next)
    }

    fn done(&self, hart: &Hart, context: Context) -> Next {
        self.called(hart);
        let next = self.inner.done(hart, context);
        self.chosen(hart, next)
    }

    fn resize(&self, hart: &Hart, context: Option<Context>) {
        self.called(hart);
        self.inner.resize(hart, context.or_else(|| self.take(hart)));
    }
}

/// Runs under the schedules of a search, with a fresh scheduler for each; `settled` is for the plain schedule only, and `judge` looks at it when a run has ended. Returns what the search did, and the times of its last run.
pub(crate) fn search<S: Scheduler + Send + 'static>(
    how: &Search,
    harts: usize,
    fresh: impl Fn() -> Arc<S>,
    main: impl Fn(&Arc<S>) + Send + Clone + 'static,
    settled: Option<Settled<S>>,
    judge: impl Fn(&S, Times) + Clone + 'static,
) -> (Explored, Times) {
    let last = Rc::new(Cell::new(Times::default()));
    let explored = explore(how, Shape::new(harts), || {
        let (inner, times) = (fresh(), Arc::new(Mutex::new(Times::default())));
        let (main, of_main) = (main.clone(), inner.clone());
        let (judge, of_judge, seen, last) = (judge.clone(), inner.clone(), times.clone(), last.clone());
        Scenario {
            scheduler: Virtual::new(inner, times, settled),
            main: Box::new(move || main(&of_main)),
            check: Box::new(move |_| {
                let times = *seen.lock().expect("nobody panics here");
                last.set(times);
                judge(&of_judge, times);
            }),
        }
    });
    (explored, last.get())
}
