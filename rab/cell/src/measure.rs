//! From what the kernel counts of a cell to what the controller is told: how long the work of a heartbeat takes with the cell's share.

use manifest::Target;
use rab_core::control::Sample;

/// The hardware-thread time that counts as the work of a heartbeat for cells that have none, in ns.
const WORK_NS: u64 = 10_000_000;

/// What the kernel has counted of a cell until an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Heartbeats.
    pub heartbeats: u64,
    /// Hardware-thread time that its plan gave it, summed over harts, in ns: with what it lent, without what it borrowed. Without the activation that goes on.
    pub used_ns: u64,
    /// Activations.
    pub activations: u64,
}

/// What a cell has while it is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Hardware threads, as a sum of parts.
    pub threads: f64,
    /// Hardware threads on which it has these parts.
    pub harts: u32,
    /// The decision that gave it that.
    pub under: u32,
}

/// Measures a cell, from reading to reading.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    target: Option<Target>,
    from_ns: u64,
    from: Reading,
    has_beaten: bool,
    /// Time in which it did not reach its target, in ns.
    pub late_ns: u64,
    /// Measurements in a row in which it did not.
    pub late_in_a_row: u32,
}

impl Meter {
    /// Measures from an instant on.
    #[must_use]
    pub fn new(target: Option<Target>, now_ns: u64, now: Reading) -> Self {
        Self { target, from_ns: now_ns, from: now, has_beaten: false, late_ns: 0, late_in_a_row: 0 }
    }

    /// Forgets what was not measured to its end: from now on the cell has something else.
    pub fn restart(&mut self, now_ns: u64, now: Reading) {
        self.from_ns = now_ns;
        self.from = now;
    }

