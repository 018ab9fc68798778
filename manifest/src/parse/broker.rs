//! The broker, `[broker]`, and what a cell needs of it, `needs = { ... }`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::{Section, duration, hint, integer, kind, name, table, threads};
use crate::broker::{Broker, Needs, OPTIMIZERS, Rate, Target};
use crate::mistake::Mistakes;
use crate::{Cell, Policy, Root, Threads, limits};

const PERIOD_NS: u64 = 100_000_000;
const SAMPLES: u32 = 5;
const QUANTA: u32 = 16;
const NOTICE_NS: u64 = 20_000_000;
const MARGIN_PERMILLE: u32 = 50;
const SLOPE_MILLI: u64 = 1_000;
const WEIGHT: u32 = 1;

/// Reads `[broker]`. The root cell's program says which optimizers there are.
pub(super) fn read(
    mistakes: &mut Mistakes<'_>,
    table: &DeTable<'_>,
    place: Range<usize>,
    root: Option<&Root>,
) -> Option<Broker> {
    let known = ["optimizer", "period", "samples", "quanta", "threads", "notice", "margin"];
    let section = Section::new(mistakes, table, place, "[broker]", &known);
    let value = section.required(mistakes, "optimizer");
    let optimizer = value.and_then(|value| optimizer(mistakes, value, root));
    let period_ns = section.duration(mistakes, "period", PERIOD_NS, &limits::BROKER_PERIOD_NS);
    let samples = section.get("samples").map_or(SAMPLES, |value| number(mistakes, value, &limits::SAMPLES, SAMPLES));
    let quanta = section.get("quanta").map_or(QUANTA, |value| number(mistakes, value, &limits::QUANTA, QUANTA));
    let threads = section.get("threads").map_or(Some(Threads::All), |value| threads(mistakes, value));
    let notice_ns = section.duration(mistakes, "notice", NOTICE_NS, &limits::NOTICE_NS);
    let margin = section.get("margin").map(|value| {
        let margin = milli(value).and_then(|margin| u32::try_from(margin).ok());
        let margin = margin.filter(|margin| limits::MARGIN.contains(margin));
        if margin.is_none() {
            mistakes.add(&value.span(), "`margin` is a part of the deadline, from 0 to 0.9, such as 0.05");
        }
        margin.unwrap_or(MARGIN_PERMILLE)
    });
    let margin_permille = margin.unwrap_or(MARGIN_PERMILLE);
    Some(Broker { optimizer: optimizer?, period_ns, samples, quanta, threads: threads?, notice_ns, margin_permille })
}

/// Any name, if the root cell runs a program that is not ours: it may know others.
fn optimizer(mistakes: &mut Mistakes<'_>, value: &Spanned<DeValue<'_>>, root: Option<&Root>) -> Option<String> {
    let found = name(mistakes, value, limits::NAME_MAX)?;
    let is_ours = root.is_none_or(|root| root.program == Root::default().program);
    if is_ours && !OPTIMIZERS.contains(&found.as_str()) {
        mistakes.add(&value.span(), format!("`{found}` is not an optimizer; {}", hint(&found, &OPTIMIZERS)));
        return None;
    }
    Some(found)
}

