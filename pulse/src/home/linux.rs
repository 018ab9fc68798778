//! A Linux process: harts are threads, ticks are timer signals, and the interrupted context is the signal's.
//!
//! A context moves between threads, which the C library does not expect of it. So a context is interrupted only in the program's own code, never in a shared
//! library or the system, where a lock or thread-local data might be in use; an event that comes there is tried again a little later. This needs a C library that is
//! shared, not linked into the program. What remains is yours: inside contexts, use [`crate::masked`] around what keeps thread-local data or a lock of the
//! standard library over more than one call (`println!`, `std::sync::Mutex`, `thread_local!`, the error number after a system call), and do not block the thread.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::boxed::Box;
use std::mem::MaybeUninit;
use std::sync::{Condvar, Mutex, Once};
use std::vec::Vec;

use crate::hart::{Hart, event};
use crate::home::Home;
use crate::machine::{Machine, Shape, Summary};
use crate::scheduler::{Fault, FaultKind, Scheduler};
use crate::switch::{self, Context, Stack};

/// Where a thread has the words that say what it is as a hart (see `switch`): they are its own.
#[cfg(not(feature = "cell"))]
macro_rules! local {
    ($offset:literal) => {
        concat!("fs:[pulse_local@tpoff + ", $offset, "]")
    };
}

#[cfg(not(feature = "cell"))]
core::arch::global_asm!(
    ".pushsection .tbss.pulse_local,\"awT\",@nobits",
    ".globl pulse_local",
    ".type pulse_local,@object",
    ".size pulse_local,16",
    ".p2align 4",
    "pulse_local:",
    ".zero 16",
    ".popsection",
);

/// Bytes below a stack that are never mapped.
const GUARD_BYTES: usize = 4096;

/// When an event came where it must not interrupt, it is tried again after so long.
const RETRY: Duration = Duration::from_micros(20);

/// Words of a hart that belong to this home.
const THREAD: usize = 0;
const PARKED: usize = 1;
const TIMER: usize = 2;

/// Runs a machine in this process until all its contexts have finished: the first of them does `main`, and others come from it. Panics with what any
/// of them panicked with.
pub fn run<S: Scheduler>(shape: Shape, scheduler: &S, main: impl FnOnce() + Send + 'static) -> Summary {
    run_within(shape, Duration::MAX, scheduler, main)
}

/// As [`run`], and panics when it takes longer than `limit`: for tests, in which a lost context would otherwise wait for ever.
pub fn run_within<S: Scheduler>(
    shape: Shape,
    limit: Duration,
    scheduler: &S,
    main: impl FnOnce() + Send + 'static,
) -> Summary {
    static HANDLERS: Once = Once::new();
    HANDLERS.call_once(install_handlers);
    let machine = SPARE.take(&LINUX, &shape);
    let mut main = Some(main);
    let left = (Mutex::new(machine.harts().len()), Condvar::new());
    std::thread::scope(|scope| {
        for hart in machine.harts() {
            let main = if hart.number() == 0 { main.take() } else { None };
            let left = &left;
            scope.spawn(move || {
                let result = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
                    let _thread = HartThread::new(hart, machine.harts().len());
                    if let Some(main) = main {
                        scheduler.ready(hart, Context::new(main).expect("the first context has a stack"));
                    }
                    hart.drive(scheduler);
                }));
                if let Err(failure) = result {
                    machine.fail(failure);
                }
                *left.0.lock().expect("nobody panics here") -= 1;
                left.1.notify_all();
            });
        }
        let guard = left.0.lock().expect("nobody panics here");
        let (guard, timeout) = left.1.wait_timeout_while(guard, limit, |left| *left > 0).expect("nobody panics here");
        drop(guard);
        if timeout.timed_out() {
            machine.fail(Box::new(std::format!("{} contexts had not finished after {limit:?}", machine.live())));
        }
    });
    let summary = machine.summary();
    if let Some(failure) = machine.take_failure() {
        // Contexts of this machine may still lie somewhere: it is not used again.
        std::panic::resume_unwind(failure);
    }
    if machine.live() == 0 && summary.lost == 0 {
        SPARE.put(machine);
    }
    summary
}

/// Tells the machine of a running [`run`] that something happened outside, which its scheduler sees as [`Scheduler::notify`]. For a context or callback.
pub fn notify() {
    crate::on_hart(|hart| hart.machine().harts()[0].post(event::NOTIFY));
}

/// What a panic leaves behind.
pub(crate) type Failure = Box<dyn core::any::Any + Send>;

/// What went wrong first in machines that have not ended yet, by where they lie.
static FAILURES: Mutex<Vec<(usize, Failure)>> = Mutex::new(Vec::new());

