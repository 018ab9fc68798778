//! Why a plan was refused, as a sentence that says who, with whom, when, and what would fit.

use alloc::format;
use alloc::string::String;

use crate::abi::plan::{PlanHeader, Refusal, RefusalReason};
use crate::abi::{Error, ErrorKind};
use manifest::{Nanoseconds, Policy};

/// The sentence, without its full stop. `header` is as the kernel left it; `entry` gives the name and the policy of an entry of the plan, by index.
#[must_use]
pub fn describe<'a>(error: &Error, header: &PlanHeader, entry: impl Fn(u16) -> Option<(&'a str, Policy)>) -> String {
    let Some(refusal) = unpack(error) else { return format!("the plan cannot be committed: {error}") };
    let name = |number| entry(number).map_or("?", |(name, _)| name);
    let policy = entry(refusal.entry).map(|(_, policy)| policy);
    let reason = match (refusal.reason, policy) {
        (RefusalReason::Overload, Some(Policy::TimeTriggered { .. })) => "takes time that another one's budget needs",
        (reason, _) => reason.describe(),
    };
    let mut text = format!("the plan was refused: `{}` {reason}", name(refusal.entry));
    if refusal.entry != refusal.other {
        text += &format!("; the other one is `{}`", name(refusal.other));
    }
    let at = header.conflict_at_ns;
    if at != 0 {
        text += &format!(", first at {}.{:09} s", at / 1_000_000_000, at % 1_000_000_000);
    }
    if matches!(refusal.reason, RefusalReason::Overlap | RefusalReason::Overload) {
        text += &fits(policy, header.fits_ns);
    }
    text
}

/// Whether the plan had only not room yet: an earlier one is on its way.
#[must_use]
pub fn is_too_soon(error: &Error) -> bool {
    unpack(error).is_some_and(|refusal| refusal.reason == RefusalReason::TooSoon)
}

/// Whether the plan would take harts whose cell still has time to release them.
#[must_use]
pub fn is_not_released(error: &Error) -> bool {
    unpack(error).is_some_and(|refusal| refusal.reason == RefusalReason::NotReleased)
}

fn unpack(error: &Error) -> Option<Refusal> {
    Some(error.value).filter(|_| error.kind == ErrorKind::PlanRefused).and_then(Refusal::unpack)
}

/// What a cell of this policy could have.
fn fits(policy: Option<Policy>, fits_ns: u64) -> String {
    let (what, given) = match policy {
        Some(Policy::TimeTriggered { .. }) => ("length", "this period and phase"),
        Some(Policy::EventTriggered { .. }) => ("budget", "this period"),
        // All or a share, whatever its size.
        _ => return String::new(),
    };
    match fits_ns {
        0 => format!("; no {what} would fit with {given}"),
        _ => format!("; a {what} of at most {} would fit", Nanoseconds(fits_ns)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Policy = Policy::TimeTriggered { period_ns: 5_000_000, phase_ns: 3_000_000, length_ns: 1_000_000 };
    const RESERVE: Policy = Policy::EventTriggered { period_ns: 5_000_000, budget_ns: 1_000_000 };

    /// Entry 0 is `a`, entry 1 is `b`.
    fn described(one: Policy, two: Policy, refusal: (RefusalReason, u16, u16), at: u64, fits: u64) -> String {
        let (reason, entry, other) = refusal;
        let value = Refusal { reason, entry, other }.pack();
        let error = Error::new(ErrorKind::PlanRefused, 1, value);
        let header = PlanHeader { conflict_at_ns: at, fits_ns: fits, ..PlanHeader::default() };
        let plan = [("a", one), ("b", two)];
        describe(&error, &header, |entry| plan.get(usize::from(entry)).copied())
    }

    #[test]
    fn a_conflict_is_told_with_both_cells_the_instant_and_what_would_fit() {
        let overlap = (RefusalReason::Overlap, 1, 0);
        assert_eq!(
            described(WINDOW, WINDOW, overlap, 3_000_000, 500_000),
            "the plan was refused: `b` wants a hardware thread at the same time as another; the other one is `a`, \
             first at 0.003000000 s; a length of at most 500 us would fit"
        );
        assert_eq!(
            described(WINDOW, WINDOW, overlap, 61_000_000_007, 0),
            "the plan was refused: `b` wants a hardware thread at the same time as another; the other one is `a`, \
             first at 61.000000007 s; no length would fit with this period and phase"
        );
        assert_eq!(
            described(RESERVE, Policy::Dedicated, overlap, 0, 0),
            "the plan was refused: `b` wants a hardware thread at the same time as another; the other one is `a`"
        );
    }

    #[test]
    fn too_large_a_budget_is_told_with_the_largest_that_would_fit() {
        assert_eq!(
            described(WINDOW, RESERVE, (RefusalReason::Overload, 1, 0), 0, 1_500_000),
            "the plan was refused: `b` asks for a larger budget than can be promised beside the others; \
             the other one is `a`; a budget of at most 1.5 ms would fit"
        );
        assert_eq!(
            described(WINDOW, RESERVE, (RefusalReason::Overload, 1, 1), 0, 0),
            "the plan was refused: `b` asks for a larger budget than can be promised beside the others; \
             no budget would fit with this period"
        );
        assert_eq!(
            described(RESERVE, WINDOW, (RefusalReason::Overload, 1, 0), 0, 20_000),
            "the plan was refused: `b` takes time that another one's budget needs; the other one is `a`; \
             a length of at most 20 us would fit"
        );
    }

    #[test]
    fn what_is_no_conflict_is_told_without_one() {
        assert_eq!(
            described(WINDOW, WINDOW, (RefusalReason::NoSuchThread, 1, 1), 0, 0),
            "the plan was refused: `b` names a hardware thread that the machine does not have"
        );
        assert!(
            described(WINDOW, WINDOW, (RefusalReason::Overlap, 7, 9), 0, 0)
                .starts_with("the plan was refused: `?` wants")
        );
        let error = Error::new(ErrorKind::BadHandle, 0, 9);
        let told = describe(&error, &PlanHeader::default(), |_| None);
        assert_eq!(told, "the plan cannot be committed: argument 0 is 0x9: the handle names nothing");
        assert!(!is_too_soon(&error));
        let value = Refusal { reason: RefusalReason::TooSoon, entry: 0, other: 0 }.pack();
        assert!(is_too_soon(&Error::new(ErrorKind::PlanRefused, 1, value)));
    }
}
