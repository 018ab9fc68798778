//! Carries out the muxer's decisions: timers, the switch between cells, and the hold until the instant of an activation.
//!
//! A hardware thread arms its timer a lead before the next change, switches, and holds until the instant has come: so all harts of a gang start together
//! although their interrupts came at different times. No hardware thread tells another anything, except when a new plan, or an input of a cell, takes effect before some
//! hardware thread would look again.

use core::sync::atomic::Ordering;

use abi::account::Activation;
use muxer::{CellId, Decision, Instant, Plan, Policy, Replica, Run, ThreadSet, Trouble};

use crate::arch::frame::Frame;
use crate::arch::registers;
use crate::arch::trap::VECTOR_ACTIVATE;
use crate::cells::{self, Cell, Hart};
use crate::cpu::{self, Cpu};
use crate::events;
use crate::handover;
use crate::inputs::{self, DIVERGENCES, Logs};
use crate::plans;
use crate::resize;
use crate::root;
use crate::sleep;
use crate::start;

/// With activation by interrupt a clock may be this much behind the sender's, in ns.
const IPI_SLACK: u64 = 2_000;

/// With activation by interrupt a hardware thread that was forgotten helps itself after this, in ns.
const IPI_PATIENCE: u64 = 3_000_000;

/// How many boundaries ahead a hardware thread looks that goes on with what it does, at an instant at which others may change.
const LOOKS: usize = 2;

/// The same where it has nothing to do.
const PATIENT_LOOKS: usize = 6;

/// How long a hardware thread waits for another one to give up a hart, in ns beyond the activation's instant.
const HAND_OVER_PATIENCE: u64 = 100_000;

/// The hart that is loaded.
#[derive(Clone, Copy)]
pub(crate) struct Current {
    pub(crate) cell: &'static Cell,
    pub(crate) hart: &'static Hart,
    run: Run,
    /// When it started, in ns.
    started: u64,
    /// The hart whose activation this is, if it is not this one's: it has handed something over. It stays claimed.
    lender: Option<(&'static Cell, &'static Hart)>,
}

/// A hardware thread's muxer.
pub(crate) struct Muxing {
    followed: Option<plans::Followed>,
    replica: Option<Replica>,
    decision: Decision,
    pub(crate) current: Option<Current>,
    /// The run that the decision asks for but whose cell has ended.
    vacant: Option<Run>,
    /// The latest instant that the replica was asked about.
    asked: u64,
    /// The count of inputs that it was told of when it decided last.
    told: u64,
    /// The last fingerprint of its decisions that it published.
    fingerprint: u64,
    trouble: Option<Trouble>,
    /// When to look whether the current cell is still idle; 0: never.
    look_again: u64,
    /// When to try again to get the hart of a vacant run, which another hardware thread had not given up; 0: never.
    try_again: u64,
}

impl Muxing {
    pub(crate) fn new() -> Self {
        Self {
            followed: None,
            replica: None,
            decision: Decision { run: None, until: None, boundary: None, trouble: None },
            current: None,
            vacant: None,
            asked: 0,
            told: 0,
            fingerprint: 0,
            trouble: None,
            look_again: 0,
            try_again: 0,
        }
    }

    fn followed(&self) -> Option<&plans::Published> {
        self.followed.as_deref()?.as_ref()
    }

    /// The plan that it follows.
    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.followed().map(|followed| &followed.plan)
    }

    /// Its view of that plan.
    pub(crate) fn replica(&self) -> Option<(&Replica, &Plan)> {
        Some((self.replica.as_ref()?, self.plan()?))
    }

    pub(crate) fn number(&self) -> u64 {
        self.plan().map_or(0, Plan::number)
    }

    fn by_interrupt(&self) -> bool {
        self.followed().is_some_and(|followed| followed.by_interrupt)
    }

    fn lead(&self) -> u64 {
        if self.by_interrupt() { 0 } else { self.plan().map_or(0, |plan| plan.lead().as_nanos()) }
    }

    fn tolerance(&self) -> u64 {
        self.followed().map_or(0, |followed| followed.tolerance)
    }

    fn until(&self) -> u64 {
        self.decision.until.map_or(u64::MAX, Instant::as_nanos)
    }

    fn running(&self) -> Option<Run> {
        self.current.map(|current| current.run).or(self.vacant)
    }
}