/// Reads a cell's `needs`. `threads`, `most_harts` and `policy` are the cell's, where they could be read.
pub(super) fn read_needs(
    mistakes: &mut Mistakes<'_>,
    value: &Spanned<DeValue<'_>>,
    threads: Option<&Threads>,
    most_harts: Option<u32>,
    policy: Option<Policy>,
) -> Option<Needs> {
    let what = "`needs`";
    let body = table(mistakes, value, what)?;
    let known = ["minimum", "desired", "heartbeats", "deadline", "slope", "weight", "contracts"];
    let section = Section::new(mistakes, body, value.span(), what, &known);
    if let Some(Policy::Dedicated | Policy::TimeTriggered { .. }) = policy {
        mistakes.add(
            &value.span(),
            "the broker gives a cell budgets or weights, so a cell with `needs` is event-triggered or best-effort",
        );
    }
    if let (Some(_), Some(Policy::EventTriggered { .. })) = (most_harts, policy) {
        mistakes.add(
            &value.span(),
            "a cell with `needs` and `most-harts` is best-effort: where it is and what it has there changes",
        );
    }
    let minimum = section.get("minimum").and_then(|value| threads_milli(mistakes, value, "minimum"));
    let desired = section.get("desired").and_then(|value| threads_milli(mistakes, value, "desired"));
    let harts = if let Some(Threads::List(list)) = threads { Some(list.len() as u32) } else { None };
    let most = most_harts.or(harts).map_or(u32::MAX, |most| most * 1000);
    for (key, found) in [("minimum", minimum), ("desired", desired)] {
        if let (Some(value), Some(found)) = (section.get(key), found.filter(|found| *found > most)) {
            let (found, most) = (f64::from(found) / 1000.0, most / 1000);
            let text = format!("`{key}` is {found} hardware threads, and the cell has {most}");
            mistakes.add(&value.span(), text);
        }
    }
    if let (Some(value), Some(minimum), Some(desired)) = (section.get("desired"), minimum, desired)
        && desired < minimum
    {
        mistakes.add(&value.span(), "`desired` is less than `minimum`; desire at least that");
    }
    let heartbeats = section.get("heartbeats").and_then(|value| heartbeats(mistakes, value));
    let deadline = section
        .get("deadline")
        .and_then(|value| duration(mistakes, value, &limits::DEADLINE_NS))
        .map(|ns| Target::Deadline { ns });
    if let (Some(value), Some(_)) = (section.get("deadline"), section.get("heartbeats")) {
        mistakes.add(&value.span(), "a cell has a `deadline` or a rate of `heartbeats`, not both");
    }
    let slope_milli = section.get("slope").map_or(SLOPE_MILLI, |value| {
        milli(value).filter(|slope| limits::SLOPE_MILLI.contains(slope)).unwrap_or_else(|| {
            mistakes.add(&value.span(), "`slope` is the penalty of a second's delay, a number from 0 to 1000000");
            SLOPE_MILLI
        })
    });
    let weights = *limits::WEIGHT.start() as u32..=*limits::WEIGHT.end() as u32;
    let weight = section.get("weight").map_or(WEIGHT, |value| number(mistakes, value, &weights, WEIGHT));
    let contracts = section.get("contracts").map(|value| contracts(mistakes, value)).unwrap_or_default();
    Some(Needs {
        minimum_milli: minimum.unwrap_or(0),
        desired_milli: desired,
        target: heartbeats.or(deadline),
        slope_milli,
        weight,
        contracts,
    })
}

/// What cells need together: notes cells without a broker, cells whose shares could not be given where they are, and contracts with nobody.
pub(super) fn check(
    mistakes: &mut Mistakes<'_>,
    has_broker: bool,
    cells: &[(&Cell, &Needs, Range<usize>)],
    all: &[&Cell],
) {
    if !has_broker && let Some((cell, _, place)) = cells.first() {
        let name = &cell.name;
        mistakes.add(place, format!("`{name}` tells a broker what it needs, and there is none; add `[broker]`"));
    }
    if let Some((_, _, place)) = cells.get(limits::NEEDS_MAX) {
        mistakes.add(place, format!("the broker serves at most {} cells", limits::NEEDS_MAX));
    }
    let mut fixed = cells.iter().filter(|(cell, ..)| cell.most_harts.is_none());
    if let Some((first, needs, place)) = fixed.clone().next() {
        let has_others = cells.iter().any(|(cell, ..)| cell.most_harts.is_some());
        let desired = |needs: &Needs| needs.desired_milli.unwrap_or(u32::MAX);
        let sum = fixed.clone().fold(0_u32, |sum, (_, needs, _)| sum.saturating_add(desired(needs)));
        let harts = if let Threads::List(list) = &first.threads { list.len() as u32 * 1000 } else { 0 };
        if has_others && sum > harts && (fixed.clone().count() > 1 || needs.desired_milli.is_some() || harts == 0) {
            mistakes.add(
                place,
                "beside cells with `most-harts`, those without must not desire more than the hardware threads in their list; \
                 give each its `desired`",
            );
        }
        for (cell, _, place) in fixed.by_ref().filter(|(cell, ..)| cell.threads != first.threads) {
            let (name, first) = (&cell.name, &first.name);
            mistakes.add(
                place,
                format!(
                    "cells with `needs` and without `most-harts` share one set of hardware threads: give `{name}` the same \
                     `threads` as `{first}`"
                ),
            );
        }
    }
    let names: Vec<&str> = all.iter().map(|cell| cell.name.as_str()).collect();
    for (rate, place) in
        cells.iter().flat_map(|(_, needs, place)| needs.contracts.iter().map(move |rate| (rate, place)))
    {
        let service = &rate.service;
        match all.iter().find(|cell| cell.name == *service) {
            None => mistakes.add(place, format!("there is no cell `{service}`; {}", hint(service, &names))),
            Some(cell) if cell.offers_per_s == 0 => mistakes.add(
                place,
                format!("`{service}` offers nothing; say what it can serve, such as `offers = \"1000/s\"`"),
            ),
            Some(_) => {}
        }
    }
}

