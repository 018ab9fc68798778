//! Values of each kind, checked, with messages that say what would be right.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::mistake::Mistakes;
use crate::{Bytes, Threads, limits, parse_duration, parse_size};

/// A table whose keys are known.
pub(super) struct Section<'a, 'i> {
    table: &'a DeTable<'i>,
    place: Range<usize>,
    what: &'a str,
}

impl<'a, 'i> Section<'a, 'i> {
    /// Notes every key that is not among `known`. `what` names the table in messages.
    pub(super) fn new(
        mistakes: &mut Mistakes<'_>,
        table: &'a DeTable<'i>,
        place: Range<usize>,
        what: &'a str,
        known: &[&str],
    ) -> Self {
        for (key, _) in table.iter() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let name = name.escape_debug();
                let hint = hint(key.get_ref(), known);
                mistakes.add(&key.span(), format!("`{name}` is not a key of {what}; {hint}"));
            }
        }
        Self { table, place, what }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.table.get(key)
    }

    /// Notes a mistake if the key is missing.
    pub(super) fn required(&self, mistakes: &mut Mistakes<'_>, key: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        let value = self.get(key);
        if value.is_none() {
            let example = match key {
                "system" => "begin with `[system]` and its `name = \"...\"`",
                "name" => "add `name = \"...\"`",
                "policy" => "add for example `policy = { best-effort = { weight = 100 } }`",
                "from" => "name the cell that sends, or several: `from = [\"a\", \"b\"]`",
                "to" => "name the cell that receives, or several: `to = [\"a\", \"b\"]`",
                "budget" => "add for example `budget = \"1 ms\"`, what it may use in every period",
                "optimizer" => "add for example `optimizer = \"pacora\"`",
                "length" => "add for example `length = \"2 ms\"`",
                _ => "add for example `period = \"50 ms\"`",
            };
            mistakes.add(&self.place, format!("{} lacks `{key}`; {example}", self.what));
        }
        value
    }

    /// One line of text, empty by default.
    pub(super) fn line(&self, mistakes: &mut Mistakes<'_>, key: &str, max: usize) -> String {
        let Some(value) = self.get(key) else { return String::new() };
        let Some(line) = text(mistakes, value) else { return String::new() };
        if line.len() > max {
            mistakes.add(&value.span(), format!("`{key}` has {} bytes; it may have {max}", line.len()));
        }
        if line.chars().any(char::is_control) {
            mistakes.add(&value.span(), format!("`{key}` must be one line without control characters"));
        }
        line.to_owned()
    }

    pub(super) fn duration(
        &self,
        mistakes: &mut Mistakes<'_>,
        key: &str,
        default: u64,
        range: &RangeInclusive<u64>,
    ) -> u64 {
        self.get(key).and_then(|value| duration(mistakes, value, range)).unwrap_or(default)
    }

    /// A multiple of a page.
    pub(super) fn size(
        &self,
        mistakes: &mut Mistakes<'_>,
        key: &str,
        default: u64,
        range: &RangeInclusive<u64>,
    ) -> u64 {
        let Some(value) = self.get(key) else { return default };
        let Some(found) = value.get_ref().as_str().and_then(parse_size) else {
            mistakes.add(&value.span(), format!("`{key}` is a size, such as \"64 KiB\" or \"16 MiB\""));
            return default;
        };
        if !range.contains(&found) {
            let (least, most) = (Bytes(*range.start()), Bytes(*range.end()));
            mistakes.add(&value.span(), format!("`{key}` must be from {least} to {most}, not {}", Bytes(found)));
            return default;
        }
        if found % limits::PAGE_BYTES != 0 {
            let right = Bytes(found.next_multiple_of(limits::PAGE_BYTES));
            mistakes.add(&value.span(), format!("`{key}` must be a multiple of 4 KiB; {right} would do"));
        }
        found
    }

    /// One of a few words; the default where there is none.
    pub(super) fn choice<T: Copy + Default>(&self, mistakes: &mut Mistakes<'_>, key: &str, choices: &[(&str, T)]) -> T {
        let Some(value) = self.get(key) else { return T::default() };
        let Some(word) = text(mistakes, value) else { return T::default() };
        let found = choices.iter().find(|(name, _)| *name == word);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let hint = hint(word, &names);
            mistakes.add(&value.span(), format!("`{key}` cannot be \"{}\"; {hint}", word.escape_debug()));
        }
        found.map_or_else(T::default, |(_, choice)| *choice)
    }

    /// `true` or `false`; false by default.
    pub(super) fn flag(&self, mistakes: &mut Mistakes<'_>, key: &str) -> bool {
        let Some(value) = self.get(key) else { return false };
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            mistakes.add(&value.span(), format!("`{key}` is `true` or `false`, without quotation marks"));
        }
        flag.unwrap_or(false)
    }
}

