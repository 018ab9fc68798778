//! `cargo xtask new scheduler`: a scheduler on Pulse, its tests, and a cell and a system that run it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use super::name::Name;
use super::skeleton::{Change, Creation, Skeleton, stems, with_module};
use crate::builder;
use crate::project::Project;

/// Make a scheduler of your own on Pulse: a file with its callbacks, its tests, and a cell and a system that run it.
///
/// Everything compiles, passes and runs as it is made: time slices in turn, with a comment at each callback that says what to change. The
/// chapter docs/book/src/pulse.md explains the callbacks, and docs/book/src/lottery.md is a tutorial.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Its name, in small letters: `lottery`, `fair-share`.
    name: String,
}

/// Where the schedulers are.
const CRATE: &str = "examples/schedulers/src";

/// Types that the templates use, and those of the language's prelude that they or you may.
const TYPES: [&str; 34] = [
    "Arc",
    "AsMut",
    "AsRef",
    "Box",
    "Clone",
    "Condition",
    "Context",
    "Copy",
    "Debug",
    "Default",
    "Drop",
    "Duration",
    "Err",
    "Fn",
    "From",
    "Hart",
    "Into",
    "Iterator",
    "Lock",
    "Next",
    "None",
    "Ok",
    "Option",
    "Promises",
    "Queue",
    "Result",
    "Scenario",
    "Scheduler",
    "Search",
    "Shape",
    "Some",
    "Spin",
    "Subject",
    "Vec",
];

pub(crate) fn run(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    let given = &arguments.name;
    let name = Name::parse(given).with_context(|| format!("`{given}` is no name for a scheduler"))?;
    if let Some(why) = taken(&name, &names(project)?) {
        bail!("`{given}` is no name for a scheduler: {why}");
    }
    let module = format!("{CRATE}/lib.rs");
    let text =
        std::fs::read_to_string(project.root().join(&module)).with_context(|| format!("cannot read {module}"))?;
    let skeleton = skeleton(&name, &module, &text)?;
    skeleton.write(project)?;
    // A closed pipe is no reason to fail: everything was made.
    let _ = write!(std::io::stdout(), "{}\n{}", skeleton.told(), name.fill(NEXT));
    Ok(ExitCode::SUCCESS)
}

/// What to do with it.
const NEXT: &str = "\
Cargo adds the program to Cargo.lock when it is used next.

Test it (on Linux threads, and under a virtual clock with many schedules)
  cargo test -p schedulers --lib {{module}}
Run it in a cell; it prints which threads ran when, and how long
  cargo xtask run --system {{name}}
Edit first `take` and `ready` in examples/schedulers/src/{{module}}.rs: which thread runs next. Then the promises in its tests.
The callbacks are explained in docs/book/src/pulse.md; docs/book/src/lottery.md is a tutorial.
";

/// All that is made.
fn skeleton(name: &Name, module: &str, text: &str) -> Result<Skeleton> {
    let (kebab, snake) = (name.kebab(), name.snake());
    let create = |path: String, template: &str, what| Creation { path, text: name.fill(template), what };
    let creations = vec![
        create(
            format!("{CRATE}/{snake}.rs"),
            include_str!("scheduler/scheduler.rs.template"),
            "the scheduler: edit this",
        ),
        create(format!("{CRATE}/{snake}/tests.rs"), include_str!("scheduler/tests.rs.template"), "its tests"),
        create(format!("examples/apps/{kebab}/Cargo.toml"), include_str!("scheduler/app.toml.template"), "a program"),
        create(
            format!("examples/apps/{kebab}/src/main.rs"),
            include_str!("scheduler/main.rs.template"),
            "that runs it in a cell",
        ),
        create(
            format!("systems/{kebab}.toml"),
            include_str!("scheduler/system.toml.template"),
            "the system with that cell",
        ),
    ];
    let changed = with_module(text, &snake).with_context(|| format!("{module} declares no modules"))?;
    let change = Change { path: module.to_owned(), text: changed, lines: vec![format!("pub mod {snake};")] };
    Ok(Skeleton { creations, changes: vec![change] })
}

