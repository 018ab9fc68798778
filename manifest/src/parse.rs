//! Reading the TOML text. Every mistake is collected with its place; `value` knows the kinds of values, `policy` the policies.

mod broker;
mod channel;
mod policy;
mod value;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::conflict::{Claim, conflict, overload};
use crate::mistake::{Mistake, Mistakes};
use crate::{Activation, Cell, Expect, Nanoseconds, Root, System, Threads, limits};
use value::{Section, table};

/// Reads and checks a manifest. `file_name` is for the messages only.
///
/// # Errors
/// All mistakes found, in the order of the text.
pub fn parse(text: &str, file_name: &str) -> Result<System, Vec<Mistake>> {
    let mut mistakes = Mistakes::new(text, file_name);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        mistakes.add(&error.span().unwrap_or(0..0), error.message());
    }
    if !mistakes.is_empty() {
        // What was recovered from a broken text would only bring mistakes that nobody made.
        return Err(mistakes.finish());
    }
    let system = system(&mut mistakes, document.get_ref());
    match system {
        Some(system) if mistakes.is_empty() => Ok(system),
        _ => Err(mistakes.finish()),
    }
}

/// The whole file. `None` only if a mistake was noted, as for all readers here.
fn system(mistakes: &mut Mistakes<'_>, document: &DeTable<'_>) -> Option<System> {
    let top = Section::new(mistakes, document, 0..0, "a manifest", &["system", "root", "broker", "cell", "channel"]);
    let header = top.required(mistakes, "system").and_then(|value| table(mistakes, value, "[system]"));
    let root = match top.get("root") {
        Some(value) => table(mistakes, value, "[root]").and_then(|root| read_root(mistakes, root, value.span())),
        None => Some(Root::default()),
    };
    let broker = top.get("broker").and_then(|value| {
        let table = table(mistakes, value, "[broker]")?;
        broker::read(mistakes, table, value.span(), root.as_ref())
    });
    let cells = read_cells(mistakes, &top);
    check_needs(mistakes, top.get("broker").is_some(), &cells);
    if let Some(root) = &root {
        check_conflicts(mistakes, root, &cells);
    }

    let names: Vec<&str> = cells.iter().map(|placed| placed.cell.name.as_str()).collect();
    let channels = channel::read_all(mistakes, &top, &names);

    let known = ["name", "about", "slice", "tolerance", "for", "status", "activation"];
    let header_place = top.get("system").map_or(0..0, Spanned::span);
    let header = Section::new(mistakes, header?, header_place, "[system]", &known);
    let name = header.required(mistakes, "name").and_then(|value| value::name(mistakes, value, limits::NAME_MAX));
    let about = header.line(mistakes, "about", 200);
    let slice_ns = header.duration(mistakes, "slice", 10_000_000, &limits::SLICE_NS);
    let tolerance_ns = header.duration(mistakes, "tolerance", 100_000, &limits::TOLERANCE_NS);
    let run_for_ns = header.get("for").and_then(|value| value::duration(mistakes, value, &limits::RUN_NS));
    let status_ns = match header.get("status") {
        Some(value) if value::is_zero_duration(value) => 0,
        _ => header.duration(mistakes, "status", 500_000_000, &limits::STATUS_NS),
    };
    let choices = [("hold", Activation::Hold), ("ipi", Activation::Ipi)];
    let activation = header.choice(mistakes, "activation", &choices);
    let cells = cells.into_iter().map(|placed| placed.cell).collect();
    let (name, root) = (name?, root?);
    Some(System {
        name,
        about,
        slice_ns,
        tolerance_ns,
        run_for_ns,
        status_ns,
        activation,
        root,
        broker,
        cells,
        channels,
    })
}

