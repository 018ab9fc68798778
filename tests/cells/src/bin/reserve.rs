//! An event-triggered cell that watches from inside whether it gets its budget, in time and not more, whatever others do.
//!
//! **Promise.** In each round all harts park until the same pseudo-random instant. From then on each of them adds up what it gets, until it is the budget. That must be
//! so within a period. The server's rule asks for one exception: who wakes before the period has ended in which it went to sleep may have to wait for that end first.
//!
//! **Hoard.** After a long pause all harts spin for ten periods. They get their budget in each, and nothing for the time in which they did not ask for it. No interval as
//! long as a period may hold more than two budgets: the end of one period and the beginning of the next one. Every such interval is looked at: the one that
//! holds most begins where the hart begins to run.
//!
//! What a hart gets is seen from its own looks at the clock: between two that are far apart it was suspended.
//!
//! Arguments: `period=NS` and `budget=NS` as in the manifest; `rounds=N` (default 40); `tolerance=NS` (default 20000); `seed=N` (default 1); `least=NS` and `most=NS`, how far
//! ahead a round's instant is (default 3 ms to 25 ms); `rest=NS`, how long a pause must be for the kernel to take the cell for idle (default 2 ms); `gap=NS`, from which
//! distance on two looks are far apart (default 3000).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use cell::arguments::number;
use cell::barrier::Barrier;
use cell::{calls, hart, println, time};
use test_cells::{Random, check, check_equal, finish};

cell::entry!(main);

/// Periods of the second phase, and of the pause before it.
const SPUN: u64 = 10;
const PAUSED: u64 = 20;

/// After so many periods without the budget a hart gives up.
const GIVE_UP: u64 = 10;

/// How often a hart may be suspended in the second phase.
const RUNS_MAX: usize = 1024;

static MEETING: Barrier = Barrier::new();
/// The instant at which all harts wake.
static INSTANT: AtomicU64 = AtomicU64::new(0);
/// When the last hart parked.
static PARKED: AtomicU64 = AtomicU64::new(0);
/// The last round in which a hart came too late to its pause: the round does not count.
static VOID: AtomicU64 = AtomicU64::new(u64::MAX);
/// The longest that a hart waited for its budget, and the most that it was late after its instant when it ran first.
static LONGEST: AtomicU64 = AtomicU64::new(0);
static FIRST: AtomicU64 = AtomicU64::new(0);
/// The most that a hart got in an interval as long as a period; the most and the least in all of the second phase; and how often one was suspended.
static MOST_AT_ONCE: AtomicU64 = AtomicU64::new(0);
static MOST: AtomicU64 = AtomicU64::new(0);
static LEAST: AtomicU64 = AtomicU64::new(u64::MAX);
static RUNS: AtomicU64 = AtomicU64::new(0);

/// What the arguments say.
struct Settings {
    period: u64,
    budget: u64,
    rounds: u64,
    tolerance: u64,
    least: u64,
    most: u64,
    rest: u64,
    gap: u64,
}

impl Settings {
    fn read() -> Self {
        let least = number("least", 3_000_000);
        Self {
            period: number("period", 5_000_000),
            budget: number("budget", 1_000_000),
            rounds: number("rounds", 40),
            tolerance: number("tolerance", 20_000),
            least,
            most: number("most", 25_000_000).max(least + 1),
            rest: number("rest", 2_000_000),
            gap: number("gap", 3_000),
        }
    }
}

/// Parks until an instant. Events would end it early, but this cell has none.
fn park_until(instant: u64) {
    while time::now() < instant {
        // An error would only mean not to sleep.
        let _ = calls::park(instant);
    }
}

/// From the instant on, until this hart has so much time, or gives up: when it ran first, and when it had it.
fn collect(settings: &Settings, instant: u64) -> (u64, Option<u64>) {
    let first = time::now();
    let (mut last, mut got) = (first, 0);
    while last < instant + GIVE_UP * settings.period {
        let now = time::now();
        let passed = now - last;
        if passed < settings.gap {
            got += passed;
        }
        last = now;
        if got + settings.tolerance >= settings.budget {
            return (first, Some(now));
        }
        core::hint::spin_loop();
    }
    (first, None)
}

