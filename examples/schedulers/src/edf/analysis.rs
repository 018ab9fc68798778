//! What theory says about task sets under earliest deadline first: pure functions of plain numbers.
//!
//! Each answers "no job will ever be late", or says what speaks against it. On one hart the answer is exact, without locks and on a whole hart; the others are
//! safe: what they refuse may work all the same.
//!
//! | function | applies to | by |
//! |---|---|---|
//! | [`one_hart`] | one hart, or one hart's threads of a partition; less than a whole hart, too | Liu and Layland 1973; Baruah, Rosier and Howell 1990; Shin and Lee 2003 |
//! | [`global`] | any thread on any hart | Goossens, Funk and Baruah 2003; for deadlines before the next release, densities: Bertogna, Cirinei and Lipari 2005 |
//! | [`partition`] | each thread on its hart | first fit, largest first; [`partition_bound`]: López, Díaz and García 2004 |
//! | [`in_windows`] | a gang that has its harts in windows, all at once | a change of clock: see there |
//!
//! All take a job's work to contain what the scheduler does for it: its release, its end, and up to two switches to and from whom it interrupts.

use alloc::vec::Vec;
use core::cmp::Reverse;

/// A task: a job in each period. Periods and deadlines of 0 are taken for 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// The most that a job executes, scheduling included.
    pub work_ns: u64,
    /// From a release to its deadline.
    pub deadline_ns: u64,
    /// The least from one release to the next.
    pub period_ns: u64,
    /// The longest that a job executes with a lock held: 0 where it takes none. No lock is taken while another one is held.
    pub locked_ns: u64,
}

impl Task {
    /// A task without locks whose deadlines are the next releases.
    #[must_use]
    pub const fn new(work_ns: u64, period_ns: u64) -> Self {
        Self { work_ns, deadline_ns: period_ns, period_ns, locked_ns: 0 }
    }

    /// The time in which a job's work must always be done: what its density refers to.
    fn span_ns(&self) -> u64 {
        self.deadline_ns.min(self.period_ns)
    }

    /// Work of jobs that are both released and due in an interval of this length that begins with a release.
    fn demand_ns(&self, interval_ns: u64) -> u64 {
        match interval_ns.checked_sub(self.deadline_ns) {
            Some(rest) => (rest / self.period_ns.max(1) + 1).saturating_mul(self.work_ns),
            None => 0,
        }
    }
}

/// What a hart has of the hardware thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// All of it.
    Whole,
    /// A window of fixed length at a fixed phase of each period (a time-triggered cell).
    Windows {
        /// From the start of a window to the start of the next.
        period_ns: u64,
        /// How long it is.
        length_ns: u64,
    },
    /// A budget in each period, at any time in it (an event-triggered cell).
    Reserve {
        /// The period.
        period_ns: u64,
        /// The budget.
        budget_ns: u64,
    },
}

impl Supply {
    /// Period, what there is of it, and the longest time without any.
    fn parts(&self) -> (u64, u64, u64) {
        let (period, part, gaps) = match *self {
            Self::Whole => (1, 1, 0),
            Self::Windows { period_ns, length_ns } => (period_ns, length_ns, 1),
            Self::Reserve { period_ns, budget_ns } => (period_ns, budget_ns, 2),
        };
        let (period, part) = (period.max(1), part.min(period.max(1)));
        (period, part, gaps * (period - part))
    }

    /// The least that there is in any interval of this length. (Shin and Lee's supply bound function; a window never moves, so its gap comes once.)
    #[must_use]
    pub fn least_ns(&self, interval_ns: u64) -> u64 {
        let (period, part, gap) = self.parts();
        let rest = interval_ns.saturating_sub(gap);
        rest / period * part + (rest % period).min(part)
    }
}

