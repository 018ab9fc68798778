//! Threads with ranks on several harts, the smallest rank first, with inheritance. [`crate::fixed_priority`] and [`crate::edf`] say what a rank is: a priority, or a deadline.
//!
//! **The rule.** At each moment the harts run the threads with the smallest ranks of all that can run. When a thread becomes ready and no hart is free, the hart with the
//! largest rank is interrupted, if that is larger.
//!
//! **Inheritance.** A thread that holds a lock has the smallest rank of those who wait for the lock, if that is smaller than its own: else a thread of middle rank could
//! keep the holder, and thereby the waiter, from running for as long as it likes. This goes on along the chain: if the holder waits for another lock itself, that one's holder
//! inherits too. A rank is computed anew from what it follows from, never adjusted, so that it is right after each change.
//!
//! **Pinned** threads run on one hart only, and the rule holds there for those of this hart and those of no hart. What is pinned to a hart that was taken away runs on hart 0 meanwhile.
//!
//! One lock guards all of it. That is simple, and right for tens of threads; who has thousands will want a queue for each hart.

use alloc::sync::Arc;
use alloc::vec::Vec;

use pulse::{Context, Hart, MAX_HARTS, Next, Ranked, Spin, interrupt, on_hart, suspend, wake_one, with_running};

use crate::sync::RawLock;

/// The word of a context that holds its thread's number in the table.
const NUMBER: usize = 0;

/// The first thread's rank, until it changes it: before all others, because it starts them.
pub const FIRST: u64 = 0;

/// The scheduler's core.
#[derive(Debug)]
pub struct Ranks {
    state: Spin<State>,
}

#[derive(Debug)]
struct State {
    /// What can run anywhere, and behind it what can run on each hart only.
    ready: Vec<Ranked>,
    /// Which thread each hart runs.
    running: [Option<usize>; MAX_HARTS],
    threads: Vec<Thread>,
    locks: Vec<LockState>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Thread {
    used: bool,
    /// Its own rank, and the one that counts.
    base: u64,
    rank: u64,
    waits_for: Option<usize>,
    /// Where it is when it is ready: which of the queues.
    queue: usize,
}

#[derive(Debug, Default)]
struct LockState {
    used: bool,
    holder: Option<usize>,
    waiting: Ranked,
}

/// A table is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// So many threads live already.
    Threads(usize),
    /// So many locks exist already.
    Locks(usize),
    /// Threads can be pinned to so many harts.
    Harts(usize),
    /// There is no memory for a stack.
    Stack(pulse::NoStack),
}

impl core::fmt::Display for Full {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Threads(most) => write!(f, "no more than {most} threads fit into this scheduler's table"),
            Self::Locks(most) => write!(f, "no more than {most} locks fit into this scheduler's table"),
            Self::Harts(most) => write!(f, "this scheduler can pin threads to its first {most} harts only"),
            Self::Stack(no_stack) => no_stack.fmt(f),
        }
    }
}

impl core::error::Error for Full {}

/// What is to be done after a change, once the lock was given back.
#[must_use]
struct Urge {
    /// One hart that sleeps is to be woken.
    sleeper: bool,
    /// A bit for each hart that is to look again.
    interrupted: u64,
}

impl Urge {
    fn carry_out(self) {
        if self.sleeper {
            wake_one();
        }
        let mut left = self.interrupted;
        while left != 0 {
            interrupt(left.trailing_zeros() as usize);
            left &= left - 1;
        }
    }
}

impl State {
    /// The rank that follows from a thread's own and the locks it holds.
    fn rank_of(&self, thread: usize) -> u64 {
        let held = self.locks.iter().filter(|lock| lock.holder == Some(thread));
        held.filter_map(|lock| lock.waiting.first_rank()).fold(self.threads[thread].base, u64::min)
    }

    /// Computes a thread's rank anew, and those of whom it waits for.
    fn inherit(&mut self, mut thread: usize) {
        loop {
            let rank = self.rank_of(thread);
            if core::mem::replace(&mut self.threads[thread].rank, rank) == rank {
                return;
            }
            let Self { ready, threads, locks, .. } = self;
            let rank_in_table = |context: &Context| threads[number(context)].rank;
            let Some(lock) = threads[thread].waits_for else {
                // It runs or is ready.
                return ready[threads[thread].queue].rank_again(rank_in_table);
            };
            locks[lock].waiting.rank_again(rank_in_table);
            let Some(holder) = locks[lock].holder else { return };
            thread = holder;
        }
    }

    fn push(&mut self, context: Context) {
        let thread = &self.threads[number(&context)];
        context.set_rank(thread.rank);
        self.ready[thread.queue].push(context);
    }

