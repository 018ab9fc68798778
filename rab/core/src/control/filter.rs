//! From single measurements to what is believed: noise and outliers out, steps in.

use heapless::Vec;

use crate::cell::Seen;

/// One measurement of a cell, as it comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The decision that was in force all the while ([`super::Decision::number`]).
    pub under: u32,
    /// Seconds that a response took, or between heartbeats.
    pub response_s: f64,
    /// The part of the cell's hardware threads' time in which it had work.
    pub utilisation: f64,
    /// Requests that waited, for each quantum of hardware threads.
    pub backlog: f64,
}

impl Sample {
    /// Whether it can be a measurement at all.
    fn is_sane(&self) -> bool {
        let all = [self.response_s, self.utilisation, self.backlog];
        all.into_iter().all(|value| value.is_finite() && value >= 0.0) && self.response_s > 0.0
    }
}

/// Measurements whose median counts.
const MEDIAN: usize = 3;
/// Measurements after which older ones begin to be forgotten.
const MEMORY: f64 = 8.0;
/// The deviation that an outlier counts as, at most, as a part of the mean.
const MOST: f64 = 0.5;
/// Deviation of a normal distribution, in mean absolute deviations.
const NORMAL: f64 = 1.2533;

/// A median of three takes single outliers out, an exponentially weighted mean (a plain mean until it has some) smooths the rest.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    last: Vec<f64, MEDIAN>,
    count: u32,
    mean_s: f64,
    /// As a part of the mean. Survives a restart: noise changes less than levels.
    deviation: Option<f64>,
    utilisation: f64,
    backlog: f64,
}

impl Filter {
    /// Takes a measurement in; false if it cannot be one (not finite, negative), and is left out.
    pub fn push(&mut self, sample: &Sample) -> bool {
        if !sample.is_sane() {
            return false;
        }
        if self.last.is_full() {
            self.last.remove(0);
        }
        let _ = self.last.push(sample.response_s);
        self.count = self.count.saturating_add(1);
        let median = self.median();
        if self.count > 1 {
            // Against the mean before it is drawn towards this one. An outlier counts as a large deviation, not as what it is.
            let off = NORMAL * (sample.response_s / self.mean_s - 1.0).abs().min(MOST);
            let deviation = self.deviation.unwrap_or(off);
            self.deviation = Some(deviation + (off - deviation) / (2.0 * MEMORY));
        }
        // The first medians are of less than three, and not to be kept.
        let fresh = f64::from(self.count.saturating_sub(2).max(1));
        self.mean_s += (median - self.mean_s) / fresh.min(MEMORY);
        let gain = 1.0 / f64::from(self.count).min(MEMORY);
        self.utilisation += (sample.utilisation.min(1.0) - self.utilisation) * gain;
        self.backlog += (sample.backlog - self.backlog) * gain;
        true
    }

    /// Forgets the level, but not how noisy it is: what is measured from now on is something else.
    pub fn restart(&mut self) {
        self.last.clear();
        self.count = 0;
        self.mean_s = 0.0;
        self.utilisation = 0.0;
        self.backlog = 0.0;
    }

    /// Forgets all but the newest three measurements: those that showed that a phase began.
    pub fn restart_late(&mut self) {
        self.count = self.last.len() as u32;
        self.mean_s = self.median();
    }

    /// Measurements since the last restart.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// What is believed; nothing before the first measurement.
    #[must_use]
    pub fn seen(&self, is_new_phase: bool) -> Option<Seen> {
        (self.count > 0).then(|| Seen {
            response_s: self.mean_s,
            deviation_s: self.deviation.unwrap_or(0.0) * self.mean_s,
            samples: self.count.min(MEMORY as u32),
            utilisation: self.utilisation,
            backlog: self.backlog,
            is_new_phase,
        })
    }

    /// The median of the last three. Of two the shorter: outliers are long.
    #[must_use]
    pub fn median(&self) -> f64 {
        match self.last[..] {
            [one] => one,
            [one, two] => one.min(two),
            [one, two, three] => one.max(two).min(one.min(two).max(three)),
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(filter: &mut Filter, values: &[f64]) {
        for &response_s in values {
            filter.push(&Sample { under: 0, response_s, utilisation: 0.5, backlog: 0.0 });
        }
    }

    #[test]
    fn a_single_outlier_does_not_show() {
        let mut filter = Filter::default();
        push(&mut filter, &[1.0, 1.0, 1.0, 1.0, 50.0, 1.0, 1.0]);
        assert_eq!(filter.seen(false).unwrap().response_s, 1.0);
    }

    #[test]
    fn noise_is_measured_and_survives_a_restart() {
        let mut filter = Filter::default();
        for _ in 0..40 {
            push(&mut filter, &[0.9, 1.1]);
        }
        let seen = filter.seen(false).unwrap();
        assert!((seen.response_s - 1.0).abs() < 0.1 && (0.05..0.2).contains(&seen.deviation_s), "{seen:?}");
        filter.restart();
        assert_eq!(filter.seen(false), None);
        push(&mut filter, &[2.0]);
        assert!(filter.seen(false).unwrap().deviation_s > 0.1);
    }

    #[test]
    fn what_cannot_be_a_measurement_is_left_out() {
        let mut filter = Filter::default();
        for response_s in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
            assert!(!filter.push(&Sample { under: 0, response_s, utilisation: 0.5, backlog: 0.0 }), "{response_s}");
        }
        assert_eq!(filter.seen(false), None);
    }
}