/// Why a task set is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The tasks need more than there is, in billionths of a hart (rounded).
    Load {
        /// What they need.
        needed_ppb: u64,
        /// What there is.
        supplied_ppb: u64,
    },
    /// In an interval of this length more must be done than there may be time for.
    Demand {
        /// The interval.
        interval_ns: u64,
        /// What must be done, with what may be waited for.
        demand_ns: u64,
        /// What there is at least.
        supply_ns: u64,
    },
    /// This task fits on no hart beside those before it.
    NoHart(usize),
    /// This task's deadline or period is no multiple of the window's period.
    NotWholeWindows(usize),
    /// This task holds a lock, of which the test knows nothing.
    Locks(usize),
    /// The periods have so little in common that the test would look at more than [`INTERVALS_MAX`] intervals.
    TooLong,
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let percent = |ppb: u64| (ppb / 10_000_000, ppb / 10_000 % 1_000);
        match *self {
            Self::Load { needed_ppb, supplied_ppb } => {
                let ((needed, part), (supplied, of)) = (percent(needed_ppb), percent(supplied_ppb));
                write!(f, "the tasks need {needed}.{part:03} percent of a hart, and {supplied}.{of:03} are promised")
            }
            Self::Demand { interval_ns, demand_ns, supply_ns } => {
                write!(f, "{demand_ns} ns must be done within {interval_ns} ns, which hold {supply_ns} ns at least")
            }
            Self::NoHart(task) => write!(f, "task {task} fits on no hart beside those with more utilisation"),
            Self::NotWholeWindows(task) => {
                write!(f, "task {task} has times that are no multiples of the window's period")
            }
            Self::Locks(task) => write!(f, "task {task} holds a lock, of which this test knows nothing"),
            Self::TooLong => write!(f, "more than {INTERVALS_MAX} intervals would have to be looked at"),
        }
    }
}

impl core::error::Error for Refusal {}

/// The most intervals that [`one_hart`] looks at.
pub const INTERVALS_MAX: u32 = 1_000_000;

const BILLION: u64 = 1_000_000_000;

/// A sum of fractions over a common denominator, and the largest of them.
#[derive(Clone, Copy, Debug)]
struct Share {
    sum: u128,
    largest: u128,
    whole: u128,
}

impl Share {
    /// Exact if the denominators have a common multiple below 2^60, else rounded up.
    fn of(fractions: impl Iterator<Item = (u64, u64)> + Clone) -> Self {
        let common = common_multiple(fractions.clone().map(|(_, denominator)| denominator));
        let whole = u128::from(common.unwrap_or(1 << 60));
        let scaled = fractions.map(|(part, of)| (u128::from(part) * whole).div_ceil(u128::from(of.max(1))));
        Self { sum: scaled.clone().fold(0, u128::saturating_add), largest: scaled.max().unwrap_or(0), whole }
    }

    fn ppb(&self, of: u128) -> u64 {
        u64::try_from(of.saturating_mul(u128::from(BILLION)) / self.whole).unwrap_or(u64::MAX)
    }
}

/// The least common multiple, if it is below 2^60.
fn common_multiple(mut numbers: impl Iterator<Item = u64>) -> Option<u64> {
    numbers.try_fold(1_u64, |multiple, number| {
        let number = number.max(1);
        let (mut a, mut b) = (multiple, number);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        (number / a).checked_mul(multiple).filter(|multiple| *multiple < 1 << 60)
    })
}

fn utilisation(tasks: &[Task]) -> Share {
    Share::of(tasks.iter().map(|task| (task.work_ns, task.period_ns)))
}

/// The sum of all utilisations, in billionths of a hart.
#[must_use]
pub fn utilisation_ppb(tasks: &[Task]) -> u64 {
    let share = utilisation(tasks);
    share.ppb(share.sum)
}

/// After so long all periods begin together again, if that is below 2^60 ns.
#[must_use]
pub fn hyperperiod_ns(tasks: &[Task]) -> Option<u64> {
    common_multiple(tasks.iter().map(|task| task.period_ns))
}

