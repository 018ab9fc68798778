use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::compact;

mod broker;

const TOUR: &str = include_str!("../../../systems/tour.toml");

const GOOD: &str = r#"
[system]
name = "good"
[[cell]]
name = "a"
policy = { best-effort = { weight = 7 } }
[[cell]]
name = "b"
program = "a"
threads = [1, 0x2]
memory = "1 MiB"
stack = "32 KiB"
policy = { time-triggered = { period = "10 ms", phase = "5 ms", length = "1 ms" } }
args = "x=1 y"
expect = "exit"
no-missed = true
restart = true
most-harts = 4
[[cell]]
name = "c"
policy = { event-triggered = { period = "5 ms", budget = "0.5 ms" } }
"#;

fn messages(text: &str) -> Vec<String> {
    parse(text, "s.toml").expect_err("there is a mistake").iter().map(ToString::to_string).collect()
}

fn with_cell(lines: &str) -> String {
    format!("[system]\nname = \"s\"\n[[cell]]\nname = \"a\"\n{lines}\n")
}

fn window(phase: &str) -> String {
    format!("policy = {{ time-triggered = {{ period = \"10 ms\", phase = \"{phase}\", length = \"2 ms\" }} }}")
}

#[test]
fn a_manifest_reads_as_written_with_defaults_for_the_rest() {
    let system = parse(GOOD, "good.toml").expect("it is good");
    assert_eq!((system.slice_ns, system.tolerance_ns, system.status_ns), (10_000_000, 100_000, 500_000_000));
    assert_eq!((system.run_for_ns, &system.root), (None, &Root::default()));
    let [a, b, c] = &system.cells[..] else { panic!("three cells") };
    assert_eq!(
        (a.program.as_str(), &a.threads, a.policy),
        ("a", &Threads::All, crate::Policy::BestEffort { weight: 7 })
    );
    assert_eq!((a.memory_bytes, a.stack_bytes, a.expect, a.restart), (16 << 20, 64 << 10, Expect::Run, false));
    assert_eq!((a.most_harts, b.most_harts, c.most_harts), (None, Some(4), None));
    assert_eq!((b.program.as_str(), &b.threads), ("a", &Threads::List([1, 2].to_vec())));
    assert_eq!((b.args.as_str(), b.expect, b.no_missed, b.restart), ("x=1 y", Expect::Exit, true, true));
    assert_eq!(c.policy, crate::Policy::EventTriggered { period_ns: 5_000_000, budget_ns: 500_000 });
}

#[test]
fn the_tour_is_a_good_example() {
    let system = parse(TOUR, "systems/tour.toml").expect("the first manifest that anyone sees");
    assert!(system.cells.iter().any(|cell| cell.name == "sampler"));
}

