//! Plans and their validation. A plan is admitted or refused as a whole.

use core::fmt;

use heapless::Vec;

use crate::{Instant, Span, ThreadSet};

/// The most cells in a plan.
pub const MAX_CELLS: usize = 64;

/// The shortest and the longest slice, period and window.
const SHORTEST: Span = Span::from_micros(1);
const LONGEST: Span = Span::from_millis(1_000_000);

/// The largest weight.
const HEAVIEST: u32 = 10_000;

/// Names a cell; what it means is the kernel's affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId(pub u16);

/// When a gang runs. Event-triggered reserves will join these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Always.
    Dedicated,
    /// In windows `[k * period + phase, k * period + phase + length)` of the timebase.
    TimeTriggered {
        /// From one window's start to the next one's.
        period: Span,
        /// The first window's start after the timebase's zero; less than the period.
        phase: Span,
        /// How long the gang runs in each window, in full.
        length: Span,
    },
    /// What is left, shared by weight, gang by gang.
    BestEffort {
        /// 1 to 10,000.
        weight: u32,
    },
}

/// A cell in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub cell: CellId,
    /// Where: all of them together.
    pub threads: ThreadSet,
    /// When.
    pub policy: Policy,
}

/// A plan before it is validated.
#[derive(Clone, Copy, Debug)]
pub struct Spec<'a> {
    /// Rises from plan to plan.
    pub number: u64,
    /// From when it is in force.
    pub effective: Instant,
    /// How long a best-effort gang runs before another one gets its turn; more than the lead.
    pub slice: Span,
    /// What a change of cell takes: set aside after every window, and taken from the best-effort gang that ends otherwise.
    pub lead: Span,
    /// The hardware threads that there are.
    pub machine: ThreadSet,
    /// The cells.
    pub entries: &'a [Entry],
}

/// Why a plan was refused, and the entries, by index, to blame: the same one twice where one is wrong by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    /// The entry to blame.
    pub entry: usize,
    /// The entry it is in conflict with.
    pub other: usize,
}

/// The reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No hardware thread, or one that the machine does not have.
    NoSuchThread,
    /// The cell is in the plan twice.
    Duplicate,
    /// A slice, period, phase, length or weight is out of range.
    BadParameter,
    /// Both want a hardware thread at this instant, a window's lead included.
    Overlap(Instant),
    /// More entries than [`MAX_CELLS`].
    TooMany,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Reason::NoSuchThread => write!(f, "entry {} names a hardware thread that is not there", self.entry),
            Reason::Duplicate => write!(f, "entries {} and {} are the same cell", self.entry, self.other),
            Reason::BadParameter => write!(f, "entry {} has a time or weight out of range", self.entry),
            Reason::Overlap(at) => {
                write!(f, "entries {} and {} want a hardware thread at {at}", self.entry, self.other)
            }
            Reason::TooMany => write!(f, "more than {MAX_CELLS} entries"),
        }
    }
}

/// A valid plan. Immutable.
#[derive(Clone, Debug)]
pub struct Plan {
    number: u64,
    effective: Instant,
    slice: Span,
    lead: Span,
    entries: Vec<Entry, MAX_CELLS>,
    /// For each entry, all hardware threads that are connected to its own by shared cells. None for a best-effort cell that a dedicated one keeps
    /// from ever running: it has no part in any decision.
    components: Vec<ThreadSet, MAX_CELLS>,
    /// By entry, a bit each: best-effort cells that share hardware threads with another one, so that they have to take turns.
    rivals: u64,
}