impl Machine {
    /// Keeps the first thing that went wrong, and stops.
    pub(crate) fn fail(&self, failure: Failure) {
        let place = core::ptr::from_ref(self).addr();
        crate::masked(|| {
            let mut failures = FAILURES.lock().expect("nobody panics here");
            if failures.iter().all(|(of, _)| *of != place) {
                failures.push((place, failure));
            }
        });
        self.post_all(event::STOP);
    }

    /// Contexts that have not finished.
    pub(crate) fn live(&self) -> u64 {
        self.live.load(Ordering::SeqCst)
    }

    /// Gives what was kept.
    pub(crate) fn take_failure(&self) -> Option<Failure> {
        let place = core::ptr::from_ref(self).addr();
        let mut failures = FAILURES.lock().expect("nobody panics here");
        let index = failures.iter().position(|(of, _)| *of == place)?;
        Some(failures.swap_remove(index).1)
    }
}

/// [`Home::shield`]: a panic stops the machine, and goes on in whoever started it.
pub(crate) fn shield(machine: &'static Machine, work: &mut dyn FnMut()) {
    if let Err(failure) = std::panic::catch_unwind(core::panic::AssertUnwindSafe(work)) {
        machine.fail(failure);
    }
}

/// Machines of one home that nobody uses: their memory is never given back, because what ran in them may hold references.
#[derive(Debug)]
pub(crate) struct Spare {
    machines: Mutex<Vec<&'static Machine>>,
    /// The home wants to be told of points.
    watched: bool,
}

impl Spare {
    pub(crate) const fn new(watched: bool) -> Self {
        Self { machines: Mutex::new(Vec::new()), watched }
    }

    /// One that is ready for a run, with stacks of the right size.
    pub(crate) fn take(&self, home: &'static dyn Home, shape: &Shape) -> &'static Machine {
        let mut machines = self.machines.lock().expect("nobody panics here");
        let fits = machines.iter().position(|machine| machine.stack_bytes == shape.stack_bytes);
        let spare = fits.map(|index| machines.swap_remove(index));
        let machine = spare.unwrap_or_else(|| Box::leak(Box::new(Machine::new(home, shape.stack_bytes, self.watched))));
        machine.reset(shape);
        machine
    }

    /// Keeps a machine in which nothing is left.
    pub(crate) fn put(&self, machine: &'static Machine) {
        self.machines.lock().expect("nobody panics here").push(machine);
    }
}

static SPARE: Spare = Spare::new(false);

/// The home.
#[derive(Debug)]
struct Linux;

static LINUX: Linux = Linux;

impl Home for Linux {
    fn now(&self) -> u64 {
        let mut time = MaybeUninit::<libc::timespec>::uninit();
        // SAFETY: the system fills it.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, time.as_mut_ptr()) };
        // SAFETY: it cannot fail with this clock.
        let time = unsafe { time.assume_init() };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }

    fn arm(&self, hart: &Hart, at: u64) {
        set_timer(hart, at.max(1));
    }

    fn park(&self, hart: &Hart, until: u64) {
        hart.home_words[PARKED].store(1, Ordering::SeqCst);
        let time = timespec(until);
        let timeout = if until == u64::MAX { core::ptr::null() } else { &raw const time };
        // SAFETY: the word and the time live long enough; the system only reads them.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                hart.pending.as_ptr(),
                libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
                0,
                timeout,
                core::ptr::null::<u32>(),
                u32::MAX,
            )
        };
        hart.home_words[PARKED].store(0, Ordering::SeqCst);
    }

    fn kick(&self, hart: &Hart) {
        let thread = hart.home_words[THREAD].load(Ordering::SeqCst);
        if thread == 0 || switch::current().is_some_and(|own| core::ptr::eq(own, hart)) {
            return;
        }
        if hart.home_words[PARKED].load(Ordering::SeqCst) != 0 {
            let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
            // SAFETY: the system only uses the word's address.
            unsafe { libc::syscall(libc::SYS_futex, hart.pending.as_ptr(), wake, 1) };
        } else {
            let process = std::process::id();
            // SAFETY: it only sends a signal, which is ignored by a thread that is no hart, and fails for one that has ended.
            unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal()) };
        }
    }

    fn relax(&self) {
        for _ in 0..32 {
            core::hint::spin_loop();
        }
        std::thread::yield_now();
    }

    fn stack(&self, bytes: usize) -> Option<Stack> {
        allocate_stack(bytes)
    }

    fn shield(&self, machine: &'static Machine, work: &mut dyn FnMut()) {
        shield(machine, work);
    }
}

