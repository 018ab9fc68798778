//! A loop in parallel, as OpenMP does it: the range is cut into chunks of the same size beforehand, and a team runs them. Each loop is a library of its own, and its team are the
//! harts that it gets: one, if nobody has more to give.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use pulse::{Context, Hart, Queue, Spin};

use super::outstanding::Outstanding;
use super::{Choice, Library, Lithe, TooMany};

struct Loop {
    body: Box<dyn Fn(usize) + Send + Sync>,
    range: Range<usize>,
    chunks: usize,
    /// The first chunk that nobody has begun.
    next: AtomicUsize,
    left: Outstanding,
    ready: Spin<Queue>,
}

impl core::fmt::Debug for Loop {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Loop").field("range", &self.range).field("chunks", &self.chunks).finish_non_exhaustive()
    }
}

/// Calls `body` for each number of a range, cut into at most so many chunks. For contexts; returns when all calls have returned. `body` may use other libraries.
///
/// # Errors
/// [`TooMany`], before anything was called.
pub fn parallel_for(
    lithe: &Arc<Lithe>,
    range: Range<usize>,
    chunks: usize,
    body: impl Fn(usize) + Send + Sync + 'static,
) -> Result<(), TooMany> {
    let chunks = chunks.clamp(1, range.len().max(1));
    let this = Arc::new(Loop {
        body: Box::new(body),
        range,
        chunks,
        next: AtomicUsize::new(0),
        left: Outstanding::new(lithe, chunks),
        ready: Spin::default(),
    });
    lithe.with(this.clone(), || {
        lithe.request(chunks - 1);
        this.work();
        this.left.wait();
    })
}

impl Loop {
    /// Chunks, until all have been begun.
    fn work(&self) {
        loop {
            let chunk = self.next.fetch_add(1, SeqCst);
            if chunk >= self.chunks {
                return;
            }
            let edge = |chunk: usize| self.range.start + self.range.len() * chunk / self.chunks;
            (edge(chunk)..edge(chunk + 1)).for_each(&self.body);
            self.left.end_one();
        }
    }
}

impl Library for Loop {
    fn enter(self: Arc<Self>, _: &Lithe, _: &Hart) -> Choice {
        let ready = self.ready.lock().pop();
        if let Some(context) = ready {
            return Choice::Run(context);
        }
        if self.next.load(SeqCst) >= self.chunks {
            return Choice::Yield;
        }
        // Without memory for another context, who called the loop does all of it.
        Context::new(move || self.work()).map_or(Choice::Yield, Choice::Run)
    }

    fn ready(&self, _: &Hart, context: Context) {
        self.ready.lock().push(context);
    }
}