/// One hart: the processor demand criterion.
///
/// In no interval may more be demanded than there is. Only intervals need be looked at that begin where all tasks are released and end at a deadline; and none beyond the point
/// from which the slopes decide, or after which all repeats. With deadlines at the next releases, no locks and a [`Supply::Whole`], nothing remains but the sum of utilisations, which may be 1.
///
/// A job may also wait for one that is due later and holds a lock. By inheritance it waits at most once, and for one lock at most, if all take the same lock: so
/// the longest section of those due after the interval counts (Baker 1991). With several locks, the sum of their longest ones would.
///
/// Exact for a whole hart without locks; the cost is proportional to the deadlines that are looked at.
///
/// # Errors
/// What speaks against it: [`Refusal::Load`], [`Refusal::Demand`], [`Refusal::TooLong`].
pub fn one_hart(tasks: &[Task], supply: Supply) -> Result<(), Refusal> {
    let (period, part, gap) = supply.parts();
    let share = utilisation(tasks);
    if share.sum.saturating_mul(u128::from(period)) > share.whole * u128::from(part) {
        let supplied_ppb = (u128::from(part) * u128::from(BILLION) / u128::from(period)) as u64;
        return Err(Refusal::Load { needed_ppb: share.ppb(share.sum), supplied_ppb });
    }
    let longest_deadline = tasks.iter().map(|task| task.deadline_ns).max().unwrap_or(0);
    let repeats = common_multiple(tasks.iter().map(|task| task.period_ns).chain([period]));
    let repeats = repeats.map(|repeats| repeats.saturating_add(longest_deadline).saturating_add(2 * gap));
    let horizon = match (slopes_decide(tasks, supply), repeats) {
        (Some(one), Some(other)) => one.min(other),
        (one, other) => one.or(other).ok_or(Refusal::TooLong)?,
    };
    let locks = tasks.iter().any(|task| task.locked_ns > 0);
    let horizon = if locks { horizon.max(longest_deadline) } else { horizon };
    let mut interval_ns = 0;
    for _ in 0..INTERVALS_MAX {
        let Some(next) = tasks.iter().map(|task| next_deadline(task, interval_ns)).min() else { return Ok(()) };
        interval_ns = next;
        if interval_ns > horizon {
            return Ok(());
        }
        let own = tasks.iter().map(|task| task.demand_ns(interval_ns)).fold(0, u64::saturating_add);
        let later = tasks.iter().filter(|task| task.deadline_ns > interval_ns).map(|task| task.locked_ns).max();
        let demand_ns = own.saturating_add(later.unwrap_or(0));
        let supply_ns = supply.least_ns(interval_ns);
        if demand_ns > supply_ns {
            return Err(Refusal::Demand { interval_ns, demand_ns, supply_ns });
        }
    }
    Err(Refusal::TooLong)
}

/// The first deadline after an instant, if the first release is at 0.
fn next_deadline(task: &Task, after_ns: u64) -> u64 {
    let period_ns = task.period_ns.max(1);
    match after_ns.checked_sub(task.deadline_ns) {
        Some(rest) => task.deadline_ns.saturating_add((rest / period_ns + 1).saturating_mul(period_ns)),
        None => task.deadline_ns.max(1),
    }
}

/// Beyond this interval demand stays below supply, because it grows more slowly: demand is at most `U t` and the sum of `U (T - D)`, supply at least `a (t - g)`.
/// `None` when both grow at the same rate.
fn slopes_decide(tasks: &[Task], supply: Supply) -> Option<u64> {
    let (period, part, _) = supply.parts();
    let gap = 2 * (period - part);
    let rate = u128::from(part) * u128::from(BILLION) / u128::from(period);
    let rounded =
        |task: &Task| (u128::from(task.work_ns) * u128::from(BILLION)).div_ceil(u128::from(task.period_ns.max(1)));
    let needed = tasks.iter().map(rounded).fold(0, u128::saturating_add);
    let early = |task: &Task| rounded(task) * u128::from(task.period_ns.saturating_sub(task.deadline_ns));
    let ahead = tasks.iter().map(early).fold(rate * u128::from(gap), u128::saturating_add);
    let slack = rate.checked_sub(needed).filter(|slack| *slack > 0)?;
    u64::try_from(ahead.div_ceil(slack)).ok()
}

