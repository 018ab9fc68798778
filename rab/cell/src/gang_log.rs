//! From the activation logs of a gang's harts to its skew.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use crate::abi::account::{ACTIVATION_LOG_ENTRIES, Activation};

use crate::histogram::Histogram;

/// Activations that wait for the logs of further harts, at most.
const PENDING_MAX: usize = 1024;

/// Entries at the old end of a copied log that are not trusted: the kernel may have overwritten them while it was copied.
const MARGIN: u64 = 2;

/// Skews that are kept one by one, at most.
const SAMPLES_MAX: usize = 4096;

/// An activation of which some harts' entries were seen.
#[derive(Clone, Copy, Debug)]
struct Pending {
    harts: u32,
    earliest: u64,
    latest: u64,
}

/// The skew of one gang: how far apart its harts started, for each activation that all harts logged.
#[derive(Clone, Debug)]
pub struct GangLog {
    /// For each hart, the number of the next entry to read.
    next: Vec<u64>,
    /// Harts that the gang has now.
    harts: u32,
    pending: BTreeMap<u64, Pending>,
    skew: Histogram,
    samples: Vec<u64>,
    switches: Vec<u64>,
    lost: u64,
}

impl GangLog {
    /// For a gang of so many harts.
    #[must_use]
    pub fn new(harts: u32) -> Self {
        Self {
            next: vec![0; harts as usize],
            harts,
            pending: BTreeMap::new(),
            skew: Histogram::default(),
            samples: Vec::new(),
            switches: Vec::new(),
            lost: 0,
        }
    }

    /// Starts anew with empty logs, as a restarted cell does, and keeps what was measured.
    pub fn restart(&mut self) {
        self.next.fill(0);
        self.pending.clear();
    }

    /// The gang has so many harts from now on. What was read of activations that not all harts logged so far is left out.
    pub fn resize(&mut self, harts: u32) {
        self.harts = harts;
        self.next.resize(self.next.len().max(harts as usize), 0);
        self.pending.clear();
    }

    /// Takes what is new in a copy of a hart's log, of which `written` entries were ever written. A hart that the gang does not have is ignored.
    pub fn take(&mut self, hart: u32, written: u64, entries: &[Activation; ACTIVATION_LOG_ENTRIES]) {
        let harts = self.harts;
        let Some(next) = self.next.get_mut(hart as usize).filter(|_| hart < harts) else { return };
        let oldest = written.saturating_sub(ACTIVATION_LOG_ENTRIES as u64 - MARGIN);
        self.lost += oldest.saturating_sub(*next);
        let from = (*next).max(oldest);
        *next = written.max(*next);
        for number in from..written {
            let Activation { at_ns, entered_ns, switch_ns, .. } =
                entries[(number % ACTIVATION_LOG_ENTRIES as u64) as usize];
            if self.switches.len() < SAMPLES_MAX {
                self.switches.push(switch_ns.into());
            }
            let seen = self.pending.entry(at_ns).or_insert(Pending { harts: 0, earliest: u64::MAX, latest: 0 });
            seen.harts += 1;
            seen.earliest = seen.earliest.min(entered_ns);
            seen.latest = seen.latest.max(entered_ns);
            if seen.harts == harts {
                let skew = seen.latest - seen.earliest;
                self.pending.remove(&at_ns);
                self.skew.record(skew);
                if self.samples.len() < SAMPLES_MAX {
                    self.samples.push(skew);
                }
            }
        }
        while self.pending.len() > PENDING_MAX {
            self.pending.pop_first();
        }
    }

    /// The entry of this hart to be read next.
    #[must_use]
    pub fn read_so_far(&self, hart: u32) -> u64 {
        self.next.get(hart as usize).copied().unwrap_or(0)
    }

    /// The distribution, in ns.
    #[must_use]
    pub fn skew(&self) -> &Histogram {
        &self.skew
    }

    /// The first few thousand skews, in ns, in the order in which they were complete.
    #[must_use]
    pub fn samples(&self) -> &[u64] {
        &self.samples
    }

    /// What the first few thousand switches to a hart took, from the entry into the kernel to the beginning of the hold, in ns.
    #[must_use]
    pub fn switches(&self) -> &[u64] {
        &self.switches
    }

    /// Log entries that were overwritten before they were read.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Entries = [Activation; ACTIVATION_LOG_ENTRIES];

    /// A ring into which `count` activations were written, a millisecond apart, each `late` ns late.
    fn ring(count: u64, late: u64) -> Entries {
        let mut entries = [Activation::default(); ACTIVATION_LOG_ENTRIES];
        for number in 0..count {
            let at_ns = number * 1_000_000;
            let place = (number % ACTIVATION_LOG_ENTRIES as u64) as usize;
            entries[place] = Activation { at_ns, entered_ns: at_ns + late, switch_ns: 9, plan: 0 };
        }
        entries
    }

    #[test]
    fn skew_is_the_distance_of_the_latest_from_the_earliest_hart() {
        let mut log = GangLog::new(3);
        log.take(0, 10, &ring(10, 5));
        log.take(1, 10, &ring(10, 25));
        assert_eq!(log.skew().count(), 0);
        log.take(2, 8, &ring(8, 15));
        assert_eq!((log.skew().count(), log.samples()), (8, &[20_u64; 8][..]));
        log.take(2, 10, &ring(10, 0));
        assert_eq!((log.skew().count(), log.skew().max()), (10, Some(25)));
        assert_eq!(log.switches(), [9; 30]);
    }

    #[test]
    fn nothing_is_counted_twice_and_what_was_overwritten_is_counted_as_lost() {
        let mut log = GangLog::new(2);
        for written in [50, 100, 100, 400] {
            log.take(0, written, &ring(written, 1));
            log.take(1, written, &ring(written, 2));
        }
        assert_eq!(log.skew().count(), 100 + 168);
        assert_eq!(log.lost(), 2 * (300 - 168));
    }

    #[test]
    fn a_restarted_cell_is_read_from_its_start() {
        let mut log = GangLog::new(1);
        log.take(0, 5, &ring(5, 0));
        log.restart();
        log.take(0, 3, &ring(3, 0));
        assert_eq!((log.skew().count(), log.lost(), log.read_so_far(0)), (8, 0, 3));
    }

    #[test]
    fn a_gang_that_was_resized_is_measured_by_the_harts_that_it_has() {
        let mut log = GangLog::new(1);
        log.take(0, 5, &ring(5, 0));
        log.resize(2);
        log.take(0, 7, &ring(7, 0));
        assert_eq!(log.skew().count(), 5, "hart 1 is missing");
        log.take(1, 7, &ring(7, 30));
        assert_eq!((log.skew().count(), log.skew().max()), (7, Some(30)));
        log.resize(1);
        log.take(1, 9, &ring(9, 0));
        log.take(0, 8, &ring(8, 0));
        assert_eq!((log.skew().count(), log.read_so_far(1)), (8, 7));
    }

    #[test]
    fn impossible_logs_do_no_harm() {
        let mut log = GangLog::new(2);
        let entries = [Activation { at_ns: 7, entered_ns: u64::MAX, switch_ns: 0, plan: 0 }; ACTIVATION_LOG_ENTRIES];
        log.take(0, u64::MAX, &entries);
        log.take(1, 3, &[Activation::default(); ACTIVATION_LOG_ENTRIES]);
        log.take(0, 2, &entries);
        log.take(9, 2, &entries);
        for count in 1..60 {
            log.take(1, count * 168, &ring(count * 168, 0));
        }
        assert!(log.pending.len() <= PENDING_MAX);
    }
}
