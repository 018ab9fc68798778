//! An optimizer by its name, for whoever reads it in a manifest.

use core::fmt;

use super::{Fair, Pacora, Pota, Static, Utilisation};
use crate::cell::CellId;
use crate::optimizer::{NoAllocation, Optimizer, Situation, Steps};
use crate::resource::Amounts;

/// Any of the optimizers that ship. As large as the largest.
#[derive(Clone, Debug)]
pub enum Shipped<const CELLS: usize> {
    /// Leaves every cell what it has.
    Static(Static),
    /// Divides by weight.
    Fair(Fair),
    /// Divides hardware threads by utilisation.
    Utilisation(Utilisation<CELLS>),
    /// Moves from those that spare to those that are short.
    Pota(Pota<CELLS>),
    /// Learns response times and minimises penalties.
    Pacora(Pacora<CELLS>),
}

impl<const CELLS: usize> Shipped<CELLS> {
    /// All names.
    pub const NAMES: [&'static str; 5] = ["static", "fair", "utilisation", "pota", "pacora"];

    /// The one of this name, with nothing learnt.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "static" => Some(Self::Static(Static)),
            "fair" => Some(Self::Fair(Fair)),
            "utilisation" => Some(Self::Utilisation(Utilisation::new())),
            "pota" => Some(Self::Pota(Pota::new())),
            "pacora" => Some(Self::Pacora(Pacora::new())),
            _ => None,
        }
    }

    fn one(&self) -> &dyn Optimizer {
        match self {
            Self::Static(optimizer) => optimizer,
            Self::Fair(optimizer) => optimizer,
            Self::Utilisation(optimizer) => optimizer,
            Self::Pota(optimizer) => optimizer,
            Self::Pacora(optimizer) => optimizer,
        }
    }

    fn one_mut(&mut self) -> &mut dyn Optimizer {
        match self {
            Self::Static(optimizer) => optimizer,
            Self::Fair(optimizer) => optimizer,
            Self::Utilisation(optimizer) => optimizer,
            Self::Pota(optimizer) => optimizer,
            Self::Pacora(optimizer) => optimizer,
        }
    }
}

impl<const CELLS: usize> Optimizer for Shipped<CELLS> {
    fn name(&self) -> &'static str {
        self.one().name()
    }

    fn allocate(
        &mut self,
        situation: &Situation<'_>,
        steps: &mut Steps,
        shares: &mut [Amounts],
    ) -> Result<(), NoAllocation> {
        self.one_mut().allocate(situation, steps, shares)
    }

    fn expects(&self, cell: CellId, share: &Amounts) -> Option<f64> {
        self.one().expects(cell, share)
    }

    fn explain(&self, cell: CellId, out: &mut dyn fmt::Write) -> fmt::Result {
        self.one().explain(cell, out)
    }

    fn forget(&mut self, cell: CellId) {
        self.one_mut().forget(cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_names_the_optimizer_that_says_so() {
        for name in Shipped::<2>::NAMES {
            assert_eq!(Shipped::<2>::named(name).map(|optimizer| optimizer.name()), Some(name));
        }
        assert!(Shipped::<2>::named("best").is_none());
    }
}
