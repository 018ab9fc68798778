//! What holds in situations that random plans seldom meet, or that went wrong once.

use std::collections::BTreeSet;
use std::vec::Vec;

use super::following::*;
use crate::inputs::NoInputs;
use crate::{CellId, Entry, Policy, Replica, Run, Span};

fn cells_on(history: &History) -> BTreeSet<u16> {
    history.iter().filter_map(|(_, run)| run.map(|run| run.cell.0)).collect()
}

#[test]
fn a_lone_best_effort_cell_is_left_alone() {
    let plan = plan(&[entry(1, 1, BEST)], 0).expect("one cell");
    let mut replica = Replica::new(0, &plan, None, &NoInputs);
    assert_eq!(replica.decide(&plan, ns(5), &NoInputs).until, None);
}

#[test]
fn a_dedicated_cell_is_left_alone_whatever_shares_its_hardware_threads() {
    let list = [entry(1, 0b01, Policy::Dedicated), entry(2, 0b11, BEST), entry(3, 0b10, window(20_000, 0, 1_000))];
    let plan = plan(&list, 0).expect("best effort is never in conflict");
    let mut replica = Replica::new(0, &plan, None, &NoInputs);
    assert_eq!(replica.decide(&plan, ns(0), &NoInputs).until, None);
}

#[test]
fn best_effort_cells_that_share_nothing_are_not_interrupted_by_slices() {
    let list = [entry(1, 0b01, BEST), entry(2, 0b10, BEST), entry(3, 0b11, window(100_000, 30_000, 1_000))];
    let plan = plan(&list, 0).expect("best effort is never in conflict");
    let mut replica = Replica::new(0, &plan, None, &NoInputs);
    assert_eq!(replica.decide(&plan, ns(0), &NoInputs).boundary, Some(ns(30_000)));
}

#[test]
fn a_wide_gang_does_not_starve_beside_a_window_that_is_open_at_every_slice_boundary() {
    let list = [entry(1, 0b01, window(10_000, 0, 1_000)), entry(2, 0b11, BEST), entry(3, 0b10, BEST)];
    let plan = plan(&list, 0).expect("best effort is never in conflict");
    let (history, _) = follow(0, &[plan], ns(100_000), || 0);
    assert!(cells_on(&history).contains(&2), "{history:?}");
}

#[test]
fn a_plan_in_the_middle_of_a_window_starts_the_gang_at_its_effective_instant() {
    let plan = plan(&[entry(1, 1, window(20_000, 0, 5_000))], 2_000).expect("one cell");
    let run = Replica::new(0, &plan, None, &NoInputs).decide(&plan, ns(2_000), &NoInputs).run;
    assert_eq!(run, Some(Run { cell: CellId(1), since: ns(2_000) }));
}

#[test]
fn a_window_in_progress_keeps_its_activation_across_a_change_of_plan() {
    let list = [entry(1, 1, window(20_000, 3_000, 5_000))];
    let (before, after) = (plan(&list, 0).expect("one cell"), plan(&list, 4_500).expect("one cell"));
    let run = Replica::new(0, &before, None, &NoInputs).decide(&before, ns(4_000), &NoInputs).run;
    let decision = Replica::new(0, &after, run, &NoInputs).decide(&after, ns(4_500), &NoInputs);
    assert_eq!(decision.run, run);
    assert_eq!(decision.until, Some(ns(8_050)));
}

#[test]
fn an_activation_from_the_plan_before_lasts_through_boundaries_inside_the_window() {
    let list =
        [entry(1, 1, window(30_000, 1_000, 15_000)), entry(2, 2, window(30_000, 5_000, 1_000)), entry(3, 3, BEST)];
    let plan = plan(&list, 2_000).expect("no conflict");
    let run = Some(Run { cell: CellId(1), since: ns(0) });
    let mut replica = Replica::new(0, &plan, run, &NoInputs);
    assert_eq!(replica.decide(&plan, ns(2_000), &NoInputs).run, run);
    assert_eq!(replica.decide(&plan, ns(6_000), &NoInputs).run, run);
}

