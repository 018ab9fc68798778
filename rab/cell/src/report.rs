//! What the root cell shows: the machine, the cells, the live view, the summary.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::abi::machine::{FEATURES, MachineInfo};
use manifest::{Bytes, Nanoseconds, Policy, System};

use crate::counters;
use crate::member::Member;
use crate::table::{Align, Table, duration, percent, rate, threads};

/// Characters of a live line, at most: the kernel breaks lines that are longer.
const LIVE_MAX: usize = 300;

/// The hardware found, line by line.
#[must_use]
pub fn machine(info: &MachineInfo) -> Vec<String> {
    let name = core::str::from_utf8(&info.processor).unwrap_or("?").trim_matches(['\0', ' ']);
    let memory = |frames: u64| Bytes(frames.saturating_mul(crate::abi::layout::PAGE_SIZE));
    let plural = |count: u32, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let features: Vec<&str> =
        FEATURES.iter().filter(|(bit, _)| info.features & bit != 0).map(|(_, name)| *name).collect();
    Vec::from([
        format!("  processor  {name}"),
        format!(
            "             {}, {}",
            plural(info.hardware_threads, "hardware thread"),
            plural(info.nodes, "memory node")
        ),
        format!("  features   {}", features.join(" ")),
        format!("  memory     {}, {} free", memory(info.frames_total), memory(info.frames_free)),
        format!(
            "  timebase   {:.3} GHz, hardware threads agree within {}, timers lead by {}",
            info.tsc_hz as f64 / 1e9,
            Nanoseconds(info.timebase_error_ns),
            Nanoseconds(info.lead_ns)
        ),
    ])
}

