//! The policies.

use alloc::format;
use core::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::{Section, duration, hint, integer, kind, table};
use crate::mistake::Mistakes;
use crate::{Nanoseconds, Policy, limits};

const NAMES: [&str; 4] = ["dedicated", "time-triggered", "event-triggered", "best-effort"];
const DEFAULT_WEIGHT: u32 = 100;

/// `"dedicated"`, `"best-effort"`, `{ best-effort = { weight = 100 } }`, `{ time-triggered = { period, phase, length } }` or
/// `{ event-triggered = { period, budget } }`.
pub(super) fn read(mistakes: &mut Mistakes<'_>, value: &Spanned<DeValue<'_>>) -> Option<Policy> {
    match value.get_ref() {
        DeValue::String(name) => match name.as_ref() {
            "dedicated" => return Some(Policy::Dedicated),
            "best-effort" => return Some(Policy::BestEffort { weight: DEFAULT_WEIGHT }),
            "time-triggered" => mistakes.add(
                &value.span(),
                "a time-triggered policy needs its window, for example \
                 `{ time-triggered = { period = \"50 ms\", phase = \"0 ms\", length = \"2 ms\" } }`",
            ),
            "event-triggered" => mistakes.add(
                &value.span(),
                "an event-triggered policy needs its budget, for example \
                 `{ event-triggered = { period = \"5 ms\", budget = \"1 ms\" } }`",
            ),
            other => {
                let hint = hint(other, &NAMES);
                mistakes.add(&value.span(), format!("\"{}\" is not a policy; {hint}", other.escape_debug()));
            }
        },
        DeValue::Table(policy) => return read_table(mistakes, policy, value.span()),
        _ => {
            mistakes.add(&value.span(), format!("a policy cannot be {}; there are: {}", kind(value), NAMES.join(", ")))
        }
    }
    None
}

fn read_table(mistakes: &mut Mistakes<'_>, policy: &DeTable<'_>, place: Range<usize>) -> Option<Policy> {
    let section = Section::new(mistakes, policy, place.clone(), "a policy", &NAMES);
    if policy.len() > 1 {
        mistakes.add(&place, "a cell has one policy, not several");
        return None;
    }
    if let Some(value) = section.get("best-effort") {
        let what = "a best-effort policy";
        let body = table(mistakes, value, what)?;
        let body = Section::new(mistakes, body, value.span(), what, &["weight"]);
        return Some(Policy::BestEffort { weight: weight(mistakes, body.get("weight"))? });
    }
    if let Some(value) = section.get("time-triggered") {
        let body = table(mistakes, value, "a time-triggered policy")?;
        return window(mistakes, body, value.span());
    }
    if let Some(value) = section.get("event-triggered") {
        let body = table(mistakes, value, "an event-triggered policy")?;
        return reserve(mistakes, body, value.span());
    }
    if let Some(value) = section.get("dedicated") {
        match table(mistakes, value, "a dedicated policy") {
            Some(body) => {
                for (key, _) in body.iter() {
                    mistakes.add(&key.span(), "a dedicated policy has no keys; write `policy = \"dedicated\"`");
                }
            }
            None => return None,
        }
        return Some(Policy::Dedicated);
    }
    if policy.is_empty() {
        mistakes.add(&place, format!("this policy is empty; there are: {}", NAMES.join(", ")));
    }
    None
}

fn weight(mistakes: &mut Mistakes<'_>, value: Option<&Spanned<DeValue<'_>>>) -> Option<u32> {
    let Some(value) = value else { return Some(DEFAULT_WEIGHT) };
    let weight = integer(value).filter(|weight| limits::WEIGHT.contains(weight));
    let weight = weight.and_then(|weight| u32::try_from(weight).ok());
    if weight.is_none() {
        let (least, most) = (limits::WEIGHT.start(), limits::WEIGHT.end());
        mistakes.add(&value.span(), format!("`weight` is a whole number from {least} to {most}"));
    }
    weight
}

fn window(mistakes: &mut Mistakes<'_>, body: &DeTable<'_>, place: Range<usize>) -> Option<Policy> {
    let body = Section::new(mistakes, body, place, "a time-triggered policy", &["period", "phase", "length"]);
    let period_value = body.required(mistakes, "period");
    let period = period_value.and_then(|value| duration(mistakes, value, &limits::PERIOD_NS));
    let length_value = body.required(mistakes, "length");
    let length = length_value.and_then(|value| duration(mistakes, value, &limits::WINDOW_NS));
    let phase_value = body.get("phase");
    let phase = match phase_value {
        Some(value) => duration(mistakes, value, &(0..=*limits::PERIOD_NS.end())),
        None => Some(0),
    };
    let (period_ns, phase_ns, length_ns) = (period?, phase?, length?);
    if let Some(value) = length_value.filter(|_| length_ns >= period_ns) {
        let (length, period) = (Nanoseconds(length_ns), Nanoseconds(period_ns));
        mistakes.add(
            &value.span(),
            format!(
                "a window of {length} does not fit into its period of {period}; make it shorter, the period longer, \
                 or the cell dedicated"
            ),
        );
    }
    if let Some(value) = phase_value.filter(|_| phase_ns >= period_ns) {
        let (phase, period) = (Nanoseconds(phase_ns), Nanoseconds(period_ns));
        let right = Nanoseconds(phase_ns % period_ns);
        mistakes.add(
            &value.span(),
            format!("the phase of {phase} is not less than the period of {period}; {right} is the same place"),
        );
    }
    // A window that is wrong by itself would only bring conflicts that nobody made.
    (length_ns < period_ns && phase_ns < period_ns).then_some(Policy::TimeTriggered { period_ns, phase_ns, length_ns })
}

fn reserve(mistakes: &mut Mistakes<'_>, body: &DeTable<'_>, place: Range<usize>) -> Option<Policy> {
    let body = Section::new(mistakes, body, place, "an event-triggered policy", &["period", "budget"]);
    let period_value = body.required(mistakes, "period");
    let period = period_value.and_then(|value| duration(mistakes, value, &limits::PERIOD_NS));
    let budget_value = body.required(mistakes, "budget");
    let budget = budget_value.and_then(|value| duration(mistakes, value, &limits::WINDOW_NS));
    let (period_ns, budget_ns) = (period?, budget?);
    if let Some(value) = budget_value.filter(|_| budget_ns >= period_ns) {
        let (budget, period) = (Nanoseconds(budget_ns), Nanoseconds(period_ns));
        mistakes.add(
            &value.span(),
            format!(
                "a budget of {budget} is not less than its period of {period}; make it smaller, the period longer, \
                 or the cell dedicated"
            ),
        );
        // As for windows: what is wrong by itself would only bring conflicts that nobody made.
        return None;
    }
    Some(Policy::EventTriggered { period_ns, budget_ns })
}