#[test]
fn a_gang_that_a_plan_widens_is_activated_anew_on_all_its_hardware_threads() {
    let plans =
        [plan(&[entry(1, 0b01, BEST)], 0).expect("one cell"), plan(&[entry(1, 0b11, BEST)], 5_000).expect("one cell")];
    let histories = follow_all(&plans, ns(6_000));
    let run = Some(Run { cell: CellId(1), since: ns(5_000) });
    assert_eq!([at(&histories[0], ns(5_000)), at(&histories[1], ns(5_000))], [run, run]);
}

#[test]
fn nobody_starves_when_plans_change_in_every_slice() {
    let cells = [entry(1, 1, BEST), entry(2, 1, BEST), entry(3, 1, BEST)];
    // Another weight each time, so that the component is touched.
    let lists = (0..30).map(|change| {
        [cells[0], cells[1], Entry { policy: Policy::BestEffort { weight: 1 + change % 2 }, ..cells[2] }]
    });
    let plans: Vec<_> =
        lists.zip(0..).map(|(list, place)| plan(&list, place * SLICE.as_nanos()).expect("no conflict")).collect();
    let (history, _) = follow(0, &plans, ns(300_000), || 0);
    assert_eq!(cells_on(&history), BTreeSet::from([1, 2, 3]));
}

#[test]
fn a_cell_kept_out_for_an_hour_does_not_get_the_hour_at_once() {
    // Two windows take turns on the gang's two hardware threads and leave it no common time.
    let (early, late) = (window(20_000, 0, 9_950), window(20_000, 10_000, 9_950));
    let mut list = [entry(1, 0b01, early), entry(2, 0b10, late), entry(3, 0b11, BEST), entry(4, 0b01, BEST)];
    let before = plan(&list, 0).expect("no conflict");
    list[0].policy = window(20_000, 10_000, 9_950);
    let after = plan(&list, 40_000_000).expect("no conflict");
    let (history, _) = follow(0, &[before, after], ns(42_000_000), || 0);
    let waited = history.iter().find(|(from, run)| *from >= ns(40_000_000) && run.is_some_and(|run| run.cell.0 == 4));
    assert!(waited.is_some_and(|(from, _)| *from < ns(40_200_000)), "{waited:?}");
}

#[test]
fn a_stall_of_an_hour_costs_windows_one_step() {
    let list = [entry(1, 0b01, window(5_000, 0, 1_000)), entry(2, 0b11, window(5_000, 2_000, 1_000))];
    let plan = plan(&list, 0).expect("no conflict");
    let mut replica = Replica::new(0, &plan, None, &NoInputs);
    let hour = ns(3_600_000_000_000 + 2_500);
    // 2.9 thousand million boundaries one by one would take minutes.
    let decision = replica.decide(&plan, hour, &NoInputs);
    assert_eq!(decision.run, Some(Run { cell: CellId(2), since: ns(3_600_000_002_000) }));
    assert_eq!(decision.until, Some(ns(3_600_000_003_050)));
    let mut fresh = Replica::new(1, &plan, None, &NoInputs);
    let _ = fresh.decide(&plan, hour, &NoInputs);
    assert_eq!(fresh.digest(), replica.digest());
}

#[test]
fn a_newcomer_gets_its_turn_and_no_more() {
    let list = [entry(1, 1, BEST), entry(2, 1, BEST), entry(3, 1, BEST)];
    let change = 100 * SLICE.as_nanos();
    let plans = [plan(&list[..2], 0).expect("no conflict"), plan(&list, change).expect("no conflict")];
    let (history, _) = follow(0, &plans, ns(change + 6 * SLICE.as_nanos() - 1), || 0);
    let turns: Vec<_> =
        history.iter().filter(|(from, _)| *from >= ns(change)).map(|(_, run)| run.map(|run| run.cell.0)).collect();
    assert_eq!(turns.iter().filter(|cell| **cell == Some(3)).count(), 2, "{turns:?}");
    assert_eq!(turns.len(), 6, "each turn is another cell's: {turns:?}");
}