impl Plan {
    /// Checks a plan. Exact for dedicated and time-triggered cells: it is refused if and only if two of them would want a hardware thread at the same
    /// time. Costs the square of the number of entries.
    ///
    /// # Errors
    /// The first [`Refusal`] found.
    pub fn validate(spec: &Spec<'_>) -> Result<Self, Refusal> {
        let refuse = |reason, entry, other| Err(Refusal { reason, entry, other });
        if spec.entries.len() > MAX_CELLS {
            return refuse(Reason::TooMany, MAX_CELLS, MAX_CELLS);
        }
        if !(SHORTEST..=LONGEST).contains(&spec.slice) || spec.slice <= spec.lead {
            return refuse(Reason::BadParameter, 0, 0);
        }
        for (index, entry) in spec.entries.iter().enumerate() {
            if entry.threads.is_empty() || !entry.threads.is_within(spec.machine) {
                return refuse(Reason::NoSuchThread, index, index);
            }
            if !is_sane(&entry.policy, spec.lead) {
                return refuse(Reason::BadParameter, index, index);
            }
            for (other_index, other) in spec.entries[..index].iter().enumerate() {
                if other.cell == entry.cell {
                    return refuse(Reason::Duplicate, index, other_index);
                }
                let shared = other.threads.intersects(entry.threads);
                if let Some(at) = collision(&other.policy, &entry.policy, spec.lead).filter(|_| shared) {
                    return refuse(Reason::Overlap(at), index, other_index);
                }
            }
        }
        let mut plan = Self {
            number: spec.number,
            effective: spec.effective,
            slice: spec.slice,
            lead: spec.lead,
            entries: Vec::new(),
            components: Vec::new(),
            rivals: 0,
        };
        for entry in spec.entries {
            let never_runs = is_best_effort(entry) && spec.entries.iter().any(|other| excludes(other, entry));
            let _ = plan.entries.push(*entry);
            let _ = plan.components.push(if never_runs { ThreadSet::EMPTY } else { entry.threads });
        }
        plan.find_rivals();
        plan.connect();
        Ok(plan)
    }

    /// Must come before [`Plan::connect`], while a component is an entry's own hardware threads.
    fn find_rivals(&mut self) {
        for a in 0..self.entries.len() {
            for b in 0..a {
                let compete = is_best_effort(&self.entries[a]) && is_best_effort(&self.entries[b]);
                if compete && self.components[a].intersects(self.components[b]) {
                    self.rivals |= 1 << a | 1 << b;
                }
            }
        }
    }

