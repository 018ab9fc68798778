//! What a switch, a yield, a thread and a lock cost here, beside `corosensei`'s coroutine switch and the system's threads in the same run:
//! `cargo run --release -p pulse --example bench`.
//!
//! Each figure is the smallest, the median and the largest of many batches, in ns for one operation.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use corosensei::{Coroutine, CoroutineResult};
use pulse::home::linux;
use pulse::{Context, Hart, Next, Queue, Scheduler, Shape, Spin, on_hart, suspend, yield_now};

const BATCHES: usize = 200;
const BATCH: u32 = 2_000;

/// Measures batches of an operation.
fn measure(name: &str, batch: impl FnMut(u32)) {
    measure_by(BATCH, name, batch);
}

fn measure_by(size: u32, name: &str, mut batch: impl FnMut(u32)) {
    batch(size);
    let mut took: Vec<f64> = (0..BATCHES)
        .map(|_| {
            let begin = Instant::now();
            batch(size);
            begin.elapsed().as_nanos() as f64 / f64::from(size)
        })
        .collect();
    took.sort_by(f64::total_cmp);
    println!("{name:<44} {:>9.1} {:>9.1} {:>9.1}", took[0], took[BATCHES / 2], took[BATCHES - 1]);
}

/// Runs whatever is there: nothing but the framework's own cost. One context at a time.
#[derive(Default)]
struct Bare;

impl Scheduler for Bare {
    fn enter(&self, _: &Hart) -> Next {
        Next::run_or_idle(FIRST.lock().pop())
    }

    fn ready(&self, _: &Hart, context: Context) {
        FIRST.lock().push(context);
    }

    fn yielded(&self, _: &Hart, context: Context) -> Next {
        Next::Run(context)
    }
}

static FIRST: Spin<Queue> = Spin::new(Queue::new());

/// The simplest real one: a global queue.
#[derive(Default)]
struct Fifo {
    ready: Spin<Queue>,
}

impl Scheduler for Fifo {
    fn enter(&self, _: &Hart) -> Next {
        Next::run_or_idle(self.ready.lock().pop())
    }

    fn ready(&self, _: &Hart, context: Context) {
        self.ready.lock().push(context);
    }

    fn yielded(&self, _: &Hart, context: Context) -> Next {
        let mut ready = self.ready.lock();
        ready.push(context);
        Next::run_or_idle(ready.pop())
    }
}

impl Fifo {
    fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        let context = Context::new(work).expect("there is memory");
        on_hart(|hart| self.ready(hart, context));
    }
}

/// A lock that is handed over in order.
#[derive(Default)]
struct Lock {
    state: Spin<(bool, Queue)>,
}

impl Lock {
    fn acquire(&self, scheduler: &Fifo) {
        let mut state = self.state.lock();
        if !core::mem::replace(&mut state.0, true) {
            return;
        }
        drop(state);
        suspend(|context| {
            let mut state = self.state.lock();
            if core::mem::replace(&mut state.0, true) {
                state.1.push(context);
            } else {
                on_hart(|hart| scheduler.ready(hart, context));
            }
        });
    }

    fn release(&self, scheduler: &Fifo) {
        let mut state = self.state.lock();
        let next = state.1.pop();
        state.0 = next.is_some();
        drop(state);
        if let Some(context) = next {
            on_hart(|hart| scheduler.ready(hart, context));
        }
    }
}

/// Asks for ticks and looks how late they come, while a context computes.
#[derive(Default)]
struct Late {
    ready: Spin<Queue>,
    late: Spin<Vec<u64>>,
}

const TICKS: usize = 2_000;

impl Scheduler for Late {
    fn enter(&self, hart: &Hart) -> Next {
        hart.set_tick(hart.now() + 50_000);
        Next::run_or_idle(self.ready.lock().pop())
    }

    fn ready(&self, _: &Hart, context: Context) {
        self.ready.lock().push(context);
    }

