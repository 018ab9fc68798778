//! What must hold of every optimizer that ships.

use super::*;
use crate::simulator::conformance;

#[test]
fn every_optimizer_that_ships_keeps_the_promises() {
    for name in Shipped::<16>::NAMES {
        let kept = conformance::all(|| Shipped::<16>::named(name).expect("it has this name"));
        assert!(kept.is_ok(), "{}", kept.unwrap_err());
    }
}