/// What has names already.
#[derive(Debug, Default)]
struct Names {
    /// Packages that this project has or uses, programs, and libraries.
    packages: BTreeSet<String>,
    /// Modules of the crate of schedulers.
    modules: BTreeSet<String>,
    systems: BTreeSet<String>,
}

/// Why a name cannot be used, if it cannot.
fn taken(name: &Name, names: &Names) -> Option<String> {
    let (kebab, snake, camel) = (name.kebab(), name.snake(), name.camel());
    if names.modules.contains(&snake) {
        Some(format!("{CRATE} has a module {snake} already"))
    } else if names.systems.contains(&kebab) {
        Some(format!("systems/{kebab}.toml exists already"))
    } else if names.packages.contains(&kebab) || names.packages.contains(&snake) {
        Some(format!("this project has or uses a package or program {kebab} already"))
    } else if TYPES.contains(&camel.as_str()) {
        Some(format!("its type would be {camel}, which schedulers use for something else"))
    } else {
        None
    }
}

fn names(project: &Project) -> Result<Names> {
    let root = project.root();
    let cargo = std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
    let metadata = builder::metadata(project, &cargo, &["--no-deps", "--offline"])?;
    let mut packages = locked(root)?;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let targets = package["targets"].as_array().into_iter().flatten();
        let lasting = targets.filter(|target| target["kind"] != serde_json::json!(["test"]));
        packages.extend(lasting.filter_map(|target| target["name"].as_str()).map(str::to_owned));
        packages.extend(package["name"].as_str().map(str::to_owned));
    }
    Ok(Names { packages, modules: stems(&root.join(CRATE)), systems: stems(&root.join("systems")) })
}

/// The packages of `Cargo.lock`.
fn locked(root: &Path) -> Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let lock: Value = toml::from_str(&text).context("Cargo.lock is wrong")?;
    let packages = lock["package"].as_array().into_iter().flatten();
    Ok(packages.filter_map(|package| package["name"].as_str()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Skeleton {
        skeleton(&Name::parse("fair-share").unwrap(), "lib.rs", "pub mod edf;\n").unwrap()
    }

    #[test]
    fn the_systems_manifest_is_right() {
        let made = made();
        let file = made.creations.iter().find(|file| file.path == "systems/fair-share.toml").expect("a manifest");
        let system = manifest::parse(&file.text, &file.path).expect("no mistakes");
        assert_eq!((system.name.as_str(), system.cells[0].program.as_str()), ("fair-share", "fair-share"));
    }

    #[test]
    fn no_placeholder_is_left() {
        for file in made().creations {
            assert!(!file.text.contains("{{"), "{} has a placeholder left:\n{}", file.path, file.text);
        }
        assert!(!Name::parse("fair-share").unwrap().fill(NEXT).contains("{{"));
    }

    #[test]
    fn a_name_that_something_has_is_refused() {
        let project = Project::find().unwrap();
        let names = names(&project).unwrap();
        for (name, expected) in [
            ("round-robin", "a module round_robin already"),
            ("sync", "a module sync already"),
            ("tour", "systems/tour.toml exists already"),
            ("hog", "a package or program hog already"),
            ("tess-kernel", "a package or program tess-kernel already"),
            ("spin", "a package or program spin already"),
            ("root", "a package or program root already"),
            ("queue", "its type would be Queue"),
        ] {
            let why = taken(&Name::parse(name).unwrap(), &names);
            assert!(
                why.as_ref().is_some_and(|why| why.contains(expected)),
                "{name}: expected {expected}, seen {why:?}"
            );
        }
        assert_eq!(taken(&Name::parse("fair-share").unwrap(), &names), None);
    }
}