/// The first phase. Returns how many rounds there were, and how many that do not count.
fn promise(settings: &Settings, this: u32) -> (u64, u64) {
    let mut random = Random(number("seed", 1).max(1));
    let (mut counted, mut void) = (0, 0);
    while counted < settings.rounds && void < 3 * settings.rounds {
        let round = counted + void;
        if this == 0 {
            let ahead = settings.least + random.next_number() % (settings.most - settings.least);
            INSTANT.store(time::now() + ahead, Ordering::Release);
        }
        MEETING.wait(hart::count());
        let instant = INSTANT.load(Ordering::Acquire);
        let (before, ..) = hart::activation();
        let now = time::now();
        PARKED.fetch_max(now, Ordering::AcqRel);
        park_until(instant);
        let (after, ..) = hart::activation();
        // The cell was suspended on the way here, or between its last look at the clock and its pause (it was activated once for the rest of the way, and once to
        // wake). Then it slept too little, or nobody knows since when, and nothing is promised from this instant on.
        if now + settings.rest > instant || after > before + 1 {
            VOID.store(round, Ordering::Release);
        }
        let (first, had) = collect(settings, instant);
        MEETING.wait(hart::count());
        if VOID.load(Ordering::Acquire) == round {
            void += 1;
            continue;
        }
        counted += 1;
        // A hart that parked just after a period began, and was taken for idle somewhat later, has a period to sit out.
        let asleep = PARKED.load(Ordering::Acquire) + settings.rest;
        let from = instant.max(asleep + settings.period);
        FIRST.fetch_max(first - instant, Ordering::AcqRel);
        LONGEST.fetch_max(had.map_or(u64::MAX, |had| had.saturating_sub(from)), Ordering::AcqRel);
        hart::heartbeat(1);
    }
    (counted, void)
}

/// The second phase: the intervals in which this hart ran.
fn hoard(settings: &Settings, this: u32) -> Vec<(u64, u64)> {
    let mut runs = Vec::with_capacity(RUNS_MAX);
    if this == 0 {
        INSTANT.store(time::now() + PAUSED * settings.period, Ordering::Release);
    }
    MEETING.wait(hart::count());
    let instant = INSTANT.load(Ordering::Acquire);
    let end = instant + SPUN * settings.period;
    park_until(instant);
    let mut begun = time::now();
    let mut last = begun;
    while last < end {
        let now = time::now();
        if now - last >= settings.gap {
            runs.push((begun, last));
            begun = now;
        }
        last = now;
        // Never more than there is room for: the heap would ask the kernel.
        if runs.len() + 1 >= RUNS_MAX {
            break;
        }
        core::hint::spin_loop();
    }
    runs.push((begun.min(end), last.min(end)));
    runs
}

/// What intervals hold between two instants.
fn held(runs: &[(u64, u64)], from: u64, to: u64) -> u64 {
    runs.iter().map(|(start, end)| (*end).min(to).saturating_sub((*start).max(from))).sum()
}

fn main(this: u32) {
    let settings = Settings::read();
    let Settings { period, budget, rounds, tolerance, .. } = settings;
    let (counted, void) = promise(&settings, this);
    let runs = hoard(&settings, this);
    let most_at_once = runs.iter().map(|(start, _)| held(&runs, *start, start + period)).max().unwrap_or(0);
    MOST_AT_ONCE.fetch_max(most_at_once, Ordering::AcqRel);
    let all = held(&runs, 0, u64::MAX);
    MOST.fetch_max(all, Ordering::AcqRel);
    LEAST.fetch_min(all, Ordering::AcqRel);
    RUNS.fetch_max(runs.len() as u64, Ordering::AcqRel);
    MEETING.wait(hart::count());
    if this != 0 {
        // Returned, the hart is parked.
        return;
    }
    let seen = |value: &AtomicU64| value.load(Ordering::Acquire);
    let (first, longest) = (seen(&FIRST), seen(&LONGEST));
    println!("worst of {counted} rounds: first run after {first} ns, budget after {longest} ns; {void} do not count");
    check_equal("rounds", rounds, counted);
    check(
        "the budget comes within a period",
        longest <= period + tolerance,
        format_args!(
            "expected {budget} ns less {tolerance} within {period} ns and {tolerance}, saw it after {longest}"
        ),
    );
    let (at_once, most, least) = (seen(&MOST_AT_ONCE), seen(&MOST), seen(&LEAST));
    let runs = seen(&RUNS);
    println!(
        "{SPUN} periods in {runs} pieces: {least} to {most} ns in all, at most {at_once} ns in an interval of a period"
    );
    check(
        "the pieces can be counted",
        runs < RUNS_MAX as u64,
        format_args!("expected less than {RUNS_MAX}, saw {runs}"),
    );
    check(
        "no interval of a period holds more than two budgets",
        at_once <= 2 * budget + tolerance,
        format_args!("expected at most {} ns, saw {at_once}", 2 * budget + tolerance),
    );
    check(
        "nothing is hoarded in a pause",
        most <= (SPUN + 1) * budget + tolerance,
        format_args!("expected at most {} ns in {SPUN} periods, saw {most}", (SPUN + 1) * budget + tolerance),
    );
    check(
        "the budget comes again in every period",
        least + tolerance >= (SPUN - 1) * budget,
        format_args!("expected at least {} ns less {tolerance} in {SPUN} periods, saw {least}", (SPUN - 1) * budget),
    );
    finish()
}
