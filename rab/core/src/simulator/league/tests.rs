//! The league, and what the book shows of it.

use std::fs;

use super::*;
use crate::optimizers::Shipped;
use crate::simulator::scenarios;

fn find(name: &str) -> Option<Box<dyn Optimizer>> {
    Some(Box::new(Shipped::<64>::named(name)?))
}

#[test]
fn a_figure_is_the_median_with_the_least_and_the_most() {
    let figure = Figure::of(std::vec![3.0, 1.0, 9.0, 2.0, 4.0]);
    assert_eq!(figure, Figure { median: 3.0, least: 1.0, most: 9.0 });
    assert_eq!(table::shown(&figure, 1), "3.0 (1.0-9.0)");
    assert_eq!(table::shown(&Figure::of(std::vec![2.0, 2.0]), 0), "2");
}

#[test]
fn penalties_are_told_in_relation_to_those_of_the_yardsticks() {
    let steps = &scenarios()[..1];
    let league = League::play(&["pota", "nobody"], &find, steps);
    let (_, rows) = &league.scenarios[0];
    let names: Vec<&str> = rows.iter().map(|row| row.optimizer.as_str()).collect();
    assert_eq!(names, ["static", "fair", "pota"]);
    let penalty = |row: usize| rows[row].figure(Measure::Penalty).median;
    assert_eq!(rows[2].relative, [penalty(2) / penalty(0), penalty(2) / penalty(1)]);
    let ranked: Vec<&str> = league.ranking.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(ranked, ["pota", "fair", "static"]);
}

#[test]
fn the_book_shows_the_league_as_it_is() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/book/src");
    let read = |file: &str| fs::read_to_string(std::format!("{folder}/{file}")).expect("the book has it");
    let league = League::play(&Shipped::<64>::NAMES, &find, &scenarios());
    let phases = scenarios().into_iter().find(|scenario| scenario.name == "phases").expect("it is there");
    let table = league.to_string();
    assert!(
        read("optimizer.md").contains(&table),
        "the book should show\n\n{table}\nMake it by `cargo xtask league --book`"
    );
    let pictures = [("league.svg", league.svg()), ("phases.svg", over_time(&Shipped::<64>::NAMES, &find, &phases))];
    for (file, drawn) in pictures {
        assert!(read(file) == drawn, "{file} is not what is drawn now. Make it by `cargo xtask league --book`");
    }
}
