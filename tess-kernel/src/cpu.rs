//! A hardware thread's record: its own part, and the part that others read.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use kernel_core::frames::Cache;
use muxer::timebase::Timebase;

use crate::arch::apic::Apic;
use crate::arch::firmware::MAX_THREADS;
use crate::arch::frame::Frame;
use crate::arch::vector::VectorArea;
use crate::arch::{clock, trap};
use crate::muxing::Muxing;

/// Slices whose fingerprints are kept.
pub(crate) const AUDITS: usize = 4;

/// A hardware thread's own part. Only it touches this, and only one entry into the kernel at a time: the kernel is not preemptible.
///
/// The first three words are the entry code's: see `arch::trap`.
#[repr(C)]
pub(crate) struct Cpu {
    this: u64,
    stack_top: u64,
    scratch: u64,
    /// Its number.
    pub(crate) thread: usize,
    /// Its memory node.
    pub(crate) node: usize,
    pub(crate) apic: Apic,
    pub(crate) timebase: Timebase,
    /// Timer ticks per ns, times 2^32, where the timer does not take instants.
    timer_rate: u64,
    /// What the timer is armed for; 0 when it struck.
    armed: u64,
    pub(crate) frames: Cache,
    pub(crate) muxing: Muxing,
    /// Vector state of nobody, for rehearsing.
    pub(crate) scratch_area: Option<&'static mut VectorArea>,
    /// When the kernel was entered.
    pub(crate) entered: u64,
    /// The state that it sleeps in, if that is deeper than `hlt`.
    pub(crate) slept: Option<&'static kernel_core::sleep::State>,
}

impl Cpu {
    /// A record, which must not move once [`Cpu::install`] was called.
    pub(crate) fn new(
        thread: usize,
        node: usize,
        stack_top: u64,
        apic: Apic,
        timebase: Timebase,
        timer_hz: u64,
    ) -> Self {
        Self {
            this: 0,
            stack_top,
            scratch: 0,
            thread,
            node,
            apic,
            timebase,
            timer_rate: ((u128::from(timer_hz) << 32) / 1_000_000_000) as u64,
            armed: 0,
            frames: Cache::new(),
            muxing: Muxing::new(),
            scratch_area: None,
            entered: 0,
            slept: None,
        }
    }

    /// Makes this the record that entries into the kernel find.
    pub(crate) fn install(&'static mut self) -> &'static mut Self {
        self.this = &raw const *self as u64;
        crate::arch::registers::set_record(self.this);
        self
    }

    /// The timebase now, in ns.
    pub(crate) fn now(&self) -> u64 {
        self.timebase.nanos(clock::counter())
    }

    /// Arms the timer for an instant of the timebase; `u64::MAX` disarms it. The timer may strike a little early, never late by more than the
    /// hardware: whoever is woken looks at the time.
    pub(crate) fn arm(&mut self, at: u64) {
        if at == self.armed {
            return;
        }
        self.armed = at;
        if at == u64::MAX {
            self.apic.arm(0);
        } else if self.apic.deadline_mode() {
            self.apic.arm(self.timebase.counter(at).max(1));
        } else {
            let ahead = at.saturating_sub(self.now());
            let ticks = ((u128::from(ahead) * u128::from(self.timer_rate)) >> 32) as u64;
            self.apic.arm(ticks.clamp(1, u64::from(u32::MAX)));
        }
    }

    /// How much later than its timer was armed for it entered the kernel, in ns; 0 if it was not.
    pub(crate) fn late(&self) -> u64 {
        if matches!(self.armed, 0 | u64::MAX) { 0 } else { self.entered.saturating_sub(self.armed) }
    }

    /// The timer struck: it must be armed again even for the same instant, if it was early.
    pub(crate) fn timer_struck(&mut self) {
        self.armed = 0;
    }

    /// The registers of the idle loop on this hardware thread.
    pub(crate) fn idle_frame(&self) -> Frame {
        trap::idle_frame(self.stack_top)
    }

    /// Those of the loop that sleeps in the state with this hint.
    pub(crate) fn sleep_frame(&self, hint: u32) -> Frame {
        trap::sleep_frame(self.stack_top, hint)
    }

    /// The part that others read.
    pub(crate) fn shared(&self) -> &'static Shared {
        &SHARED[self.thread]
    }