/// Any thread on any of so many harts: the sum of densities is at most `m - (m - 1) d`, with the largest density `d`. A density is work divided by deadline or period,
/// whichever is less.
///
/// # Errors
/// [`Refusal::Load`]: what the bound admits beside the largest. [`Refusal::Locks`].
pub fn global(tasks: &[Task], harts: u32) -> Result<(), Refusal> {
    if let Some(task) = tasks.iter().position(|task| task.locked_ns > 0) {
        return Err(Refusal::Locks(task));
    }
    let share = Share::of(tasks.iter().map(|task| (task.work_ns, task.span_ns())));
    let whole = share.whole * u128::from(harts);
    let bound = whole.saturating_sub(share.largest.saturating_mul(u128::from(harts.saturating_sub(1))));
    // One that needs more than a hart is late however many there are.
    if share.sum > bound || share.largest > share.whole {
        return Err(Refusal::Load { needed_ppb: share.ppb(share.sum), supplied_ppb: share.ppb(bound) });
    }
    Ok(())
}

/// Each thread on its hart: gives each task a hart, first fit in the order of utilisation, the largest first. What is on a hart passes [`one_hart`].
///
/// # Errors
/// [`Refusal::NoHart`]; another order may find a way all the same.
pub fn partition(tasks: &[Task], harts: usize, supply: Supply) -> Result<Vec<usize>, Refusal> {
    let mut order: Vec<usize> = (0..tasks.len()).collect();
    let scaled = |task: &Task| u128::from(task.work_ns) * u128::from(u64::MAX) / u128::from(task.period_ns.max(1));
    order.sort_by_key(|task| Reverse(scaled(&tasks[*task])));
    let mut on_hart = alloc::vec![Vec::new(); harts];
    let mut chosen = alloc::vec![0; tasks.len()];
    for task in order {
        let fitting = on_hart.iter_mut().enumerate().find_map(|(hart, present)| {
            present.push(tasks[task]);
            if one_hart(present, supply).is_ok() {
                return Some(hart);
            }
            present.pop();
            None
        });
        chosen[task] = fitting.ok_or(Refusal::NoHart(task))?;
    }
    Ok(chosen)
}

/// Up to this sum of utilisations, in billionths, [`partition`] finds a hart for every task with deadlines at the next releases, on whole harts, without locks: `(b m + 1) / (b + 1)`, where `b` tasks of the
/// largest utilisation fit on a hart. No order and no fit has a better bound.
#[must_use]
pub fn partition_bound_ppb(tasks: &[Task], harts: u32) -> u64 {
    let share = utilisation(tasks);
    let fit = share.whole.checked_div(share.largest).unwrap_or(u128::from(u32::MAX)).min(u128::from(u32::MAX));
    ((fit * u128::from(harts) + 1) * u128::from(BILLION) / (fit + 1)) as u64
}

