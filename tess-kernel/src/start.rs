//! Starting the machine: memory, hardware threads, the timebase, the root cell.

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use muxer::timebase::{OffsetEstimator, Timebase};
use muxer::{Span, lead};
use spin::{Mutex, Once};

use crate::arch::apic::{self, Apic};
use crate::arch::clock::{self, Frequencies};
use crate::arch::gdt::Segments;
use crate::arch::loader::{BootInfo, Range};
use crate::arch::trap::{self, Gates};
use crate::arch::{features, firmware, power, secondary};
use crate::cpu::{self, Cpu};
use crate::memory::{boot, frames, image, physical};
use crate::rehearsal::Rehearsal;
use crate::{console, plans, root, sleep};

/// The root cell's place in the cell table.
pub(crate) const ROOT: u16 = 0;

/// Exchanges with each hardware thread to find its clock's offset.
const EXCHANGES: u64 = 64;

/// Timers that are tried to find the lead.
const TRIALS: usize = 40;

/// How far ahead each trial arms its timer, in ns.
const TRIAL_AHEAD: u64 = 200_000;

/// How long a hardware thread may take to start, in ns.
const PATIENCE: u64 = 200_000_000;

/// What is known after boot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BootReport {
    pub(crate) counter_hz: u64,
    pub(crate) archive: Range,
    pub(crate) boot_ns: u64,
}

static REPORT: Once<BootReport> = Once::new();

/// What is known after boot; zeroes before.
pub(crate) fn boot_report() -> BootReport {
    REPORT.get().copied().unwrap_or(BootReport { counter_hz: 0, archive: Range { start: 0, end: 0 }, boot_ns: 0 })
}

/// What secondary hardware threads need to know before they have a record.
struct Common {
    gates: &'static Gates,
    frequencies: Frequencies,
    registers: u64,
    timebase: Timebase,
    nodes: [usize; firmware::MAX_THREADS],
}

static COMMON: Once<Common> = Once::new();

/// Brings the machine up, from the loader's word to a running root cell. `first` is the counter at the kernel's first instruction. Returns the top of the stack on
/// which this hardware thread begins to multiplex.
pub(crate) fn primary(first: u64, info: &BootInfo) -> u64 {
    let arguments =
        kernel_core::arguments::parse(&info.command_line, |mistake| crate::say!("kernel: warning: {mistake}"));
    console::initialize(arguments.level);
    power::silence_legacy_interrupts();
    let (image_start, image_end) = image::physical_range();
    for range in info.usable() {
        // Low memory stays free for the trampoline; the image and the archive lie in usable memory.
        let low = range.start.max(1 << 20);
        let mut at = low;
        for (start, end) in sorted([(image_start, image_end), (info.archive.start, info.archive.end)]) {
            boot::add(at, start.min(range.end));
            at = at.max(end);
        }
        boot::add(at, range.end);
    }
    features::enable();
    image::build(info.to_map());
    let topology = match firmware::read(info.firmware_tables) {
        Ok(topology) => topology,
        Err(why) => panic!("{why}"),
    };
    if let Some(base) = topology.pci {
        log::debug!("PCI configuration space at {base:#x}");
    }
    if topology.left_out > 0 {
        log::warn!("{} hardware threads beyond {} stay off", topology.left_out, firmware::MAX_THREADS);
    }
    bring_up(first, info, &topology)
}

fn sorted(mut ranges: [(u64, u64); 2]) -> [(u64, u64); 2] {
    ranges.sort_unstable();
    ranges
}

fn bring_up(first: u64, info: &BootInfo, topology: &firmware::Topology) -> u64 {
    let gates = &mut boot::slice(1, |_| Gates::new())[0];
    gates.fill();
    let gates: &'static Gates = gates;
    let registers = apic::register_page().map_or(0, image::map_device);
    let stacks = image::map_stacks(0);
    enter_tables(gates, stacks);
    let mut controller = enable_apic(registers);
    let own = controller.id();
    let frequencies = clock::calibrate(&mut controller, topology.power_timer);
    let timebase = Timebase::new(frequencies.counter, first);
    let mut nodes = [0; firmware::MAX_THREADS];
    let mut others: heapless::Vec<firmware::Processor, { firmware::MAX_THREADS }> = heapless::Vec::new();
    for processor in &topology.processors {
        if processor.apic == own {
            nodes[0] = processor.node;
        } else {
            let _ = others.push(*processor);
        }
    }
    for (index, processor) in others.iter().enumerate().take(firmware::MAX_THREADS - 1) {
        nodes[index + 1] = processor.node;
    }
    let common = COMMON.call_once(|| Common { gates, frequencies, registers, timebase, nodes });
    let cpu = record(0, stacks.kernel, controller, timebase, common);
    cpu::shared(0).set_started(own, cpu.node);
    cpu::set_count(1);
    let error = start_others(cpu, &others);
    sleep::measure(cpu);
    let lead = find_lead(cpu);
    log::info!(
        "{} hardware threads, timebase at {} MHz, lead {} us",
        cpu::count(),
        frequencies.counter / 1_000_000,
        lead.as_nanos() / 1_000
    );
    plans::calibrate(lead.as_nanos(), error);
    frames::initialize(info, &topology.memory);
    REPORT.call_once(|| BootReport {
        counter_hz: frequencies.counter,
        archive: info.archive,
        boot_ns: timebase.nanos(clock::counter()),
    });
    let archive = physical::archive(info);
    if let Err(why) = root::launch(cpu, info.archive, archive) {
        panic!("the root cell cannot be started: {why}");
    }
    console::go_through_rings();
    // What was sent to publish the first plan belongs to the start.
    cpu::forget_interrupts();
    RELEASED.store(true, Ordering::SeqCst);
    stacks.kernel
}

