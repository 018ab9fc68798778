//! Cells that can never share a hardware thread as they ask to. The kernel decides, on the machine at hand and with the time that a switch takes; what is
//! reported here is wrong on every machine.

use alloc::format;
use alloc::string::String;

use crate::{Nanoseconds, Policy, Threads};

/// What two cells want.
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