/// Each cell with its resources and policy.
#[must_use]
pub fn resources(system: &System, root: &Member, members: &[Member]) -> Vec<String> {
    let columns = [
        ("cell", Align::Left),
        ("program", Align::Left),
        ("threads", Align::Left),
        ("memory", Align::Right),
        ("stack", Align::Right),
        ("policy", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for member in core::iter::once(root).chain(members) {
        let spec = &member.spec;
        let stack = if spec.stack_bytes == 0 { String::from("-") } else { Bytes(spec.stack_bytes).to_string() };
        table.row(Vec::from([
            spec.name.clone(),
            spec.program.clone(),
            if member.claim.threads == 0 { spec.threads.to_string() } else { threads(member.claim.threads) },
            Bytes(spec.memory_bytes).to_string(),
            stack,
            spec.policy.to_string(),
        ]));
    }
    let mut lines = table.lines();
    let (slice, tolerance) = (Nanoseconds(system.slice_ns), Nanoseconds(system.tolerance_ns));
    lines.push(format!("  best-effort slice {slice}; a hart later than {tolerance} has missed its window"));
    lines
}

/// What the live view said last, to see what happened since.
#[derive(Clone, Debug)]
pub struct Live {
    at: u64,
    seen: Vec<(u64, u64)>,
}

impl Live {
    /// A live view that begins now.
    #[must_use]
    pub fn new(now: u64) -> Self {
        Self { at: now, seen: Vec::new() }
    }

    /// The live line: which cell has which hardware threads, which part of their time (of which part at most, where it has a budget), and how it
    /// progresses, since the last one.
    pub fn line(&mut self, now: u64, since_start: u64, members: &[Member]) -> String {
        let elapsed = now.saturating_sub(self.at);
        self.at = now;
        self.seen.resize(members.len(), (0, 0));
        let mut parts = Vec::new();
        for (member, seen) in members.iter().zip(&mut self.seen) {
            let name = &member.spec.name;
            let (time, beats) = (member.time_ns(), member.heartbeats());
            let (new_time, new_beats) = (time.saturating_sub(seen.0), beats.saturating_sub(seen.1));
            *seen = (time, beats);
            parts.push(if member.is_running() {
                let all = elapsed as f64 * f64::from(member.harts());
                let (mask, part) = (threads(member.claim.threads), percent(new_time as f64, all));
                let budget = match member.claim.policy {
                    Policy::EventTriggered { period_ns, budget_ns } => {
                        format!(" of {}", percent(budget_ns as f64, period_ns as f64))
                    }
                    _ => String::new(),
                };
                format!(" | {name} @{mask} {part}{budget} {}", rate(new_beats as f64, elapsed))
            } else {
                format!(" | {name} {}", member.fate.brief())
            });
        }
        folded(format!("{:6.1} s", since_start as f64 / 1e9), &parts, LIVE_MAX)
    }
}

/// A line with as many of these parts as it has characters for, and how many more there are.
fn folded(mut line: String, parts: &[String], most: usize) -> String {
    let width = |text: &str| text.chars().count();
    let mut left = most.saturating_sub(width(&line));
    if parts.iter().map(|part| width(part)).sum::<usize>() <= left {
        return line + &parts.concat();
    }
    left = left.saturating_sub(format!(" | +{}", parts.len()).len());
    let mut shown = 0;
    for part in parts {
        let Some(rest) = left.checked_sub(width(part)) else { break };
        line += part;
        (left, shown) = (rest, shown + 1);
    }
    line + &format!(" | +{}", parts.len() - shown)
}

/// How each cell does, for the command `cells`.
#[must_use]
pub fn cells(members: &[Member]) -> Vec<String> {
    let columns = [
        ("cell", Align::Left),
        ("threads", Align::Left),
        ("state", Align::Left),
        ("time", Align::Right),
        ("heartbeats", Align::Right),
        ("missed", Align::Right),
    ];
    let mut table = Table::new(&columns);
    for member in members {
        let mask = if member.is_running() { threads(member.claim.threads) } else { String::from("-") };
        table.row(Vec::from([
            member.spec.name.clone(),
            mask,
            member.fate.brief(),
            Nanoseconds(member.time_ns() / 1_000_000 * 1_000_000).to_string(),
            member.heartbeats().to_string(),
            member.missed().to_string(),
        ]));
    }
    table.lines()
}

/// The plan in force, for the command `plan`.
#[must_use]
pub fn plan(number: u64, root: &Member, members: &[Member]) -> Vec<String> {
    let mut table = Table::new(&[("cell", Align::Left), ("threads", Align::Left), ("policy", Align::Left)]);
    for member in core::iter::once(root).chain(members).filter(|member| member.is_running()) {
        let (name, policy) = (member.spec.name.clone(), member.claim.policy.to_string());
        table.row(Vec::from([name, threads(member.claim.threads), policy]));
    }
    let mut lines = table.lines();
    lines.insert(0, format!("plan {number}:"));
    lines
}

/// The summary after `elapsed` ns.
#[must_use]
pub fn summary(info: &MachineInfo, elapsed: u64, root: &Member, members: &[Member]) -> Vec<String> {
    let columns = [
        ("cell", Align::Left),
        ("policy", Align::Left),
        ("activations", Align::Right),
        ("missed", Align::Right),
        ("received", Align::Right),
        ("promised", Align::Right),
        ("of it", Align::Right),
        ("heartbeats", Align::Right),
        ("skew p50", Align::Right),
        ("p99", Align::Right),
        ("max", Align::Right),
    ];
    let mut table = Table::new(&columns);
    let mut lost = 0;
    for member in core::iter::once(root).chain(members) {
        let (skew, gang) = (member.log.skew(), member.harts() > 1);
        let skew_at = |value: Option<u64>| duration(value.filter(|_| gang));
        lost += member.log.lost();
        table.row(Vec::from([
            member.spec.name.clone(),
            member.spec.policy.to_string(),
            member.activations().to_string(),
            member.missed().to_string(),
            duration(Some(member.time_ns())),
            duration(Some(member.promised_ns as u64)),
            percent(member.time_ns() as f64, member.promised_ns),
            rate(member.heartbeats() as f64, elapsed),
            skew_at(skew.quantile(500)),
            skew_at(skew.quantile(990)),
            skew_at(skew.max()),
        ]));
    }
    let mut lines = table.lines();
    lines.push(format!(
        "  {} in all; plan {}; {} interrupts between hardware threads since the first cell started",
        duration(Some(elapsed)),
        info.plan,
        info.ipis
    ));
    lines.extend(counters::line(info));
    let has_budget = |member: &Member| matches!(member.claim.policy, Policy::EventTriggered { .. });
    if core::iter::once(root).chain(members).any(has_budget) {
        lines.push(String::from(
            "  a budget is promised to a cell that has work; best-effort cells are promised what is left when all budgets are used",
        ));
    }
    if lost > 0 {
        lines.push(format!("  {lost} activations were not seen and are not in the skew"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_line_that_is_too_long_says_how_many_cells_it_leaves_out() {
        let parts = [" | names 1%", " | \u{e4} 2%", " | gone"].map(String::from);
        let line = |most| folded(String::from("1 s"), &parts, most);
        let whole = "1 s | names 1% | \u{e4} 2% | gone";
        assert_eq!(line(whole.chars().count()), whole);
        assert_eq!(line(whole.chars().count() - 1), "1 s | names 1% | \u{e4} 2% | +1");
        assert_eq!(line(25), "1 s | names 1% | +2");
        assert_eq!(line(19), "1 s | names 1% | +2");
        assert_eq!(line(18), "1 s | +3");
    }
}
