//! What there is to divide, and what the system's owner wants of it.

use crate::resource::{Amounts, Resource};

/// How much there is of one kind, and what using it costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Supply {
    /// Quanta that can be given to cells.
    pub total: u32,
    /// Watts that a quantum draws while a cell has it; 0 if unknown.
    pub watts: f64,
    /// What a quantum costs while a cell has it, in units of penalty; for what is paid for, such as a service's contract.
    pub price: f64,
}

impl Supply {
    /// So many quanta that cost nothing.
    #[must_use]
    pub const fn of(total: u32) -> Self {
        Self { total, watts: 0.0, price: 0.0 }
    }
}

/// What the machine has. A kind that it cannot divide (no Intel RDT, say) is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Machine {
    supplies: [Option<Supply>; Resource::COUNT],
    /// Watts that it draws when no cell has anything.
    pub idle_watts: f64,
    /// Watts that it may draw at most, if there is a limit.
    pub most_watts: Option<f64>,
}

impl Machine {
    /// A machine of which only the hardware threads can be divided.
    #[must_use]
    pub fn new(threads: u32) -> Self {
        Self::default().with(Resource::Threads, Supply::of(threads))
    }

    /// The same, with this of one kind.
    #[must_use]
    pub fn with(mut self, resource: Resource, supply: Supply) -> Self {
        self.supplies[resource.place()] = Some(supply);
        self
    }

    /// The same, with these watts when no cell has anything, and at most those.
    #[must_use]
    pub fn with_power(self, idle_watts: f64, most_watts: Option<f64>) -> Self {
        Self { idle_watts, most_watts, ..self }
    }

    /// What there is of a kind, if it can be divided.
    #[must_use]
    pub fn supply(&self, resource: Resource) -> Option<Supply> {
        self.supplies[resource.place()]
    }

    /// Quanta of each kind; 0 of what is not there.
    #[must_use]
    pub fn totals(&self) -> Amounts {
        let mut totals = Amounts::NONE;
        for resource in Resource::ALL {
            totals[resource] = self.supply(resource).map_or(0, |supply| supply.total);
        }
        totals
    }

    /// Watts that it draws when so much is given out.
    #[must_use]
    pub fn watts(&self, given: &Amounts) -> f64 {
        let of = |resource| self.supply(resource).map_or(0.0, |supply| supply.watts * f64::from(given[resource]));
        Resource::ALL.into_iter().map(of).fold(self.idle_watts, |sum, watts| sum + watts)
    }

    /// Whether all its numbers are finite and not negative.
    pub(crate) fn is_sane(&self) -> bool {
        let is_fine = |value: f64| value.is_finite() && value >= 0.0;
        let supplies = self.supplies.iter().flatten();
        supplies.clone().all(|supply| is_fine(supply.watts) && is_fine(supply.price))
            && is_fine(self.idle_watts)
            && self.most_watts.is_none_or(is_fine)
    }
}

/// What the owner wants of the system as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goals {
    /// Penalty of each watt drawn: how much late responses may cost before energy is spent on them. 0 if energy does not matter.
    pub watt_penalty: f64,
    /// How far before its deadline a response is to come, as a part of the deadline; at least 0, less than 1.
    pub margin: f64,
}

impl Default for Goals {
    fn default() -> Self {
        Self { watt_penalty: 0.0, margin: 0.05 }
    }
}
