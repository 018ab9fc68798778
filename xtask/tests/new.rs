//! `cargo xtask new`, as a stranger uses it: in a copy of the project, where what was made is built, tested and formatted, and the tutorial is followed step by step.

#![forbid(unsafe_code)]

#[path = "new/chapter.rs"]
mod chapter;
#[path = "new/copy.rs"]
mod copy;

use chapter::Chapter;
use copy::{Copy, Ended};

/// As long as a name may be: no line of what is made may depend on it.
const LONG: &str = "what-a-long-name-a-scheduler-has";

/// What programs for cells are built for.
const CELL_TARGET: &str = "x86_64-unknown-linux-gnu";

/// What is made for a scheduler of this name, without the line in `lib.rs`.
fn made_for(name: &str) -> [String; 5] {
    let module = name.replace('-', "_");
    [
        format!("examples/schedulers/src/{module}.rs"),
        format!("examples/schedulers/src/{module}/tests.rs"),
        format!("examples/apps/{name}/Cargo.toml"),
        format!("examples/apps/{name}/src/main.rs"),
        format!("systems/{name}.toml"),
    ]
}

/// Checks the program for a cell, which links only with a cell's flags.
fn check_program(copy: &Copy, name: &str) {
    let checked = copy.cargo(&["check", "--package", name, "--target", CELL_TARGET]);
    assert!(checked.success, "the program {name} should compile:\n{}", checked.output);
}

/// Checks what `cargo xtask check` would: format and lints. They are parts of the toolchain that may be missing; then it says so.
fn check_style(copy: &Copy, name: &str) {
    check_style_of(copy, "schedulers", None);
    check_style_of(copy, name, Some(CELL_TARGET));
}

/// The same for one package: on the host with its tests, or for another target.
fn check_style_of(copy: &Copy, package: &str, target: Option<&str>) {
    let mut lints = vec!["clippy", "--package", package];
    lints.extend(target.map_or(vec!["--all-targets"], |target| vec!["--target", target]));
    lints.extend(["--", "-D", "warnings"]);
    for arguments in [&lints[..], &["fmt", "--package", package, "--", "--check"]] {
        if !copy.cargo(&[arguments[0], "--version"]).success {
            println!("cargo {} is not installed: not checked", arguments[0]);
            continue;
        }
        let checked = copy.cargo(arguments);
        assert!(checked.success, "cargo {} should find nothing:\n{}", arguments[0], checked.output);
    }
}

#[test]
fn a_new_scheduler_compiles_passes_and_is_formatted() {
    let copy = Copy::fresh();
    let made = copy.xtask(&["new", "scheduler", LONG]);
    assert!(made.success, "{}", made.output);
    for path in made_for(LONG) {
        assert!(made.output.contains(&path), "{path} should be named in:\n{}", made.output);
        assert!(copy.path(&path).is_file(), "{path} should be there");
    }
    let tested = copy.cargo(&["test", "--package", "schedulers", "--lib", &LONG.replace('-', "_")]);
    assert!(tested.success && tested.output.contains("4 passed"), "four tests should pass:\n{}", tested.output);
    assert!(!tested.output.contains("warning"), "nothing should be warned of:\n{}", tested.output);
    check_program(&copy, LONG);
    check_style(&copy, LONG);
    let ruled = copy.xtask(&["check", "--quick"]);
    for rule in ["dependencies", "unsafe code"] {
        assert!(ruled.output.contains(&format!("ok      {rule}\n")), "the rule `{rule}`:\n{}", ruled.output);
    }
}

