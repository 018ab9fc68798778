//! What happens when something is late, or done wrong.

use super::config::{Config, Fault, Stall, window};
use super::happenings::Happening::{Audits, Recovers, Repairs, Splits, Tears, Troubles};
use super::machines::*;
use super::state::Rule;
use super::story::{check, refute};

/// Of one input that is late: while it is, replicas may disagree and gangs be torn apart, but windows are exact; somebody notices; and from a repair's instant on all
/// agree again.
mod lateness {
    use super::*;

    #[test]
    fn two_gangs_recover() {
        check(late(Config { name: "late", ..two_gangs() }), &[Tears, Splits, Troubles, Repairs, Recovers]);
    }

    #[test]
    fn all_policies_recover_and_windows_stay_exact() {
        check(late(Config { name: "late, all policies", ..all_policies() }), &[Troubles, Repairs, Recovers]);
    }

    #[test]
    fn two_reserves_recover() {
        check(late(Config { name: "late, reserves", ..two_reserves() }), &[Splits, Troubles, Repairs, Recovers]);
    }

    #[test]
    fn a_fingerprint_shows_what_nobody_has_seen_yet() {
        let stall = Some(Stall { by: 6, plans: false, unnoticed: true });
        let config = Config { name: "late, short turns", ..three_gangs() };
        check(Config { stall, ..late(config) }, &[Splits, Audits, Repairs, Recovers]);
    }

    #[test]
    fn a_late_plan_is_made_up_for() {
        let stall = Some(Stall { by: 3, plans: true, unnoticed: true });
        let mut config = Config { name: "late, plan", stall, inputs: 0, horizon: 26, ..widening() };
        config.plans.remove(0);
        check(config, &[Tears, Troubles, Repairs, Recovers]);
    }
}

/// The checks find what they are for.
mod mistakes {
    use super::*;

    #[test]
    fn a_delay_shorter_than_lead_and_visibility_is_found() {
        refute(Config { name: "short delay", delay: 1, ..two_gangs() }, &[Rule::Agreement]);
        refute(skewed(two_gangs()).with_delay("short delay, clocks", 2), &[Rule::Agreement, Rule::Trouble]);
    }

    #[test]
    fn sleepers_that_are_not_interrupted_are_found() {
        let fault = Some(Fault::NoInterrupts);
        refute(Config { name: "no interrupts", fault, ..two_gangs() }, &[Rule::Gang, Rule::Idle, Rule::Conservation]);
    }

    #[test]
    fn news_that_are_not_acted_upon_are_found() {
        let fault = Some(Fault::NoPokes);
        refute(Config { name: "no pokes", fault, ..two_gangs() }, &[Rule::Gang, Rule::Idle, Rule::Conservation]);
    }

    #[test]
    fn a_plan_that_takes_effect_too_early_is_found() {
        let fault = Some(Fault::PlanDelay(1));
        refute(Config { name: "early plan", fault, ..widening() }, &[Rule::Agreement]);
        refute(Config { name: "early window", fault, ..new_window() }, &[Rule::Agreement, Rule::Window]);
    }

    #[test]
    fn timers_that_come_later_than_the_lead_are_found() {
        let fault = Some(Fault::SlowTimer(1));
        refute(Config { name: "slow timer", fault, inputs: 0, ..two_gangs() }, &[Rule::Gang]);
        let alone = Config::new("slow timer, window", 1, vec![window(1, 0b1, 10, 3, 2)]);
        refute(Config { fault, ..alone }, &[Rule::Window]);
    }

    #[test]
    fn budgets_that_nobody_promised_are_missed() {
        let fault = Some(Fault::Overpromise(1));
        refute(Config { name: "overpromised", fault, inputs: 0, ..two_reserves() }, &[Rule::Budget]);
    }

    #[test]
    fn differences_that_are_not_repaired_are_found() {
        let fault = Some(Fault::NoRepairs);
        refute(Config { name: "no repairs", fault, ..late(two_gangs()) }, &[Rule::Recovery]);
    }
}