/// Maps a stack with a guard below.
pub(crate) fn allocate_stack(bytes: usize) -> Option<Stack> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: new memory, wherever the system likes.
    let base = unsafe { libc::mmap(core::ptr::null_mut(), bytes + GUARD_BYTES, libc::PROT_NONE, flags, -1, 0) };
    if base == libc::MAP_FAILED {
        return None;
    }
    let base = NonNull::new(base.cast::<u8>().wrapping_add(GUARD_BYTES))?;
    // SAFETY: part of what was just mapped.
    if unsafe { libc::mprotect(base.as_ptr().cast(), bytes, libc::PROT_READ | libc::PROT_WRITE) } != 0 {
        return None;
    }
    // SAFETY: just mapped for this, whole pages, and never unmapped.
    Some(unsafe { NonNull::slice_from_raw_parts(base.cast(), bytes).as_mut() })
}

/// What a thread is while it is a hart.
struct HartThread(&'static Hart);

impl HartThread {
    fn new(hart: &'static Hart, harts: usize) -> Self {
        pin(hart.number(), harts);
        // SAFETY: it has no arguments.
        let thread = unsafe { libc::gettid() };
        // SAFETY: all zeroes is a valid value.
        let mut wish: libc::sigevent = unsafe { core::mem::zeroed() };
        wish.sigev_notify = libc::SIGEV_THREAD_ID;
        wish.sigev_signo = signal();
        wish.sigev_notify_thread_id = thread;
        let mut timer = core::ptr::null_mut();
        // SAFETY: the system fills `timer`.
        let result = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut wish, &raw mut timer) };
        assert!(result == 0, "no timer for hart {}: {}", hart.number(), std::io::Error::last_os_error());
        hart.home_words[TIMER].store(timer as u64, Ordering::Relaxed);
        switch::become_hart(Some(hart), 1);
        hart.home_words[THREAD].store(thread as u64, Ordering::SeqCst);
        Self(hart)
    }
}

impl Drop for HartThread {
    fn drop(&mut self) {
        self.0.home_words[THREAD].store(0, Ordering::SeqCst);
        // SAFETY: made in `new`, and deleted only here.
        unsafe { libc::timer_delete(self.0.home_words[TIMER].load(Ordering::Relaxed) as libc::timer_t) };
        switch::become_hart(None, 0);
    }
}

/// Keeps the thread on one processor, if there are enough for all harts of a machine.
fn pin(number: usize, harts: usize) {
    // SAFETY: all zeroes is the empty set.
    let mut all: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    // SAFETY: the system fills as many bytes as it is told.
    if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut all) } != 0 {
        return;
    }
    // SAFETY: below the set's size.
    let has = |processor: &usize| unsafe { libc::CPU_ISSET(*processor, &all) };
    let mut processors = (0..libc::CPU_SETSIZE as usize).filter(has);
    if harts == 1 || processors.clone().count() < harts {
        return;
    }
    let Some(own) = processors.nth(number) else { return };
    // SAFETY: as above.
    let mut one: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    // SAFETY: below the set's size.
    unsafe { libc::CPU_SET(own, &mut one) };
    // SAFETY: the system only reads it. Where it refuses, the thread runs anywhere.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const one) };
}

fn signal() -> libc::c_int {
    libc::SIGRTMIN() + 3
}

fn timespec(at: u64) -> libc::timespec {
    libc::timespec { tv_sec: (at / 1_000_000_000) as libc::time_t, tv_nsec: (at % 1_000_000_000) as libc::c_long }
}

/// Arms the hart's timer for an instant.
fn set_timer(hart: &Hart, at: u64) {
    let setting = libc::itimerspec { it_interval: timespec(0), it_value: timespec(at) };
    let timer = hart.home_words[TIMER].load(Ordering::Relaxed) as libc::timer_t;
    // SAFETY: the hart's own timer, which lives as long as its thread is a hart; the system only reads the setting.
    unsafe { libc::timer_settime(timer, libc::TIMER_ABSTIME, &raw const setting, core::ptr::null_mut()) };
}

/// Signals that are faults, and what handled them before.
const FAULTS: [libc::c_int; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];
static EARLIER: [AtomicU64; FAULTS.len()] = [const { AtomicU64::new(0) }; FAULTS.len()];

fn install_handlers() {
    let install = |number, handler: usize| {
        // SAFETY: all zeroes is a valid value.
        let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
        action.sa_sigaction = handler;
        // On the thread's own signal stack, which the standard library gave it: a context's may be too small.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        // Not while a fault is handled: events are not masked there, and it would take the signal stack for the context's.
        // SAFETY: a set of signals, and one that exists.
        unsafe { libc::sigaddset(&raw mut action.sa_mask, signal()) };
        // SAFETY: as above.
        let mut earlier: libc::sigaction = unsafe { core::mem::zeroed() };
        // SAFETY: the handlers do only what a signal handler may.
        let result = unsafe { libc::sigaction(number, &raw const action, &raw mut earlier) };
        assert!(result == 0, "no handler for signal {number}: {}", std::io::Error::last_os_error());
        earlier
    };
    install(signal(), on_event as *const () as usize);
    for (number, slot) in FAULTS.into_iter().zip(&EARLIER) {
        let earlier = install(number, on_fault as *const () as usize);
        slot.store(earlier.sa_sigaction as u64, Ordering::SeqCst);
    }
}

