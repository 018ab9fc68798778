//! What is told to a broker.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::{TOUR, messages, with_cell};
use crate::{Threads, parse};

pub(super) const ADAPTIVE: &str = include_str!("../../../../systems/adaptive.toml");

pub(super) const BROKERED: &str = r#"
[system]
name = "brokered"
[broker]
optimizer = "pota"
[[cell]]
name = "a"
threads = [0, 1]
policy = { event-triggered = { period = "20 ms", budget = "15 ms" } }
needs = { minimum = 0.25, desired = 1.5, heartbeats = "12.5/s", slope = 2.5, weight = 3, contracts = { disk = "200/s" } }
[[cell]]
name = "b"
threads = [0, 1]
policy = { event-triggered = { period = "20 ms", budget = "15 ms" } }
needs = { deadline = "5 ms" }
[[cell]]
name = "disk"
threads = [1]
policy = "best-effort"
offers = "1000/s"
"#;

#[test]
fn a_broker_and_what_cells_need_read_as_written() {
    let system = parse(BROKERED, "s.toml").expect("it is good");
    let broker = system.broker.as_ref().expect("it is there");
    assert_eq!((broker.optimizer.as_str(), broker.period_ns, broker.samples), ("pota", 100_000_000, 5));
    assert_eq!((broker.quanta, broker.margin_permille, &broker.threads), (16, 50, &Threads::All));
    let [a, b, disk] = &system.cells[..] else { panic!("three cells") };
    let rate = crate::Rate { service: "disk".to_string(), per_s: 200 };
    let needs = crate::Needs {
        minimum_milli: 250,
        desired_milli: Some(1500),
        target: Some(crate::Target::Heartbeats { milli_per_s: 12_500 }),
        slope_milli: 2500,
        weight: 3,
        contracts: Vec::from([rate]),
    };
    assert_eq!(a.needs, Some(needs));
    let target = b.needs.as_ref().and_then(|needs| needs.target);
    assert_eq!(target, Some(crate::Target::Deadline { ns: 5_000_000 }));
    assert_eq!((disk.needs.is_none(), disk.offers_per_s, a.offers_per_s), (true, 1000, 0));
    assert_eq!(crate::Target::Heartbeats { milli_per_s: 12_500 }.deadline_ns(), 80_000_000);
    assert!(parse(ADAPTIVE, "systems/adaptive.toml").expect("a system that ships").broker.is_some());
    assert!(parse(TOUR, "systems/tour.toml").expect("a system that ships").broker.is_none());
}

#[test]
fn mistakes_in_the_broker_are_told_with_what_would_be_right() {
    let with = |lines: &str| format!("[system]\nname = \"s\"\n[broker]\n{lines}\n");
    for (lines, expected) in [
        ("", "s.toml:3:1: [broker] lacks `optimizer`; add for example `optimizer = \"pacora\"`"),
        ("optimizer = \"pakora\"", "s.toml:4:13: `pakora` is not an optimizer; did you mean `pacora`?"),
        ("optimizer = \"fair\"\nperiod = \"5 us\"", "s.toml:5:10: this must be from 1 ms to 60 s, not 5 us"),
        ("optimizer = \"fair\"\nquanta = 65", "s.toml:5:10: this must be a whole number from 1 to 64"),
        (
            "optimizer = \"fair\"\nmargin = 1",
            "s.toml:5:10: `margin` is a part of the deadline, from 0 to 0.9, such as 0.05",
        ),
        ("optimizer = \"fair\"\nquantum = 4", "s.toml:5:1: `quantum` is not a key of [broker]; did you mean `quanta`?"),
    ] {
        assert_eq!(messages(&with(lines)), [expected]);
    }
    let other = "[root]\nprogram = \"mine\"\n";
    assert!(parse(&(with("optimizer = \"my-own\"") + other), "s").is_ok(), "another program may know others");
}