/// Looks at the time and the plan and sees to it that what should run here runs; delivers events; arms the timer. The end of every entry
/// into the kernel.
pub(crate) fn reschedule(cpu: &mut Cpu, frame: &mut Frame) {
    loop {
        while step(cpu, frame) {}
        settle(cpu, frame);
        if bring_root_back(cpu, frame) {
            continue;
        }
        if !frame.is_user() {
            look_further(cpu, PATIENT_LOOKS);
        }
        if arm(cpu, frame) {
            return;
        }
    }
}

/// What a few steps of bringing the root cell back may cost at most, in ns: they are not begun if something is due before.
const REVIVAL_COST: u64 = 20_000;

/// Whether this is a window of the root cell while that is dead, with time left to bring it back.
fn revives_root(cpu: &Cpu) -> bool {
    let is_roots = cpu.muxing.vacant.is_some_and(|run| run.cell == CellId(start::ROOT));
    is_roots && root::is_dead() && time_left(cpu) > REVIVAL_COST + cpu.muxing.lead()
}

/// Spends a little of a dead root cell's window on its next life. True when that has begun, here and now.
fn bring_root_back(cpu: &mut Cpu, frame: &mut Frame) -> bool {
    if !revives_root(cpu) || !root::revive(cpu) {
        return false;
    }
    if let Some(run) = cpu.muxing.vacant.take() {
        activate(cpu, frame, run);
    }
    true
}

/// Goes on to the next change if it is due; false when none is.
fn step(cpu: &mut Cpu, frame: &mut Frame) -> bool {
    let now = cpu.now();
    let pending = plans::after(cpu.muxing.number());
    let change = cpu.muxing.until().min(pending.unwrap_or(u64::MAX));
    let by_interrupt = cpu.muxing.by_interrupt();
    if by_interrupt && cpu.thread == 0 {
        broadcast(cpu, now);
    }
    let early = if by_interrupt { IPI_SLACK } else { cpu.muxing.lead() };
    let is_due = now.saturating_add(early) >= change;
    let told = cpu.shared().told.load(Ordering::SeqCst);
    if !is_due && told == cpu.muxing.told {
        if pending.is_some() && change - now > early + early / 2 {
            prepare(cpu);
        }
        if cpu.muxing.trouble.is_some() {
            mend(cpu);
        }
        return false;
    }
    cpu.muxing.told = told;
    let instant = if is_due { now.max(change) } else { now };
    if is_due && pending.is_some_and(|effective| effective <= instant) {
        adopt(cpu);
    }
    decide(cpu, instant);
    let wanted = cpu.muxing.decision.run;
    if cpu.muxing.running() == wanted {
        look_further(cpu, LOOKS);
    } else {
        suspend(cpu, frame);
        *frame = cpu.idle_frame();
        if let Some(run) = wanted {
            activate(cpu, frame, run);
        }
    }
    true
}

/// Does what can be done of going over to the plan that was published last, while there is time.
fn prepare(cpu: &mut Cpu) {
    let latest = plans::latest();
    let Muxing { followed: Some(followed), replica: Some(replica), .. } = &mut cpu.muxing else { return };
    if let (Some(old), Some(new)) = (followed.as_ref(), latest.as_ref())
        && old.plan.number() != new.plan.number()
        && !replica.is_prepared(new.plan.number())
    {
        replica.prepare(&old.plan, &new.plan, new.repair.as_ref(), &Logs);
    }
}

/// Starts to follow the plan that was published last.
fn adopt(cpu: &mut Cpu) {
    let (thread, muxing) = (cpu.thread, &mut cpu.muxing);
    let running = muxing.running();
    let followed = plans::latest();
    let Some(new) = followed.as_ref() else { return };
    match (muxing.followed.as_deref(), &mut muxing.replica) {
        (Some(Some(old)), Some(replica)) => replica.adopt(&old.plan, &new.plan, new.repair.as_ref(), &Logs),
        (_, replica) => *replica = Some(Replica::new(thread, &new.plan, running, &Logs)),
    }
    let number = new.plan.number();
    muxing.followed = Some(followed);
    cpu.shared().followed_at.store(cpu.now(), Ordering::Relaxed);
    cpu.shared().plan.store(number, Ordering::SeqCst);
}

