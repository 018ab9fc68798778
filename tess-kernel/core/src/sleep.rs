//! How deeply a hardware thread sleeps that has nothing to run.
//!
//! A deeper state takes less energy and longer to wake from. A processor says which states it has, not how long waking takes, so that is measured at boot,
//! and corrected whenever somebody wakes later than was thought. Sleepers have their timer strike earlier by that much.

use core::sync::atomic::{AtomicU64, Ordering};

use heapless::Vec;

/// States that are kept at most.
const MAX_STATES: usize = 8;

/// Going to sleep and waking has to be worth it: the sleep lasts this many times what waking takes.
const WORTH: u64 = 3;

/// A state that is entered by `mwait`.
#[derive(Debug)]
pub struct State {
    /// What `mwait` is told.
    pub hint: u32,
    wake_ns: AtomicU64,
}

impl State {
    /// What waking takes at most, as far as was seen, in ns.
    #[must_use]
    pub fn wake_ns(&self) -> u64 {
        self.wake_ns.load(Ordering::Relaxed)
    }

    /// Remembers that somebody woke this many ns after the interrupt was due.
    pub fn woke_after(&self, ns: u64) {
        self.wake_ns.fetch_max(ns, Ordering::Relaxed);
    }
}

/// The states of this machine that are deeper than `hlt`.
#[derive(Debug, Default)]
pub struct States(Vec<State, MAX_STATES>);

impl States {
    /// None: hardware threads halt.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a state that takes so many ns to wake from. One too many is left out.
    pub fn add(&mut self, hint: u32, wake_ns: u64) {
        let _ = self.0.push(State { hint, wake_ns: AtomicU64::new(wake_ns) });
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What waking takes from the slowest, in ns: whoever may be in any of them has to be told so much earlier.
    #[must_use]
    pub fn slowest_ns(&self) -> u64 {
        self.0.iter().map(State::wake_ns).max().unwrap_or(0)
    }

    /// The deepest state for a sleep of `ahead_ns` in which whoever waits for this hardware thread can spare `spare_ns`.
    #[must_use]
    pub fn deepest(&self, ahead_ns: u64, spare_ns: u64) -> Option<&State> {
        let fits = |state: &&State| state.wake_ns() <= spare_ns && state.wake_ns().saturating_mul(WORTH) <= ahead_ns;
        self.0.iter().filter(fits).max_by_key(|state| state.wake_ns())
    }
}

/// The hints of the states that CPUID leaf 5 promises (`edx`, four bits for each state: how many sub-states). `ecx` says whether it promises any. Without a timer
/// that runs in all states only those of C1 are of use.
pub fn hints(ecx: u32, edx: u32, timer_always_runs: bool) -> impl Iterator<Item = u32> {
    const ENUMERATED: u32 = 1;
    let deepest = match (ecx & ENUMERATED != 0, timer_always_runs) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 7,
    };
    (1..=deepest).flat_map(move |state: u32| {
        let kinds = edx >> (4 * state) & 0xf;
        (0..kinds).map(move |kind| (state - 1) << 4 | kind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states() -> States {
        let mut states = States::new();
        states.add(0x00, 2_000);
        states.add(0x20, 90_000);
        states.add(0x01, 10_000);
        states
    }

    #[test]
    fn a_processor_without_states_halts() {
        assert!(States::new().deepest(u64::MAX, u64::MAX).is_none());
        assert_eq!(hints(0, 0x1120, true).count(), 0);
    }

    #[test]
    fn each_sub_state_has_its_hint() {
        let found: Vec<u32, 16> = hints(3, 0x0010_2120, true).collect();
        assert_eq!(found.as_slice(), [0x00, 0x01, 0x10, 0x20, 0x21, 0x40]);
    }

    #[test]
    fn where_the_timer_stops_in_deep_states_only_the_first_serves() {
        let found: Vec<u32, 16> = hints(3, 0x0010_2120, false).collect();
        assert_eq!(found.as_slice(), [0x00, 0x01]);
    }

    #[test]
    fn a_long_sleep_is_the_deepest_and_a_short_one_is_not() {
        let states = states();
        let hint = |ahead, spare| states.deepest(ahead, spare).map(|state| state.hint);
        assert_eq!(hint(u64::MAX, u64::MAX), Some(0x20));
        assert_eq!(hint(200_000, u64::MAX), Some(0x01));
        assert_eq!(hint(5_000, u64::MAX), None);
    }

    #[test]
    fn who_is_waited_for_sleeps_lightly() {
        assert_eq!(states().deepest(u64::MAX, 3_000).map(|state| state.hint), Some(0x00));
        assert!(states().deepest(u64::MAX, 0).is_none());
    }

    #[test]
    fn a_state_that_woke_late_is_known_to() {
        let states = states();
        states.deepest(40_000, u64::MAX).expect("the second").woke_after(50_000);
        assert_eq!(states.deepest(40_000, u64::MAX).map(|state| state.hint), Some(0x00));
        assert_eq!(states.slowest_ns(), 90_000);
    }
}