    /// Joins what shares hardware threads until nothing changes: each round that changes something joins at least two components.
    fn connect(&mut self) {
        loop {
            let mut changed = false;
            for a in 0..self.components.len() {
                for b in 0..self.components.len() {
                    let (one, two) = (self.components[a], self.components[b]);
                    if one.intersects(two) && one != two {
                        self.components[a] = one.union(two);
                        changed = true;
                    }
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// The number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// From when it is in force.
    #[must_use]
    pub fn effective(&self) -> Instant {
        self.effective
    }

    /// The slice.
    #[must_use]
    pub fn slice(&self) -> Span {
        self.slice
    }

    /// The lead.
    #[must_use]
    pub fn lead(&self) -> Span {
        self.lead
    }

    /// The entries, as given.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of a cell.
    #[must_use]
    pub fn entry(&self, cell: CellId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.cell == cell)
    }

    /// The entries that decide about a hardware thread: those in its component.
    pub(crate) fn component_of(&self, thread: usize) -> impl Iterator<Item = usize> {
        self.components.iter().enumerate().filter(move |(_, threads)| threads.contains(thread)).map(|(index, _)| index)
    }

    /// The hardware threads of a hardware thread's component; none where no cell runs.
    pub(crate) fn component_threads(&self, thread: usize) -> ThreadSet {
        self.components.iter().copied().find(|threads| threads.contains(thread)).unwrap_or(ThreadSet::EMPTY)
    }

    /// Whether an entry is a best-effort cell that shares hardware threads with another one.
    pub(crate) fn has_rival(&self, entry: usize) -> bool {
        self.rivals & 1 << entry != 0
    }
}

pub(crate) fn is_best_effort(entry: &Entry) -> bool {
    matches!(entry.policy, Policy::BestEffort { .. })
}

/// Whether a dedicated cell never leaves `other` all its hardware threads.
fn excludes(dedicated: &Entry, other: &Entry) -> bool {
    matches!(dedicated.policy, Policy::Dedicated) && dedicated.threads.intersects(other.threads)
}

fn is_sane(policy: &Policy, lead: Span) -> bool {
    match *policy {
        Policy::Dedicated => true,
        Policy::TimeTriggered { period, phase, length } => {
            (SHORTEST..=LONGEST).contains(&period) && phase < period && length >= SHORTEST && length + lead <= period
        }
        Policy::BestEffort { weight } => (1..=HEAVIEST).contains(&weight),
    }
}

/// An instant at which both would hold a hardware thread that they share, if there is one.
///
/// Two periodic windows meet somewhere if and only if they meet modulo the greatest common divisor of their periods: the difference of
/// two starts takes exactly the values congruent to the difference of the phases.
fn collision(one: &Policy, two: &Policy, lead: Span) -> Option<Instant> {
    match (*one, *two) {
        (Policy::BestEffort { .. }, _) | (_, Policy::BestEffort { .. }) => None,
        (Policy::Dedicated, Policy::Dedicated) => Some(Instant::from_nanos(0)),
        (Policy::Dedicated, Policy::TimeTriggered { phase, .. })
        | (Policy::TimeTriggered { phase, .. }, Policy::Dedicated) => Some(Instant::from_nanos(phase.as_nanos())),
        (
            Policy::TimeTriggered { period: p1, phase: o1, length: l1 },
            Policy::TimeTriggered { period: p2, phase: o2, length: l2 },
        ) => {
            let (p1, o1, l1) = (p1.as_nanos(), o1.as_nanos(), (l1 + lead).as_nanos());
            let (p2, o2, l2) = (p2.as_nanos(), o2.as_nanos(), (l2 + lead).as_nanos());
            let divisor = gcd(p1, p2);
            let ahead = (o2 + divisor - o1 % divisor) % divisor;
            let behind = (o1 + divisor - o2 % divisor) % divisor;
            // The window that starts later starts inside the other one, `ahead` or `behind` after its start.
            if ahead < l1 {
                Some(meeting((p1, o1), (p2, o2), ahead))
            } else {
                (behind < l2).then(|| meeting((p2, o2), (p1, o1), behind))
            }
        }
    }
}

/// The first start of the second window (period, phase) that is exactly `distance` after a start of the first one. There is one, because the
/// distance is congruent to the difference of the phases modulo the greatest common divisor of the periods. Beyond the timebase's end: its end.
///
/// It solves `o1 + a p1 + distance = o2 (mod p2)` for the least `a`, by the modular inverse, and goes on by whole common multiples to the second window's
/// phase.
fn meeting((p1, o1): (u64, u64), (p2, o2): (u64, u64), distance: u64) -> Instant {
    let wide = i128::from;
    let divisor = wide(gcd(p1, p2));
    let (step, modulus) = (wide(p1) / divisor, wide(p2) / divisor);
    let periods = (wide(o2) - wide(o1) - wide(distance)) / divisor * inverse(step, modulus);
    let start = wide(o1) + periods.rem_euclid(modulus) * wide(p1) + wide(distance);
    let common = wide(p1) * modulus;
    let short = (wide(o2) - start).max(0);
    let meeting = start + (short + common - 1) / common * common;
    Instant::from_nanos(meeting.try_into().unwrap_or(u64::MAX))
}

/// The inverse of `value` modulo `modulus`, which have no common divisor (extended Euclid).
fn inverse(value: i128, modulus: i128) -> i128 {
    let (mut rest, mut next_rest) = (modulus, value.rem_euclid(modulus));
    let (mut factor, mut next_factor) = (0, 1);
    while next_rest != 0 {
        let quotient = rest / next_rest;
        (rest, next_rest) = (next_rest, rest - quotient * next_rest);
        (factor, next_factor) = (next_factor, factor - quotient * next_factor);
    }
    factor.rem_euclid(modulus)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MACHINE: ThreadSet = ThreadSet::from_bits(0b1111);

    fn spec(entries: &[Entry]) -> Spec<'_> {
        Spec {
            number: 1,
            effective: Instant::from_nanos(0),
            slice: Span::from_millis(1),
            lead: Span::from_nanos(100),
            machine: MACHINE,
            entries,
        }
    }

    fn entry(cell: u16, threads: u64, policy: Policy) -> Entry {
        Entry { cell: CellId(cell), threads: ThreadSet::from_bits(threads), policy }
    }

    fn window(period: u64, phase: u64, length: u64) -> Policy {
        Policy::TimeTriggered {
            period: Span::from_nanos(period),
            phase: Span::from_nanos(phase),
            length: Span::from_nanos(length),
        }
    }

    #[test]
    fn each_mistake_is_refused_with_its_reason_and_the_entries_to_blame() {
        let best = Policy::BestEffort { weight: 1 };
        let cases: [(&[Entry], Reason, usize, usize); 7] = [
            (&[entry(1, 0, best)], Reason::NoSuchThread, 0, 0),
            (&[entry(1, 0b1_0000, best)], Reason::NoSuchThread, 0, 0),
            (&[entry(1, 1, best), entry(1, 2, best)], Reason::Duplicate, 1, 0),
            (&[entry(1, 1, Policy::BestEffort { weight: 0 })], Reason::BadParameter, 0, 0),
            (&[entry(1, 1, window(10_000, 10_000, 5_000))], Reason::BadParameter, 0, 0),
            (&[entry(1, 1, window(10_000, 0, 9_950))], Reason::BadParameter, 0, 0),
            (
                &[entry(1, 3, Policy::Dedicated), entry(2, 2, window(10_000, 500, 5_000))],
                Reason::Overlap(Instant::from_nanos(500)),
                1,
                0,
            ),
        ];
        for (entries, reason, entry, other) in cases {
            assert_eq!(Plan::validate(&spec(entries)).err(), Some(Refusal { reason, entry, other }), "{entries:?}");
        }
    }

    #[test]
    fn windows_may_follow_each_other_at_the_distance_of_the_lead_and_no_closer() {
        let follow = |phase| {
            Plan::validate(&spec(&[entry(1, 1, window(10_000, 0, 2_000)), entry(2, 1, window(5_000, phase, 1_000))]))
        };
        assert!(follow(2_100).is_ok());
        assert!(follow(2_099).is_err());
    }

    #[test]
    fn components_join_what_shares_hardware_threads_and_nothing_else() {
        let best = Policy::BestEffort { weight: 1 };
        let plan = Plan::validate(&spec(&[entry(1, 0b0011, best), entry(2, 0b1000, best), entry(3, 0b0110, best)]))
            .expect("best-effort cells are never in conflict");
        assert!(plan.component_of(0).eq([0, 2]));
        assert!(plan.component_of(2).eq([0, 2]));
        assert!(plan.component_of(3).eq([1]));
    }

    #[test]
    fn a_slice_that_a_switch_would_fill_is_refused() {
        let refused = |slice| {
            Plan::validate(&Spec { slice: Span::from_nanos(slice), lead: Span::from_micros(2), ..spec(&[]) }).is_err()
        };
        assert!(refused(2_000));
        assert!(!refused(2_001));
    }

    #[test]
    fn a_cell_that_a_dedicated_one_keeps_out_has_no_part_in_decisions() {
        let best = Policy::BestEffort { weight: 1 };
        let plan = Plan::validate(&spec(&[
            entry(1, 0b0001, Policy::Dedicated),
            entry(2, 0b0011, best),
            entry(3, 0b0010, best),
        ]))
        .expect("best-effort cells are never in conflict");
        assert!(plan.component_of(0).eq([0]));
        assert!(plan.component_of(1).eq([2]));
        assert!(!plan.has_rival(2));
    }

    #[test]
    fn windows_that_meet_after_hours_are_refused_with_the_instant() {
        // Two prime periods near a second: they meet once in about 11 days.
        let entries =
            [entry(1, 1, window(1_000_000_007, 0, 500_000)), entry(2, 1, window(999_999_937, 500_000_000, 500_000))];
        let Err(Refusal { reason: Reason::Overlap(at), .. }) = Plan::validate(&spec(&entries)) else {
            panic!("periods without a common divisor always meet")
        };
        assert!(at.as_nanos() % 1_000_000_007 < 500_100);
        assert!((at.as_nanos() - 500_000_000) % 999_999_937 < 500_100);
    }

    proptest! {
        #[test]
        fn two_windows_are_refused_exactly_if_some_instant_is_in_both(
            p1 in 2_u64..12, p2 in 2_u64..12, o1 in 0_u64..12, o2 in 0_u64..12, l1 in 1_u64..12, l2 in 1_u64..12
        ) {
            // Multiples of the lead, so that it can be counted in whole steps.
            let (o1, o2, l1, l2) = (o1 % p1, o2 % p2, 1 + l1 % (p1 - 1), 1 + l2 % (p2 - 1));
            let unit = 10_000;
            let mut spec_lead = spec(&[]);
            spec_lead.lead = Span::from_nanos(unit);
            let entries = [
                entry(1, 1, window(p1 * unit, o1 * unit, l1 * unit)),
                entry(2, 1, window(p2 * unit, o2 * unit, l2 * unit)),
            ];
            let result = Plan::validate(&Spec { entries: &entries, ..spec_lead });
            let held = |t: u64, p: u64, o: u64, l: u64| t >= o && (t - o) % p < l + 1;
            let collide = (0..4 * p1 * p2).any(|t| held(t, p1, o1, l1) && held(t, p2, o2, l2));
            prop_assert_eq!(result.is_err(), collide);
            if let Err(Refusal { reason, .. }) = result {
                let Reason::Overlap(at) = reason else { return Err(TestCaseError::fail("another reason")) };
                let (t, rest) = (at.as_nanos() / unit, at.as_nanos() % unit);
                prop_assert!(rest == 0 && held(t, p1, o1, l1) && held(t, p2, o2, l2), "{} is not in both", at);
            }
        }
    }
}