#[test]
fn a_refusal_says_why_and_changes_nothing() {
    let copy = Copy::fresh();
    let before = copy.files();
    let long = "a".repeat(33);
    for (name, reason) in [
        ("edf", "has a module edf already"),
        ("Lottery", "`L` is in it"),
        ("my_lottery-2", "both - and _"),
        ("loop", "it is a keyword of Rust"),
        ("std", "cargo or the compiler use it"),
        ("tour", "systems/tour.toml exists already"),
        ("pulse", "has or uses a package or program pulse already"),
        ("next", "its type would be Next"),
        ("../../etc", "`.` is in it"),
        (&long, "it has 33 letters"),
        ("", "it is empty"),
    ] {
        let Ended { success, output } = copy.xtask(&["new", "scheduler", name]);
        assert!(!success && output.contains(reason), "`{name}`: expected a refusal with `{reason}`, seen:\n{output}");
    }
    // Something stands where a file would be made.
    copy.write("examples/apps/lottery/src/main.rs", "mine");
    let before_last = copy.files();
    let Ended { success, output } = copy.xtask(&["new", "scheduler", "lottery"]);
    assert!(!success, "{output}");
    assert_eq!(copy.files(), before_last, "files after a refusal");
    assert_eq!(copy.read("examples/apps/lottery/src/main.rs"), "mine");
    copy.remove("examples/apps/lottery");
    assert_eq!(copy.files(), before, "files after all refusals");
}

#[test]
fn who_makes_the_same_twice_keeps_the_first() {
    let copy = Copy::fresh();
    assert!(copy.xtask(&["new", "scheduler", "lottery"]).success);
    copy.write("examples/schedulers/src/lottery.rs", "mine");
    let (before, again) = (copy.files(), copy.xtask(&["new", "scheduler", "lottery"]));
    assert!(!again.success && again.output.contains("module lottery already"), "{}", again.output);
    assert_eq!(copy.files(), before, "files");
}

#[test]
fn the_tutorial_works_and_shows_what_is_printed() {
    const TEST: [&str; 7] = ["test", "--package", "schedulers", "--lib", "lottery", "--", "--nocapture"];
    let test = || [&TEST[..], &["--test-threads=1"]].concat();
    let copy = Copy::fresh();
    let chapter = Chapter::read(&copy.read("docs/book/src/lottery.md"));

    let made = copy.xtask(&["new", "scheduler", "lottery"]);
    assert!(made.success, "{}", made.output);
    chapter.assert_shown("text,new", &made.output);

    let [scheduler, tests, _, program, _] = made_for("lottery");
    copy.write(&scheduler, &chapter.all("rust,lottery.rs"));
    let skeleton = copy.read(&tests);
    let (kept, _) = skeleton.split_once("/// Change, from here on").expect("the comment that the tutorial names");
    let promises = chapter.one("rust,tests.rs,promises");
    let kept = kept.lines().map(|line| if line.contains("const PROMISES") { promises } else { line });
    let kept = kept.collect::<Vec<_>>().join("\n");
    assert!(kept.contains(promises), "the skeleton's promises should be there to be replaced:\n{kept}");
    copy.write(&tests, &format!("{kept}\n{}", chapter.all("rust,tests.rs")));

    let passed = copy.cargo(&test());
    assert!(passed.success && passed.output.contains("5 passed"), "five tests should pass:\n{}", passed.output);
    chapter.assert_shown("text,passes", &passed.output);

    let good = copy.read(&program);
    let (kept, _) = good.split_once("/// The first thread.").expect("the last function of the program");
    copy.write(&program, &format!("{kept}{}", chapter.all("rust,main.rs")));
    check_program(&copy, "lottery");
    check_style(&copy, "lottery");

    copy.write(&scheduler, &chapter.with_mistake("rust,lottery.rs"));
    let failed = copy.cargo(&test());
    assert!(!failed.success, "the search should find the mistake:\n{}", failed.output);
    for test in ["every_ticket_has_an_owner", "the_schedule_that_failed"] {
        let line = format!("    lottery::tests::{test}\n");
        assert!(failed.output.contains(&line), "{test} should fail:\n{}", failed.output);
    }
    chapter.assert_shown("text,mistake", &failed.output);
}

/// The two files that are made for an optimizer of this name, without the lines in `lib.rs`.
fn made_for_optimizer(name: &str) -> [String; 2] {
    let module = name.replace('-', "_");
    ["", "/tests"].map(|rest| format!("examples/optimizers/src/{module}{rest}.rs"))
}