/// Asks the replica, and publishes a repair if it is in trouble.
fn decide(cpu: &mut Cpu, instant: u64) {
    let Muxing { followed: Some(followed), replica: Some(replica), decision, asked, fingerprint, trouble, .. } =
        &mut cpu.muxing
    else {
        return;
    };
    let Some(followed) = followed.as_ref() else { return };
    *asked = instant.max(*asked);
    *decision = replica.decide_within(&followed.plan, Instant::from_nanos(*asked), 1, &Logs);
    let differs = inputs::audit(cpu.thread, replica, &followed.plan, fingerprint);
    let before = core::mem::replace(trouble, decision.trouble);
    if differs || decision.trouble.is_some() && before.is_none() {
        DIVERGENCES.fetch_add(1, Ordering::Relaxed);
    }
    if differs || decision.trouble.is_some() {
        mend(cpu);
    }
}

/// Publishes a repair of this hardware thread's component.
fn mend(cpu: &mut Cpu) {
    if let Some((replica, plan)) = cpu.muxing.replica() {
        let repair = replica.repair(plan);
        plans::repair(cpu, repair);
    }
}

/// Activation by interrupt, for comparison: at each boundary the first hardware thread tells all others.
fn broadcast(cpu: &mut Cpu, now: u64) {
    let Some(boundary) = cpu.muxing.decision.boundary else { return };
    if now < boundary.as_nanos() {
        return;
    }
    for thread in 1..cpu::count() {
        cpu.interrupt(thread, VECTOR_ACTIVATE);
    }
    if now < cpu.muxing.until() {
        decide(cpu, now);
    }
}

/// Takes the current hart off this hardware thread, its registers stored; and with it the one whose activation it is.
fn suspend(cpu: &mut Cpu, frame: &Frame) {
    (cpu.muxing.vacant, cpu.muxing.try_again) = (None, 0);
    let Some(current) = cpu.muxing.current.take() else { return };
    store(cpu, frame, &current);
    // The old cell's tables may be given back once nobody has the hart.
    registers::use_kernel_tables();
    current.hart.release();
    if let Some((_, lender)) = current.lender {
        lender.release();
        handover::stopped(cpu, current.cell);
    }
}

/// Stores the state of the current hart, and accounts for its time.
fn store(cpu: &Cpu, frame: &Frame, current: &Current) {
    let hart = current.hart;
    if frame.is_user() {
        hart.store_context(&frame.context());
    }
    hart.store_bases();
    hart.vector.lock().area().save();
    let time = cpu.entered.saturating_sub(current.started);
    hart.time.fetch_add(time, Ordering::Relaxed);
    if let Some((lender, _)) = current.lender.filter(|(lender, _)| !core::ptr::eq(*lender, current.cell)) {
        lender.lent.fetch_add(time, Ordering::Relaxed);
        current.cell.borrowed.fetch_add(time, Ordering::Relaxed);
    }
}

/// Loads the state of a hart that this hardware thread has claimed. Its registers come into the frame unless it is parked.
fn load(cpu: &Cpu, frame: &mut Frame, cell: &Cell, hart: &Hart) {
    hart.flushed.store(cell.flush_wanted.load(Ordering::SeqCst), Ordering::SeqCst);
    registers::use_tables(cell.space());
    hart.vector.lock().area().load();
    let (context, bases) = hart.load();
    bases.load();
    let timebase = cpu.timebase;
    hart.dispatch.place(
        cpu.thread as u32,
        abi::Timebase { offset: timebase.offset(), multiplier: timebase.multiplier(), error_ns: plans::clock_error() },
    );
    if hart.parked_until.load(Ordering::Relaxed) == 0 {
        frame.load_user(&context);
    }
}

/// Goes over from the current hart to another one, which is claimed, within the activation.
pub(crate) fn hand_over(cpu: &mut Cpu, frame: &mut Frame, cell: &'static Cell, hart: &'static Hart) {
    let Some(current) = cpu.muxing.current.take() else { return };
    store(cpu, frame, &current);
    let lender = match current.lender {
        None => Some((current.cell, current.hart)),
        lender => {
            registers::use_kernel_tables();
            current.hart.release();
            handover::stopped(cpu, current.cell);
            // Back to whose activation it is: nobody lends any more.
            lender.filter(|(_, lender)| !core::ptr::eq(*lender, hart))
        }
    };
    *frame = cpu.idle_frame();
    load(cpu, frame, cell, hart);
    cpu.muxing.current = Some(Current { cell, hart, run: current.run, started: cpu.entered, lender });
}