/// `"50/s"`, in thousandths.
fn heartbeats(mistakes: &mut Mistakes<'_>, value: &Spanned<DeValue<'_>>) -> Option<Target> {
    let found = rate_milli(value).filter(|milli| limits::HEARTBEATS_MILLI.contains(milli));
    if found.is_none() {
        mistakes.add(&value.span(), "`heartbeats` is a rate, such as \"50/s\", from 0.001/s to 1000000/s");
    }
    found.map(|milli_per_s| Target::Heartbeats { milli_per_s })
}

/// `"1000/s"`: requests that a service can serve.
pub(super) fn offers(mistakes: &mut Mistakes<'_>, value: &Spanned<DeValue<'_>>) -> Option<u32> {
    rate(mistakes, value, "`offers`")
}

fn rate(mistakes: &mut Mistakes<'_>, value: &Spanned<DeValue<'_>>, what: &str) -> Option<u32> {
    let found = rate_milli(value).filter(|milli| milli % 1000 == 0).and_then(|milli| u32::try_from(milli / 1000).ok());
    let found = found.filter(|rate| limits::RATE.contains(rate));
    if found.is_none() {
        let (least, most) = (limits::RATE.start(), limits::RATE.end());
        mistakes.add(&value.span(), format!("{what} is a whole rate, such as \"1000/s\", from {least}/s to {most}/s"));
    }
    found
}

/// `{ SERVICE = "200/s" }`.
fn contracts(mistakes: &mut Mistakes<'_>, value: &Spanned<DeValue<'_>>) -> Vec<Rate> {
    let Some(body) = table(mistakes, value, "`contracts`") else { return Vec::new() };
    let mut rates = Vec::new();
    for (service, value) in body.iter() {
        let service: &str = service.get_ref();
        if let Some(per_s) = rate(mistakes, value, "a contract") {
            rates.push(Rate { service: service.to_string(), per_s });
        }
    }
    rates
}

/// A number of hardware threads, in thousandths.
fn threads_milli(mistakes: &mut Mistakes<'_>, value: &Spanned<DeValue<'_>>, key: &str) -> Option<u32> {
    let most = limits::THREADS_MAX * 1000;
    let found = milli(value).and_then(|milli| u32::try_from(milli).ok()).filter(|milli| (1..=most).contains(milli));
    if found.is_none() {
        let text = format!("`{key}` is a number of hardware threads, such as 0.25 or 2, not {}", kind(value));
        mistakes.add(&value.span(), text);
    }
    found
}

fn number(mistakes: &mut Mistakes<'_>, value: &Spanned<DeValue<'_>>, range: &RangeInclusive<u32>, default: u32) -> u32 {
    let found = integer(value).and_then(|number| u32::try_from(number).ok()).filter(|number| range.contains(number));
    if found.is_none() {
        mistakes.add(&value.span(), format!("this must be a whole number from {} to {}", range.start(), range.end()));
    }
    found.unwrap_or(default)
}

/// A number in thousandths, if it is one of at most three decimals.
fn milli(value: &Spanned<DeValue<'_>>) -> Option<u64> {
    match value.get_ref() {
        DeValue::Integer(_) => integer(value)?.checked_mul(1000),
        DeValue::Float(float) => decimal(float.as_str()),
        _ => None,
    }
}

/// A rate in thousandths.
fn rate_milli(value: &Spanned<DeValue<'_>>) -> Option<u64> {
    decimal(value.get_ref().as_str()?.trim().strip_suffix("/s")?.trim_end())
}

fn decimal(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(decimals) || decimals.len() > 3 {
        return None;
    }
    let part = decimals.parse::<u64>().ok()? * 10_u64.pow(3 - decimals.len() as u32);
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(part)
}