#[test]
fn each_mistake_is_reported_with_its_place_and_what_would_be_right() {
    let cases = [
        (
            "policy = { best-effort = { wieght = 1 } }",
            "s.toml:5:28: `wieght` is not a key of a best-effort policy; did you mean `weight`?",
        ),
        ("policy = { best-effort = { weight = 0 } }", "s.toml:5:37: `weight` is a whole number from 1 to 10000"),
        ("policy = \"dedicted\"", "s.toml:5:10: \"dedicted\" is not a policy; did you mean `dedicated`?"),
        (
            "policy = \"best-effort\"\nexpect = \"crash\"",
            "s.toml:6:10: `expect` cannot be \"crash\"; there are: run, exit, fault, refused",
        ),
        (
            "policy = \"best-effort\"\nharts = 2",
            "s.toml:6:1: `harts` is not a key of [[cell]]; a cell has one hart on each of its `threads`",
        ),
        ("policy = \"best-effort\"\nthreads = [1, 1]", "s.toml:6:15: hardware thread 1 is in the list twice"),
        ("policy = \"best-effort\"\nthreads = [64]", "s.toml:6:12: a hardware thread is a number from 0 to 63"),
        (
            "policy = \"best-effort\"\nthreads = []",
            "s.toml:6:11: `threads` is \"all\", \"other\" (all but hardware thread 0), or a list of numbers such as [0, 1]",
        ),
        (
            "policy = \"best-effort\"\nmemory = \"16 MB\"",
            "s.toml:6:10: `memory` is a size, such as \"64 KiB\" or \"16 MiB\"",
        ),
        (
            "policy = \"best-effort\"\nmemory = \"300.5 KiB\"",
            "s.toml:6:10: `memory` must be a multiple of 4 KiB; 304 KiB would do",
        ),
        (
            "policy = \"best-effort\"\nstack = \"1 MiB\"",
            "s.toml:6:9: `stack` must be from 16 KiB to 896 KiB, not 1 MiB",
        ),
        (
            "policy = \"best-effort\"\nrestart = \"yes\"",
            "s.toml:6:11: `restart` is `true` or `false`, without quotation marks",
        ),
        (
            "policy = \"best-effort\"\nmost-harts = \"4\"",
            "s.toml:6:14: `most-harts` is a number from 1 to 64, without quotation marks",
        ),
        (
            "policy = \"best-effort\"\nmost-harts = 65",
            "s.toml:6:14: `most-harts` is a number from 1 to 64, without quotation marks",
        ),
        (
            "policy = \"best-effort\"\nthreads = [1, 2]\nmost-harts = 1",
            "s.toml:7:14: the cell begins with 2 harts, one on each of its `threads`, so `most-harts` is at least 2",
        ),
        (
            "policy = \"best-effort\"\nthreads = [1]\nmost-harts = 8\nmemory = \"512 KiB\"",
            "s.toml:8:10: the stacks alone take 768 KiB, so 512 KiB cannot be enough; give more `memory`",
        ),
        (
            "policy = \"event-triggered\"",
            "s.toml:5:10: an event-triggered policy needs its budget, for example \
             `{ event-triggered = { period = \"5 ms\", budget = \"1 ms\" } }`",
        ),
        (
            "policy = \"event-trigered\"",
            "s.toml:5:10: \"event-trigered\" is not a policy; did you mean `event-triggered`?",
        ),
        ("policy = { event-triggered = 5 }", "s.toml:5:30: an event-triggered policy must be a table, not an integer"),
        (
            "policy = { event-triggered = { period = \"5 ms\" } }",
            "s.toml:5:30: an event-triggered policy lacks `budget`; add for example `budget = \"1 ms\"`, \
             what it may use in every period",
        ),
        (
            "policy = { event-triggered = { budget = \"5 ms\" } }",
            "s.toml:5:30: an event-triggered policy lacks `period`; add for example `period = \"50 ms\"`",
        ),
        (
            "policy = { event-triggered = { period = \"5 ms\", budget = \"1 us\" } }",
            "s.toml:5:58: this must be from 10 us to 60 s, not 1 us",
        ),
        (
            "policy = { event-triggered = { period = \"5 us\", budget = \"1 ms\" } }",
            "s.toml:5:41: this must be from 100 us to 60 s, not 5 us",
        ),
        (
            "policy = { event-triggered = { period = \"5 ms\", budget = \"5 ms\" } }",
            "s.toml:5:58: a budget of 5 ms is not less than its period of 5 ms; make it smaller, the period longer, \
             or the cell dedicated",
        ),
        (
            "policy = { event-triggered = { period = \"5 ms\", budget = \"1 ms\", phase = \"1 ms\" } }",
            "s.toml:5:66: `phase` is not a key of an event-triggered policy; its first period begins when it has work",
        ),
        (
            "policy = { event-triggered = { period = \"5 ms\", budget = \"1 ms\", length = \"1 ms\" } }",
            "s.toml:5:66: `length` is not a key of an event-triggered policy; what it may use in every period is its `budget`",
        ),
        (
            "policy = { time-triggered = { period = \"50 ms\", phase = \"9 ms\", length = \"1 ms\", budget = \"1 ms\" } }",
            "s.toml:5:82: `budget` is not a key of a time-triggered policy; a window has a `length`",
        ),
        ("", "s.toml:3:1: [[cell]] lacks `policy`; add for example `policy = { best-effort = { weight = 100 } }`"),
    ];
    for (lines, expected) in cases {
        assert_eq!(messages(&with_cell(lines)), [expected]);
    }
    assert_eq!(
        messages("[system]\nname = \"A b\"\nslice = 10\n"),
        [
            "s.toml:2:8: \"A b\" is not a name; a name consists of lower-case letters, digits, `-` and `_`",
            "s.toml:3:9: this must be a duration, such as \"100 us\", \"10 ms\" or \"3 s\"",
        ]
    );
    let long = format!("[system]\nname = \"{}\"", "x".repeat(33));
    assert_eq!(messages(&long), ["s.toml:2:8: the name has 33 bytes; it may have 32"]);
}