fn read_root(mistakes: &mut Mistakes<'_>, root: &DeTable<'_>, place: Range<usize>) -> Option<Root> {
    let default = Root::default();
    let root = Section::new(mistakes, root, place, "[root]", &["program", "policy", "args"]);
    let program = match root.get("program") {
        Some(value) => value::name(mistakes, value, limits::PROGRAM_MAX),
        None => Some(default.program),
    };
    let policy = match root.get("policy") {
        Some(value) => policy::read(mistakes, value),
        None => Some(default.policy),
    };
    let args = root.line(mistakes, "args", limits::ARGUMENTS_MAX);
    Some(Root { program: program?, policy: policy?, args })
}

/// A cell and where to complain about it.
struct Placed {
    cell: Cell,
    policy_place: Range<usize>,
    needs_place: Range<usize>,
}

fn read_cells(mistakes: &mut Mistakes<'_>, top: &Section<'_, '_>) -> Vec<Placed> {
    let Some(value) = top.get("cell") else { return Vec::new() };
    let DeValue::Array(entries) = value.get_ref() else {
        mistakes.add(&value.span(), "cells are given as `[[cell]]`, with two pairs of brackets, one for each cell");
        return Vec::new();
    };
    let mut names: Vec<String> = Vec::new();
    let mut cells = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if index + 1 >= limits::CELLS_MAX {
            mistakes
                .add(&entry.span(), format!("a system has at most {} cells, with the root cell", limits::CELLS_MAX));
            break;
        }
        if let Some(table) = table(mistakes, entry, "[[cell]]") {
            cells.extend(read_cell(mistakes, table, entry.span(), &mut names));
        }
    }
    cells
}

fn read_cell(
    mistakes: &mut Mistakes<'_>,
    table: &DeTable<'_>,
    place: Range<usize>,
    names: &mut Vec<String>,
) -> Option<Placed> {
    let known = [
        "name",
        "program",
        "threads",
        "most-harts",
        "memory",
        "stack",
        "policy",
        "args",
        "expect",
        "no-missed",
        "restart",
        "needs",
        "offers",
    ];
    let cell = Section::new(mistakes, table, place.clone(), "[[cell]]", &known);
    let name_value = cell.required(mistakes, "name");
    let name = name_value.and_then(|value| value::name(mistakes, value, limits::NAME_MAX));
    if let (Some(value), Some(name)) = (name_value, &name) {
        if names.contains(name) {
            mistakes
                .add(&value.span(), format!("two cells have the name `{name}`; every cell needs a name of its own"));
        } else if name == "root" || name == "kernel" {
            mistakes.add(&value.span(), format!("the name `{name}` is taken; choose another one"));
        }
        names.push(name.clone());
    }
    let program = match cell.get("program") {
        Some(value) => value::name(mistakes, value, limits::PROGRAM_MAX),
        None => name.clone(),
    };
    let threads = match cell.get("threads") {
        Some(value) => value::threads(mistakes, value),
        None => Some(Threads::All),
    };
    let most_harts = cell.get("most-harts").and_then(|value| read_most_harts(mistakes, value, threads.as_ref()));
    let memory_bytes = cell.size(mistakes, "memory", 16 << 20, &limits::MEMORY_BYTES);
    let stack_bytes = cell.size(mistakes, "stack", 64 << 10, &limits::STACK_BYTES);
    let policy_value = cell.required(mistakes, "policy");
    let policy = policy_value.and_then(|value| policy::read(mistakes, value));
    let args = cell.line(mistakes, "args", limits::ARGUMENTS_MAX);
    let choices =
        [("run", Expect::Run), ("exit", Expect::Exit), ("fault", Expect::Fault), ("refused", Expect::Refused)];
    let expect = cell.choice(mistakes, "expect", &choices);
    let no_missed = cell.flag(mistakes, "no-missed");
    let restart = cell.flag(mistakes, "restart");

    let needs_value = cell.get("needs");
    let needs = needs_value.and_then(|value| broker::read_needs(mistakes, value, threads.as_ref(), most_harts, policy));
    let offers_per_s = cell.get("offers").and_then(|value| broker::offers(mistakes, value)).unwrap_or(0);

    let harts = if let Some(Threads::List(list)) = &threads { list.len() as u64 } else { 1 };
    let harts = most_harts.map_or(harts, u64::from);
    let stacks = harts * (stack_bytes + limits::EVENT_STACK_BYTES);
    if stacks >= memory_bytes {
        let place = cell.get("memory").map_or(place, Spanned::span);
        let (stacks, memory) = (crate::Bytes(stacks), crate::Bytes(memory_bytes));
        mistakes
            .add(&place, format!("the stacks alone take {stacks}, so {memory} cannot be enough; give more `memory`"));
    }
    let policy_place = policy_value.map_or(0..0, Spanned::span);
    let needs_place = needs_value.map_or(0..0, Spanned::span);
    let (name, program, threads, policy) = (name?, program?, threads?, policy?);
    let cell = Cell {
        name,
        program,
        threads,
        most_harts,
        memory_bytes,
        stack_bytes,
        policy,
        args,
        expect,
        no_missed,
        restart,
        needs,
        offers_per_s,
    };
    Some(Placed { cell, policy_place, needs_place })
}