/// Loads the tables that a hardware thread needs before anything can go wrong.
fn enter_tables(gates: &'static Gates, stacks: crate::arch::gdt::Stacks) {
    let segments = &mut boot::slice(1, |_| Segments::new())[0];
    segments.load(stacks);
    gates.load();
}

fn enable_apic(registers: u64) -> Apic {
    match Apic::enable(registers) {
        Ok(apic) => apic,
        Err(why) => panic!("the interrupt controller cannot be used: {why}"),
    }
}

fn record(thread: usize, stack: u64, apic: Apic, timebase: Timebase, common: &Common) -> &'static mut Cpu {
    let mut made = Some(Cpu::new(thread, common.nodes[thread], stack, apic, timebase, common.frequencies.timer));
    let cpus = boot::slice(1, |_| made.take().expect("exactly one record is made"));
    cpus[0].install()
}

/// The meeting place for finding a clock's offset: the boot processor counts `round` up, the other one answers with its clock.
static ROUND: AtomicU64 = AtomicU64::new(0);
static ANSWER: AtomicU64 = AtomicU64::new(0);
static REMOTE: AtomicU64 = AtomicU64::new(0);
static AHEAD: AtomicU64 = AtomicU64::new(0);
static PRESENT: AtomicUsize = AtomicUsize::new(0);

/// Set when the root cell's plan is published: everybody begins to multiplex.
static RELEASED: AtomicBool = AtomicBool::new(false);

/// Stacks for the hardware thread being started.
static NEXT_STACKS: Mutex<crate::arch::gdt::Stacks> =
    Mutex::new(crate::arch::gdt::Stacks { kernel: 0, nmi: 0, double_fault: 0, machine_check: 0 });

/// Starts the others one after the other. Returns the error bound of the timebase in ns: two hardware threads may be off by theirs in opposite
/// directions.
fn start_others(cpu: &mut Cpu, others: &[firmware::Processor]) -> u64 {
    let tables = image::startup_tables(secondary::TRAMPOLINE);
    let mut worst = 0;
    let mut thread = 1;
    for processor in others {
        let stacks = image::map_stacks(thread);
        *NEXT_STACKS.lock() = stacks;
        let trampoline = secondary::trampoline(tables, stacks.kernel, thread as u64);
        let frame = kernel_core::frames::Frame::containing(secondary::TRAMPOLINE);
        physical::copy_to(frame, 0, &trampoline.bytes[..trampoline.length]);
        if !wake(cpu, processor.apic, thread) {
            log::warn!("the processor with APIC id {} did not start and stays off", processor.apic);
            continue;
        }
        let (ahead, error) = measure();
        AHEAD.store(ahead as u64, Ordering::SeqCst);
        ROUND.store(u64::MAX, Ordering::SeqCst);
        while !cpu::shared(thread).is_started() {
            core::hint::spin_loop();
        }
        worst = worst.max(error);
        ROUND.store(0, Ordering::SeqCst);
        thread += 1;
        cpu::set_count(thread);
    }
    // Two clocks may each be off by this much against ours.
    2 * (cpu.timebase.nanos(worst.wrapping_sub(cpu.timebase.offset())))
}

/// INIT, then at most two start-up interrupts (Intel SDM volume 3, section 9.4.4). False when nobody came.
fn wake(cpu: &mut Cpu, apic: u32, thread: usize) -> bool {
    let wait = |cpu: &Cpu, nanos: u64| {
        let start = cpu.now();
        while PRESENT.load(Ordering::SeqCst) != thread && cpu.now() - start < nanos {
            core::hint::spin_loop();
        }
        PRESENT.load(Ordering::SeqCst) == thread
    };
    cpu.apic.send_init(apic);
    wait(cpu, 1_000_000);
    for patience in [1_000_000, PATIENCE] {
        cpu.apic.send_startup((secondary::TRAMPOLINE >> 12) as u8, apic);
        if wait(cpu, patience) {
            return true;
        }
    }
    false
}

