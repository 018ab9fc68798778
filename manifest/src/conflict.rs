//! Cells that can never share a hardware thread as they ask to. The kernel decides, on the machine at hand and with the time that a switch takes; what is
//! reported here is wrong on every machine.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{Nanoseconds, Policy, Threads, limits};

/// What a cell wants.
#[derive(Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) name: &'a str,
    pub(crate) threads: &'a Threads,
    pub(crate) policy: Policy,
}

/// Why the later of two cells cannot run beside the earlier one, if that is so.
pub(crate) fn conflict(later: &Claim<'_>, earlier: &Claim<'_>) -> Option<String> {
    if !meet(later.threads, earlier.threads) {
        return None;
    }
    let name = earlier.name;
    let free = format!("give one of them other `threads`, or `{name}` another policy");
    match (later.policy, earlier.policy) {
        (Policy::Dedicated, Policy::Dedicated) => {
            Some(format!("`{name}` is dedicated to the same hardware thread; {free}"))
        }
        (_, Policy::Dedicated) => {
            Some(format!("it can never run: `{name}` is dedicated to a hardware thread that it needs; {free}"))
        }
        (Policy::Dedicated, _) => {
            Some(format!("`{name}` could never run, because it needs a hardware thread that this dedicates; {free}"))
        }
        (
            Policy::TimeTriggered { period_ns: p1, phase_ns: o1, length_ns: l1 },
            Policy::TimeTriggered { period_ns: p2, phase_ns: o2, length_ns: l2 },
        ) => windows_meet((p1, o1, l1), (p2, o2, l2)).then(|| {
            let window = Nanoseconds(l2);
            let common = Nanoseconds(divisor(p1, p2));
            format!(
                "the window is at the same time as that of `{name}` ({window} every {} at {}) on a hardware thread that both need; \
                 give it a phase at which the two are apart (they meet again modulo {common})",
                Nanoseconds(p2),
                Nanoseconds(o2),
            )
        }),
        _ => None,
    }
}

/// All the time of a hardware thread, as [`part`] counts it.
const WHOLE: u128 = 1 << 64;

/// How many names a message lists.
const NAMES_MAX: usize = 3;

/// Why a cell's window or budget does not fit beside those of earlier cells, which fit beside each other: on some hardware thread, which every machine has that has
/// what these cells ask for, they are promised more than all the time. Windows alone never are if no two of them meet. Exact: a sum of one is no mistake here.
pub(crate) fn overload(later: &Claim<'_>, earlier: &[Claim<'_>]) -> Option<String> {
    let (period, own) = part(later.policy)?;
    // Where all is, thread 0 is; where all but thread 0 is, thread 1 is. Others exist because someone names them.
    let listed = core::iter::once(later).chain(earlier).flat_map(|claim| match claim.threads {
        Threads::List(numbers) => &numbers[..],
        Threads::All | Threads::Other => &[],
    });
    let mut numbers = [0, 1].into_iter().chain(listed.copied()).filter(|number| is_on(later.threads, *number));
    numbers.find_map(|number| {
        let others = || {
            let there = earlier.iter().filter(move |claim| is_on(claim.threads, number));
            there.filter_map(|claim| Some((claim.name, part(claim.policy)?.1)))
        };
        let taken: u128 = others().map(|(_, part)| part).sum();
        if taken + own <= WHOLE {
            return None;
        }
        let names: Vec<&str> = others().map(|(name, _)| name).collect();
        let rest = u64::try_from((WHOLE.saturating_sub(taken) * u128::from(period)) >> 64).unwrap_or(0);
        let rest = if rest < *limits::WINDOW_NS.start() {
            String::from("nothing")
        } else {
            let (rest, period) = (Nanoseconds(rest), Nanoseconds(period));
            format!("at most {rest} in every {period}, and switching takes a part of that")
        };
        let (names, verb) = (listing(&names), if names.len() == 1 { "leaves" } else { "leave" });
        Some(format!(
            "hardware thread {number} has not enough time: {names} {verb} {rest}; ask for less, or for other `threads`"
        ))
    })
}

/// The period, and the part of all time that a window or a budget promises, rounded down.
fn part(policy: Policy) -> Option<(u64, u128)> {
    let (Policy::TimeTriggered { period_ns, length_ns: promised_ns, .. }
    | Policy::EventTriggered { period_ns, budget_ns: promised_ns }) = policy
    else {
        return None;
    };
    Some((period_ns, (u128::from(promised_ns) << 64).checked_div(period_ns.into())?))
}

/// Whether a cell has a hart on this hardware thread, on every machine that has it and what the cell asks for.
fn is_on(threads: &Threads, number: u32) -> bool {
    match threads {
        Threads::All => true,
        Threads::Other => number != 0,
        Threads::List(numbers) => numbers.contains(&number),
    }
}

/// Names, as part of a sentence.
fn listing(names: &[&str]) -> String {
    let (shown, more) = names.split_at(names.len().min(NAMES_MAX));
    let mut text = String::new();
    for (index, name) in shown.iter().enumerate() {
        let is_last = index + 1 == shown.len() && more.is_empty();
        let link = if index == 0 {
            ""
        } else if is_last {
            " and "
        } else {
            ", "
        };
        text += &format!("{link}`{name}`");
    }
    if more.is_empty() { text } else { format!("{text} and {} more", more.len()) }
}

/// Whether both need some hardware thread, on every machine that has what they ask for.
fn meet(one: &Threads, two: &Threads) -> bool {
    match (one, two) {
        (Threads::List(one), Threads::List(two)) => one.iter().any(|number| two.contains(number)),
        (Threads::List(list), Threads::Other) | (Threads::Other, Threads::List(list)) => list.iter().any(|n| *n != 0),
        _ => true,
    }
}

/// Two windows meet if and only if they do modulo the greatest common divisor of their periods. Each is (period, phase, length).
fn windows_meet(one: (u64, u64, u64), two: (u64, u64, u64)) -> bool {
    let common = divisor(one.0, two.0);
    if common == 0 {
        return false;
    }
    let (first, second) = (one.1 % common, two.1 % common);
    let ahead = if second >= first { second - first } else { common - (first - second) };
    ahead < one.2 || (common - ahead) % common < two.2
}

fn divisor(one: u64, two: u64) -> u64 {
    if two == 0 { one } else { divisor(two, one % two) }
}
