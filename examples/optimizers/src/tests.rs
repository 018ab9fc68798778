//! What must hold of the list of all optimizers.

use rab_core::optimizers::Shipped;

use super::*;

#[test]
fn a_name_belongs_to_one_optimizer() {
    let all = || names().chain(Shipped::<2>::NAMES);
    for name in names() {
        assert_eq!(all().filter(|other| *other == name).count(), 1, "optimizers that are called {name}");
    }
    assert!(named("nobody").is_none());
}