/// The boot processor's side of the exchanges: ticks that the other clock is ahead, and the error in ticks.
fn measure() -> (i64, u64) {
    let mut estimator = OffsetEstimator::default();
    for round in 1..=EXCHANGES {
        let sent = clock::counter();
        ROUND.store(round, Ordering::SeqCst);
        while ANSWER.load(Ordering::SeqCst) != round {
            core::hint::spin_loop();
        }
        let received = clock::counter();
        estimator.add(sent, REMOTE.load(Ordering::SeqCst), received);
    }
    estimator.estimate().unwrap_or((0, u64::MAX))
}

/// The other side. Returns how many ticks this clock is ahead.
fn answer() -> i64 {
    let mut seen = 0;
    loop {
        let round = ROUND.load(Ordering::SeqCst);
        if round == u64::MAX {
            return AHEAD.load(Ordering::SeqCst) as i64;
        }
        if round != seen && round != 0 {
            REMOTE.store(clock::counter(), Ordering::SeqCst);
            ANSWER.store(round, Ordering::SeqCst);
            seen = round;
        }
        core::hint::spin_loop();
    }
}

/// The rehearsal: when the next trial is due (0: not yet), how many have done it, and how late the last one was ready in each.
static DUE: AtomicU64 = AtomicU64::new(0);
static DONE: AtomicUsize = AtomicUsize::new(0);
static LATENESS: [AtomicU64; TRIALS] = [const { AtomicU64::new(0) }; TRIALS];

/// Rehearses activations: all hardware threads arm their timers for the same instant and do what a switch does, all at once, because that is how it will
/// be. How late the last of them was ready is what a lead must cover.
fn find_lead(cpu: &mut Cpu) -> Span {
    for (trial, lateness) in LATENESS.iter().enumerate() {
        let due = cpu.now() + TRIAL_AHEAD;
        DUE.store(due, Ordering::SeqCst);
        rehearse(cpu, due, wait_of(trial), lateness);
        while DONE.load(Ordering::SeqCst) != (trial + 1) * cpu::count() {
            core::hint::spin_loop();
        }
    }
    let mut list = [Span::ZERO; TRIALS];
    for (late, measured) in list.iter_mut().zip(&LATENESS) {
        *late = Span::from_nanos(measured.load(Ordering::SeqCst));
    }
    lead::calibrate(&mut list)
}

/// The other hardware threads' part.
fn take_part(cpu: &mut Cpu) {
    let mut last = 0;
    for (trial, lateness) in LATENESS.iter().enumerate() {
        let due = loop {
            let due = DUE.load(Ordering::SeqCst);
            if due != last {
                break due;
            }
            core::hint::spin_loop();
        };
        last = due;
        rehearse(cpu, due, wait_of(trial), lateness);
    }
}

/// Waking takes longer than being awake, so both are tried.
fn wait_of(trial: usize) -> trap::Wait {
    if trial.is_multiple_of(2) { trap::Wait::Halted } else { trap::Wait::Awake }
}

fn rehearse(cpu: &mut Cpu, due: u64, wait: trap::Wait, lateness: &AtomicU64) {
    let mut rehearsal = Rehearsal::prepare(cpu, due);
    cpu.arm(due);
    trap::wait_for_timer(cpu, due, wait);
    if let Some(rehearsal) = &mut rehearsal {
        rehearsal.switch(cpu);
    }
    lateness.fetch_max(cpu.now().saturating_sub(due), Ordering::SeqCst);
    DONE.fetch_add(1, Ordering::SeqCst);
}

/// Brings another hardware thread up. Returns the top of the stack on which it begins to multiplex.
pub(crate) fn secondary(thread: usize) -> u64 {
    let Some(common) = COMMON.get() else { power::halt() };
    features::enable();
    let stacks = *NEXT_STACKS.lock();
    image::leave_startup_tables();
    enter_tables(common.gates, stacks);
    let apic = enable_apic(common.registers);
    let id = apic.id();
    PRESENT.store(thread, Ordering::SeqCst);
    let ahead = answer();
    let cpu = record(thread, stacks.kernel, apic, common.timebase.corrected(ahead), common);
    cpu::shared(thread).set_started(id, cpu.node);
    take_part(cpu);
    while !RELEASED.load(Ordering::SeqCst) {
        core::hint::spin_loop();
    }
    stacks.kernel
}
