//! Work that has not ended, and who waits for it.

use alloc::sync::Arc;

use super::Lithe;
use crate::sync::{Condition, Lock, Mutex};

/// How many pieces of a library's work have not ended.
#[derive(Debug)]
pub(super) struct Outstanding {
    count: Mutex<usize, Lock<Lithe>>,
    none: Condition<Lithe>,
}

impl Outstanding {
    pub(super) fn new(lithe: &Arc<Lithe>, count: usize) -> Self {
        Self { count: Mutex::new(Lock::new(lithe), count), none: Condition::new(lithe) }
    }

    /// One more, before it can begin.
    pub(super) fn add_one(&self) {
        *self.count.lock() += 1;
    }

    /// One has ended.
    pub(super) fn end_one(&self) {
        let mut count = self.count.lock();
        *count -= 1;
        if *count == 0 {
            self.none.notify_all();
        }
    }

    /// Waits until all have ended.
    pub(super) fn wait(&self) {
        let mut count = self.count.lock();
        while *count > 0 {
            count = self.count.wait(&self.none, count);
        }
    }
}
