//! What a cell does with what it has.

use std::vec::Vec;

use crate::cell::Needs;
use crate::resource::{Amounts, Resource};

/// How long a response takes, as a sum of what the resources have to do with it. Not of the form that PACORA fits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Seconds that nothing shortens.
    pub serial_s: f64,
    /// Seconds on one hardware thread that more hardware threads share (Amdahl).
    pub parallel_s: f64,
    /// The part of the parallel seconds that each further hardware thread adds, because they get in each other's way (Gunther's universal scalability law, linear term).
    pub contention: f64,
    /// Seconds of misses without any way of the cache.
    pub misses_s: f64,
    /// Ways with which half of the misses are left.
    pub half_ways: f64,
    /// Seconds of transfers with one quantum of bandwidth.
    pub transfer_s: f64,
}

impl Work {
    /// Seconds with so much. A kind that the cell does not have is taken as shared with everyone: half a quantum of it.
    #[must_use]
    pub fn response_s(&self, share: &Amounts) -> f64 {
        let of = |resource| f64::from(share[resource]).max(0.5);
        let threads = of(Resource::Threads);
        let mut seconds =
            self.serial_s + self.parallel_s * (1.0 / threads + self.contention * (threads - 1.0).max(0.0));
        if self.misses_s > 0.0 {
            seconds += self.misses_s * self.half_ways / (self.half_ways + of(Resource::Ways));
        }
        if self.transfer_s > 0.0 {
            seconds += self.transfer_s / of(Resource::Bandwidth);
        }
        seconds
    }
}

/// A cell of a scenario.
#[derive(Clone, Debug)]
pub struct Application {
    /// What it needs.
    pub needs: Needs,
    /// What it has when it starts: what somebody reserved for it. Nothing if the optimizer is to decide.
    pub start: Amounts,
    /// What it does.
    pub work: Work,
    /// Seconds from request to request; nothing if there is always more to do.
    pub every_s: Option<f64>,
    /// From which second on there is how much to do, as factors of the work; 1 before the first.
    pub loads: Vec<(f64, f64)>,
    /// Deviation of single measurements, as a part of the response time.
    pub noise: f64,
    /// How often a measurement is an outlier, several times too long.
    pub outliers: f64,
    /// Seconds at which it comes and goes.
    pub lives: (f64, f64),
}

impl Application {
    /// With 5 percent of noise and 1 percent of outliers, there from the beginning to the end, with a steady load.
    #[must_use]
    pub fn new(needs: Needs, start: Amounts, work: Work) -> Self {
        Self {
            needs,
            start,
            work,
            every_s: needs.deadline_s,
            loads: Vec::new(),
            noise: 0.05,
            outliers: 0.01,
            lives: (0.0, f64::INFINITY),
        }
    }

    /// The same, with these loads from these seconds on.
    #[must_use]
    pub fn with_loads(self, loads: &[(f64, f64)]) -> Self {
        Self { loads: loads.to_vec(), ..self }
    }

    /// The same, from one second to another.
    #[must_use]
    pub fn living(self, from_s: f64, until_s: f64) -> Self {
        Self { lives: (from_s, until_s), ..self }
    }

    /// The load at an instant.
    #[must_use]
    pub fn load(&self, now_s: f64) -> f64 {
        let begun = self.loads.iter().take_while(|(from_s, _)| *from_s <= now_s);
        begun.last().map_or(1.0, |(_, load)| *load)
    }

    /// Seconds that a response takes at an instant, without noise.
    #[must_use]
    pub fn response_s(&self, now_s: f64, share: &Amounts) -> f64 {
        self.load(now_s) * self.work.response_s(share)
    }

    /// Whether it is there at an instant.
    #[must_use]
    pub fn is_there(&self, now_s: f64) -> bool {
        (self.lives.0..self.lives.1).contains(&now_s)
    }
}