/// What would be right in the place of `word`.
pub(super) fn hint(word: &str, known: &[&str]) -> String {
    let special = match word {
        "harts" if known.contains(&"threads") => Some("a cell has one hart on each of its `threads`"),
        "length" if known.contains(&"budget") => Some("what it may use in every period is its `budget`"),
        "phase" if known.contains(&"budget") => Some("its first period begins when it has work"),
        "budget" if known.contains(&"length") => Some("a window has a `length`"),
        _ => None,
    };
    if let Some(special) = special {
        return special.to_owned();
    }
    let nearest = known.iter().min_by_key(|candidate| strsim::osa_distance(word, candidate));
    match nearest {
        Some(nearest) if strsim::osa_distance(word, nearest) <= 1 + nearest.len() / 4 => {
            format!("did you mean `{nearest}`?")
        }
        _ => format!("there are: {}", known.join(", ")),
    }
}

/// The table in a value.
pub(super) fn table<'a, 'i>(
    mistakes: &mut Mistakes<'_>,
    value: &'a Spanned<DeValue<'i>>,
    what: &str,
) -> Option<&'a DeTable<'i>> {
    let table = value.get_ref().as_table();
    if table.is_none() {
        mistakes.add(&value.span(), format!("{what} must be a table, not {}", kind(value)));
    }
    table
}

fn text<'a>(mistakes: &mut Mistakes<'_>, value: &'a Spanned<DeValue<'_>>) -> Option<&'a str> {
    let text = value.get_ref().as_str();
    if text.is_none() {
        mistakes.add(&value.span(), format!("this must be text in quotation marks, not {}", kind(value)));
    }
    text
}

/// A kind of value with its article.
pub(super) fn kind(value: &Spanned<DeValue<'_>>) -> String {
    let kind = value.get_ref().type_str();
    format!("{} {kind}", if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" })
}

/// A name: it appears in file names and in lines that programs read.
pub(super) fn name(mistakes: &mut Mistakes<'_>, value: &Spanned<DeValue<'_>>, max: usize) -> Option<String> {
    let name = text(mistakes, value)?;
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if name.is_empty() || !name.chars().all(legal) {
        let shown = name.escape_debug();
        mistakes.add(
            &value.span(),
            format!("\"{shown}\" is not a name; a name consists of lower-case letters, digits, `-` and `_`"),
        );
        return None;
    }
    if name.len() > max {
        mistakes.add(&value.span(), format!("the name has {} bytes; it may have {max}", name.len()));
        return None;
    }
    Some(name.to_owned())
}

pub(super) fn duration(
    mistakes: &mut Mistakes<'_>,
    value: &Spanned<DeValue<'_>>,
    range: &RangeInclusive<u64>,
) -> Option<u64> {
    let Some(found) = value.get_ref().as_str().and_then(parse_duration) else {
        mistakes.add(&value.span(), "this must be a duration, such as \"100 us\", \"10 ms\" or \"3 s\"");
        return None;
    };
    if !range.contains(&found) {
        let range = super::range_of_durations(range);
        mistakes.add(&value.span(), format!("this must be from {range}, not {}", crate::Nanoseconds(found)));
        return None;
    }
    Some(found)
}

pub(super) fn is_zero_duration(value: &Spanned<DeValue<'_>>) -> bool {
    value.get_ref().as_str().and_then(parse_duration) == Some(0)
}

/// A whole number, in any of TOML's notations.
pub(super) fn integer(value: &Spanned<DeValue<'_>>) -> Option<u64> {
    let integer = value.get_ref().as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

pub(super) fn threads(mistakes: &mut Mistakes<'_>, value: &Spanned<DeValue<'_>>) -> Option<Threads> {
    match value.get_ref() {
        DeValue::String(word) if word == "all" => return Some(Threads::All),
        DeValue::String(word) if word == "other" => return Some(Threads::Other),
        DeValue::Array(entries) if !entries.is_empty() => {
            let mut list = Vec::new();
            for entry in entries.iter() {
                let number = integer(entry).and_then(|number| u32::try_from(number).ok());
                let Some(number) = number.filter(|number| *number < limits::THREADS_MAX) else {
                    let last = limits::THREADS_MAX - 1;
                    mistakes.add(&entry.span(), format!("a hardware thread is a number from 0 to {last}"));
                    continue;
                };
                if list.contains(&number) {
                    mistakes.add(&entry.span(), format!("hardware thread {number} is in the list twice"));
                    continue;
                }
                list.push(number);
            }
            return Some(Threads::List(list));
        }
        _ => {}
    }
    mistakes.add(
        &value.span(),
        "`threads` is \"all\", \"other\" (all but hardware thread 0), or a list of numbers such as [0, 1]",
    );
    None
}
