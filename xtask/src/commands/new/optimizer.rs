//! `cargo xtask new optimizer`: an optimizer for the broker, and its tests.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::name::Name;
use super::skeleton::{Change, Creation, Skeleton, stems, with_module};
use crate::project::Project;

/// Make an optimizer of your own for the broker: a file with its decision, and its tests.
///
/// Everything compiles and passes as it is made: shares by weight, with a comment at each function that says what to change. It takes part in `cargo xtask
/// league` at once. The chapter docs/book/src/optimizer.md is a tutorial.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Its name, in small letters: `latest-first`, `equal_slowdown`.
    name: String,
}

/// Where the optimizers are, those that ship too.
const CRATE: &str = "examples/optimizers/src";
const SHIPPED: &str = "rab/core/src/optimizers";

/// In the crate's root, what the list of all optimizers begins and ends with.
const LIST: (&str, &str) = ("const ALL: ", "];");

/// Types that the templates use, and those of the language's prelude that they or you may.
const TYPES: [&str; 31] = [
    "Amounts",
    "AsMut",
    "AsRef",
    "BTreeMap",
    "Box",
    "Cell",
    "CellId",
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Drop",
    "Err",
    "Fn",
    "From",
    "Into",
    "Iterator",
    "Kept",
    "NoAllocation",
    "None",
    "Ok",
    "Optimizer",
    "Option",
    "Resource",
    "Result",
    "Scenario",
    "Shipped",
    "Situation",
    "Some",
    "Steps",
    "Vec",
];

pub(crate) fn run(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    let given = &arguments.name;
    let name = Name::parse(given).with_context(|| format!("`{given}` is no name for an optimizer"))?;
    if let Some(why) = taken(&name, &Names::of(project)) {
        bail!("`{given}` is no name for an optimizer: {why}");
    }
    let root = format!("{CRATE}/lib.rs");
    let text = std::fs::read_to_string(project.root().join(&root)).with_context(|| format!("cannot read {root}"))?;
    let skeleton = skeleton(&name, &root, &text)?;
    skeleton.write(project)?;
    // A closed pipe is no reason to fail: everything was made.
    let _ = write!(std::io::stdout(), "{}\n{}", skeleton.told(), name.fill(NEXT));
    Ok(ExitCode::SUCCESS)
}

/// What to do with it.
const NEXT: &str = "\
Test it (what every optimizer promises, and two systems in the simulator)
  cargo test -p example-optimizers --lib {{module}}
Compare it with those that ship
  cargo xtask league {{name}}
Let the broker use it: write `optimizer = \"{{name}}\"` into systems/optimizers.toml
  cargo xtask run --system optimizers
Edit first `weight` in examples/optimizers/src/{{module}}.rs: what a cell's share is worth. Then what its tests expect.
The chapter docs/book/src/optimizer.md is a tutorial.
";

/// All that is made.
fn skeleton(name: &Name, root: &str, text: &str) -> Result<Skeleton> {
    let snake = name.snake();
    let create = |path: String, template: &str, what| Creation { path, text: name.fill(template), what };
    let creations = vec![
        create(
            format!("{CRATE}/{snake}.rs"),
            include_str!("optimizer/optimizer.rs.template"),
            "the optimizer: edit this",
        ),
        create(format!("{CRATE}/{snake}/tests.rs"), include_str!("optimizer/tests.rs.template"), "its tests"),
    ];
    let declared = with_module(text, &snake).with_context(|| format!("{root} declares no modules"))?;
    let entry = name.fill("|| Box::new({{module}}::{{Type}}::default()),");
    let listed = with_entry(&declared, &entry).with_context(|| format!("{root} has no list of all optimizers"))?;
    let change = Change { path: root.to_owned(), text: listed, lines: vec![format!("pub mod {snake};"), entry] };
    Ok(Skeleton { creations, changes: vec![change] })
}

/// The crate's root with one more entry at the end of the list. `None` if there is no list.
fn with_entry(text: &str, entry: &str) -> Option<String> {
    let (begin, end) = LIST;
    let from = text.find(&format!("\n{begin}"))?;
    let to = from + text[from..].find(&format!("\n{end}"))?;
    Some(format!("{}\n    {entry}{}", &text[..to], &text[to..]))
}

/// What has names already.
#[derive(Debug)]
struct Names {
    /// Modules of the crate of examples.
    modules: BTreeSet<String>,
    /// Modules of those that ship.
    shipped: BTreeSet<String>,
}

impl Names {
    fn of(project: &Project) -> Self {
        Self { modules: stems(&project.root().join(CRATE)), shipped: stems(&project.root().join(SHIPPED)) }
    }
}

/// Why a name cannot be used, if it cannot.
fn taken(name: &Name, names: &Names) -> Option<String> {
    let (snake, camel) = (name.snake(), name.camel());
    if names.modules.contains(&snake) {
        Some(format!("{CRATE} has a module {snake} already"))
    } else if snake == "rab_core" {
        Some("optimizers use a crate of this name".to_owned())
    } else if names.shipped.contains(&snake) {
        Some(format!("{SHIPPED} has a module {snake} already"))
    } else if TYPES.contains(&camel.as_str()) {
        Some(format!("its type would be {camel}, which optimizers use for something else"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "pub mod proportional;\n\nconst ALL: &[Make] = &[\n    // A line for each.\n    || one(),\n];\n\nfn names() {}\n";

    #[test]
    fn an_optimizer_is_declared_and_listed() {
        let made = skeleton(&Name::parse("equal-slowdown").unwrap(), "lib.rs", ROOT).unwrap();
        let change = &made.changes[0];
        for expected in [
            "pub mod equal_slowdown;\npub mod proportional;\n",
            "    || one(),\n    || Box::new(equal_slowdown::EqualSlowdown::default()),\n];\n\nfn names",
        ] {
            assert!(change.text.contains(expected), "expected {expected:?} in {}", change.text);
        }
        assert!(skeleton(&Name::parse("some").unwrap(), "lib.rs", "pub mod proportional;\n").is_err());
    }

    #[test]
    fn no_placeholder_is_left() {
        let name = Name::parse("equal-slowdown").unwrap();
        for file in skeleton(&name, "lib.rs", ROOT).unwrap().creations {
            assert!(!file.text.contains("{{"), "{} has a placeholder left:\n{}", file.path, file.text);
        }
        assert!(!name.fill(NEXT).contains("{{"));
    }

    #[test]
    fn a_name_that_something_has_is_refused() {
        let names = Names::of(&Project::find().unwrap());
        for (name, expected) in [
            ("proportional", "examples/optimizers/src has a module proportional already"),
            ("pacora", "rab/core/src/optimizers has a module pacora already"),
            ("tests", "a module tests already"),
            ("rab-core", "use a crate of this name"),
            ("lib", "a module lib already"),
            ("situation", "its type would be Situation"),
        ] {
            let why = taken(&Name::parse(name).unwrap(), &names);
            assert!(
                why.as_ref().is_some_and(|why| why.contains(expected)),
                "{name}: expected {expected}, seen {why:?}"
            );
        }
        assert_eq!(taken(&Name::parse("equal-slowdown").unwrap(), &names), None);
    }
}
