//! A root program with an optimizer that must not be believed: in turns it gives out more than there is, gives cells less than their minimum, is never ready, and asks for
//! nothing with a prediction that is no number. Two others end the root cell in their fourth decision: one panics, one never comes back.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;

use rab_core::optimizer::{NoAllocation, Optimizer, Situation, Steps};
use rab_core::{Amounts, CellId};

cell::entry!(main);

struct Wrong(u64);

impl Optimizer for Wrong {
    fn name(&self) -> &'static str {
        "wrong"
    }

    fn allocate(
        &mut self,
        situation: &Situation<'_>,
        steps: &mut Steps,
        shares: &mut [Amounts],
    ) -> Result<(), NoAllocation> {
        self.0 += 1;
        match self.0 % 4 {
            0 => shares.fill(situation.machine().totals()),
            1 => shares.fill(Amounts::NONE),
            2 => {
                while steps.take(1) {}
                return Err(NoAllocation::OutOfSteps);
            }
            _ => {}
        }
        Ok(())
    }

    fn expects(&self, _cell: CellId, _share: &Amounts) -> Option<f64> {
        Some(f64::NAN)
    }
}

/// Ends the root cell: by a panic, or by never coming back.
struct Fatal {
    is_endless: bool,
    decisions: u64,
}

impl Optimizer for Fatal {
    fn name(&self) -> &'static str {
        if self.is_endless { "endless" } else { "panics" }
    }

    fn allocate(&mut self, _: &Situation<'_>, _: &mut Steps, _: &mut [Amounts]) -> Result<(), NoAllocation> {
        self.decisions += 1;
        match (self.decisions, self.is_endless) {
            (..=3, _) => Ok(()),
            (_, false) => panic!("an optimizer that panics"),
            (_, true) => loop {
                core::hint::spin_loop();
            },
        }
    }
}

fn main(_hart: u32) {
    rab_cell::supervisor::run_with(|name| match name {
        "wrong" => Some(Box::new(Wrong(0)) as Box<dyn Optimizer>),
        "panics" => Some(Box::new(Fatal { is_endless: false, decisions: 0 })),
        "endless" => Some(Box::new(Fatal { is_endless: true, decisions: 0 })),
        _ => None,
    });
}