    /// The next thread for a hart, which runs none now.
    fn choose(&mut self, hart: &Hart) -> Option<Context> {
        let (own, harts) = (hart.number(), hart.harts());
        let queues = self.ready.iter_mut().enumerate();
        let served = queues.filter(|(queue, _)| serves(*queue, harts).is_none_or(|only| only == own));
        let ranked = served.filter_map(|(_, ready)| Some((ready.first_rank()?, ready)));
        let next = ranked.min_by_key(|(rank, _)| *rank).and_then(|(_, ready)| ready.pop());
        self.running[own] = next.as_ref().map(number);
        next
    }

    /// Who must be told of the threads that are ready.
    fn urge(&self, harts: usize) -> Urge {
        let mut urge = Urge { sleeper: false, interrupted: 0 };
        for (queue, ready) in self.ready.iter().enumerate() {
            let Some(first) = ready.first_rank() else { continue };
            if let Some(hart) = serves(queue, harts) {
                let earlier = self.running[hart].is_none_or(|thread| first < self.threads[thread].rank);
                urge.interrupted |= u64::from(earlier) << hart;
                continue;
            }
            let mut worst = (first, None);
            for (hart, running) in self.running[..harts].iter().enumerate() {
                let Some(thread) = *running else {
                    (urge.sleeper, worst.1) = (true, None);
                    break;
                };
                if self.threads[thread].rank > worst.0 {
                    worst = (self.threads[thread].rank, Some(hart));
                }
            }
            urge.interrupted |= worst.1.map_or(0, |hart: usize| 1 << hart);
        }
        urge
    }
}

/// The only hart that runs what is in a queue, if it is not any.
fn serves(queue: usize, harts: usize) -> Option<usize> {
    let pinned = queue.checked_sub(1)?;
    Some(if pinned < harts { pinned } else { 0 })
}

fn number(context: &Context) -> usize {
    context.word(NUMBER) as usize
}

fn own_number() -> usize {
    with_running(|control| control.word(NUMBER) as usize).expect("only a thread has a number")
}

impl Ranks {
    /// With room for so many threads, the first one included, and locks. The first thread has rank [`FIRST`].
    #[must_use]
    pub fn new(threads: usize, locks: usize) -> Arc<Self> {
        Self::partitioned(threads, locks, 0)
    }

    /// The same, and threads can be pinned to the first so many harts.
    #[must_use]
    pub fn partitioned(threads: usize, locks: usize, harts: usize) -> Arc<Self> {
        let mut table = alloc::vec![Thread::default(); threads.max(1)];
        table[0] = Thread { used: true, base: FIRST, rank: FIRST, ..Thread::default() };
        let locks = (0..locks).map(|_| LockState::default()).collect();
        let ready = (0..=harts.min(MAX_HARTS)).map(|_| Ranked::new()).collect();
        let state = State { ready, running: [None; MAX_HARTS], threads: table, locks };
        Arc::new(Self { state: Spin::new(state) })
    }

    /// Makes a new context a thread of this rank, ready to run.
    ///
    /// # Errors
    /// [`Full::Threads`]: the context is dropped, and its work with it.
    pub fn start(&self, rank: u64, context: Context) -> Result<(), Full> {
        self.start_on(None, rank, context)
    }

    /// As [`Ranks::start`], for one hart only if one is given.
    ///
    /// # Errors
    /// As [`Ranks::start`], or [`Full::Harts`].
    pub fn start_on(&self, hart: Option<usize>, rank: u64, context: Context) -> Result<(), Full> {
        let mut state = self.state.lock();
        let queue = hart.map_or(0, |hart| hart.saturating_add(1));
        if queue >= state.ready.len() {
            return Err(Full::Harts(state.ready.len() - 1));
        }
        let Some(free) = state.threads.iter().position(|thread| !thread.used) else {
            return Err(Full::Threads(state.threads.len()));
        };
        state.threads[free] = Thread { used: true, base: rank, rank, waits_for: None, queue };
        context.set_word(NUMBER, free as u64);
        drop(state);
        on_hart(|hart| self.ready(hart, context));
        Ok(())
    }

    /// Changes the calling thread's own rank.
    pub fn set_rank(&self, rank: u64) {
        let own = own_number();
        let mut state = self.state.lock();
        state.threads[own].base = rank;
        state.inherit(own);
        let urge = state.urge(on_hart(Hart::harts));
        drop(state);
        urge.carry_out();
    }

