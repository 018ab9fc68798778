//! Plans and their validation. A plan is admitted or refused as a whole.

use heapless::Vec;

use crate::admission::{self, Window};
use crate::refusal::{Reason, Refusal};
use crate::threads::Bits;
use crate::{Instant, Span, ThreadSet};

/// The most cells in a plan, unless a larger number is asked for; and the most that can share hardware threads with each other, directly or through others.
pub const MAX_CELLS: usize = 64;

/// The shortest and the longest slice, period, budget and window.
pub(crate) const SHORTEST: Span = Span::from_micros(1);
const LONGEST: Span = Span::from_millis(1_000_000);

/// The largest weight.
const HEAVIEST: u32 = 10_000;

/// Names a cell; what it means is the kernel's affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId(pub u16);

/// When a gang runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// A reserve, used when the cell has work: a gang-wide constant bandwidth server.
    EventTriggered {
        /// While the cell has work, its budget is renewed this often.
        period: Span,
        /// How long the gang runs in each period, in full.
        budget: Span,
    },
    /// What is left, shared by weight, gang by gang.
    BestEffort {
        /// 1 to 10,000.
        weight: u32,
    },
}

/// A cell in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry<const WORDS: usize = 1> {
    /// Who.
    pub cell: CellId,
    /// Where: all of them together.
    pub threads: ThreadSet<WORDS>,
    /// When.
    pub policy: Policy,
}

/// A plan before it is validated.
#[derive(Clone, Copy, Debug)]
pub struct Spec<'a, const WORDS: usize = 1> {
    /// Rises from plan to plan.
    pub number: u64,
    /// From when it is in force.
    pub effective: Instant,
    /// How long a best-effort gang runs before another one gets its turn; more than the lead.
    pub slice: Span,
    /// What a change of cell takes: set aside after every window and every budget, and taken from the best-effort gang that ends otherwise.
    pub lead: Span,
    /// The hardware threads that there are.
    pub machine: ThreadSet<WORDS>,
    /// The cells.
    pub entries: &'a [Entry<WORDS>],
}

/// Where an entry stands among those that share hardware threads with it, directly or through others: its **component**.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The component's name: its first entry. [`Place::NOWHERE`] for a best-effort cell that a dedicated one keeps from ever running.
    component: u16,
    /// The number of this entry within its component.
    pub(crate) place: u8,
    /// The entries of the component, a bit each by place, that share a hardware thread with this one.
    pub(crate) conflicts: u64,
    /// A best-effort cell whose time another best-effort cell could use.
    pub(crate) has_rival: bool,
}

impl Place {
    const NOWHERE: u16 = u16::MAX;
}

/// A valid plan. Immutable.
#[derive(Clone, Debug)]
pub struct Plan<const CELLS: usize = MAX_CELLS, const WORDS: usize = 1> {
    number: u64,
    effective: Instant,
    slice: Span,
    lead: Span,
    entries: Vec<Entry<WORDS>, CELLS>,
    places: Vec<Place, CELLS>,
}

