//! The loop around an optimizer: what is measured goes in, decisions come out.
//!
//! ```
//! use rab_core::control::{Controller, Outcome, Sample};
//! use rab_core::optimizers::Pacora;
//! use rab_core::{Amounts, CellId, Goals, Machine, Needs};
//!
//! let mut controller: Controller<_, 8> = Controller::new(Pacora::<8>::new());
//! let needs = Needs::best_effort(Amounts::threads(1), Amounts::threads(8));
//! controller.join(CellId(1), needs.with_deadline(0.1, 10.0), Amounts::threads(2)).unwrap();
//! controller.join(CellId(2), needs, Amounts::threads(6)).unwrap();
//! for _ in 0..4 {
//!     let sample = Sample { under: 0, response_s: 0.15, utilisation: 1.0, backlog: 0.5 };
//!     controller.sample(CellId(1), &sample);
//!     controller.sample(CellId(2), &sample);
//! }
//! let decision = controller.decide(&Machine::new(8), &Goals::default());
//! assert_eq!(decision.outcome, Outcome::Changed);
//! println!("{}", controller.why());
//! ```

mod controller;
mod damping;
mod explanation;
mod filter;
mod phase;
mod track;

pub use controller::{Controller, Decision, Kept, Outcome, STEPS};
pub use damping::{Damping, Urgency};
pub use explanation::Explanation;
pub use filter::{Filter, Sample};
pub use phase::Phase;

#[cfg(test)]
mod tests;