#[test]
fn windows_that_cannot_be_are_refused() {
    let bad = "policy = { time-triggered = { period = \"50 ms\", phase = \"60 ms\", length = \"50 ms\" } }";
    let found = messages(&with_cell(bad));
    assert!(
        found[0].contains("the phase of 60 ms is not less than the period of 50 ms; 10 ms is the same place"),
        "{found:?}"
    );
    assert!(found[1].contains("a window of 50 ms does not fit into its period of 50 ms"), "{found:?}");
}

#[test]
fn windows_in_conflict_are_reported_and_others_are_not() {
    let pair = |first: &str, second: &str| {
        let root =
            "[root]\npolicy = { time-triggered = { period = \"10 ms\", phase = \"9 ms\", length = \"1 ms\" } }\n";
        format!("{root}{}\n[[cell]]\nname = \"b\"\n{second}\n", with_cell(first))
    };
    assert!(parse(&pair(&window("0 ms"), &window("2 ms")), "s").is_ok());
    assert!(messages(&pair(&window("0 ms"), &window("1 ms")))[0].contains("as that of `a` (2 ms every 10 ms at 0 ns)"));
    assert!(messages(&pair(&window("8 ms"), &window("2 ms")))[0].contains("as that of `root`"));
    let on = |threads: &str, phase: &str| format!("threads = {threads}\n{}", window(phase));
    assert!(parse(&pair(&on("[1]", "0 ms"), &on("[2]", "0 ms")), "s").is_ok());
    assert!(messages(&pair(&on("[1]", "0 ms"), &on("\"other\"", "0 ms")))[0].contains("as that of `a`"));
    let dedicated = "threads = [1]\npolicy = \"dedicated\"";
    let hungry = "threads = [1, 2]\npolicy = \"best-effort\"";
    assert!(messages(&pair(dedicated, hungry))[0].contains("it can never run: `a` is dedicated"));
    assert!(messages(&pair(hungry, dedicated))[0].contains("`a` could never run"));
    assert!(messages(&pair(dedicated, dedicated))[0].contains("`a` is dedicated to the same"));
    assert!(messages(&pair("policy = \"dedicated\"", hungry))[0].contains("`root` could never run"));
}

fn budget(period: &str, budget: &str) -> String {
    format!("policy = {{ event-triggered = {{ period = \"{period}\", budget = \"{budget}\" }} }}")
}

/// The root cell has a tenth of hardware thread 0; the others are called `a`, `b` and so on.
fn system_of(cells: &[(&str, &str)]) -> String {
    let mut text = "[system]\nname = \"s\"\n[root]\npolicy = { time-triggered = { period = \"10 ms\", phase = \"9 ms\", length = \"1 ms\" } }\n".to_string();
    for (name, (threads, policy)) in ('a'..).zip(cells) {
        text += &format!("[[cell]]\nname = \"{name}\"\nthreads = {threads}\n{policy}\n");
    }
    text
}

#[test]
fn a_budget_and_a_dedicated_cell_cannot_share_a_hardware_thread() {
    let (dedicated, quick) = ("policy = \"dedicated\"", budget("5 ms", "1 ms"));
    let found = messages(&system_of(&[("[1]", dedicated), ("[1, 2]", &quick)]));
    assert_eq!(
        found,
        [
            "s.toml:12:10: it can never run: `a` is dedicated to a hardware thread that it needs; give one of them other \
          `threads`, or `a` another policy"
        ]
    );
    let found = messages(&system_of(&[("\"all\"", &quick), ("[1]", dedicated)]));
    assert!(found[0].starts_with("s.toml:12:10: `a` could never run"), "{found:?}");
    assert!(parse(&system_of(&[("[1]", dedicated), ("[2]", &quick)]), "s").is_ok());
}