    /// Tells others how many frames wait in this hardware thread's cache.
    pub(crate) fn publish_cached_frames(&self) {
        self.shared().cached.store(self.frames.len() as u32, Ordering::Relaxed);
    }

    /// Sends an interrupt to another hardware thread.
    pub(crate) fn interrupt(&mut self, thread: usize, vector: u64) {
        IPIS.fetch_add(1, Ordering::Relaxed);
        self.apic.send(vector, SHARED[thread].apic.load(Ordering::Relaxed));
    }
}

/// The part of a hardware thread's record that others read.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Shared {
    started: AtomicBool,
    apic: AtomicU32,
    node: AtomicU32,
    cached: AtomicU32,
    /// The number of the plan that it follows.
    pub(crate) plan: AtomicU64,
    /// When it came to follow that plan, in ns.
    pub(crate) followed_at: AtomicU64,
    /// Until when it does not look at plans and inputs by itself.
    pub(crate) sleeps_until: AtomicU64,
    /// Counts up when there is an input that concerns it.
    pub(crate) told: AtomicU64,
    /// Fingerprints of its decisions in the last slices; see `inputs`.
    pub(crate) audits: [AtomicU64; AUDITS],
    /// When its timer struck last, in ns.
    pub(crate) struck: AtomicU64,
    /// How often it has struck.
    pub(crate) strikes: AtomicU64,
}

static SHARED: [Shared; MAX_THREADS] = [const {
    Shared {
        started: AtomicBool::new(false),
        apic: AtomicU32::new(0),
        node: AtomicU32::new(0),
        cached: AtomicU32::new(0),
        plan: AtomicU64::new(0),
        followed_at: AtomicU64::new(0),
        sleeps_until: AtomicU64::new(0),
        told: AtomicU64::new(0),
        audits: [const { AtomicU64::new(0) }; AUDITS],
        struck: AtomicU64::new(0),
        strikes: AtomicU64::new(0),
    }
}; MAX_THREADS];

/// Interrupts sent between hardware threads after boot.
static IPIS: AtomicU64 = AtomicU64::new(0);

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Shared {
    /// Frames in its cache.
    pub(crate) fn cached_frames(&self) -> u64 {
        u64::from(self.cached.load(Ordering::Relaxed))
    }

    /// Says that the hardware thread runs.
    pub(crate) fn set_started(&self, apic: u32, node: usize) {
        self.node.store(node as u32, Ordering::Relaxed);
        self.apic.store(apic, Ordering::Relaxed);
        self.started.store(true, Ordering::Release);
    }

    /// Its memory node.
    pub(crate) fn node(&self) -> u32 {
        self.node.load(Ordering::Relaxed)
    }

    pub(crate) fn is_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }
}

/// Fixes how many hardware threads there are: those numbered below have started.
pub(crate) fn set_count(count: usize) {
    COUNT.store(count as u32, Ordering::Release);
}

/// Hardware threads.
pub(crate) fn count() -> usize {
    COUNT.load(Ordering::Acquire) as usize
}

/// The shared part of hardware thread `thread`.
pub(crate) fn shared(thread: usize) -> &'static Shared {
    &SHARED[thread]
}

/// All that have started.
pub(crate) fn each_shared() -> impl Iterator<Item = &'static Shared> {
    SHARED.iter().take(count())
}

/// Interrupts sent between hardware threads.
pub(crate) fn ipis() -> u64 {
    IPIS.load(Ordering::Relaxed)
}

/// Timer interrupts taken.
pub(crate) fn timers() -> u64 {
    each_shared().map(|shared| shared.strikes.load(Ordering::Relaxed)).sum()
}

/// Forgets interrupts that it took to start the machine.
pub(crate) fn forget_interrupts() {
    IPIS.store(0, Ordering::Relaxed);
    each_shared().for_each(|shared| shared.strikes.store(0, Ordering::Relaxed));
}