/// Whether this is the hart in whose activation the current one runs.
pub(crate) fn is_lender(cpu: &Cpu, hart: &Hart) -> bool {
    let lender = cpu.muxing.current.and_then(|current| current.lender);
    lender.is_some_and(|(_, lender)| core::ptr::eq(lender, hart))
}

/// Whether this is not the current hart's own activation.
pub(crate) fn is_lent(cpu: &Cpu) -> bool {
    cpu.muxing.current.is_some_and(|current| current.lender.is_some())
}

/// Whether the plan has a cell of one hart on this hardware thread.
pub(crate) fn is_at_home(cpu: &Cpu, cell: &Cell) -> bool {
    let entry = cpu.muxing.plan().and_then(|plan| plan.entry(id_of(cell)));
    entry.is_some_and(|entry| entry.threads == ThreadSet::range(cpu.thread, 1))
}

/// The hart that lends its time wants it back: it has an event, its tick is due, or the one that runs has nothing to do any more.
#[cold]
fn take_back(cpu: &mut Cpu, frame: &mut Frame) {
    let Some(current) = cpu.muxing.current else { return };
    let Some((cell, hart)) = current.lender else { return };
    // Its translations are not in the processor while another cell's are.
    hart.flushed.store(cell.flush_wanted.load(Ordering::SeqCst), Ordering::SeqCst);
    let tick = hart.tick_at.load(Ordering::Relaxed);
    if tick != 0 && cpu.now() >= tick {
        hart.tick_at.store(0, Ordering::Relaxed);
        hart.dispatch.post(abi::Event::Tick);
    }
    // A new plan may have the borrower elsewhere.
    let is_over = !current.cell.life.is_running()
        || !core::ptr::eq(current.cell, cell) && !is_at_home(cpu, current.cell)
        || current.hart.is_released.load(Ordering::Relaxed)
        || current.hart.parked_until.load(Ordering::Relaxed) != 0 && current.hart.dispatch.pending() == 0;
    if is_over || !cell.life.is_running() || hart.dispatch.pending() != 0 {
        hand_over(cpu, frame, cell, hart);
    }
}

/// Loads a hart and holds until its activation's instant. On return the frame is the hart's, unless it is parked or cannot be had.
fn activate(cpu: &mut Cpu, frame: &mut Frame, run: Run) {
    let cell = cells::at(usize::from(run.cell.0));
    let since = run.since.as_nanos();
    cpu.muxing.try_again = 0;
    let entry = cpu.muxing.plan().and_then(|plan| plan.entry(run.cell)).copied();
    let hart = entry.and_then(|entry| cell.hart(entry.threads.rank(cpu.thread)));
    let (true, Some(hart)) = (cell.life.is_running(), hart) else {
        cpu.muxing.vacant = Some(run);
        return;
    };
    while !hart.claim(cpu.thread) {
        // Only after a change of plan that moved the hart here: the other hardware thread is about to let it go.
        if cpu.now() > since + HAND_OVER_PATIENCE {
            hart.missed.fetch_add(1, Ordering::Relaxed);
            cpu.muxing.vacant = Some(run);
            cpu.muxing.try_again = cpu.now() + HAND_OVER_PATIENCE;
            return;
        }
        core::hint::spin_loop();
    }
    cpu.muxing.vacant = None;
    load(cpu, frame, cell, hart);
    resize::activated(cell, hart, entry.map_or(0, |entry| entry.threads.len()));
    let switched = cpu.now();
    let entered = hold(cpu, since);
    let tolerance = cpu.muxing.tolerance();
    hart.dispatch.activation_at().store(since, Ordering::Relaxed);
    hart.dispatch.activation_entered().store(entered, Ordering::Relaxed);
    let count = hart.activations.fetch_add(1, Ordering::Relaxed) + 1;
    hart.dispatch.activations().store(count, Ordering::Relaxed);
    // A plan that takes effect in the middle of a window promises what is left of it.
    let effective = cpu.muxing.plan().map_or(0, |plan| plan.effective().as_nanos());
    if entry.is_some_and(|entry| entry.threads.rank(cpu.thread) == 0) {
        count_short_periods(cpu, cell, run.cell);
    }
    let late = u64::from(entered > since.max(effective).saturating_add(tolerance));
    let last = hart.last_activation.swap(since, Ordering::Relaxed);
    let skipped = entry.map_or(0, |entry| skipped(&entry.policy, last, since, effective));
    hart.missed.fetch_add(late + skipped, Ordering::Relaxed);
    hart.log.append(Activation {
        at_ns: since,
        entered_ns: entered,
        switch_ns: switched.saturating_sub(cpu.entered).min(u64::from(u32::MAX)) as u32,
        plan: cpu.muxing.number() as u32,
    });
    cpu.muxing.current = Some(Current { cell, hart, run, started: entered, lender: None });
}

