//! Channels: `[[channel]]`, each from one or several cells to one or several, and back if it is two-way.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::{Section, hint, integer, name, table};
use crate::mistake::Mistakes;
use crate::{Channel, Contract, limits};

/// Reads all of them. `cells` are the names that ends can have, besides `root`.
pub(super) fn read_all(mistakes: &mut Mistakes<'_>, top: &Section<'_, '_>, cells: &[&str]) -> Vec<Channel> {
    let Some(value) = top.get("channel") else { return Vec::new() };
    let DeValue::Array(entries) = value.get_ref() else {
        mistakes.add(
            &value.span(),
            "channels are given as `[[channel]]`, with two pairs of brackets, one for each channel",
        );
        return Vec::new();
    };
    let (mut channels, mut pairs) = (Vec::new(), 0);
    for entry in entries.iter() {
        if let Some(table) = table(mistakes, entry, "[[channel]]") {
            channels.extend(read(mistakes, table, entry, cells, &mut pairs).into_iter().flatten());
        }
        if channels.len() > limits::CHANNELS_MAX {
            let most = limits::CHANNELS_MAX;
            mistakes.add(&entry.span(), format!("a system has at most {most} channels, each way of each pair counted"));
            return Vec::new();
        }
    }
    channels
}

/// `pairs`: how many two-way channels there are already.
fn read(
    mistakes: &mut Mistakes<'_>,
    channel: &DeTable<'_>,
    entry: &Spanned<DeValue<'_>>,
    cells: &[&str],
    pairs: &mut u32,
) -> Option<Vec<Channel>> {
    let known = ["name", "from", "to", "capacity", "two-way", "bulk", "contract"];
    let section = Section::new(mistakes, channel, entry.span(), "[[channel]]", &known);
    let own = section.required(mistakes, "name").and_then(|value| name(mistakes, value, limits::NAME_MAX));
    let from = section.required(mistakes, "from").map(|value| ends(mistakes, value, cells));
    let to = section.required(mistakes, "to").map(|value| ends(mistakes, value, cells));
    let capacity = section.get("capacity").map_or(64, |value| number(mistakes, value, &limits::CAPACITY, 64));
    let is_two_way = section.flag(mistakes, "two-way");
    let (blocks, block_bytes) = section.get("bulk").and_then(|value| bulk(mistakes, value)).unwrap_or((0, 0));
    let contract = section.get("contract").and_then(|value| contract(mistakes, value));
    let (name, from, to) = (own?, from?, to?);
    let mut channels = Vec::new();
    for (one, other) in from.iter().flat_map(|one| to.iter().map(move |other| (one, other))) {
        if one == other {
            mistakes.add(&entry.span(), format!("a channel connects two cells, and `{one}` is one"));
            continue;
        }
        *pairs += u32::from(is_two_way);
        let pair = if is_two_way { *pairs } else { 0 };
        let channel = |from: &String, to: &String| Channel {
            name: name.clone(),
            from: from.clone(),
            to: to.clone(),
            capacity,
            blocks,
            block_bytes,
            contract,
            pair,
        };
        channels.push(channel(one, other));
        if is_two_way {
            channels.push(Channel { contract: None, ..channel(other, one) });
        }
    }
    Some(channels)
}

/// A cell's name, or a list of them.
fn ends(mistakes: &mut Mistakes<'_>, value: &Spanned<DeValue<'_>>, cells: &[&str]) -> Vec<String> {
    let list: Vec<&Spanned<DeValue<'_>>> = match value.get_ref() {
        DeValue::Array(list) => list.iter().collect(),
        _ => Vec::from([value]),
    };
    let mut names: Vec<String> = Vec::new();
    for value in list {
        let Some(name) = name(mistakes, value, limits::NAME_MAX) else { continue };
        if name != "root" && !cells.contains(&name.as_str()) {
            mistakes.add(&value.span(), format!("there is no cell `{name}`; {}", hint(&name, cells)));
        } else if names.contains(&name) {
            mistakes.add(&value.span(), format!("`{name}` is in the list twice"));
        } else {
            names.push(name);
        }
    }
    names
}

fn number(mistakes: &mut Mistakes<'_>, value: &Spanned<DeValue<'_>>, range: &RangeInclusive<u32>, default: u32) -> u32 {
    let found = integer(value).and_then(|number| u32::try_from(number).ok()).filter(|number| range.contains(number));
    if found.is_none() {
        mistakes.add(&value.span(), format!("this must be a number from {} to {}", range.start(), range.end()));
    }
    found.unwrap_or(default)
}

/// `{ blocks = 8, size = "16 KiB" }`.
fn bulk(mistakes: &mut Mistakes<'_>, value: &Spanned<DeValue<'_>>) -> Option<(u32, u32)> {
    let what = "`bulk`";
    let body = table(mistakes, value, what)?;
    let body = Section::new(mistakes, body, value.span(), what, &["blocks", "size"]);
    let blocks = body.get("blocks").map_or(1, |value| number(mistakes, value, &limits::BLOCKS, 1));
    let size = body.size(mistakes, "size", 4096, &limits::BLOCK_BYTES);
    if u64::from(blocks) * size > limits::BULK_BYTES {
        mistakes.add(
            &value.span(),
            format!("blocks of a channel take at most {} together", crate::Bytes(limits::BULK_BYTES)),
        );
    }
    Some((blocks, u32::try_from(size).ok()?))
}

/// `{ rate = 10_000, burst = 16 }`: messages per second, and at once.
fn contract(mistakes: &mut Mistakes<'_>, value: &Spanned<DeValue<'_>>) -> Option<Contract> {
    let what = "`contract`";
    let body = table(mistakes, value, what)?;
    let body = Section::new(mistakes, body, value.span(), what, &["rate", "burst"]);
    let Some(rate) = body.get("rate") else {
        mistakes.add(&value.span(), "a contract needs its `rate`, in messages per second, for example `rate = 10_000`");
        return None;
    };
    let rate_per_s = number(mistakes, rate, &limits::RATE, 1);
    let burst = body.get("burst").map_or(1, |value| number(mistakes, value, &limits::CAPACITY, 1));
    Some(Contract { rate_per_s, burst })
}
