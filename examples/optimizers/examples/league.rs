//! Lets optimizers compete: `cargo xtask league` runs it, and has the help.
//!
//! Arguments: names of optimizers; `scenario=NAME`; `svg=FILE` and `over-time=FILE`, for pictures; `why`; `book=FOLDER`, for what the book shows, of those that ship.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use example_optimizers as examples;
use rab_core::Optimizer;
use rab_core::optimizers::Shipped;
use rab_core::simulator::league::{League, YARDSTICKS, over_time};
use rab_core::simulator::{Scenario, scenarios};

/// The scenario that is drawn over time where none is named.
const DRAWN: &str = "phases";

/// What the block of the book begins with.
const BLOCK: &str = "```text,league\n";

/// Cells that an optimizer has room for.
const CELLS: usize = 64;

#[derive(Debug, Default)]
struct Arguments {
    names: Vec<String>,
    scenario: Option<String>,
    svg: Option<PathBuf>,
    over_time: Option<PathBuf>,
    book: Option<PathBuf>,
    why: bool,
}

fn find(name: &str) -> Option<Box<dyn Optimizer>> {
    let shipped = Shipped::<CELLS>::named(name).map(|optimizer| Box::new(optimizer) as Box<dyn Optimizer>);
    shipped.or_else(|| examples::named(name))
}

fn arguments(words: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let mut arguments = Arguments::default();
    for word in words {
        match word.split_once('=') {
            Some(("scenario", name)) => arguments.scenario = Some(name.to_owned()),
            Some(("svg", path)) => arguments.svg = Some(path.into()),
            Some(("over-time", path)) => arguments.over_time = Some(path.into()),
            Some(("book", path)) => arguments.book = Some(path.into()),
            Some((key, _)) => return Err(format!("`{key}` is no argument").into()),
            None if word == "why" => arguments.why = true,
            None => arguments.names.push(word),
        }
    }
    Ok(arguments)
}

fn main() -> ExitCode {
    let done = arguments(std::env::args().skip(1)).and_then(|arguments| match &arguments.book {
        Some(folder) => book(folder),
        None => play(&arguments),
    });
    done.map_or_else(
        |error| {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn play(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let known: Vec<&str> = Shipped::<CELLS>::NAMES.into_iter().chain(examples::names()).collect();
    if let Some(name) = arguments.names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("there is no optimizer `{name}`; there are {}", known.join(", ")).into());
    }
    let named: Vec<&str> = arguments.names.iter().map(String::as_str).collect();
    let names = if named.is_empty() { known } else { named };
    let scenarios = chosen(arguments.scenario.as_deref())?;
    let league = League::play(&names, &find, &scenarios);
    print!("{league}");
    for (scenario, rows) in league.scenarios.iter().filter(|_| arguments.why) {
        println!("\n{scenario}, the last decisions:");
        rows.iter().for_each(|row| println!("{}", row.why));
    }
    if let Some(path) = &arguments.svg {
        write(path, &league.svg())?;
    }
    if let Some(path) = &arguments.over_time {
        let drawn = chosen(Some(arguments.scenario.as_deref().unwrap_or(DRAWN)))?;
        let mut all = YARDSTICKS.to_vec();
        all.extend(names.iter().filter(|name| !YARDSTICKS.contains(name)));
        write(path, &over_time(&all, &find, &drawn[0]))?;
    }
    Ok(())
}

/// The scenario of this name; without one, all.
fn chosen(name: Option<&str>) -> Result<Vec<Scenario>, Box<dyn Error>> {
    let all = scenarios();
    let names: Vec<&str> = all.iter().map(|scenario| scenario.name).collect();
    match name {
        Some(name) if !names.contains(&name) => {
            Err(format!("there is no scenario `{name}`; there are: {}", names.join(", ")).into())
        }
        Some(name) => Ok(all.into_iter().filter(|scenario| scenario.name == name).collect()),
        None => Ok(all),
    }
}

/// Writes what the book shows: the table into the chapter, and the pictures beside it.
fn book(folder: &Path) -> Result<(), Box<dyn Error>> {
    let names = Shipped::<CELLS>::NAMES;
    let league = League::play(&names, &find, &scenarios());
    let chapter = folder.join("optimizer.md");
    let text = fs::read_to_string(&chapter)?;
    let (before, rest) = text.split_once(BLOCK).ok_or("the chapter has no block for the league")?;
    let (_, after) = rest.split_once("```").ok_or("the block for the league has no end")?;
    write(&chapter, &format!("{before}{BLOCK}{league}```{after}"))?;
    write(&folder.join("league.svg"), &league.svg())?;
    write(&folder.join("phases.svg"), &over_time(&names, &find, &chosen(Some(DRAWN))?[0]))
}

fn write(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    eprintln!("Wrote {}", path.display());
    Ok(())
}