/// Adds to a cell's account the periods in which its reserve fell short, since the last activation. All its hardware threads count the same ones, so one adds them. The count begins again where a new plan
/// joins hardware threads.
fn count_short_periods(cpu: &Cpu, cell: &Cell, id: CellId) {
    let Some((replica, _)) = cpu.muxing.replica() else { return };
    let count = replica.missed(id);
    let before = cell.short_periods_seen.swap(count, Ordering::Relaxed);
    let more = count.checked_sub(before).unwrap_or(count);
    cell.short_periods.fetch_add(u64::from(more), Ordering::Relaxed);
}

/// Windows that passed without an activation since the last one (`last`, 0 before the first), or since the plan took effect if that was later.
fn skipped(policy: &Policy, last: u64, since: u64, effective: u64) -> u64 {
    let Policy::TimeTriggered { period, .. } = policy else { return 0 };
    match last {
        0 => 0,
        last if last >= effective => (since.saturating_sub(last) / period.as_nanos()).saturating_sub(1),
        _ => since.saturating_sub(effective) / period.as_nanos(),
    }
}

/// Looks further ahead for the next change here, so many boundaries at most. False when there is nothing more to find.
fn look_further(cpu: &mut Cpu, boundaries: usize) -> bool {
    let Muxing { followed: Some(followed), replica: Some(replica), decision, .. } = &mut cpu.muxing else {
        return false;
    };
    for _ in 0..boundaries {
        let further = followed.as_ref().and_then(|followed| replica.look_further(&followed.plan, &Logs));
        let Some(until) = further else { return false };
        decision.until = until;
        if until.is_none() {
            return false;
        }
    }
    true
}

/// Waits for an instant and returns the time then. The time is spent on looking ahead, as far as there is enough. The pause comes after each look at the clock, also the last: where hardware threads share a
/// processor (hyperthreads, or an emulator that runs them in turn) each sees the instant before any of them runs off.
fn hold(cpu: &mut Cpu, until: u64) -> u64 {
    let step = cpu.muxing.lead() / 4;
    while cpu.now() + step < until && look_further(cpu, 1) {
        core::hint::spin_loop();
    }
    loop {
        let now = cpu.now();
        core::hint::spin_loop();
        if now >= until {
            return now;
        }
    }
}

/// The current hart's affairs: its cell may have ended, its translations may be old, it may be parked, and events may be due.
fn settle(cpu: &mut Cpu, frame: &mut Frame) {
    cpu.muxing.look_again = 0;
    if let Some(run) = cpu.muxing.vacant.filter(|_| cpu.muxing.try_again != 0 && cpu.now() >= cpu.muxing.try_again) {
        activate(cpu, frame, run);
    }
    if cpu.muxing.current.as_ref().is_some_and(|current| current.lender.is_some()) {
        take_back(cpu, frame);
    }
    let Some(current) = cpu.muxing.current else { return };
    if !current.cell.life.is_running() {
        suspend(cpu, frame);
        cpu.muxing.vacant = Some(current.run);
        *frame = cpu.idle_frame();
        return;
    }
    let hart = current.hart;
    let wanted = current.cell.flush_wanted.load(Ordering::SeqCst);
    if hart.flushed.load(Ordering::Relaxed) != wanted {
        registers::use_tables(current.cell.space());
        hart.flushed.store(wanted, Ordering::SeqCst);
    }
    let now = cpu.now();
    let tick = hart.tick_at.load(Ordering::Relaxed);
    if tick != 0 && now >= tick {
        hart.tick_at.store(0, Ordering::Relaxed);
        hart.dispatch.post(abi::Event::Tick);
    }
    let parked = hart.parked_until.load(Ordering::Relaxed);
    if parked != 0 {
        let rests = resize::rests(current.cell, hart);
        if rests || !hart.is_released.load(Ordering::SeqCst) && now < parked && hart.dispatch.pending() == 0 {
            if frame.is_user() {
                hart.store_context(&frame.context());
                *frame = cpu.idle_frame();
            }
            cpu.muxing.look_again = inputs::report(cpu, current.cell).unwrap_or(0);
            return;
        }
        // Muxers know of it: the instant was in the input, or who posted the event has reported it.
        hart.waits_on.store(0, Ordering::SeqCst);
        hart.is_released.store(false, Ordering::SeqCst);
        hart.parked_until.store(0, Ordering::SeqCst);
        if !frame.is_user() {
            let (context, _) = hart.load();
            frame.load_user(&context);
        }
    }
    if !events::deliver(hart, frame) {
        crate::crash::refuse(cpu, frame, current.cell, hart, "its event entry or stack is not an address of a cell");
        settle(cpu, frame);
    }
}

