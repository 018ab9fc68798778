//! A hart: the loop that calls the scheduler and runs what it chooses, timers, sleeping.

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::machine::Machine;
use crate::queue::Ranked;
use crate::scheduler::{Next, Scheduler};
use crate::spin::Spin;
use crate::switch::{self, Context, Status};

/// What is to be looked at on a hart, as bits.
pub(crate) mod event {
    /// An instant has come.
    pub(crate) const TICK: u32 = 1;
    /// Someone asks the hart to look around.
    pub(crate) const KICK: u32 = 1 << 1;
    /// The process or cell was notified from outside.
    pub(crate) const NOTIFY: u32 = 1 << 2;
    /// How many harts there are to be has changed.
    pub(crate) const RESIZE: u32 = 1 << 3;
    /// All contexts have finished, or something failed.
    pub(crate) const STOP: u32 = 1 << 4;
}

/// What only the hart itself reads and writes. Atomic so that the rest can be shared; all accesses are relaxed, which costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) running: AtomicPtr<u8>,
    pub(crate) stack_pointer: AtomicPtr<u8>,
}

/// One hart of a machine.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Hart {
    number: AtomicU32,
    pub(crate) own: Own,
    machine: spin::Once<&'static Machine>,
    /// Bits of [`event`].
    pending: AtomicU32,
    /// The home wants to be told of points.
    pub(crate) watched: AtomicBool,
    /// The scheduler's tick.
    tick_at: AtomicU64,
    /// What the hardware timer is armed for.
    armed_at: AtomicU64,
    /// The earliest of `sleepers`.
    wake_at: AtomicU64,
    sleepers: Spin<Ranked>,
    /// Words for the home.
    #[cfg(feature = "std")]
    pub(crate) home_words: [AtomicU64; 3],
}

