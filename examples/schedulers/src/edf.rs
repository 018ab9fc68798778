//! Global earliest deadline first: of all threads that can run, those with the earliest deadlines do. Who holds a lock inherits the earliest deadline of those who wait for
//! it, so that a priority inversion lasts no longer than the lock is held.
//!
//! A deadline is an instant of [`pulse::now`], and the rank of [`crate::ranks`], which does what there is to do; this file adds what belongs to deadlines: jobs that are
//! released periodically, and counting those that came too late. A thread with the deadline `u64::MAX` runs when no other can; the first thread has deadline 0,
//! until it changes it. There are no time slices: nothing is due at
//! a tick except what a sleeping thread has asked for.
//!
//! **Partitioned**, threads are pinned to harts and each hart does what is true of one: [`Edf::partitioned`]. Which task sets are never late on which harts is said by [`analysis`].

pub mod analysis;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use pulse::{Context, Hart, Next, Scheduler, now, sleep_until};

use crate::ranks::{Full, Lock, Ranks};

/// The scheduler.
#[derive(Debug)]
pub struct Edf {
    ranks: Arc<Ranks>,
    finished: AtomicU64,
    missed: AtomicU64,
    lateness_ns: AtomicI64,
}

/// When a periodic thread's jobs are released and due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periodic {
    /// The first release: an instant.
    pub first_ns: u64,
    /// From one release to the next.
    pub period_ns: u64,
    /// From a release to its deadline.
    pub deadline_ns: u64,
    /// How many.
    pub jobs: u64,
    /// The only hart that does them, in a partition; `None` for any.
    pub hart: Option<usize>,
}

/// What became of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jobs {
    /// How many have finished.
    pub finished: u64,
    /// How many of these finished after their deadlines.
    pub missed: u64,
    /// The largest lateness: from the deadline to the end, negative if all ended before. `i64::MIN` if none has finished.
    pub lateness_ns: i64,
}

impl Edf {
    /// With room for so many threads, the first one included, and locks.
    #[must_use]
    pub fn new(threads: usize, locks: usize) -> Arc<Self> {
        Self::partitioned(threads, locks, 0)
    }

    /// The same, and threads can be pinned to the first so many harts. Those that are not go where there is time.
    #[must_use]
    pub fn partitioned(threads: usize, locks: usize, harts: usize) -> Arc<Self> {
        Arc::new(Self {
            ranks: Ranks::partitioned(threads, locks, harts),
            finished: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            lateness_ns: AtomicI64::new(i64::MIN),
        })
    }

    /// Starts a thread with a deadline. To be called by a thread.
    ///
    /// # Errors
    /// When there is no room in the table, or no memory for a stack.
    pub fn spawn(&self, deadline: u64, work: impl FnOnce() + Send + 'static) -> Result<(), Full> {
        self.start(deadline, Context::new(work).map_err(Full::Stack)?)
    }

    /// Makes a new context a thread with a deadline.
    ///
    /// # Errors
    /// When there is no room in the table.
    pub fn start(&self, deadline: u64, context: Context) -> Result<(), Full> {
        self.ranks.start(deadline, context)
    }

    /// As [`Edf::spawn`], for one hart only.
    ///
    /// # Errors
    /// As [`Edf::spawn`], or the scheduler was made for fewer harts.
    pub fn spawn_on(&self, hart: usize, deadline: u64, work: impl FnOnce() + Send + 'static) -> Result<(), Full> {
        self.ranks.start_on(Some(hart), deadline, Context::new(work).map_err(Full::Stack)?)
    }

    /// Starts a thread that does a job at each release. Releases are absolute: a job that comes late does not shift those behind it.
    ///
    /// # Errors
    /// As [`Edf::spawn_on`].
    pub fn spawn_periodic(
        self: &Arc<Self>,
        times: Periodic,
        mut job: impl FnMut(u64) + Send + 'static,
    ) -> Result<(), Full> {
        let this = self.clone();
        let work = move || {
            for number in 0..times.jobs {
                let release = times.first_ns + number * times.period_ns;
                let deadline = release + times.deadline_ns;
                this.set_deadline(deadline);
                if now() < release {
                    sleep_until(release);
                }
                job(number);
                this.count(now().wrapping_sub(deadline) as i64);
            }
        };
        let context = Context::new(work).map_err(Full::Stack)?;
        self.ranks.start_on(times.hart, times.first_ns + times.deadline_ns, context)
    }

    fn count(&self, lateness_ns: i64) {
        self.finished.fetch_add(1, Ordering::Relaxed);
        self.missed.fetch_add(u64::from(lateness_ns > 0), Ordering::Relaxed);
        self.lateness_ns.fetch_max(lateness_ns, Ordering::Relaxed);
    }

    /// Changes the calling thread's own deadline.
    pub fn set_deadline(&self, deadline: u64) {
        self.ranks.set_rank(deadline);
    }

    /// The deadline that counts for the calling thread now, with what it has inherited.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        self.ranks.rank()
    }

    /// Jobs of periodic threads so far.
    #[must_use]
    pub fn jobs(&self) -> Jobs {
        Jobs {
            finished: self.finished.load(Ordering::Relaxed),
            missed: self.missed.load(Ordering::Relaxed),
            lateness_ns: self.lateness_ns.load(Ordering::Relaxed),
        }
    }

    /// The same, and counts anew from here: for one set of tasks after another.
    pub fn take_jobs(&self) -> Jobs {
        Jobs {
            finished: self.finished.swap(0, Ordering::Relaxed),
            missed: self.missed.swap(0, Ordering::Relaxed),
            lateness_ns: self.lateness_ns.swap(i64::MIN, Ordering::Relaxed),
        }
    }

    /// As [`Ranks::is_settled`].
    #[must_use]
    pub fn is_settled(&self, harts: usize) -> bool {
        self.ranks.is_settled(harts)
    }

    /// A free lock whose holder inherits.
    ///
    /// # Errors
    /// When there is no room in the table.
    pub fn lock(&self) -> Result<Lock, Full> {
        Lock::new(&self.ranks)
    }
}

impl Scheduler for Edf {
    fn enter(&self, hart: &Hart) -> Next {
        self.ranks.enter(hart)
    }

    fn ready(&self, hart: &Hart, context: Context) {
        self.ranks.ready(hart, context);
    }

    fn yielded(&self, hart: &Hart, context: Context) -> Next {
        self.ranks.again(hart, context)
    }

    fn done(&self, hart: &Hart, context: Context) -> Next {
        self.ranks.done(hart, context)
    }

    fn resize(&self, hart: &Hart, context: Option<Context>) {
        self.ranks.resize(hart, context);
    }
}