/// Arms the timer for whatever concerns this hardware thread next. False when a plan or an input was published meanwhile: look again.
fn arm(cpu: &mut Cpu, frame: &mut Frame) -> bool {
    let number = cpu.muxing.number();
    let mut look = cpu.muxing.until().saturating_sub(cpu.muxing.lead());
    if cpu.muxing.by_interrupt() {
        look = if cpu.thread == 0 {
            look.min(cpu.muxing.decision.boundary.map_or(u64::MAX, Instant::as_nanos))
        } else {
            look.saturating_add(IPI_PATIENCE)
        };
    }
    if let Some(effective) = plans::after(number) {
        look = look.min(effective.saturating_sub(cpu.muxing.lead()));
    }
    // The publisher stores the plan or the input and then looks who sleeps; we say how long we sleep and then look for those. One of us sees the other.
    let before = plans::after(number);
    cpu.shared().sleeps_until.store(look, Ordering::SeqCst);
    if plans::after(number) != before || cpu.shared().told.load(Ordering::SeqCst) != cpu.muxing.told {
        return false;
    }
    let mut at = look;
    if cpu.muxing.try_again != 0 {
        at = at.min(cpu.muxing.try_again);
    }
    if cpu.muxing.trouble.is_some() {
        // A plan was on its way when it asked for a repair: it asks again.
        at = at.min(cpu.now() + plans::timing().delay.as_nanos());
    }
    if let Some(current) = &cpu.muxing.current {
        let hart = current.hart;
        let parked = hart.parked_until.load(Ordering::Relaxed);
        let lenders = current.lender.as_ref().map_or(0, |(_, lender)| lender.tick_at.load(Ordering::Relaxed));
        for instant in [hart.tick_at.load(Ordering::Relaxed), parked, cpu.muxing.look_again, lenders] {
            if instant != 0 {
                at = at.min(instant);
            }
        }
    }
    if revives_root(cpu) {
        at = cpu.now();
    }
    cpu.slept = None;
    // Before the first plan the timer interrupts who starts the machine.
    if !frame.is_user()
        && let Some(plan) = cpu.muxing.plan()
    {
        let listens = plan.listens(cpu.thread);
        at = sleep::until(cpu, frame, at, listens || cpu.muxing.current.is_some());
    }
    cpu.arm(at);
    true
}

/// The cell that is loaded here, for accounting to the end of the present activation: nanoseconds since it started.
pub(crate) fn time_so_far(cpu: &Cpu, cell: &Cell) -> u64 {
    match &cpu.muxing.current {
        Some(current) if core::ptr::eq(current.cell, cell) => cpu.entered.saturating_sub(current.started),
        _ => 0,
    }
}

/// How long the current cell stays on this hardware thread, in ns.
pub(crate) fn time_left(cpu: &Cpu) -> u64 {
    let pending = plans::after(cpu.muxing.number()).unwrap_or(u64::MAX);
    cpu.muxing.until().min(pending).saturating_sub(cpu.now())
}

/// The id that a plan has for a cell.
pub(crate) fn id_of(cell: &Cell) -> CellId {
    CellId(cell.slot)
}