impl<const CELLS: usize, const WORDS: usize> Plan<CELLS, WORDS> {
    /// Checks a plan. Exact for dedicated and time-triggered cells: these are refused if and only if two of them would want a hardware thread at the same
    /// time. Safe for event-triggered ones: if it accepts, no budget is ever late. Costs the square of the number of entries.
    ///
    /// # Errors
    /// A [`Refusal`]: the first entry that is wrong by itself or in conflict with an earlier one; or else the first that is too much.
    pub fn validate(spec: &Spec<'_, WORDS>) -> Result<Self, Refusal> {
        let refuse = |reason, entry, other| Err(Refusal { reason, entry, other, fits: Span::ZERO });
        if spec.entries.len() > CELLS {
            return refuse(Reason::TooMany, CELLS, CELLS);
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
                if !other.threads.intersects(entry.threads) {
                    continue;
                }
                if let Some(at) = admission::collision(&other.policy, &entry.policy, spec.lead) {
                    let fits = admission::largest_window(spec, index);
                    return Err(Refusal { reason: Reason::Overlap(at), entry: index, other: other_index, fits });
                }
            }
        }
        let plan = Self::connected(spec)?;
        match admission::overloaded(&plan) {
            None => Ok(plan),
            Some(_) => Err(Self::overload(spec)),
        }
    }

    /// Blames the first entry with which a budget cannot be promised, and finds what would fit in its place. Each further entry, and each longer
    /// window or larger budget, only makes matters worse, so both are found by halving.
    fn overload(spec: &Spec<'_, WORDS>) -> Refusal {
        let victim = |entries: &[Entry<WORDS>]| {
            let plan = Self::connected(&Spec { entries, ..*spec });
            plan.map_or(Some(0), |plan| admission::overloaded(&plan))
        };
        let (mut good, mut bad) = (0, spec.entries.len());
        while bad - good > 1 {
            let middle = usize::midpoint(good, bad);
            if victim(&spec.entries[..middle]).is_none() { good = middle } else { bad = middle }
        }
        let other = victim(&spec.entries[..bad]).unwrap_or(0);
        let mut entries: Vec<Entry<WORDS>, CELLS> = Vec::new();
        let _ = entries.extend_from_slice(&spec.entries[..bad]);
        let mut is_good = |amount: u64| {
            set_amount(&mut entries[bad - 1].policy, Span::from_nanos(amount));
            victim(&entries).is_none()
        };
        let (mut fits, mut too_much) = (SHORTEST.as_nanos(), amount(&spec.entries[bad - 1].policy).as_nanos());
        if !is_good(fits) {
            fits = 0;
            too_much = 0;
        }
        // To a thousandth: a refusal must not take much longer than an acceptance.
        for _ in 0..12 {
            let middle = u64::midpoint(fits, too_much);
            if middle > fits && is_good(middle) { fits = middle } else { too_much = middle }
        }
        Refusal { reason: Reason::Overload, entry: bad - 1, other, fits: Span::from_nanos(fits) }
    }

    /// Finds who shares hardware threads with whom.
    fn connected(spec: &Spec<'_, WORDS>) -> Result<Self, Refusal> {
        let mut plan = Self {
            number: spec.number,
            effective: spec.effective,
            slice: spec.slice,
            lead: spec.lead,
            entries: Vec::new(),
            places: Vec::new(),
        };
        for (index, entry) in spec.entries.iter().enumerate() {
            let never_runs = is_best_effort(entry) && spec.entries.iter().any(|other| excludes(other, entry));
            let component = if never_runs { Place::NOWHERE } else { index as u16 };
            let _ = plan.entries.push(*entry);
            let _ = plan.places.push(Place { component, place: 0, conflicts: 0, has_rival: false });
        }
        for a in 0..plan.entries.len() {
            for b in 0..a {
                if plan.share(a, b) {
                    let (one, two) = (plan.places[a].component, plan.places[b].component);
                    let (from, to) = (one.max(two), one.min(two));
                    for place in plan.places.iter_mut().filter(|place| from != to && place.component == from) {
                        place.component = to;
                    }
                }
            }
        }
        for index in 0..plan.entries.len() {
            let name = plan.places[index].component;
            let before = plan.places[..index].iter().filter(|place| place.component == name).count();
            if name != Place::NOWHERE && before >= MAX_CELLS {
                let (entry, other) = (index, usize::from(name));
                return Err(Refusal { reason: Reason::TooMany, entry, other, fits: Span::ZERO });
            }
            plan.places[index].place = before as u8;
        }
        for a in 0..plan.entries.len() {
            for b in 0..a {
                if plan.share(a, b) {
                    plan.places[a].conflicts |= 1 << plan.places[b].place;
                    plan.places[b].conflicts |= 1 << plan.places[a].place;
                    if is_best_effort(&plan.entries[a]) && is_best_effort(&plan.entries[b]) {
                        plan.places[a].has_rival = true;
                        plan.places[b].has_rival = true;
                    }
                }
            }
        }
        Ok(plan)
    }

    /// Whether two entries that can run share a hardware thread.
    fn share(&self, a: usize, b: usize) -> bool {
        let can_run = |index: usize| self.places[index].component != Place::NOWHERE;
        can_run(a) && can_run(b) && self.entries[a].threads.intersects(self.entries[b].threads)
    }

    /// Gives it another number, and makes it effective from another instant on.
    pub fn reissue(&mut self, number: u64, effective: Instant) {
        self.number = number;
        self.effective = effective;
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
    pub fn entries(&self) -> &[Entry<WORDS>] {
        &self.entries
    }

    /// The entry of a cell.
    #[must_use]
    pub fn entry(&self, cell: CellId) -> Option<&Entry<WORDS>> {
        self.entries.iter().find(|entry| entry.cell == cell)
    }

    /// Whether the plan has a use for a cell's time when it is idle, so that its inputs matter.
    #[must_use]
    pub fn hears(&self, cell: CellId) -> bool {
        let index = self.entries.iter().position(|entry| entry.cell == cell);
        index.is_some_and(|index| self.hears_entry(index))
    }

    pub(crate) fn hears_entry(&self, index: usize) -> bool {
        match self.entries[index].policy {
            Policy::EventTriggered { .. } => true,
            Policy::BestEffort { .. } => self.places[index].has_rival,
            Policy::Dedicated | Policy::TimeTriggered { .. } => false,
        }
    }

    /// Whether any cell's input sways what runs on a hardware thread.
    #[must_use]
    pub fn listens(&self, thread: usize) -> bool {
        self.component_of(thread).any(|index| self.hears_entry(index))
    }

    /// The hardware threads that decide together about a cell: those of its component. None for a cell that never runs.
    #[must_use]
    pub fn concerned_by(&self, cell: CellId) -> ThreadSet<WORDS> {
        let index = self.entries.iter().position(|entry| entry.cell == cell);
        index.map_or(ThreadSet::EMPTY, |index| self.threads_of(self.places[index].component))
    }

    /// The hardware threads that decide together with this one, itself included; none where no cell runs.
    #[must_use]
    pub fn component_threads(&self, thread: usize) -> ThreadSet<WORDS> {
        self.component_at(thread).map_or(ThreadSet::EMPTY, |component| self.threads_of(component))
    }

    fn threads_of(&self, component: u16) -> ThreadSet<WORDS> {
        let of_it = |(entry, place): (&Entry<WORDS>, &Place)| (place.component == component).then_some(entry.threads);
        let members = self.entries.iter().zip(&self.places).filter_map(of_it);
        if component == Place::NOWHERE { ThreadSet::EMPTY } else { members.fold(ThreadSet::EMPTY, ThreadSet::union) }
    }

    fn component_at(&self, thread: usize) -> Option<u16> {
        let places = self.entries.iter().zip(&self.places);
        let mut here =
            places.filter(|(entry, place)| place.component != Place::NOWHERE && entry.threads.contains(thread));
        here.next().map(|(_, place)| place.component)
    }

    /// The entries that decide about a hardware thread, by index: those of its component, in the order of their places.
    pub(crate) fn component_of(&self, thread: usize) -> impl Iterator<Item = usize> {
        let component = self.component_at(thread);
        let is_member = move |place: &Place| component == Some(place.component);
        self.places.iter().enumerate().filter(move |(_, place)| is_member(place)).map(|(index, _)| index)
    }

    /// The entries of each component in turn, by index, for every component that has a reserve.
    pub(crate) fn reserved_components(&self) -> impl Iterator<Item = Vec<usize, MAX_CELLS>> {
        let is_first = |index: usize| usize::from(self.places[index].component) == index;
        (0..self.entries.len()).filter(move |index| is_first(*index)).filter_map(|first| {
            let mut members = Vec::new();
            let mut has_reserve = false;
            for index in first..self.entries.len() {
                if usize::from(self.places[index].component) == first {
                    has_reserve |= matches!(self.entries[index].policy, Policy::EventTriggered { .. });
                    // A component has no more.
                    let _ = members.push(index);
                }
            }
            has_reserve.then_some(members)
        })
    }

    /// Where an entry stands.
    pub(crate) fn place(&self, index: usize) -> &Place {
        &self.places[index]
    }

    /// Of these entries of one component, those that share a hardware thread with entry `index`.
    pub(crate) fn neighbours(&self, index: usize, members: &[usize]) -> impl Iterator<Item = usize> {
        let conflicts = self.places[index].conflicts;
        Bits(conflicts).filter_map(move |place| members.get(usize::from(place)).copied())
    }
}