    /// Ends a measurement with this share, and begins the next one. None if nothing can be said yet; then it goes on.
    ///
    /// The response is the hardware-thread time that a heartbeat took, divided by the share. So it is what the cell would achieve with its share alone, be it that it does not use
    /// all of it or that it gets more because others leave theirs. A cell that falls behind its rate of heartbeats is taken at its word: then the response is the time from heartbeat to heartbeat, if
    /// that is longer. A cell that has no heartbeats at all and no target progresses by the time that it uses.
    pub fn measure(&mut self, now_ns: u64, now: Reading, share: Share) -> Option<Sample> {
        let Share { threads, harts, under } = share;
        let elapsed = now_ns.saturating_sub(self.from_ns);
        let beats = now.heartbeats.wrapping_sub(self.from.heartbeats);
        let whole = elapsed.saturating_mul(harts.into());
        let counted = now.used_ns.saturating_sub(self.from.used_ns);
        // The kernel counts an activation when it ends. One that went on all the while is not counted yet, and one that ends now may be older than the measurement.
        let goes_on = beats > 0 && counted == 0 && now.activations == self.from.activations;
        let used = if goes_on { whole } else { counted.min(whole) };
        if beats > 0 && used == 0 {
            // It was activated in between and still runs: nobody knows since when.
            self.restart(now_ns, now);
            return None;
        }
        self.has_beaten |= beats > 0;
        if elapsed == 0 || threads <= 0.0 {
            return None;
        }
        let seconds = |ns: u64| ns as f64 / 1e9;
        let counted =
            if self.has_beaten || self.target.is_some() { beats as f64 } else { seconds(used) / seconds(WORK_NS) };
        let is_silent = counted == 0.0;
        // A heartbeat may lie across the end.
        let is_behind = match self.target {
            Some(target @ Target::Heartbeats { .. }) => {
                u128::from(beats + 1) * u128::from(target.deadline_ns()) < u128::from(elapsed)
            }
            Some(Target::Deadline { ns }) => is_silent && seconds(used) / threads > seconds(ns),
            None => false,
        };
        if is_silent && !is_behind {
            return None;
        }
        let with_share = seconds(used) / if is_silent { 1.0 } else { counted } / threads;
        let response_s = if is_behind {
            with_share.max(seconds(elapsed) / if is_silent { 1.0 } else { counted })
        } else {
            with_share
        };
        let is_late = is_behind || matches!(self.target, Some(Target::Deadline { ns }) if response_s > seconds(ns));
        self.late_ns += if is_late { elapsed } else { 0 };
        self.late_in_a_row = if is_late { self.late_in_a_row.saturating_add(1) } else { 0 };
        let utilisation = (seconds(used) / (seconds(elapsed) * threads)).min(1.0);
        self.restart(now_ns, now);
        Some(Sample { under, response_s, utilisation, backlog: 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const RATE: Option<Target> = Some(Target::Heartbeats { milli_per_s: 1_000_000 });

    fn after(target: Option<Target>, ms: u64, heartbeats: u64, used_ms: u64, threads: f64) -> (Meter, Option<Sample>) {
        let mut meter = Meter::new(target, 7, Reading::default());
        let reading = Reading { heartbeats, used_ns: used_ms * MS, activations: 1 };
        let sample = meter.measure(7 + ms * MS, reading, Share { threads, harts: 1, under: 3 });
        (meter, sample)
    }

    fn response(target: Option<Target>, ms: u64, heartbeats: u64, used_ms: u64, threads: f64) -> f64 {
        after(target, ms, heartbeats, used_ms, threads).1.expect("something can be said").response_s
    }

    fn assert_near(seen: f64, expected: f64) {
        assert!((seen - expected).abs() < 1e-9, "expected {expected}, saw {seen}");
    }

    #[test]
    fn a_cell_that_uses_its_share_responds_as_often_as_it_beats() {
        let (meter, sample) = after(RATE, 20, 25, 10, 0.5);
        let sample = sample.expect("it beats");
        assert_near(sample.response_s, 0.0008);
        assert_near(sample.utilisation, 1.0);
        assert_eq!((sample.under, meter.late_ns), (3, 0));
    }

    #[test]
    fn what_a_cell_does_not_need_of_its_share_makes_its_response_shorter_and_what_it_gets_besides_longer() {
        assert_near(response(RATE, 20, 20, 5, 0.5), 0.0005);
        assert_near(response(RATE, 20, 40, 20, 0.5), 0.001);
    }

    #[test]
    fn a_cell_behind_its_rate_is_late_by_what_it_shows_and_not_by_what_it_used() {
        let (meter, sample) = after(RATE, 20, 10, 2, 0.5);
        assert_near(sample.expect("it beats").response_s, 0.002);
        assert_eq!((meter.late_ns, meter.late_in_a_row), (20 * MS, 1));
        // One heartbeat may lie across the end.
        assert_eq!(after(RATE, 20, 19, 10, 0.5).0.late_ns, 0);
        assert_eq!(after(RATE, 20, 18, 10, 0.5).0.late_ns, 20 * MS);
    }

    #[test]
    fn a_silent_cell_says_nothing_until_it_is_behind() {
        let slow = Some(Target::Heartbeats { milli_per_s: 10_000 });
        assert_eq!(after(slow, 20, 0, 10, 0.5).1, None);
        assert_near(response(slow, 150, 0, 75, 0.5), 0.15);
        assert_eq!(after(Some(Target::Deadline { ns: 5 * MS }), 20, 0, 0, 0.5).1, None);
        assert_near(response(Some(Target::Deadline { ns: 5 * MS }), 20, 0, 10, 0.5), 0.02);
    }

    #[test]
    fn a_deadline_is_for_work_and_not_for_pauses() {
        let target = Some(Target::Deadline { ns: 5 * MS });
        let (meter, sample) = after(target, 100, 2, 4, 0.5);
        assert_near(sample.expect("it beats").response_s, 0.004);
        assert_eq!(meter.late_ns, 0);
        assert_eq!(after(target, 100, 2, 6, 0.5).0.late_ns, 100 * MS);
    }

    #[test]
    fn without_heartbeats_and_target_time_is_progress() {
        assert_near(response(None, 20, 0, 10, 0.5), 0.02);
        assert_eq!(after(None, 20, 0, 0, 0.5).1, None);
        assert_eq!(after(RATE, 0, 5, 10, 0.5).1, None);
        assert_eq!(after(RATE, 20, 5, 10, 0.0).1, None);
    }

    #[test]
    fn an_activation_that_goes_on_counts_as_time_used_and_is_not_counted_again() {
        let mut meter = Meter::new(RATE, 0, Reading { activations: 1, ..Reading::default() });
        let share = Share { threads: 2.0, harts: 2, under: 0 };
        let on = Reading { heartbeats: 50, used_ns: 0, activations: 1 };
        let sample = meter.measure(20 * MS, on, share).expect("it beats");
        assert_near(sample.response_s, 0.0004);
        assert_near(sample.utilisation, 1.0);
        let over = Reading { heartbeats: 100, used_ns: 80 * MS, activations: 1 };
        assert_near(meter.measure(40 * MS, over, share).expect("it beats").response_s, 0.0004);
        // The next one begins at some instant, and is measured from then on when it is seen to go on.
        let began = Reading { heartbeats: 140, activations: 2, ..over };
        assert_eq!(meter.measure(60 * MS, began, share), None);
        let on = Reading { heartbeats: 190, ..began };
        assert_near(meter.measure(80 * MS, on, share).expect("it beats").response_s, 0.0004);
    }
}