/// The signal of timers and of other harts.
unsafe extern "C" fn on_event(_: libc::c_int, info: *mut libc::siginfo_t, ucontext: *mut libc::c_void) {
    let Some(hart) = switch::current() else { return };
    // SAFETY: the system passes it.
    if unsafe { (*info).si_code } == libc::SI_TIMER {
        hart.raise(event::TICK);
    }
    if switch::masked() > 0 || !hart.has_events() {
        return;
    }
    // SAFETY: the system passes what it interrupted, which this handler may change.
    let registers = unsafe { &mut (*ucontext.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let [mut rip, mut rsp] = [libc::REG_RIP, libc::REG_RSP].map(|register| registers[register as usize] as u64);
    let flags = registers[libc::REG_EFL as usize] as u64;
    // SAFETY: events are not masked, so a context runs, and these are its registers.
    if own_code(rip) && unsafe { switch::preempt(hart, &mut rip, &mut rsp, flags) } {
        registers[libc::REG_RIP as usize] = rip as i64;
        registers[libc::REG_RSP as usize] = rsp as i64;
    } else {
        // SAFETY: where this thread's error number lies.
        let error_number = unsafe { libc::__errno_location() };
        // SAFETY: as above.
        let kept = unsafe { *error_number };
        let at = hart.now() + RETRY.as_nanos() as u64;
        hart.armed_at.store(at, Ordering::Relaxed);
        set_timer(hart, at);
        // SAFETY: as above.
        unsafe { *error_number = kept };
    }
}

/// Whether an instruction is one of the program's own.
fn own_code(rip: u64) -> bool {
    unsafe extern "C" {
        static __executable_start: u8;
        static etext: u8;
    }
    ((&raw const __executable_start) as u64..(&raw const etext) as u64).contains(&rip)
}

/// A fault: the running context's, or nobody's whom we know. A context that masks events may hold a lock, and others would wait for it for ever if only the context ended:
/// so then the process does, and says why.
unsafe extern "C" fn on_fault(number: libc::c_int, info: *mut libc::siginfo_t, ucontext: *mut libc::c_void) {
    // SAFETY: the system passes it.
    let told = unsafe { &*info };
    // SAFETY: for these signals it has an address.
    let address = unsafe { told.si_addr() } as u64;
    let hart = switch::current();
    let near = hart.is_some_and(|hart| switch::is_on_running_stack(hart, address, -(GUARD_BYTES as i64)));
    let masked = switch::masked() > 0;
    if let Some(hart) = hart.filter(|_| !masked) {
        let kind = match number {
            _ if near => FaultKind::StackOverflow,
            libc::SIGSEGV | libc::SIGBUS => FaultKind::Memory,
            _ => FaultKind::Instruction,
        };
        // SAFETY: the system passes what it interrupted, which this handler may change.
        let registers = unsafe { &mut (*ucontext.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
        let flags = registers[libc::REG_EFL as usize] as u64;
        // SAFETY: a context runs, and it never goes on.
        let next = unsafe { switch::abandon(hart, Fault { address, kind }, flags) };
        for (register, value) in [libc::REG_RIP, libc::REG_RSP, libc::REG_EFL].into_iter().zip(next) {
            registers[register as usize] = value as i64;
        }
        return;
    }
    if near {
        let told =
            "pulse: a context left its stack while it masked events or held a lock, so that it cannot end alone\n";
        // SAFETY: the text is there, and a signal handler may write.
        unsafe { libc::write(libc::STDERR_FILENO, told.as_ptr().cast(), told.len()) };
    }
    let earlier = FAULTS.iter().position(|fault| *fault == number).map(|index| EARLIER[index].load(Ordering::SeqCst));
    match earlier.map(|earlier| earlier as usize) {
        Some(handler) if handler != libc::SIG_DFL && handler != libc::SIG_IGN => {
            type Handler = unsafe extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
            // SAFETY: the standard library's handler takes these arguments.
            let handler = unsafe { core::mem::transmute::<usize, Handler>(handler) };
            // SAFETY: as the system would have called it.
            unsafe { handler(number, info, ucontext) };
        }
        _ => {
            // SAFETY: the fault happens again and ends the process, as it should.
            unsafe { libc::signal(number, libc::SIG_DFL) };
        }
    }
}