pub(crate) fn is_best_effort<const WORDS: usize>(entry: &Entry<WORDS>) -> bool {
    matches!(entry.policy, Policy::BestEffort { .. })
}

/// Whether a dedicated cell never leaves `other` all its hardware threads.
fn excludes<const WORDS: usize>(dedicated: &Entry<WORDS>, other: &Entry<WORDS>) -> bool {
    matches!(dedicated.policy, Policy::Dedicated) && dedicated.threads.intersects(other.threads)
}

fn is_sane(policy: &Policy, lead: Span) -> bool {
    match *policy {
        Policy::Dedicated => true,
        Policy::TimeTriggered { period, phase, length } => {
            (SHORTEST..=LONGEST).contains(&period) && phase < period && length >= SHORTEST && length + lead <= period
        }
        Policy::EventTriggered { period, budget } => {
            (SHORTEST..=LONGEST).contains(&period) && budget >= SHORTEST && budget + lead + lead <= period
        }
        Policy::BestEffort { weight } => (1..=HEAVIEST).contains(&weight),
    }
}

/// What could be made smaller.
fn amount(policy: &Policy) -> Span {
    match *policy {
        Policy::TimeTriggered { length, .. } => length,
        Policy::EventTriggered { budget, .. } => budget,
        Policy::Dedicated | Policy::BestEffort { .. } => Span::ZERO,
    }
}

