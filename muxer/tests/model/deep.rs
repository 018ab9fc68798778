//! The same with more inputs, longer times, and more ways to go. Minutes in all; the first lines of `model.rs` say how to run them.

use super::config::{Config, Stall};
use super::happenings::Happening::{Crosses, Interrupts, Preempts, Recovers, Repairs, Reuses};
use super::machines::*;
use super::story::check;

/// For many states, and with all that muxers may do.
fn deep(name: &'static str, config: Config) -> Config {
    Config { name, is_deep: true, prepares: true, ..config }
}

#[test]
#[ignore = "about 3 million states"]
fn two_gangs_with_three_inputs() {
    check(deep("deep, two gangs", Config { inputs: 3, horizon: 18, ..two_gangs() }), &[Reuses, Interrupts]);
}

#[test]
#[ignore = "about 3 million states"]
fn all_policies_with_three_inputs() {
    let config = Config { inputs: 3, horizon: 30, pauses: vec![None, Some(8)], ..all_policies() };
    check(deep("deep, all policies", config), &[Preempts, Reuses]);
}

#[test]
#[ignore = "about 3 million states"]
fn two_reserves_with_three_inputs() {
    let config = Config { inputs: 3, horizon: 18, ..two_reserves() };
    check(deep("deep, two reserves", config), &[Preempts, Reuses, Interrupts]);
}

#[test]
#[ignore = "about 3 million states"]
fn overlapping_gangs_with_two_inputs() {
    check(deep("deep, overlapping gangs", Config { inputs: 2, horizon: 15, ..overlapping_gangs() }), &[Reuses]);
}

#[test]
#[ignore = "about 3 million states"]
fn gangs_widen_and_narrow_with_two_inputs() {
    let config = Config { inputs: 2, horizon: 13, ..widening() };
    check(deep("deep, widening", config), &[Crosses]);
}

#[test]
#[ignore = "about 3 million states"]
fn components_join_and_split_with_plans_from_anybody() {
    check(deep("deep, joining", Config { all_publish_plans: true, horizon: 12, ..joining() }), &[Crosses]);
}

#[test]
#[ignore = "about 3 million states"]
fn windows_and_budgets_change_while_clocks_differ() {
    let glimpses: Vec<_> = (0..14).collect();
    let config = Config { inputs: 2, horizon: 20, glimpses: glimpses.clone(), ..new_window() };
    check(skewed(deep("deep, new window", config)), &[Crosses, Preempts]);
    let config = Config { inputs: 2, horizon: 20, glimpses, ..new_budget() };
    check(skewed(deep("deep, new budget", config)), &[Crosses, Preempts]);
}

#[test]
#[ignore = "about 3 million states"]
fn repairs_and_changes_of_plan_follow_each_other() {
    let config = Config { repairs: 2, horizon: 22, ..new_window() };
    check(deep("deep, repairs", config), &[Crosses, Preempts]);
    check(deep("deep, repairs, widening", Config { repairs: 1, horizon: 12, ..widening() }), &[Crosses]);
}

#[test]
#[ignore = "about 3 million states"]
fn late_inputs_and_plans_are_made_up_for() {
    let stall = Some(Stall { by: 5, plans: true, unnoticed: true });
    let late = |name, config| deep(name, Config { stall, ..config });
    check(late("deep, late", Config { horizon: 22, ..two_gangs() }), &[Repairs, Recovers]);
    check(late("deep, late, all policies", Config { horizon: 30, ..all_policies() }), &[Repairs, Recovers]);
    check(late("deep, late, reserves", Config { horizon: 22, ..two_reserves() }), &[Repairs, Recovers]);
    check(late("deep, late, three", Config { horizon: 13, ..overlapping_gangs() }), &[Repairs, Recovers]);
}

#[test]
#[ignore = "about 3 million states"]
fn the_kernels_delay_with_clocks_that_differ() {
    let config = skewed(Config { horizon: 26, ..two_gangs() }).with_kernel_delay();
    check(deep("deep, kernel's delay", config), &[Reuses, Interrupts]);
    let config = skewed(Config { horizon: 26, inputs: 1, ..widening() }).with_kernel_delay();
    check(deep("deep, kernel's delay, widening", config), &[Crosses]);
}
