//! How the conformance suite uses each scheduler.

use alloc::sync::Arc;

use pulse::conformance::{Promises, Subject};
use pulse::{Context, Scheduler, on_hart};

use crate::edf::Edf;
use crate::fixed_priority::FixedPriority;
use crate::lithe::Lithe;
use crate::ranks;
use crate::round_robin::RoundRobin;
use crate::sync::{Condition, Lock, RawLock};
use crate::tasks::Tasks;
use crate::work_stealing::WorkStealing;

/// A slice that is short enough for many to end in a test.
const SLICE_NS: u64 = 100_000;

/// For schedulers that differ in how they are made and start threads, and which lock they have.
macro_rules! subject {
    ($name:ident, $lock:ty, $promises:expr, $fresh:expr, $new_lock:expr, $start:expr) => {
        impl Subject for $name {
            const PROMISES: Promises = $promises;
            type Lock = $lock;
            type Condition = Condition<Self>;

            fn fresh() -> Arc<Self> {
                $fresh
            }

            fn start(this: &Arc<Self>, urgency: u64, context: Context) {
                let start: fn(&Self, u64, Context) = $start;
                start(this, urgency, context);
            }

            fn lock(this: &Arc<Self>) -> Self::Lock {
                let new_lock: fn(&Arc<Self>) -> Self::Lock = $new_lock;
                new_lock(this)
            }

            fn acquire(lock: &Self::Lock) {
                lock.acquire();
            }

            fn release(lock: &Self::Lock) {
                lock.release();
            }

            fn condition(this: &Arc<Self>) -> Self::Condition {
                Condition::new(this)
            }

            fn wait(condition: &Self::Condition, lock: &Self::Lock) {
                condition.wait(lock);
            }

            fn notify_one(condition: &Self::Condition) {
                condition.notify_one();
            }
        }
    };
}

fn plain<S: Scheduler>(scheduler: &S, context: Context) {
    on_hart(|hart| scheduler.ready(hart, context));
}

subject!(
    RoundRobin,
    Lock<Self>,
    Promises { slices: true, turns_between: Some(1) },
    RoundRobin::new(SLICE_NS),
    |this| Lock::new(this),
    |this, _, context| plain(this, context)
);

subject!(
    WorkStealing,
    Lock<Self>,
    Promises { slices: true, turns_between: Some(1) },
    WorkStealing::new(SLICE_NS),
    |this| Lock::new(this),
    |this, _, context| plain(this, context)
);

subject!(
    FixedPriority,
    ranks::Lock,
    Promises { slices: true, turns_between: Some(1) },
    FixedPriority::new(64, 4, SLICE_NS),
    |this| this.lock().expect("there is room for a lock"),
    |this, urgency, context| this.start(10 + urgency as u32, context).expect("there is room for a thread")
);

subject!(
    Edf,
    ranks::Lock,
    Promises { slices: false, turns_between: Some(1) },
    Edf::new(64, 4),
    |this| this.lock().expect("there is room for a lock"),
    |this, urgency, context| this.start(1_000_000_000 + urgency, context).expect("there is room for a thread")
);

subject!(
    Lithe,
    Lock<Self>,
    Promises { slices: false, turns_between: Some(1) },
    Lithe::new(4),
    |this| Lock::new(this),
    |this, _, context| plain(this, context)
);

subject!(
    Tasks,
    Lock<Self>,
    Promises { slices: false, turns_between: Some(1) },
    Self::new(),
    |this| Lock::new(this),
    |this, _, context| plain(this, context)
);
