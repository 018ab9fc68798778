//! Scenarios at random.

use std::vec;
use std::vec::Vec;

use crate::simulator::latency::Latency;
use crate::simulator::random::Random;
use crate::simulator::scenario::{Change, Clocks, Fault, Looks, Machine, Scenario, What, Workload};
use crate::{CellId, Entry, Instant, Plan, Policy, Reason, Span, Spec, ThreadSet};

/// What random scenarios are like.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The most hardware threads, up to 64.
    pub threads: u64,
    /// The most cells in a plan.
    pub cells: u64,
    /// The most changes of plan.
    pub changes: u64,
    /// How likely each policy is: dedicated, time-triggered, event-triggered, best effort.
    pub policies: [u64; 4],
    /// Whether cells sleep and wake.
    pub sleeps: bool,
    /// The most faults.
    pub faults: u64,
    /// Whether reserves are as large as is accepted.
    pub is_greedy: bool,
    /// Whether timers and interrupts are often much later than the lead allows for, which must not change a decision as long as a log holds what was said
    /// meanwhile.
    pub is_late: bool,
    /// How long it takes.
    pub length: Span,
}

impl Kind {
    /// A bit of everything, and nothing goes wrong.
    pub const MIXED: Self = Self {
        threads: 6,
        cells: 8,
        changes: 4,
        policies: [1, 4, 5, 8],
        sleeps: true,
        faults: 0,
        is_greedy: false,
        is_late: false,
        length: Span::from_millis(3),
    };

    /// Reserves as large as is accepted, with windows beside them.
    pub const RESERVES: Self =
        Self { threads: 4, cells: 7, changes: 0, policies: [0, 2, 10, 1], is_greedy: true, ..Self::MIXED };

    /// The same, and plans change.
    pub const CHANGING_RESERVES: Self = Self { changes: 4, ..Self::RESERVES };

    /// A bit of everything, by hardware threads that are often late.
    pub const LATE: Self = Self { is_late: true, ..Self::MIXED };

    /// A bit of everything, and much goes wrong.
    pub const FAULTY: Self = Self { faults: 4, changes: 2, length: Span::from_millis(5), ..Self::MIXED };

    /// The scenario of a seed.
    #[must_use]
    pub fn scenario(&self, seed: u64) -> Scenario {
        let random = &mut Random::new(seed);
        let machine = self.machine(random);
        let slice = Span::from_micros(*random.pick(&[20, 50, 100, 100, 250]));
        let mut list = self.entries(random, machine.threads, 1);
        let mut plans = vec![change(Span::ZERO, 0, self.fitting(&list, &machine, slice), slice)];
        for number in 0..random.below(self.changes + 1) {
            let at = Span::from_nanos(random.below(self.length.as_nanos()));
            let by = random.below(machine.threads as u64) as usize;
            if random.once_in(6) {
                plans.push(Change { at, by, ahead: Span::ZERO, what: What::Repair });
                continue;
            }
            self.alter(random, &mut list, machine.threads, 100 * (number as u16 + 1));
            plans.push(change(at, by, self.fitting(&list, &machine, slice), slice));
            if random.once_in(3)
                && let Some(last) = plans.last_mut()
            {
                last.ahead = Span::from_nanos(random.below(200_000));
            }
        }
        plans[1..].sort_by_key(|change| change.at);
        let mut scenario =
            Scenario { seed, length: self.length, machine, plans, cells: Vec::new(), faults: Vec::new() };
        let all = scenario.all_cells();
        if self.sleeps {
            scenario.cells = all.iter().map(|cell| (*cell, workload(random, &all))).collect();
        }
        for _ in 0..random.below(self.faults + 1) {
            let fault = self.fault(random, &scenario, &all);
            scenario.faults.push(fault);
        }
        scenario
    }

    /// A machine that keeps its bounds.
    fn machine(&self, random: &mut Random) -> Machine {
        let lead = Span::from_nanos(random.between(2_000, 8_000));
        let part = |parts: u64| Span::from_nanos(lead.as_nanos() / parts);
        let timer = match random.below(3) {
            _ if self.is_late => Latency::LongTailed { usual: part(4), most: lead.times(14) },
            0 => Latency::Fixed(part(4)),
            1 => Latency::Uniform(Span::ZERO, part(2)),
            _ => Latency::LongTailed { usual: part(16), most: part(2) },
        };
        Machine {
            threads: random.between(1, self.threads) as usize,
            clock_error: Span::from_nanos(*random.pick(&[0, 100, 300])),
            clocks: Clocks::Random { drift_ns: *random.pick(&[0, 1_000, 100_000]) },
            visible: Span::from_nanos(500),
            lead,
            timer,
            interrupt: timer,
            switch: Latency::Uniform(part(16), part(8)),
            decide: Latency::Uniform(Span::from_nanos(50), Span::from_nanos(200)),
            store: Latency::Uniform(Span::from_nanos(20), Span::from_nanos(400)),
            see: Latency::Uniform(Span::from_nanos(20), Span::from_nanos(500)),
            tell: Latency::Uniform(Span::from_nanos(20), Span::from_nanos(60)),
            glance_ns: *random.pick(&[0, 5, 20]),
            looks: *random.pick(&[Looks::AtOnce, Looks::AsTimeAllows]),
        }
    }

    fn entries(&self, random: &mut Random, threads: usize, first: u16) -> Vec<Entry> {
        (0..random.between(1, self.cells)).map(|number| self.entry(random, threads, first + number as u16)).collect()
    }