#[test]
fn among_equals_the_lowest_cell_is_first_wherever_the_plan_names_it() {
    let plan = plan(&[entry(2, 1, BEST), entry(1, 1, BEST)], 0).expect("no conflict");
    let run = Replica::new(0, &plan, None, &NoInputs).decide(&plan, ns(0), &NoInputs).run;
    assert_eq!(run.map(|run| run.cell), Some(CellId(1)));
}

#[test]
fn among_reserves_with_the_same_deadline_the_lowest_cell_is_first_wherever_the_plan_names_it() {
    let reserve = Policy::EventTriggered { period: Span::from_micros(50), budget: Span::from_micros(5) };
    let plan = plan(&[entry(2, 1, reserve), entry(1, 1, reserve)], 0).expect("a tenth each");
    let run = Replica::new(0, &plan, None, &NoInputs).decide(&plan, ns(0), &NoInputs).run;
    assert_eq!(run.map(|run| run.cell), Some(CellId(1)));
}

#[test]
fn a_gang_that_a_plan_widens_within_its_component_is_activated_anew() {
    // The window's gang holds both hardware threads together, so that the past is known on both.
    let list = |threads| [entry(1, threads, BEST), entry(2, 0b11, window(50_000, 40_000, 1_000))];
    let plans = [plan(&list(0b01), 0).expect("no conflict"), plan(&list(0b11), 5_000).expect("no conflict")];
    let histories = follow_all(&plans, ns(6_000));
    let run = Some(Run { cell: CellId(1), since: ns(5_000) });
    assert_eq!([at(&histories[0], ns(5_000)), at(&histories[1], ns(5_000))], [run, run]);
}

#[test]
fn a_gang_is_not_started_for_less_than_a_switch_is_worth() {
    // Between the first window's end with its lead, at 2,050, and the second one's start there is less than two leads.
    let list =
        |start| [entry(1, 1, window(50_000, 0, 2_000)), entry(2, 1, window(50_000, start, 2_000)), entry(3, 1, BEST)];
    let runs = |start| {
        let plan = plan(&list(start), 0).expect("no conflict");
        at(&follow(0, &[plan], ns(10_000), || 0).0, ns(2_050)).map(|run| run.cell.0)
    };
    assert_eq!(runs(2_149), None);
    assert_eq!(runs(2_150), Some(3));
}

#[test]
fn a_window_is_an_activation_even_where_the_cell_ran_until_then_under_the_plan_before() {
    let back_to_back = [entry(1, 1, window(5_000, 0, 4_950))];
    let plans = [plan(&back_to_back, 0).expect("one cell"), plan(&back_to_back[..1], 5_000).expect("one cell")];
    let best = [plan(&[entry(1, 1, BEST)], 0).expect("one cell"), plans[1].clone()];
    for plans in [plans, best] {
        let (history, _) = follow(0, &plans, ns(5_100), || 0);
        assert_eq!(at(&history, ns(5_000)), Some(Run { cell: CellId(1), since: ns(5_000) }));
    }
}

#[test]
fn what_only_some_hardware_threads_know_sways_no_decision() {
    // Cell 1 ran on hardware thread 0, and goes on, or not, just before a window that joins both hardware threads.
    let before = plan(&[entry(1, 0b01, BEST), entry(2, 0b10, BEST)], 0).expect("no conflict");
    let after =
        plan(&[entry(1, 0b01, BEST), entry(3, 0b11, window(50_000, 20_000, 1_000))], 19_950).expect("no conflict");
    let plans = [before, after];
    let digest = |thread| follow(thread, &plans, ns(19_960), || 0).1.digest();
    assert_eq!(digest(0), digest(1));
}
