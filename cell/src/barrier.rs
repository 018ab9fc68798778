//! A meeting place for harts.

use core::sync::atomic::{AtomicU32, Ordering};

/// All harts of a gang meet here, spinning: they are active together, so none waits for one that is not. (A cell whose harts ran at different times
/// would waste whole slices here.)
#[derive(Debug)]
pub struct Barrier {
    arrived: AtomicU32,
    round: AtomicU32,
}

impl Default for Barrier {
    fn default() -> Self {
        Self::new()
    }
}

impl Barrier {
    /// A barrier that nobody has reached.
    #[must_use]
    pub const fn new() -> Self {
        Self { arrived: AtomicU32::new(0), round: AtomicU32::new(0) }
    }

    /// Waits until `harts` harts are here. Returns whether this one came last.
    pub fn wait(&self, harts: u32) -> bool {
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == harts {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return true;
        }
        while self.round.load(Ordering::Acquire) == round {
            core::hint::spin_loop();
        }
        false
    }
}