#[test]
fn what_is_promised_beyond_all_the_time_of_a_hardware_thread_is_reported_and_no_more_than_that() {
    let (half, tenth, more) = (budget("5 ms", "2.5 ms"), budget("7 ms", "0.7 ms"), budget("7 ms", "0.700001 ms"));
    let (all, other) = ("\"all\"", "\"other\"");
    // Exactly all of it is for the kernel to judge.
    assert!(parse(&system_of(&[("[1]", &half), ("[1, 2]", &half)]), "s").is_ok());
    assert!(parse(&system_of(&[("[0]", &half), (all, &budget("3 ms", "1.2 ms"))]), "s").is_ok());
    assert_eq!(
        messages(&system_of(&[(all, &half), (all, &budget("3 ms", "1.20001 ms")), (all, &tenth)])),
        ["s.toml:12:10: hardware thread 0 has not enough time: `root` and `a` leave at most 1.2 ms in every 3 ms, \
          and switching takes a part of that; ask for less, or for other `threads`"]
    );
    let found = messages(&system_of(&[("[3, 1]", &half), (other, &budget("10 ms", "4 ms")), (other, &more)]));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains(":16:10: hardware thread 1 has not enough time: `a` and `b` leave at most"), "{found:?}");
    // Windows count; those who are reported do not.
    let wide = "policy = { time-triggered = { period = \"10 ms\", phase = \"0 ms\", length = \"6 ms\" } }";
    let found = messages(&system_of(&[(other, &half), ("[2]", wide), ("[2]", &half)]));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains(":12:10: hardware thread 2 has not enough time: `a` leaves at most 5 ms in every 10 ms"),
        "{found:?}"
    );
    let mut cells = [("[5]", half.as_str()); 7];
    cells[2..].fill(("[5]", &tenth));
    let found = messages(&system_of(&cells));
    assert!(found[0].contains("5 has not enough time: `a` and `b` leave nothing; ask"), "{found:?}");
    cells[1] = ("[5]", &tenth);
    assert!(messages(&system_of(&cells))[0].contains("`a`, `b`, `c` and 3 more leave nothing; ask"));
}

#[test]
fn cells_that_may_be_on_different_hardware_threads_are_no_mistake() {
    let (half, more) = (budget("5 ms", "2.5 ms"), budget("5 ms", "3 ms"));
    assert!(parse(&system_of(&[("[1]", &half), ("[2]", &more)]), "s").is_ok());
    assert!(parse(&system_of(&[("[0]", &half), ("\"other\"", &more)]), "s").is_ok());
    assert!(parse(&system_of(&[("\"all\"", &half), ("\"all\"", "policy = \"best-effort\"")]), "s").is_ok());
}

#[test]
fn names_are_unique_and_those_that_are_taken_are_refused() {
    let found = messages(&with_cell("policy = \"best-effort\"\n[[cell]]\nname = \"a\"\npolicy = \"best-effort\"\n"));
    assert_eq!(found, ["s.toml:7:8: two cells have the name `a`; every cell needs a name of its own"]);
    let found = messages("[system]\nname=\"s\"\n[[cell]]\nname = \"root\"\npolicy = \"best-effort\"\n");
    assert_eq!(found, ["s.toml:4:8: the name `root` is taken; choose another one"]);
}

#[test]
fn syntax_errors_have_a_place_too() {
    let found = messages("[system]\nname = \n");
    assert!(found[0].starts_with("s.toml:2:"), "{found:?}");
}

#[test]
fn the_compact_form_keeps_everything() {
    for text in [GOOD, TOUR, broker::ADAPTIVE, broker::BROKERED] {
        let system = parse(text, "s").expect("both are good");
        assert_eq!(System::from_compact(&compact(&system)), Ok(system));
    }
}

#[test]
fn damaged_compact_forms_are_errors() {
    let good = compact(&parse(GOOD, "s").expect("it is good"));
    for length in 0..good.len() {
        assert!(System::from_compact(&good[..length]).is_err());
    }
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(System::from_compact(&longer), Err(crate::CompactError::Malformed));
    let mut other = good;
    other[0] = 99;
    assert_eq!(System::from_compact(&other), Err(crate::CompactError::Version(Some(99))));
}