#[test]
fn mistakes_in_needs_are_told_with_what_would_be_right() {
    let with = |cell: &str| format!("{}[broker]\noptimizer = \"fair\"\n", with_cell(cell));
    let best = "policy = \"best-effort\"\n";
    for (cell, expected) in [
        ("policy = \"dedicated\"\nthreads = [1]\nneeds = {}", "s.toml:7:9: the broker gives a cell budgets or weights"),
        (
            "needs = { minimum = \"1\" }",
            "s.toml:6:21: `minimum` is a number of hardware threads, such as 0.25 or 2, not a string",
        ),
        (
            "needs = { minimum = 2, desired = 1.5 }",
            "s.toml:6:34: `desired` is less than `minimum`; desire at least that",
        ),
        (
            "threads = [0]\nneeds = { desired = 1.5 }",
            "s.toml:7:21: `desired` is 1.5 hardware threads, and the cell has 1",
        ),
        (
            "needs = { heartbeats = 50 }",
            "s.toml:6:24: `heartbeats` is a rate, such as \"50/s\", from 0.001/s to 1000000/s",
        ),
        ("needs = { heartbeats = \"0/s\" }", "s.toml:6:24: `heartbeats` is a rate"),
        (
            "needs = { heartbeats = \"5/s\", deadline = \"1 ms\" }",
            "s.toml:6:42: a cell has a `deadline` or a rate of `heartbeats`, not both",
        ),
        ("needs = { slope = -1 }", "s.toml:6:19: `slope` is the penalty of a second's delay"),
        ("needs = { weight = 0 }", "s.toml:6:20: this must be a whole number from 1 to 10000"),
        ("needs = { contracts = { disc = \"5/s\" } }", "s.toml:6:9: there is no cell `disc`; there are: a"),
        ("needs = { contracts = { a = \"5/s\" } }", "s.toml:6:9: `a` offers nothing; say what it can serve"),
        ("offers = \"0.5/s\"", "s.toml:6:10: `offers` is a whole rate, such as \"1000/s\""),
        ("needs = { minimun = 1 }", "s.toml:6:11: `minimun` is not a key of `needs`; did you mean `minimum`?"),
    ] {
        let policy = if cell.starts_with("policy") { "" } else { best };
        let found = messages(&with(&format!("{policy}{cell}")));
        assert!(found.len() == 1 && found[0].starts_with(expected), "{cell}: {found:?}");
    }
    let reserve = "policy = { event-triggered = { period = \"5 ms\", budget = \"1 ms\" } }\nmost-harts = 2\nneeds = {}";
    assert!(messages(&with(reserve))[0].contains("a cell with `needs` and `most-harts` is best-effort"));
    let found = messages(&with_cell("policy = \"best-effort\"\nneeds = {}"));
    assert_eq!(found, ["s.toml:6:9: `a` tells a broker what it needs, and there is none; add `[broker]`"]);
}

#[test]
fn shares_that_could_not_be_given_where_cells_are_are_mistakes() {
    let system = |cells: &[&str]| {
        let mut text = "[system]\nname = \"s\"\n[broker]\noptimizer = \"fair\"\n".to_string();
        for (name, cell) in ('a'..).zip(cells) {
            text += &format!("[[cell]]\nname = \"{name}\"\npolicy = \"best-effort\"\n{cell}\n");
        }
        text
    };
    let (one, two) = ("threads = [0]\nneeds = {}", "threads = [1]\nneeds = {}");
    assert!(parse(&system(&[one, one]), "s").is_ok());
    assert!(messages(&system(&[one, two]))[0].contains("give `b` the same `threads` as `a`"));
    let (grows, half) = ("threads = [1]\nmost-harts = 4\nneeds = {}", "threads = [0]\nneeds = { desired = 0.5 }");
    assert!(parse(&system(&[grows, grows, half, half]), "s").is_ok());
    assert!(parse(&system(&[grows, one]), "s").is_ok());
    assert!(messages(&system(&[grows, one, half]))[0].contains("give each its `desired`"));
    let many = ["threads = [0]\nneeds = {}"; 17];
    assert!(messages(&system(&many))[0].contains("the broker serves at most 16 cells"));
}
