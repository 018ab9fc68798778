//! How much energy was used: from the counters of Intel's Running Average Power Limit (RAPL; "Software Developer's Manual", volume 3, "Platform Specific Power Management
//! Support"), or estimated from what was given out.

use crate::machine::Machine;
use crate::resource::Amounts;

/// An amount of energy, and whether it was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Energy {
    /// Joules.
    pub joules: f64,
    /// It is an estimate, not a measurement.
    pub is_estimate: bool,
}

impl Energy {
    /// What a machine is assumed to use that gives this out for so many seconds.
    #[must_use]
    pub fn estimate(machine: &Machine, given: &Amounts, seconds: f64) -> Self {
        Self { joules: machine.watts(given) * seconds, is_estimate: true }
    }

    /// The sum; an estimate, if any part is.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { joules: self.joules + other.joules, is_estimate: self.is_estimate || other.is_estimate }
    }

    /// A cell's part, by what its quanta are assumed to draw among all that are given out; what the idle machine draws is divided with them. How energy is divided among cells is always an
    /// estimate: the counters know of no cells.
    #[must_use]
    pub fn part(self, machine: &Machine, share: &Amounts, given: &Amounts) -> Self {
        let above_idle = |amounts: &Amounts| machine.watts(amounts) - machine.idle_watts;
        let whole = above_idle(given);
        let part = if whole > 0.0 { (above_idle(share) / whole).min(1.0) } else { 0.0 };
        Self { joules: self.joules * part, is_estimate: true }
    }
}

/// Reads a counter that has 32 bits and wraps around. It must be read at least once in the time in which it wraps, at least a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Meter {
    joules_per_unit: f64,
    last: Option<u32>,
}

impl Meter {
    /// From the register that holds the units (606h): bits 8 to 12 say that a unit is one over so many powers of two joules.
    #[must_use]
    pub fn new(units: u64) -> Self {
        let exponent = (units >> 8 & 0x1f) as u32;
        Self { joules_per_unit: 1.0 / f64::from(1_u32 << exponent), last: None }
    }

    /// Energy since the last reading; nothing at the first.
    pub fn read(&mut self, counter: u32) -> Energy {
        let units = self.last.map_or(0, |last| counter.wrapping_sub(last));
        self.last = Some(counter);
        Energy { joules: f64::from(units) * self.joules_per_unit, is_estimate: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Supply;
    use crate::resource::Resource;

    #[test]
    fn a_counter_that_wraps_around_is_read_on() {
        // Energy status unit 14: 61 microjoules.
        let mut meter = Meter::new(0xa0e03);
        assert_eq!(meter.read(u32::MAX - 8191), Energy::default());
        assert_eq!(meter.read(8192), Energy { joules: 1.0, is_estimate: false });
    }

    #[test]
    fn parts_of_cells_add_up_and_are_estimates() {
        let machine = Machine::default().with(Resource::Threads, Supply { total: 8, watts: 5.0, price: 0.0 });
        let machine = machine.with_power(20.0, None);
        let (one, two) = (Amounts::threads(2), Amounts::threads(6));
        let used = Energy { joules: 80.0, is_estimate: false };
        let parts = used.part(&machine, &one, &one.plus(two)).plus(used.part(&machine, &two, &one.plus(two)));
        assert_eq!(parts, Energy { joules: 80.0, is_estimate: true });
        assert_eq!(Energy::estimate(&machine, &one, 2.0).joules, 60.0);
    }
}
