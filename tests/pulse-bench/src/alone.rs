//! The least scheduler: one context, which goes on when it has yielded.

use alloc::sync::Arc;
use alloc::vec::Vec;

use pulse::{Context, Hart, Next, Scheduler, Spin, yield_now};

use crate::{Home, Laps, Outcome};

#[derive(Debug, Default)]
struct Alone {
    first: Spin<Option<Context>>,
}

impl Scheduler for Alone {
    fn enter(&self, _: &Hart) -> Next {
        Next::run_or_idle(self.first.lock().take())
    }

    fn ready(&self, _: &Hart, context: Context) {
        *self.first.lock() = Some(context);
    }

    fn yielded(&self, _: &Hart, context: Context) -> Next {
        Next::Run(context)
    }
}

/// Out of the context, to its scheduler, and into the context.
pub(crate) fn switches(home: impl Home, laps: Laps) -> Vec<u64> {
    let (alone, outcome) = (Arc::new(Alone::default()), Outcome::default());
    let into = outcome.clone();
    home.run(&*alone, move || into.put(laps.time(yield_now)));
    outcome.take()
}