/// The same task set for a clock that only runs in a gang's windows.
///
/// The harts of a gang have their windows at the same instants. So for its scheduler time stands still between two windows, and in the clock that counts the time in windows all
/// harts are whole: what is true there of [`global`] is true of the windows, if releases and deadlines are whole numbers of periods apart. (Harts whose windows do not coincide have no such clock.)
///
/// # Errors
/// [`Refusal::NotWholeWindows`].
pub fn in_windows(tasks: &[Task], period_ns: u64, length_ns: u64) -> Result<Vec<Task>, Refusal> {
    let period_ns = period_ns.max(1);
    let shorter = |(number, task): (usize, &Task)| {
        if !task.period_ns.is_multiple_of(period_ns) || !task.deadline_ns.is_multiple_of(period_ns) {
            return Err(Refusal::NotWholeWindows(number));
        }
        let windows = |time_ns: u64| time_ns / period_ns * length_ns;
        Ok(Task { deadline_ns: windows(task.deadline_ns), period_ns: windows(task.period_ns), ..*task })
    };
    tasks.iter().enumerate().map(shorter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    fn due(work_ns: u64, deadline_ns: u64, period_ns: u64) -> Task {
        Task { deadline_ns, ..Task::new(work_ns, period_ns) }
    }

    #[test]
    fn one_hart_takes_a_full_hart_and_nothing_more() {
        let full = [Task::new(2, 4), Task::new(2, 8), Task::new(5, 20)];
        assert_eq!(one_hart(&full, Supply::Whole), Ok(()));
        let over = [Task::new(2_000_001, 4_000_000), Task::new(2, 8), Task::new(5, 20)];
        let refusal = one_hart(&over, Supply::Whole);
        assert_eq!(refusal, Err(Refusal::Load { needed_ppb: 1_000_000_250, supplied_ppb: BILLION }));
        assert_eq!(one_hart(&[], Supply::Whole), Ok(()));
    }

    #[test]
    fn periods_without_a_common_multiple_are_rounded_up_but_not_refused() {
        let primes = [4_294_967_291, 4_294_967_279, 4_294_967_231];
        let tasks: Vec<Task> = primes.iter().map(|period| Task::new(period / 4, *period)).collect();
        assert_eq!(one_hart(&tasks, Supply::Whole), Ok(()));
    }

    #[test]
    fn deadlines_before_the_next_release_are_seen() {
        // Half of the hart in all, but 3 must be done within 2.
        let tasks = [due(1, 2, 6), due(2, 2, 6)];
        let expected = Err(Refusal::Demand { interval_ns: 2, demand_ns: 3, supply_ns: 2 });
        assert_eq!(one_hart(&tasks, Supply::Whole), expected);
        assert_eq!(one_hart(&[due(1, 2, 6), due(2, 3, 6)], Supply::Whole), Ok(()));
        // Too much only in the second period of the first task: 2, 2 and 2 within 5.
        let tasks = [due(2, 2, 3), due(2, 5, 9)];
        let expected = Err(Refusal::Demand { interval_ns: 5, demand_ns: 6, supply_ns: 5 });
        assert_eq!(one_hart(&tasks, Supply::Whole), expected);
    }

    #[test]
    fn a_lock_of_one_who_is_due_later_counts_and_one_of_an_earlier_one_does_not() {
        let urgent = Task::new(2, 4);
        let locking = |locked_ns| Task { locked_ns, ..Task::new(5, 10) };
        assert_eq!(one_hart(&[urgent, locking(2)], Supply::Whole), Ok(()));
        let expected = Err(Refusal::Demand { interval_ns: 4, demand_ns: 5, supply_ns: 4 });
        assert_eq!(one_hart(&[urgent, locking(3)], Supply::Whole), expected);
        let also = Task { locked_ns: 2, ..urgent };
        assert_eq!(one_hart(&[also, locking(0)], Supply::Whole), Ok(()));
    }

    #[test]
    fn windows_give_their_share_and_a_reserve_may_wait_twice() {
        let windows = Supply::Windows { period_ns: 5, length_ns: 3 };
        let reserve = Supply::Reserve { period_ns: 5, budget_ns: 3 };
        let seen = [2, 3, 5, 7, 10].map(|interval| (windows.least_ns(interval), reserve.least_ns(interval)));
        assert_eq!(seen, [(0, 0), (1, 0), (3, 1), (3, 3), (6, 4)], "the least in 2, 3, 5, 7 and 10");
        // All of the windows, but not all of the reserve.
        let tasks = [Task::new(6, 20), Task::new(9, 30)];
        assert_eq!(one_hart(&tasks, windows), Ok(()));
        assert_eq!(one_hart(&tasks, reserve), Err(Refusal::Demand { interval_ns: 60, demand_ns: 36, supply_ns: 34 }));
        assert_eq!(one_hart(&[Task::new(5, 20), Task::new(9, 30)], reserve), Ok(()));
        let beyond = Refusal::Load { needed_ppb: 650_000_000, supplied_ppb: 600_000_000 };
        assert_eq!(one_hart(&[Task::new(13, 20)], windows), Err(beyond));
    }

    #[test]
    fn the_global_bound_knows_heavy_tasks() {
        // Dhall's effect: many harts do not help one heavy task beside light ones.
        let dhall = [Task::new(1, 10), Task::new(1, 10), Task::new(10, 11)];
        assert!(matches!(global(&dhall, 2), Err(Refusal::Load { .. })), "{:?}", global(&dhall, 2));
        assert_eq!(global(&[Task::new(5, 10), Task::new(5, 10), Task::new(5, 10)], 2), Ok(()));
        let over = [Task::new(5, 10), Task::new(5, 10), Task::new(5, 10), Task::new(1, 10)];
        let expected = Err(Refusal::Load { needed_ppb: 1_600_000_000, supplied_ppb: 1_500_000_000 });
        assert_eq!(global(&over, 2), expected);
        assert!(global(&[due(2, 1, 4)], 4).is_err(), "2 cannot be done within 1 on any number of harts");
        assert_eq!(global(&[Task { locked_ns: 1, ..Task::new(1, 4) }], 2), Err(Refusal::Locks(0)));
    }

    #[test]
    fn a_partition_fills_harts_and_says_who_has_no_place() {
        let tasks = [Task::new(4, 10), Task::new(6, 10), Task::new(6, 10), Task::new(4, 10)];
        assert_eq!(partition(&tasks, 2, Supply::Whole), Ok(vec![0, 0, 1, 1]));
        // 180 percent, and no two of them fit on a hart.
        let thirds = [Task::new(6, 10); 3];
        assert_eq!(partition(&thirds, 2, Supply::Whole), Err(Refusal::NoHart(2)));
        // One of them fits on a hart: (1 * 2 + 1) / 2.
        assert_eq!(partition_bound_ppb(&thirds, 2), 1_500_000_000);
        assert_eq!(partition_bound_ppb(&[Task::new(5, 10)], 2), 1_666_666_666);
    }

    #[test]
    fn what_is_true_of_whole_harts_is_true_in_a_gangs_windows() {
        let tasks = [Task::new(3, 10), Task::new(3, 10), Task::new(3, 10)];
        assert_eq!(in_windows(&tasks, 5, 3), Ok(vec![Task::new(3, 6); 3]));
        assert_eq!(in_windows(&tasks, 4, 3), Err(Refusal::NotWholeWindows(0)));
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused_and_harm_nobody() {
        let zero = due(0, 0, 0);
        assert_eq!(one_hart(&[zero], Supply::Whole), Ok(()), "no work is always done");
        let huge = due(u64::MAX, u64::MAX, u64::MAX);
        for (set, supply) in [
            ([huge, huge], Supply::Whole),
            ([huge, Task::new(1, 3)], Supply::Windows { period_ns: 0, length_ns: 0 }),
            ([Task::new(1, 7), huge], Supply::Reserve { period_ns: 5, budget_ns: 0 }),
            ([due(1, 0, 0), huge], Supply::Windows { period_ns: 5, length_ns: 9 }),
        ] {
            assert!(one_hart(&set, supply).is_err(), "{set:?} on {supply:?}");
            assert!(global(&set, 1).is_err(), "{set:?} on one hart");
            assert!(partition(&set, 1, supply).is_err(), "{set:?} on {supply:?}");
            let _ = (partition_bound_ppb(&set, u32::MAX), utilisation_ppb(&set), in_windows(&set, 0, 0));
        }
        // As much as a hart, with a period that nothing divides.
        assert!(one_hart(&[due(1, 1, 1)], Supply::Whole).is_ok());
        assert_eq!(global(&[], 0), Ok(()));
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        let refusal = Refusal::Load { needed_ppb: 1_050_000_000, supplied_ppb: BILLION };
        let expected = "the tasks need 105.000 percent of a hart, and 100.000 are promised";
        assert_eq!(refusal.to_string(), expected);
    }
}