impl Hart {
    /// This hart's number, from 0.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number.load(Ordering::Relaxed) as usize
    }

    /// How many harts the scheduler has at the moment; those with smaller numbers are in use.
    #[must_use]
    pub fn harts(&self) -> usize {
        self.machine().wanted()
    }

    /// The time, in ns; see [`crate::now`].
    #[must_use]
    pub fn now(&self) -> u64 {
        self.machine().home().now()
    }

    /// Asks for [`Scheduler::tick`] at an instant in ns, or as soon as possible after it; `u64::MAX` for never. Replaces the one before. Costs no call unless it is
    /// earlier than all that this hart waits for.
    pub fn set_tick(&self, at: u64) {
        self.tick_at.store(at, Ordering::Relaxed);
    }

    /// The instant of [`Hart::set_tick`]; `u64::MAX` if none is armed.
    #[must_use]
    pub fn tick_at(&self) -> u64 {
        self.tick_at.load(Ordering::Relaxed)
    }

    pub(crate) fn machine(&self) -> &'static Machine {
        self.machine.get().expect("a machine's harts know it before they start")
    }

    /// Puts the hart into its first state.
    pub(crate) fn reset(&self, machine: &'static Machine, number: usize, watched: bool) {
        self.number.store(number as u32, Ordering::Relaxed);
        self.machine.call_once(|| machine);
        self.pending.store(0, Ordering::Relaxed);
        self.watched.store(watched, Ordering::Relaxed);
        for instant in [&self.tick_at, &self.armed_at, &self.wake_at] {
            instant.store(u64::MAX, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn has_events(&self) -> bool {
        self.pending.load(Ordering::Relaxed) != 0
    }

    /// The word in which events collect, for a home that sleeps on it.
    #[cfg(feature = "std")]
    pub(crate) fn events(&self) -> &AtomicU32 {
        &self.pending
    }

    /// Adds to the events; says whether it is news.
    pub(crate) fn raise(&self, events: u32) -> bool {
        self.pending.fetch_or(events, Ordering::SeqCst) & events != events
    }

    /// Adds to the events and makes the hart look, wherever it is.
    pub(crate) fn post(&self, events: u32) {
        if self.raise(events) {
            self.machine().home().kick(self);
        }
    }

    /// Makes a context ready at an instant.
    pub(crate) fn sleep(&self, at: u64, context: Context) {
        let mut sleepers = self.sleepers.lock();
        sleepers.push_at(context, at);
        self.wake_at.fetch_min(at, Ordering::Relaxed);
    }

    fn pop_sleeper(&self, now: u64) -> Option<Context> {
        if self.wake_at.load(Ordering::Relaxed) > now {
            return None;
        }
        let mut sleepers = self.sleepers.lock();
        let due = sleepers.first_rank().is_some_and(|at| at <= now);
        let sleeper = if due { sleepers.pop() } else { None };
        self.wake_at.store(sleepers.first_rank().unwrap_or(u64::MAX), Ordering::Relaxed);
        sleeper
    }

    /// The first instant at which this hart has something to do.
    #[inline]
    pub(crate) fn earliest(&self) -> u64 {
        self.tick_at.load(Ordering::Relaxed).min(self.wake_at.load(Ordering::Relaxed))
    }

    /// The hart's life, on its own stack with events masked once: until the machine stops.
    pub(crate) fn drive(&self, scheduler: &dyn Scheduler) {
        let mut next = if self.is_wanted() { self.checked(scheduler.enter(self)) } else { Next::Idle { until: 0 } };
        self.raise(event::RESIZE);
        loop {
            if self.has_events() {
                match self.handle(scheduler, next) {
                    Some(chosen) => next = self.checked(chosen),
                    None => return,
                }
                continue;
            }
            next = match next {
                Next::Run(context) => {
                    self.arm();
                    let why = switch::run(self, &context);
                    self.left(scheduler, why, context)
                }
                Next::Idle { until } => self.idle(scheduler, until),
            };
            next = self.checked(next);
        }
    }

    /// What debug builds check of every callback.
    #[inline]
    fn checked(&self, next: Next) -> Next {
        debug_assert!(switch::masked() == 1, "a callback must give up every lock that it takes");
        if let Next::Run(context) = &next {
            debug_assert!(!context.is_finished(), "context {} has finished and cannot run", context.id());
        }
        next
    }

    /// Arms the hardware timer if something is due before it would fire. One that fires too early is armed anew then, which is cheaper than to move it.
    #[inline]
    fn arm(&self) {
        let at = self.earliest();
        if at < self.armed_at.load(Ordering::Relaxed) {
            self.armed_at.store(at, Ordering::Relaxed);
            self.machine().home().arm(self, at);
        }
    }

    /// A context has left; what now?
    #[inline]
    fn left(&self, scheduler: &dyn Scheduler, why: Status, context: Context) -> Next {
        match why {
            Status::Yielded => scheduler.yielded(self, context),
            Status::Suspended(what) => {
                what.call(context);
                scheduler.enter(self)
            }
            Status::Finished => {
                let next = scheduler.done(self, context);
                self.machine().forget_one();
                next
            }
            Status::Faulted(fault) => scheduler.fault(self, context, fault),
            // The events that interrupted it are pending, and the loop looks at them before it runs anything.
            _ => Next::Run(context),
        }
    }

    /// Does what pending events ask for; `None` when the hart is to stop.
    #[cold]
    fn handle(&self, scheduler: &dyn Scheduler, next: Next) -> Option<Next> {
        let events = self.pending.swap(0, Ordering::SeqCst);
        let mut context = match next {
            Next::Run(context) => Some(context),
            Next::Idle { .. } => None,
        };
        if events & event::STOP != 0 {
            return None;
        }
        if events & event::NOTIFY != 0 {
            scheduler.notify(self);
        }
        if events & event::RESIZE != 0 && !self.is_wanted() {
            scheduler.resize(self, context.take());
            self.stay_away()?;
        }
        let now = self.now();
        if self.armed_at.load(Ordering::Relaxed) <= now {
            self.armed_at.store(u64::MAX, Ordering::Relaxed);
        }
        while let Some(sleeper) = self.pop_sleeper(now) {
            scheduler.ready(self, sleeper);
        }
        let due = self.tick_at.load(Ordering::Relaxed) <= now;
        if due {
            self.set_tick(u64::MAX);
        }
        Some(match context {
            Some(context) if due || events & event::KICK != 0 => scheduler.tick(self, context),
            Some(context) => Next::Run(context),
            None => scheduler.enter(self),
        })
    }

    /// Sleeps, unless there is something to run after all when others already know that this hart sleeps.
    fn idle(&self, scheduler: &dyn Scheduler, _until: u64) -> Next {
        let machine = self.machine();
        machine.set_idle(self);
        let next = scheduler.enter(self);
        let Next::Idle { until } = next else {
            if !machine.clear_idle(self) {
                // Someone woke this hart for something else, which another hart may have to do.
                machine.wake_one();
            }
            return next;
        };
        machine.home().park(self, until.min(self.earliest()));
        machine.clear_idle(self);
        self.raise(event::TICK);
        next
    }

    fn is_wanted(&self) -> bool {
        self.number() < self.machine().wanted()
    }

    /// The hart was taken away: sleeps until it is given back, or the machine stops, which is `None`.
    fn stay_away(&self) -> Option<()> {
        let machine = self.machine();
        self.set_tick(u64::MAX);
        let first = machine.hart(0);
        while let Some(sleeper) = self.pop_sleeper(u64::MAX) {
            let at = sleeper.key();
            first.sleep(at, sleeper);
        }
        first.post(event::TICK);
        // It may have been woken for something that it will not do.
        machine.wake_one();
        while !self.is_wanted() {
            machine.home().park(self, u64::MAX);
            if self.pending.swap(0, Ordering::SeqCst) & event::STOP != 0 {
                return None;
            }
        }
        Some(())
    }
}