    fn tick(&self, hart: &Hart, context: Context) -> Next {
        let mut late = self.late.lock();
        if late.len() < TICKS {
            late.push(hart.now().saturating_sub(LATE_DUE.load(Relaxed)));
        }
        let due = hart.now() + 50_000;
        LATE_DUE.store(due, Relaxed);
        hart.set_tick(due);
        Next::Run(context)
    }
}

static LATE_DUE: AtomicU64 = AtomicU64::new(u64::MAX);

/// How late ticks come to their scheduler.
fn measure_ticks() {
    let late = Arc::new(Late { late: Spin::new(Vec::with_capacity(TICKS)), ..Late::default() });
    let seen = late.clone();
    linux::run(Shape::new(1), &*late, move || {
        while seen.late.lock().len() < TICKS {
            (0..10_000).for_each(|step| {
                black_box(step);
            });
        }
    });
    let mut took = late.late.lock().split_off(1);
    took.sort_unstable();
    let name = "a tick: from its instant to its scheduler";
    println!("{name:<44} {:>9} {:>9} {:>9}", took[0], took[took.len() / 2], took[took.len() - 1]);
}

fn main() {
    println!("{:<44} {:>9} {:>9} {:>9}", "ns for one", "least", "median", "most");
    let mut coroutine = Coroutine::new(|yielder, mut go_on: bool| {
        while go_on {
            go_on = yielder.suspend(());
        }
    });
    measure("corosensei: resume and suspend (2 switches)", |count| {
        for _ in 0..count {
            assert!(
                matches!(coroutine.resume(true), CoroutineResult::Yield(())),
                "it goes on until it is told otherwise"
            );
        }
    });
    coroutine.resume(false);

    linux::run(Shape::new(1), &Bare, || {
        measure("yield, bare scheduler (2 switches)", |count| (0..count).for_each(|_| yield_now()));
    });

    let fifo = Arc::new(Fifo::default());
    let scheduler = fifo.clone();
    linux::run(Shape::new(1), &*fifo, move || {
        let stop = Arc::new(AtomicU64::new(0));
        let stopped = stop.clone();
        scheduler.spawn(move || {
            while stopped.load(Relaxed) == 0 {
                yield_now();
            }
        });
        measure("yield to another and back, one queue", |count| (0..count).for_each(|_| yield_now()));
        stop.store(1, Relaxed);
        yield_now();
        let finished = Arc::new(AtomicU64::new(0));
        measure("create a thread and let it finish", |count| {
            for _ in 0..count {
                let finished = finished.clone();
                scheduler.spawn(move || {
                    finished.fetch_add(1, Relaxed);
                });
                yield_now();
            }
        });
        black_box(finished.load(Relaxed));
        let (lock, turns) = (Arc::new(Lock::default()), Arc::new(AtomicU64::new(0)));
        let (other_lock, other_turns, other_scheduler) = (lock.clone(), turns.clone(), scheduler.clone());
        scheduler.spawn(move || {
            while other_turns.load(Relaxed) == 0 {
                other_lock.acquire(&other_scheduler);
                yield_now();
                other_lock.release(&other_scheduler);
            }
        });
        measure("lock and hand over, both always waiting", |count| {
            for _ in 0..count {
                lock.acquire(&scheduler);
                yield_now();
                lock.release(&scheduler);
            }
        });
        turns.store(1, Relaxed);
        measure("lock and unlock, nobody waits", |count| {
            for _ in 0..count {
                lock.acquire(&scheduler);
                lock.release(&scheduler);
            }
        });
        measure("mask and unmask events", |count| (0..count).for_each(|_| pulse::masked(|| ())));
    });
    measure_ticks();
    measure_by(20, "the system's thread: create and join", |count| {
        for _ in 0..count {
            std::thread::spawn(|| ()).join().expect("it does nothing");
        }
    });
}