#[test]
fn a_new_optimizer_compiles_passes_and_competes() {
    let copy = Copy::fresh();
    let made = copy.xtask(&["new", "optimizer", LONG]);
    assert!(made.success, "{}", made.output);
    for path in made_for_optimizer(LONG) {
        assert!(made.output.contains(&path), "{path} should be named in:\n{}", made.output);
        assert!(copy.path(&path).is_file(), "{path} should be there");
    }
    let tested = copy.cargo(&["test", "--package", "example-optimizers", "--lib", &LONG.replace('-', "_")]);
    assert!(tested.success && tested.output.contains("7 passed"), "seven tests should pass:\n{}", tested.output);
    assert!(!tested.output.contains("warning"), "nothing should be warned of:\n{}", tested.output);
    check_style_of(&copy, "example-optimizers", None);
    let played = copy.xtask(&["league", LONG, "--scenario", "steps"]);
    assert!(played.success && played.output.contains(&format!("\n  {LONG}")), "{}", played.output);
    // The league refuses what it does not know, and says what there is.
    let unknown = copy.xtask(&["league", "just-enough"]);
    let expected = format!(
        "there is no optimizer `just-enough`; there are static, fair, utilisation, pota, pacora, proportional, {LONG}"
    );
    assert!(!unknown.success && unknown.output.contains(&expected), "expected {expected} in:\n{}", unknown.output);
}

#[test]
fn no_optimizer_is_made_of_a_name_that_is_taken() {
    let copy = Copy::fresh();
    let before = copy.files();
    for (name, reason) in [
        ("static", "it is a keyword of Rust"),
        ("fair", "rab/core/src/optimizers has a module fair already"),
        ("proportional", "examples/optimizers/src has a module proportional already"),
        ("steps", "its type would be Steps"),
        ("Mine", "`M` is in it"),
    ] {
        let Ended { success, output } = copy.xtask(&["new", "optimizer", name]);
        assert!(!success && output.contains(reason), "`{name}`: expected a refusal with `{reason}`, seen:\n{output}");
    }
    assert_eq!(copy.files(), before, "files after all refusals");
    assert!(copy.xtask(&["new", "optimizer", "mine"]).success);
    let (before, again) = (copy.files(), copy.xtask(&["new", "optimizer", "mine"]));
    assert!(!again.success && again.output.contains("module mine already"), "{}", again.output);
    assert_eq!(copy.files(), before, "files after the second time");
}

#[test]
fn the_optimizers_tutorial_works_and_shows_what_is_printed() {
    const TEST: [&str; 7] = ["test", "--package", "example-optimizers", "--lib", "just_enough", "--", "--nocapture"];
    let test = || [&TEST[..], &["--test-threads=1"]].concat();
    let copy = Copy::fresh();
    let chapter = Chapter::read(&copy.read("docs/book/src/optimizer.md"));

    let made = copy.xtask(&["new", "optimizer", "just-enough"]);
    assert!(made.success, "{}", made.output);
    chapter.assert_shown("text,new", &made.output);

    let [optimizer, tests] = made_for_optimizer("just-enough");
    copy.write(&optimizer, &chapter.with_mistake("rust,just_enough.rs"));
    let failed = copy.cargo(&test());
    assert!(!failed.success, "the tests should find that it swings:\n{}", failed.output);
    for test in ["it_comes_to_rest_while_nothing_changes", "nobody_is_late_when_cells_come_and_go"] {
        let line = format!("    just_enough::tests::{test}\n");
        assert!(failed.output.contains(&line), "{test} should fail:\n{}", failed.output);
    }
    assert!(failed.output.contains("5 passed; 2 failed"), "two tests should fail:\n{}", failed.output);
    chapter.assert_shown("text,mistake", &failed.output);

    copy.write(&optimizer, &chapter.all("rust,just_enough.rs"));
    let skeleton = copy.read(&tests);
    let (kept, _) = skeleton.split_once("/// Change, from here on").expect("the comment that the tutorial names");
    copy.write(&tests, &format!("{kept}{}", chapter.all("rust,tests.rs")));
    let passed = copy.cargo(&test());
    assert!(passed.success && passed.output.contains("6 passed"), "six tests should pass:\n{}", passed.output);
    chapter.assert_shown("text,passes", &passed.output);
    check_style_of(&copy, "example-optimizers", None);

    let league = copy.xtask(&["league", "just-enough", "pota", "pacora"]);
    assert!(league.success, "{}", league.output);
    chapter.assert_shown("text,compare", &league.output);
}
