//! Whether a cell began to behave differently with the same resources: a two-sided CUSUM (Page, 1954) of its response times' medians of three.

/// Measurements that the reference is learnt from before anything is detected.
const LEARNING: u32 = 4;
/// Measurements after which the reference begins to forget.
const MEMORY: f64 = 24.0;
/// Deviations that are nothing.
const SLACK: f64 = 0.75;
/// Deviations that one median counts for at most: one alone never is a phase.
const MOST: f64 = 6.0;
/// Deviations, summed, that are a phase.
const LIMIT: f64 = 11.0;
/// Deviation that is assumed at least, as a part of the reference.
const FLOOR: f64 = 0.03;

/// The detector for one cell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Phase {
    count: u32,
    reference_s: f64,
    above: f64,
    below: f64,
}

impl Phase {
    /// Forgets the reference, because what is measured from now on is something else: a new phase, or other resources.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// Takes in the newest median and how much single measurements deviate, in seconds; true if a phase began, and the reference is forgotten. At least three medians of the new
    /// phase are needed, which take four measurements, and no more if it is far from the old one.
    pub fn push(&mut self, response_s: f64, deviation_s: f64) -> bool {
        if self.count >= LEARNING {
            let unit = deviation_s.max(FLOOR * self.reference_s);
            let off = ((response_s - self.reference_s) / unit).clamp(-MOST, MOST);
            self.above = (self.above + off - SLACK).max(0.0);
            self.below = (self.below - off - SLACK).max(0.0);
            if self.above.max(self.below) > LIMIT {
                self.restart();
                return true;
            }
        }
        // While something seems to begin the reference must not follow.
        if self.above.max(self.below) < 0.25 * LIMIT {
            self.count = self.count.saturating_add(1);
            self.reference_s += (response_s - self.reference_s) / f64::from(self.count).min(MEMORY);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_detected_with_the_third_median() {
        let mut phase = Phase::default();
        for _ in 0..20 {
            assert!(!phase.push(1.0, 0.05));
        }
        assert!(!phase.push(2.0, 0.05));
        assert!(!phase.push(2.0, 0.05));
        assert!(phase.push(2.0, 0.05));
    }

    #[test]
    fn an_outlier_is_no_phase() {
        let mut phase = Phase::default();
        for round in 0..200 {
            let response_s = if round % 20 == 19 { 30.0 } else { 1.0 };
            assert!(!phase.push(response_s, 0.05), "{round}");
        }
    }

    #[test]
    fn a_slow_drift_is_detected_in_the_end() {
        let mut phase = Phase::default();
        let found = (0..100).find(|&round| phase.push(1.0 + 0.01 * f64::from(round), 0.05));
        assert!(found.is_some_and(|round| round < 60), "{found:?}");
    }
}