fn check_needs(mistakes: &mut Mistakes<'_>, has_broker: bool, cells: &[Placed]) {
    let all: Vec<&Cell> = cells.iter().map(|placed| &placed.cell).collect();
    let with_needs = cells.iter().filter_map(|placed| {
        let needs = placed.cell.needs.as_ref()?;
        Some((&placed.cell, needs, placed.needs_place.clone()))
    });
    broker::check(mistakes, has_broker, &with_needs.collect::<Vec<_>>(), &all);
}

/// The most harts that a cell can have. Where it begins on all hardware threads, how many these are is for the machine to say.
fn read_most_harts(
    mistakes: &mut Mistakes<'_>,
    value: &Spanned<DeValue<'_>>,
    threads: Option<&Threads>,
) -> Option<u32> {
    let (least, last) = (limits::MOST_HARTS.start(), limits::MOST_HARTS.end());
    let found = value::integer(value).and_then(|number| u32::try_from(number).ok());
    let Some(found) = found.filter(|number| limits::MOST_HARTS.contains(number)) else {
        mistakes
            .add(&value.span(), format!("`most-harts` is a number from {least} to {last}, without quotation marks"));
        return None;
    };
    if let Some(Threads::List(list)) = threads
        && (found as usize) < list.len()
    {
        let begins = list.len();
        mistakes.add(
            &value.span(),
            format!("the cell begins with {begins} harts, one on each of its `threads`, so `most-harts` is at least {begins}"),
        );
        return None;
    }
    Some(found)
}

fn check_conflicts(mistakes: &mut Mistakes<'_>, root: &Root, cells: &[Placed]) {
    let root_threads = Threads::List([0].to_vec());
    let mut claims = Vec::from([Claim { name: "root", threads: &root_threads, policy: root.policy }]);
    // Those that fit beside each other: what does not fit is reported once, and not again with every cell after it.
    let mut fitting = claims.clone();
    for Placed { cell, policy_place, .. } in cells {
        let claim = Claim { name: &cell.name, threads: &cell.threads, policy: cell.policy };
        let conflict = claims.iter().find_map(|earlier| conflict(&claim, earlier));
        // How much time a cell with needs gets is for the broker to say.
        let is_promised = cell.needs.is_none();
        match conflict.or_else(|| overload(&claim, &fitting).filter(|_| is_promised)) {
            Some(message) => mistakes.add(policy_place, message),
            None if is_promised => fitting.push(claim),
            None => {}
        }
        claims.push(claim);
    }
}

/// `10 ms to 1 s`, for messages.
fn range_of_durations(range: &core::ops::RangeInclusive<u64>) -> String {
    format!("{} to {}", Nanoseconds(*range.start()), Nanoseconds(*range.end()))
}

#[cfg(test)]
mod tests;
