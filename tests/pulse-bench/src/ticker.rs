//! How late ticks come to their scheduler, while a context computes.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pulse::{Context, Hart, Next, Scheduler, Spin};

use crate::Home;

#[derive(Debug)]
struct Ticker {
    context: Spin<Option<Context>>,
    distance_ns: u64,
    /// When the next one is due, and what reading the clock costs.
    due: AtomicU64,
    clock_cost: AtomicU64,
    /// With room for as many as are wanted: a callback must not allocate.
    late: Spin<Vec<u64>>,
}

impl Ticker {
    fn arm(&self, hart: &Hart) {
        let due = hart.now() + self.distance_ns;
        self.due.store(due, Relaxed);
        hart.set_tick(due);
    }

    fn is_full(&self) -> bool {
        let late = self.late.lock();
        late.len() == late.capacity()
    }
}

impl Scheduler for Ticker {
    fn enter(&self, hart: &Hart) -> Next {
        self.arm(hart);
        Next::run_or_idle(self.context.lock().take())
    }

    fn ready(&self, _: &Hart, context: Context) {
        *self.context.lock() = Some(context);
    }

    fn tick(&self, hart: &Hart, context: Context) -> Next {
        let late = hart.now().saturating_sub(self.due.load(Relaxed)).saturating_sub(self.clock_cost.load(Relaxed));
        let mut seen = self.late.lock();
        if seen.len() < seen.capacity() {
            seen.push(late);
        }
        drop(seen);
        self.arm(hart);
        Next::Run(context)
    }
}

/// So many ticks, so many ns apart: how many ns each came to its scheduler after its instant. One before them is not counted.
pub fn ticks(home: impl Home, count: usize, distance_ns: u64) -> Vec<u64> {
    let ticker = Arc::new(Ticker {
        context: Spin::default(),
        distance_ns,
        due: AtomicU64::new(u64::MAX),
        clock_cost: AtomicU64::new(0),
        late: Spin::new(Vec::with_capacity(1 + count)),
    });
    let scheduler = ticker.clone();
    home.run(&*ticker, move || {
        scheduler.clock_cost.store(crate::clock_cost(), Relaxed);
        while !scheduler.is_full() {
            for step in 0..1_000 {
                black_box(step);
            }
        }
    });
    ticker.late.lock().split_off(1)
}
