//! A hart: the loop that calls the scheduler and runs what it chooses, timers, sleeping.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::machine::Machine;
use crate::switch::{self, Status};
use crate::{Context, Control, MAX_HARTS, Next, Ranked, Scheduler, Spin};

/// What is to be looked at on a hart, as bits.
pub(crate) mod event {
    /// An instant has come, or how many harts there are to be has changed.
    pub(crate) const TICK: u32 = 1;
    /// Someone asks the hart to look around.
    pub(crate) const KICK: u32 = 1 << 1;
    /// The process or cell was notified from outside.
    pub(crate) const NOTIFY: u32 = 1 << 2;
    /// All contexts have finished, or something failed.
    pub(crate) const STOP: u32 = 1 << 3;
}

/// One hart of a machine. What only the hart itself reads and writes is atomic too, so that the rest can be shared; such accesses are relaxed, which costs nothing.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Hart {
    number: usize,
    /// The home wants to be told of points.
    pub(crate) watched: bool,
    pub(crate) running: AtomicPtr<Control>,
    /// Where the hart's own stack goes on, while a context runs.
    pub(crate) stack_pointer: AtomicPtr<u8>,
    machine: spin::Once<&'static Machine>,
    /// Bits of [`event`].
    pub(crate) pending: AtomicU32,
    /// The scheduler's tick.
    tick_at: AtomicU64,
    /// What the hardware timer is armed for. A home that arms it for something else says so here.
    pub(crate) armed_at: AtomicU64,
    /// The earliest of `sleepers`.
    wake_at: AtomicU64,
    sleepers: Spin<Ranked>,
    /// Words for the home.
    #[cfg(feature = "std")]
    pub(crate) home_words: [AtomicU64; 3],
}

impl Hart {
    pub(crate) fn new(number: usize, watched: bool) -> Self {
        Self { number, watched, ..Self::default() }
    }

    /// Puts the hart into its first state.
    pub(crate) fn reset(&self, machine: &'static Machine) {
        self.machine.call_once(|| machine);
        self.pending.store(event::TICK, Ordering::Relaxed);
        for instant in [&self.tick_at, &self.armed_at, &self.wake_at] {
            instant.store(u64::MAX, Ordering::Relaxed);
        }
    }

    /// This hart's number, from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// How many harts the scheduler has at the moment; those with smaller numbers are in use.
    pub fn harts(&self) -> usize {
        self.machine().wanted.load(Ordering::SeqCst)
    }

    /// The time, in ns; see [`crate::now`].
    pub fn now(&self) -> u64 {
        self.machine().home.now()
    }

    /// Asks for [`Scheduler::tick`] at an instant in ns, or as soon as possible after it; `u64::MAX` for never. Replaces the one before. Costs no call unless it is
    /// earlier than all that this hart waits for.
    pub fn set_tick(&self, at: u64) {
        self.tick_at.store(at, Ordering::Relaxed);
    }

    /// The instant of [`Hart::set_tick`]; `u64::MAX` if none is armed.
    pub fn tick_at(&self) -> u64 {
        self.tick_at.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn machine(&self) -> &'static Machine {
        self.machine.get().expect("a machine's harts know it before they start")
    }

    #[inline]
    pub(crate) fn has_events(&self) -> bool {
        self.pending.load(Ordering::Relaxed) != 0
    }

    /// Adds to the events; says whether it is news.
    pub(crate) fn raise(&self, events: u32) -> bool {
        self.pending.fetch_or(events, Ordering::SeqCst) & events != events
    }

    /// Adds to the events and makes the hart look, wherever it is.
    pub(crate) fn post(&self, events: u32) {
        if self.raise(events) {
            self.machine().home.kick(self);
        }
    }

    /// Makes a context ready at an instant.
    pub(crate) fn sleep(&self, at: u64, context: Context) {
        let mut sleepers = self.sleepers.lock();
        sleepers.push_at(context, at);
        self.wake_at.fetch_min(at, Ordering::Relaxed);
    }

    /// The first sleeper, and when it is to wake.
    fn pop_sleeper(&self) -> Option<(u64, Context)> {
        let mut sleepers = self.sleepers.lock();
        let first = sleepers.pop_at();
        self.wake_at.store(sleepers.first_rank().unwrap_or(u64::MAX), Ordering::Relaxed);
        first
    }

    /// The first instant at which this hart has something to do.
    pub(crate) fn earliest(&self) -> u64 {
        self.tick_at().min(self.wake_at.load(Ordering::Relaxed))
    }

    /// Calls back. Debug builds check what the contract of callbacks says, and measure how long it takes; not where time is simulated.
    pub(crate) fn call<R>(&self, name: &'static str, callback: impl FnOnce(&Self) -> R) -> R {
        if !cfg!(debug_assertions) {
            return callback(self);
        }
        assert!(switch::running(self).is_none(), "a callback must run on the hart's own stack, but `{name}` does not");
        let begun = self.now();
        let result = callback(self);
        assert_eq!(switch::masked(), 1, "a callback must give up every lock that it takes, but `{name}` did not");
        if !self.watched {
            self.machine().summary.lock().callbacks.count(name, self.now() - begun);
        }
        result
    }