fn set_amount(policy: &mut Policy, to: Span) {
    match policy {
        Policy::TimeTriggered { length, .. } => *length = to,
        Policy::EventTriggered { budget, .. } => *budget = to,
        Policy::Dedicated | Policy::BestEffort { .. } => {}
    }
}

/// A periodic window, if it is one.
pub(crate) fn window_of(policy: &Policy) -> Option<Window> {
    match *policy {
        Policy::TimeTriggered { period, phase, length } => {
            Some(Window { period: period.as_nanos(), phase: phase.as_nanos(), length: length.as_nanos() })
        }
        _ => None,
    }
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
            let seen = Plan::<64>::validate(&spec(entries)).err().map(|seen| (seen.reason, seen.entry, seen.other));
            assert_eq!(seen, Some((reason, entry, other)), "{entries:?}");
        }
    }

    #[test]
    fn windows_may_follow_each_other_at_the_distance_of_the_lead_and_no_closer() {
        let follow = |phase| {
            Plan::<64>::validate(&spec(&[
                entry(1, 1, window(10_000, 0, 2_000)),
                entry(2, 1, window(5_000, phase, 1_000)),
            ]))
        };
        assert!(follow(2_100).is_ok());
        assert!(follow(2_099).is_err());
    }

    #[test]
    fn components_join_what_shares_hardware_threads_and_nothing_else() {
        let best = Policy::BestEffort { weight: 1 };
        let plan =
            Plan::<64>::validate(&spec(&[entry(1, 0b0011, best), entry(2, 0b1000, best), entry(3, 0b0110, best)]))
                .expect("best-effort cells are never in conflict");
        assert!(plan.component_of(0).eq([0, 2]));
        assert!(plan.component_of(2).eq([0, 2]));
        assert!(plan.component_of(3).eq([1]));
    }

    #[test]
    fn a_slice_that_a_switch_would_fill_is_refused() {
        let refused = |slice| {
            Plan::<64>::validate(&Spec { slice: Span::from_nanos(slice), lead: Span::from_micros(2), ..spec(&[]) })
                .is_err()
        };
        assert!(refused(2_000));
        assert!(!refused(2_001));
    }

    #[test]
    fn a_cell_that_a_dedicated_one_keeps_out_has_no_part_in_decisions() {
        let best = Policy::BestEffort { weight: 1 };
        let plan = Plan::<64>::validate(&spec(&[
            entry(1, 0b0001, Policy::Dedicated),
            entry(2, 0b0011, best),
            entry(3, 0b0010, best),
        ]))
        .expect("best-effort cells are never in conflict");
        assert!(plan.component_of(0).eq([0]));
        assert!(plan.component_of(1).eq([2]));
        assert!(!plan.place(2).has_rival);
    }

    #[test]
    fn windows_that_meet_after_hours_are_refused_with_the_instant() {
        // Two prime periods near a second: they meet once in about 11 days.
        let entries =
            [entry(1, 1, window(1_000_000_007, 0, 500_000)), entry(2, 1, window(999_999_937, 500_000_000, 500_000))];
        let Err(Refusal { reason: Reason::Overlap(at), .. }) = Plan::<64>::validate(&spec(&entries)) else {
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
            let result = Plan::<64>::validate(&Spec { entries: &entries, ..spec_lead });
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
