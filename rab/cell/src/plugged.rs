//! Whatever optimizer the root cell's program was given.

use alloc::boxed::Box;
use core::fmt;

use rab_core::optimizer::{NoAllocation, Optimizer, Situation, Steps};
use rab_core::optimizers::Shipped;
use rab_core::{Amounts, CellId};

/// Finds an optimizer by the name in the manifest, for at most [`manifest::limits::NEEDS_MAX`] cells.
pub type Find = fn(&str) -> Option<Box<dyn Optimizer>>;

/// Finds those that ship.
#[must_use]
pub fn shipped(name: &str) -> Option<Box<dyn Optimizer>> {
    let optimizer: Shipped<{ manifest::limits::NEEDS_MAX }> = Shipped::named(name)?;
    Some(Box::new(optimizer))
}

/// An optimizer of a kind that is known only at run time.
pub(crate) struct Plugged(pub(crate) Box<dyn Optimizer>);

impl fmt::Debug for Plugged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Plugged").field(&self.0.name()).finish()
    }
}

impl Optimizer for Plugged {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn allocate(
        &mut self,
        situation: &Situation<'_>,
        steps: &mut Steps,
        shares: &mut [Amounts],
    ) -> Result<(), NoAllocation> {
        self.0.allocate(situation, steps, shares)
    }

    fn expects(&self, cell: CellId, share: &Amounts) -> Option<f64> {
        self.0.expects(cell, share)
    }

    fn explain(&self, cell: CellId, out: &mut dyn fmt::Write) -> fmt::Result {
        self.0.explain(cell, out)
    }

    fn forget(&mut self, cell: CellId) {
        self.0.forget(cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_optimizer_that_a_manifest_can_name_is_there() {
        assert_eq!(manifest::OPTIMIZERS, Shipped::<2>::NAMES);
        for name in manifest::OPTIMIZERS {
            assert_eq!(shipped(name).map(|optimizer| optimizer.name()), Some(name));
        }
        assert!(shipped("best").is_none());
    }
}