    /// The hart's life, on its own stack with events masked once: until the machine stops.
    pub(crate) fn drive(&self, scheduler: &dyn Scheduler) {
        let mut next = Next::Idle { until: 0 };
        loop {
            next = if self.has_events() {
                let events = self.pending.swap(0, Ordering::SeqCst);
                if events & event::STOP != 0 {
                    return drop(next);
                }
                self.handle(scheduler, events, next)
            } else if let Next::Run(context) = next {
                self.run(scheduler, context)
            } else {
                self.idle(scheduler)
            };
            if let Next::Run(context) = &next {
                debug_assert!(!context.is_finished(), "context {} has finished and cannot run", context.id());
            }
        }
    }

    /// Runs a context until it leaves. The hardware timer is armed if something is due before it would fire; one that fires too early is armed anew then, which is cheaper
    /// than to move it.
    fn run(&self, scheduler: &dyn Scheduler, context: Context) -> Next {
        let at = self.earliest();
        if at < self.armed_at.load(Ordering::Relaxed) {
            self.armed_at.store(at, Ordering::Relaxed);
            self.machine().home.arm(self, at);
        }
        let Some(context) = switch::run(self, context) else { return self.call("enter", |hart| scheduler.enter(hart)) };
        match context.status.get() {
            Status::Yielded => self.call("yielded", |hart| scheduler.yielded(hart, context)),
            Status::Finished => {
                let next = self.call("done", |hart| scheduler.done(hart, context));
                self.machine().forget_one();
                next
            }
            Status::Faulted(fault) => self.call("fault", |hart| scheduler.fault(hart, context, fault)),
            // The events that interrupted it are pending, and the loop looks at them before it runs anything.
            _ => Next::Run(context),
        }
    }

    /// Does what events ask for.
    #[cold]
    fn handle(&self, scheduler: &dyn Scheduler, events: u32, next: Next) -> Next {
        if events & event::NOTIFY != 0 {
            self.call("notify", |hart| scheduler.notify(hart));
        }
        if self.number >= self.harts() {
            let context = if let Next::Run(context) = next { Some(context) } else { None };
            self.call("resize", |hart| scheduler.resize(hart, context));
            self.stay_away();
            return Next::Idle { until: 0 };
        }
        let now = self.now();
        if self.armed_at.load(Ordering::Relaxed) <= now {
            self.armed_at.store(u64::MAX, Ordering::Relaxed);
        }
        while self.wake_at.load(Ordering::Relaxed) <= now
            && let Some((_, sleeper)) = self.pop_sleeper()
        {
            self.call("ready", |hart| scheduler.ready(hart, sleeper));
        }
        let due = self.tick_at() <= now;
        if due {
            self.set_tick(u64::MAX);
        }
        let interrupts = due || events & event::KICK != 0;
        match next {
            Next::Run(context) if interrupts => self.call("tick", |hart| scheduler.tick(hart, context)),
            Next::Run(context) => Next::Run(context),
            Next::Idle { .. } => self.call("enter", |hart| scheduler.enter(hart)),
        }
    }

    /// Sleeps, unless there is something to run after all when others already know that this hart sleeps.
    fn idle(&self, scheduler: &dyn Scheduler) -> Next {
        let machine = self.machine();
        machine.idle.fetch_or(1 << self.number, Ordering::SeqCst);
        let next = self.call("enter", |hart| scheduler.enter(hart));
        if let Next::Idle { until } = next {
            machine.home.park(self, until.min(self.earliest()));
            machine.clear_idle(self);
            self.raise(event::TICK);
        } else if !machine.clear_idle(self) {
            // Someone woke this hart for something else, which another hart may have to do.
            crate::wake_one();
        }
        next
    }

    /// The hart was taken away: sleeps until it is given back, or the machine stops.
    fn stay_away(&self) {
        let machine = self.machine();
        self.set_tick(u64::MAX);
        while let Some((at, sleeper)) = self.pop_sleeper() {
            machine.harts()[0].sleep(at, sleeper);
        }
        machine.harts()[0].post(event::TICK);
        // It may have been woken for something that it will not do.
        crate::wake_one();
        while self.pending.fetch_and(event::STOP, Ordering::SeqCst) & event::STOP == 0 && self.number >= self.harts() {
            machine.home.park(self, u64::MAX);
        }
        self.raise(event::TICK);
    }
}

/// The time in ns, from some beginning; the timebase in a cell. 0 outside of a machine.
pub fn now() -> u64 {
    switch::current().map_or(0, Hart::now)
}

/// Stops the present context until an instant of [`now`]; then it is [`Scheduler::ready`] on the hart where it was.
pub fn sleep_until(at: u64) {
    crate::suspend(|context| crate::on_hart(|hart| hart.sleep(at, context)));
}

/// A place at which the deterministic home may switch to another hart or deliver an event. Nothing elsewhere.
#[inline]
pub fn point(place: &'static str) {
    if let Some(hart) = switch::current().filter(|hart| hart.watched) {
        hart.machine().home.point(place);
    }
}

/// A value for each hart, each on cache lines of its own.
#[derive(Debug)]
pub struct PerHart<T>([Line<T>; MAX_HARTS]);

#[derive(Debug)]
#[repr(align(128))]
struct Line<T>(T);

impl<T> PerHart<T> {
    /// One for each hart, made by its number.
    pub fn new(mut make: impl FnMut(usize) -> T) -> Self {
        Self(core::array::from_fn(|hart| Line(make(hart))))
    }

    /// This hart's.
    pub fn of(&self, hart: &Hart) -> &T {
        self.at(hart.number())
    }

    /// Another hart's; `number` below [`MAX_HARTS`].
    pub fn at(&self, number: usize) -> &T {
        &self.0[number].0
    }
}
