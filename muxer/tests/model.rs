//! Exhaustive checks of small machines: every order in which inputs and plans can be published and seen, interrupts come, and hardware threads look, within
//! the bounds that hardware keeps, is tried with the real decision code ([`muxer::Replica`], [`muxer::Plan`], [`muxer::inputs::Reporter`]).
//!
//! Time passes in ticks of a microsecond, so that few instants are to be told apart; a lead is one tick. The model has the kernel's side of the protocol
//! ([`model::protocol`]) and judges what is decided, and what runs in each tick ([`model::observer`]). A store, and what follows from it at its reader, is one step: that
//! the sleeper and the publisher cannot miss each other is a matter of memory orders, which are not modelled.
//!
//! How many states there are is printed with `--nocapture`. Larger machines take minutes:
//! `cargo test --release -p muxer --test model -- --ignored --nocapture --test-threads 1`.

#![forbid(unsafe_code)]

mod model {
    pub(crate) mod checking;
    pub(crate) mod config;
    mod deep;
    mod faults;
    pub(crate) mod happenings;
    pub(crate) mod machines;
    pub(crate) mod observer;
    pub(crate) mod protocol;
    pub(crate) mod replicas;
    pub(crate) mod state;
    pub(crate) mod story;
}

use model::config::Config;
use model::happenings::Happening::{Crosses, Interrupts, Preempts, Reuses};
use model::machines::*;
use model::story::check;

#[test]
fn an_idle_gang_leaves_its_time_to_the_other_and_gets_it_back() {
    check(two_gangs(), &[Reuses, Interrupts]);
}

#[test]
fn windows_reserves_and_shares_hold_beside_each_other() {
    check(all_policies(), &[Preempts, Reuses]);
}

#[test]
fn a_narrow_and_a_wide_reserve_get_their_budgets() {
    check(two_reserves(), &[Preempts, Reuses, Interrupts]);
}

#[test]
fn overlapping_gangs_agree() {
    check(overlapping_gangs(), &[Reuses]);
}

#[test]
fn gangs_widen_and_narrow() {
    check(widening(), &[Crosses]);
}

#[test]
fn components_join_and_split() {
    check(joining(), &[Crosses]);
}

#[test]
fn windows_come_with_a_plan() {
    check(new_window(), &[Crosses, Preempts, Reuses]);
}

#[test]
fn budgets_change_with_a_plan() {
    check(new_budget(), &[Crosses, Preempts, Reuses]);
}

#[test]
fn nobody_is_interrupted_while_nothing_is_published() {
    for mut config in [two_gangs(), all_policies(), two_reserves(), overlapping_gangs()] {
        config.plans.truncate(1);
        check(Config { inputs: 0, horizon: 40, restless: true, ..config }, &[]);
    }
}

#[test]
fn pauses_end_by_themselves_or_by_a_wake() {
    check(Config { name: "pauses", pauses: vec![Some(8), Some(10)], horizon: 11, ..two_gangs() }, &[Reuses]);
}

#[test]
fn it_does_not_matter_when_somebody_looks_or_how_far_ahead() {
    check(Config { name: "restless", restless: true, boundaries: vec![1, 4], horizon: 7, ..two_gangs() }, &[Reuses]);
}

#[test]
fn inputs_may_come_into_sight_in_the_middle_of_a_look() {
    check(Config { name: "glimpses", glimpses: (0..14).collect(), horizon: 9, ..two_gangs() }, &[Reuses]);
    check(Config { name: "glimpses, reserves", glimpses: (0..14).collect(), horizon: 8, ..two_reserves() }, &[Reuses]);
}

#[test]
fn clocks_may_differ() {
    check(skewed(Config { name: "clocks", horizon: 9, ..two_gangs() }), &[Reuses]);
    check(skewed(Config { name: "clocks, plans", horizon: 10, ..widening() }), &[Crosses]);
}

#[test]
fn the_kernels_delay_is_as_good_as_the_shortest() {
    check(Config { name: "kernel's delay", horizon: 17, ..two_gangs() }.with_kernel_delay(), &[Reuses, Interrupts]);
}

#[test]
fn plans_may_be_prepared_for() {
    check(Config { name: "prepared, parting", ..parting() }, &[Crosses]);
    check(Config { name: "prepared", prepares: true, horizon: 8, ..widening() }, &[Crosses]);
    check(Config { name: "prepared, window", prepares: true, horizon: 15, ..new_window() }, &[Crosses, Preempts]);
}

#[test]
fn a_repair_without_need_harms_nobody() {
    check(Config { name: "repairs", repairs: 1, inputs: 1, horizon: 14, ..two_reserves() }, &[Crosses]);
}

#[test]
fn a_period_that_a_change_or_a_repair_cuts_short_is_not_counted() {
    check(sudden_window(), &[]);
    let config = Config { name: "a repair", repairs: 1, inputs: 0, horizon: 22, ..two_reserves() };
    check(config.with_kernel_delay(), &[]);
}

#[test]
fn two_inputs_at_the_instant_of_a_plan_are_no_trouble() {
    check(Config { name: "two inputs and a plan", inputs: 2, horizon: 6, speakers: vec![1], ..widening() }, &[Crosses]);
}