/// The text with some bytes replaced, inserted or cut.
fn mutated(text: &'static str) -> impl Strategy<Value = String> {
    let edit = (0..text.len(), 0..4_usize, any::<u8>());
    proptest::collection::vec(edit, 1..6).prop_map(move |edits| {
        let mut bytes = text.as_bytes().to_vec();
        for (place, kind, byte) in edits {
            let place = place % bytes.len().max(1);
            match kind {
                0 if !bytes.is_empty() => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                2 if !bytes.is_empty() => drop(bytes.remove(place)),
                3 => bytes.truncate(place + 1),
                _ => {}
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = parse(&text, "s");
    }

    #[test]
    fn every_mutated_manifest_is_good_or_has_placed_mistakes(text in mutated(GOOD)) {
        match parse(&text, "s") {
            Ok(system) => prop_assert_eq!(System::from_compact(&compact(&system)), Ok(system)),
            Err(mistakes) => {
                prop_assert!(!mistakes.is_empty());
                prop_assert!(mistakes.iter().all(|m| m.line >= 1 && m.line <= text.matches('\n').count() + 1));
            }
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(mut bytes in any::<Vec<u8>>(), version in any::<bool>()) {
        if version && !bytes.is_empty() {
            bytes[0] = crate::compact::VERSION;
        }
        let _ = System::from_compact(&bytes);
    }
}

const PAIR: &str = "[system]\nname = \"s\"\n[[cell]]\nname = \"a\"\npolicy = \"best-effort\"\n[[cell]]\nname = \"b\"\npolicy = \"best-effort\"\n";

fn with_channel(lines: &str) -> String {
    format!("{PAIR}[[channel]]\nname = \"x\"\n{lines}\n")
}

#[test]
fn channels_go_from_each_to_each_and_back() {
    let text =
        with_channel("from = [\"a\", \"root\"]\nto = \"b\"\ntwo-way = true\ncontract = { rate = 1000, burst = 4 }");
    let system = parse(&text, "s.toml").expect("it is good");
    let ways: Vec<(&str, &str, Option<u32>, u32)> = system
        .channels
        .iter()
        .map(|channel| {
            let rate = channel.contract.map(|contract| contract.rate_per_s);
            (channel.from.as_str(), channel.to.as_str(), rate, channel.pair)
        })
        .collect();
    let expected =
        [("a", "b", Some(1000), 1), ("b", "a", None, 1), ("root", "b", Some(1000), 2), ("b", "root", None, 2)];
    assert_eq!(ways, expected);
    assert_eq!((system.channels[0].capacity, system.channels[0].blocks), (64, 0));
    let text = with_channel("from = \"a\"\nto = \"b\"\ncapacity = 1\nbulk = { blocks = 3, size = \"8 KiB\" }");
    let channel = parse(&text, "s.toml").expect("it is good").channels.remove(0);
    assert_eq!((channel.capacity, channel.blocks, channel.block_bytes, channel.pair), (1, 3, 8192, 0));
}

#[test]
fn mistakes_in_channels_say_what_would_be_right() {
    for (lines, expected) in [
        ("to = \"b\"", "lacks `from`"),
        ("from = \"a\"\nto = \"bb\"", "there is no cell `bb`; did you mean `b`?"),
        ("from = \"a\"\nto = \"a\"", "a channel connects two cells, and `a` is one"),
        ("from = [\"a\", \"a\"]\nto = \"b\"", "`a` is in the list twice"),
        ("from = \"a\"\nto = \"b\"\ncapacity = 0", "from 1 to 65536"),
        ("from = \"a\"\nto = \"b\"\nbulk = { blocks = 4096, size = \"4 MiB\" }", "at most 8 MiB together"),
        ("from = \"a\"\nto = \"b\"\ncontract = { burst = 1 }", "a contract needs its `rate`"),
    ] {
        let found = messages(&with_channel(lines));
        assert!(found.iter().any(|message| message.contains(expected)), "{lines}: {found:?}");
    }
    let many = format!("{PAIR}{}", "[[channel]]\nname = \"x\"\nfrom = \"a\"\nto = \"b\"\n".repeat(257));
    assert!(messages(&many).iter().any(|message| message.contains("at most 256 channels")));
}