    fn entry(&self, random: &mut Random, threads: usize, cell: u16) -> Entry {
        Entry { cell: CellId(cell), threads: gang(random, threads), policy: self.policy(random) }
    }

    fn policy(&self, random: &mut Random) -> Policy {
        let span = |nanos: u64| Span::from_nanos(nanos);
        let mut which = random.below(self.policies.iter().sum());
        let kind = self.policies.iter().position(|weight| {
            let is_it = which < *weight;
            which = which.saturating_sub(*weight);
            is_it
        });
        match kind {
            Some(0) => Policy::Dedicated,
            Some(1) => {
                let period = *random.pick(&[100, 150, 200, 300, 400, 500, 600]) * 1_000;
                let length = period * random.between(2, 40) / 100;
                Policy::TimeTriggered { period: span(period), phase: span(random.below(period)), length: span(length) }
            }
            Some(2) => {
                let period = random.between(80_000, 600_000);
                let budget = period * random.between(2, 40) / 100;
                Policy::EventTriggered { period: span(period), budget: span(budget) }
            }
            _ => Policy::BestEffort { weight: random.between(1, 5) as u32 },
        }
    }

    /// Creates, destroys, moves, widens, or gives another policy; several at once.
    fn alter(&self, random: &mut Random, list: &mut Vec<Entry>, threads: usize, first: u16) {
        for number in 0..random.between(1, 3) {
            let place = random.below(list.len() as u64 + 1) as usize;
            match (random.below(5), list.get_mut(place)) {
                (0, Some(_)) => drop(list.remove(place)),
                (1, Some(entry)) => entry.threads = gang(random, threads),
                (2, Some(entry)) => entry.threads = entry.threads.union(gang(random, threads)),
                (3, Some(entry)) => entry.policy = self.policy(random),
                _ => list.insert(place, self.entry(random, threads, first + number as u16)),
            }
        }
    }

    /// Those entries of a list that fit, each with those before it.
    fn fitting(&self, list: &[Entry], machine: &Machine, slice: Span) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for candidate in list {
            let mut candidate = *candidate;
            if let (true, Policy::EventTriggered { period, budget }) = (self.is_greedy, &mut candidate.policy) {
                *budget = (*budget).max(Span::from_nanos(period.as_nanos() / 2));
            }
            entries.push(candidate);
            let Err(refusal) = validated(&entries, machine, slice) else { continue };
            entries.pop();
            if let Policy::EventTriggered { period, .. } = candidate.policy
                && self.is_greedy
                && refusal.reason == Reason::Overload
                && refusal.fits > Span::ZERO
            {
                entries.push(Entry { policy: Policy::EventTriggered { period, budget: refusal.fits }, ..candidate });
            }
        }
        entries
    }

    fn fault(&self, random: &mut Random, scenario: &Scenario, cells: &[CellId]) -> Fault {
        let at = Span::from_nanos(random.below(self.length.as_nanos()));
        let length = Span::from_nanos(random.between(1_000, 200_000));
        let by = Span::from_nanos(random.between(1_000, 100_000));
        let thread = random.below(scenario.machine.threads as u64) as usize;
        match random.below(6) {
            0 => Fault::Stolen { thread, at, length },
            1 => Fault::LostInterrupts { thread, at, length },
            2 => Fault::LateInterrupts { thread, at, length, by },
            3 => Fault::LateStores { thread, at, length, by },
            4 => Fault::LateSight { thread, at, length, by },
            _ => Fault::WrongEffects { thread, cell: *random.pick(cells), at, length, by },
        }
    }
}

fn gang(random: &mut Random, threads: usize) -> ThreadSet {
    let all = ThreadSet::range(0, threads).bits();
    // Narrow gangs are more likely.
    let bits = random.number() & if random.once_in(3) { u64::MAX } else { random.number() } & all;
    if bits == 0 { ThreadSet::range(random.below(threads as u64) as usize, 1) } else { ThreadSet::from_bits(bits) }
}

fn workload(random: &mut Random, cells: &[CellId]) -> Workload {
    let some = |random: &mut Random| {
        let usual = random.between(2_000, 150_000);
        match random.below(3) {
            0 => Latency::Fixed(Span::from_nanos(usual)),
            1 => Latency::Uniform(Span::from_nanos(500), Span::from_nanos(2 * usual)),
            _ => Latency::LongTailed { usual: Span::from_nanos(usual), most: Span::from_nanos(20 * usual) },
        }
    };
    let (work, sleep, announces) = (some(random), some(random), random.once_in(2));
    match random.below(6) {
        0 | 1 => Workload::Busy,
        2 | 3 => Workload::Pattern { work, sleep, announces },
        4 => Workload::Jobs { work, sleep, announces },
        _ => Workload::Woken { by: *random.pick(cells), work },
    }
}

fn change(at: Span, by: usize, entries: Vec<Entry>, slice: Span) -> Change {
    Change { at, by, ahead: Span::ZERO, what: What::Plan { slice, entries } }
}

/// The plan of these entries on a machine.
///
/// # Errors
/// As [`Plan::validate`].
pub fn validated(entries: &[Entry], machine: &Machine, slice: Span) -> Result<Plan, crate::Refusal> {
    Plan::validate(&Spec {
        number: 1,
        effective: Instant::from_nanos(0),
        slice,
        lead: machine.lead,
        machine: ThreadSet::range(0, machine.threads),
        entries,
    })
}