    /// The rank that counts for the calling thread now, with what it has inherited.
    #[must_use]
    pub fn rank(&self) -> u64 {
        let own = own_number();
        self.state.lock().threads[own].rank
    }

    /// Whether the first so many harts run the most urgent of the threads that can run, as the rule says: true whenever no hart has still to look at what it was told. For tests.
    #[must_use]
    pub fn is_settled(&self, harts: usize) -> bool {
        let state = self.state.lock();
        let rank = |hart: usize| state.running[hart].map(|thread| state.threads[thread].rank);
        state.ready.iter().enumerate().all(|(queue, ready)| {
            let mut may = (0..harts).filter(|hart| queue == 0 || queue == hart + 1);
            ready.first_rank().is_none_or(|first| may.all(|hart| rank(hart).is_some_and(|rank| rank <= first)))
        })
    }

    /// [`pulse::Scheduler::enter`].
    pub fn enter(&self, hart: &Hart) -> Next {
        Next::run_or_idle(self.state.lock().choose(hart))
    }

    /// [`pulse::Scheduler::ready`].
    pub fn ready(&self, hart: &Hart, context: Context) {
        let mut state = self.state.lock();
        state.push(context);
        let urge = state.urge(hart.harts());
        drop(state);
        urge.carry_out();
    }

    /// [`pulse::Scheduler::yielded`] and [`pulse::Scheduler::tick`]: goes on with the thread unless another one has a smaller rank, or the same and came earlier.
    pub fn again(&self, hart: &Hart, context: Context) -> Next {
        let mut state = self.state.lock();
        state.push(context);
        let next = state.choose(hart);
        // What this hart does not run any more may be more urgent than what another one runs.
        let urge = state.urge(hart.harts());
        drop(state);
        urge.carry_out();
        Next::run_or_idle(next)
    }

    /// [`pulse::Scheduler::done`].
    pub fn done(&self, hart: &Hart, context: Context) -> Next {
        self.state.lock().threads[number(&context)].used = false;
        drop(context);
        self.enter(hart)
    }

    /// [`pulse::Scheduler::resize`].
    pub fn resize(&self, hart: &Hart, context: Option<Context>) {
        let mut state = self.state.lock();
        state.running[hart.number()] = None;
        if let Some(context) = context {
            state.push(context);
        }
        let urge = state.urge(hart.harts());
        drop(state);
        urge.carry_out();
    }
}

/// A lock whose holder inherits the rank of those who wait. It is handed to the one with the smallest rank.
#[derive(Debug)]
pub struct Lock {
    ranks: Arc<Ranks>,
    index: usize,
}

impl Lock {
    /// A free lock.
    ///
    /// # Errors
    /// [`Full::Locks`].
    pub fn new(ranks: &Arc<Ranks>) -> Result<Self, Full> {
        let mut state = ranks.state.lock();
        let index = state.locks.iter().position(|lock| !lock.used).ok_or(Full::Locks(state.locks.len()))?;
        state.locks[index].used = true;
        Ok(Self { ranks: ranks.clone(), index })
    }

    /// Gives the lock to a context, which does not run, or lets it wait.
    fn hand(&self, state: &mut State, context: Context) {
        let thread = number(&context);
        let lock = &mut state.locks[self.index];
        if let Some(holder) = lock.holder {
            context.set_rank(state.threads[thread].rank);
            lock.waiting.push(context);
            state.threads[thread].waits_for = Some(self.index);
            state.inherit(holder);
        } else {
            lock.holder = Some(thread);
            state.push(context);
        }
    }
}

impl RawLock for Lock {
    fn acquire(&self) {
        let own = own_number();
        {
            let mut state = self.ranks.state.lock();
            let lock = &mut state.locks[self.index];
            if lock.holder.is_none() {
                lock.holder = Some(own);
                return;
            }
        }
        suspend(|context| {
            let mut state = self.ranks.state.lock();
            self.hand(&mut state, context);
            let urge = state.urge(on_hart(Hart::harts));
            drop(state);
            urge.carry_out();
        });
    }

    fn release(&self) {
        let mut state = self.ranks.state.lock();
        let holder = state.locks[self.index].holder.take();
        if let Some(next) = state.locks[self.index].waiting.pop() {
            let thread = number(&next);
            state.locks[self.index].holder = Some(thread);
            state.threads[thread].waits_for = None;
            state.inherit(thread);
            state.push(next);
        }
        if let Some(holder) = holder {
            // What it had inherited through this lock is gone.
            state.inherit(holder);
        }
        let urge = state.urge(on_hart(Hart::harts));
        drop(state);
        urge.carry_out();
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.ranks.state.lock().locks[self.index] = LockState::default();
    }
}
