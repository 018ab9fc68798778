//! Root program: wrong plans are refused as a whole with the reason and the entries to blame; a steady system sends nothing between hardware threads; a change of
//! plan leaves the windows of cells that it does not touch exactly where they are.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::abi::account::{Activation, ActivationLog};
use cell::abi::call::Access;
use cell::abi::layout::IMAGE_BASE;
use cell::abi::plan::{PlanEntry, PlanHeader, PolicyKind, Refusal, RefusalReason};
use cell::abi::{ErrorKind, Handle};
use cell::{calls, time};
use test_cells::{check, check_equal, finish_machine, pump};

cell::entry!(main);

const HEADER: PlanHeader = PlanHeader {
    entries: 0,
    flags: 0,
    effective_ns: 0,
    slice_ns: 1_000_000,
    tolerance_ns: 100_000,
    conflict_at_ns: 0,
    fits_ns: 0,
};

fn guest(harts: u32) -> Option<Handle> {
    // For ever: `mov ecx, 40`, `dec ecx` and `jnz` back to it, `pause`, `jmp` to the start.
    let mut page = [0; 4096];
    page[..13].copy_from_slice(&[0xb9, 40, 0, 0, 0, 0xff, 0xc9, 0x75, 0xfc, 0xf3, 0x90, 0xeb, 0xf3]);
    let cell = calls::cell_create("guest", harts, 400).ok()?;
    calls::cell_map(cell, IMAGE_BASE, &page, Access::ReadExecute).ok()?;
    calls::cell_start(cell, IMAGE_BASE).ok()?;
    Some(cell)
}

fn window(cell: Handle, threads: u64, period: u64, phase: u64, length: u64) -> PlanEntry {
    PlanEntry {
        cell: cell.register() as u32,
        policy: PolicyKind::TimeTriggered as u32,
        threads,
        period_ns_or_weight: period,
        phase_ns: phase,
        length_ns: length,
    }
}

fn best(cell: Handle, threads: u64, weight: u64) -> PlanEntry {
    PlanEntry {
        cell: cell.register() as u32,
        policy: PolicyKind::BestEffort as u32,
        threads,
        period_ns_or_weight: weight,
        ..PlanEntry::default()
    }
}

fn dedicated(cell: Handle, threads: u64) -> PlanEntry {
    PlanEntry { cell: cell.register() as u32, policy: PolicyKind::Dedicated as u32, threads, ..PlanEntry::default() }
}

fn reserve(cell: Handle, threads: u64, period: u64, budget: u64) -> PlanEntry {
    PlanEntry { policy: PolicyKind::EventTriggered as u32, ..window(cell, threads, period, 0, budget) }
}

/// Where the conflict is and what would fit, as a refusal says.
fn explained(entries: &[PlanEntry]) -> (u64, u64) {
    calls::plan_commit_explained(HEADER, entries)
        .map_or_else(|(_, header)| (header.conflict_at_ns, header.fits_ns), |_| (0, 0))
}

fn refused(name: &str, header: PlanHeader, entries: &[PlanEntry], reason: RefusalReason, entry: u16, other: u16) {
    let seen = calls::plan_commit(header, entries);
    let expected = Refusal { reason, entry, other };
    match seen {
        Err(error) if error.kind == ErrorKind::PlanRefused => {
            check_equal(name, Some(expected), Refusal::unpack(error.value))
        }
        other => check(name, false, format_args!("expected {expected:?}, saw {other:?}")),
    }
}

fn commit(header: PlanHeader, entries: &[PlanEntry]) {
    loop {
        match calls::plan_commit(header, entries) {
            Ok(_) => return,
            Err(error)
                if error.kind == ErrorKind::PlanRefused && error.value & 0xffff == RefusalReason::TooSoon as u64 =>
            {
                let _ = calls::park(time::now() + 100_000);
            }
            Err(error) => return check("a good plan is accepted", false, error),
        }
    }
}

static LOG: spin::Mutex<ActivationLog> = spin::Mutex::new(ActivationLog {
    written: core::sync::atomic::AtomicU64::new(0),
    reserved: 0,
    entries: [Activation { at_ns: 0, entered_ns: 0, switch_ns: 0, plan: 0 };
        cell::abi::account::ACTIVATION_LOG_ENTRIES],
});

fn main(_: u32) {
    let (Some(one), Some(two), Some(wide)) = (guest(1), guest(1), guest(2)) else {
        check("guests are built", false, "they were not");
        finish_machine()
    };
    let root = window(Handle::OWN_CELL, 1, 10_000_000, 0, 2_000_000);
    refusals(root, one, two, wide);
    pump();
    steady(root, one, two, wide);
    pump();
    quiet(one, two);
    pump();
    finish_machine()
}

fn refusals(root: PlanEntry, one: Handle, two: Handle, wide: Handle) {
    use RefusalReason::{BadParameter, Duplicate, NoSuchThread, Overlap, Overload, TooSoon, WrongGangSize};
    refused("a hardware thread that is not there", HEADER, &[root, best(one, 1 << 40, 1)], NoSuchThread, 1, 1);
    refused("no hardware thread", HEADER, &[root, best(one, 0, 1)], WrongGangSize, 1, 1);
    refused("too narrow a gang", HEADER, &[root, best(wide, 1, 1)], WrongGangSize, 1, 1);
    refused("too wide a gang", HEADER, &[root, best(one, 3, 1)], WrongGangSize, 1, 1);
    refused("a cell twice", HEADER, &[root, best(one, 1, 1), best(one, 2, 1)], Duplicate, 2, 1);
    refused("no weight", HEADER, &[root, best(one, 1, 0)], BadParameter, 1, 1);
    refused("too much weight", HEADER, &[root, best(one, 1, 1 << 33)], BadParameter, 1, 1);
    refused(
        "a policy that there is not",
        HEADER,
        &[root, PlanEntry { policy: 9, ..best(one, 1, 1) }],
        BadParameter,
        1,
        1,
    );
    refused("a window longer than its period", HEADER, &[root, window(one, 2, 1_000, 0, 2_000)], BadParameter, 1, 1);
    refused("no slice", PlanHeader { slice_ns: 0, ..HEADER }, &[root], BadParameter, 0, 0);
    refused("flags that there are not", PlanHeader { flags: 8, ..HEADER }, &[root], BadParameter, 0, 0);
    refused("an instant that is past", PlanHeader { effective_ns: 1, ..HEADER }, &[root], TooSoon, 0, 0);
    refused("dedicated and windows", HEADER, &[root, dedicated(one, 1)], Overlap, 1, 0);
    refused("two dedicated", HEADER, &[root, dedicated(one, 2), dedicated(two, 2)], Overlap, 2, 1);
    let meets = window(one, 1, 15_000_000, 6_000_000, 2_000_000);
    refused("windows that meet in the third period", HEADER, &[root, meets], Overlap, 1, 0);
    check_equal("where they meet, and that nothing fits there", (21_000_000, 0), explained(&[root, meets]));
    let long = window(one, 1, 10_000_000, 5_000_000, 6_000_000);
    refused("a window that is too long", HEADER, &[root, long], Overlap, 1, 0);
    let lead = calls::machine_info().map_or(0, |info| info.lead_ns);
    check_equal("the longest that fits", (10_000_000, 5_000_000 - lead), explained(&[root, long]));
    refused(
        "a budget as long as its period",
        HEADER,
        &[root, reserve(one, 2, 1_000_000, 1_000_000)],
        BadParameter,
        1,
        1,
    );
    refused(
        "dedicated and a reserve",
        HEADER,
        &[dedicated(one, 2), root, reserve(two, 2, 1_000_000, 100_000)],
        Overlap,
        2,
        0,
    );
    let greedy = [root, reserve(one, 1, 10_000_000, 3_000_000), reserve(wide, 3, 10_000_000, 6_000_000)];
    refused("budgets that are too large together", HEADER, &greedy, Overload, 2, 1);
    let (_, fits) = explained(&greedy);
    check("what would fit is most of what is left", (3_000_000..5_000_000).contains(&fits), format_args!("saw {fits}"));
    let stale = PlanEntry { cell: 0x7_0009, ..best(one, 1, 1) };
    let seen = calls::plan_commit(HEADER, &[root, stale]).map_err(|error| error.kind);
    check_equal("a handle that names nothing", Err(ErrorKind::BadHandle), seen);
    check_equal("none of them came into force", Ok(1), calls::machine_info().map(|info| info.plan));
}

/// Nobody is interrupted who has a hardware thread for himself, and nobody wakes for nothing.
fn quiet(one: Handle, two: Handle) {
    commit(HEADER, &[dedicated(Handle::OWN_CELL, 1), best(one, 2, 1)]);
    let _ = calls::park(time::now() + 5_000_000);
    let spin = |span: u64| {
        let before = calls::machine_info().map_or(0, |info| info.timers);
        let end = time::now() + span;
        while time::now() < end {
            core::hint::spin_loop();
        }
        calls::machine_info().map_or(0, |info| info.timers) - before
    };
    check_equal("timer interrupts where nothing is due", 0, spin(50_000_000));
    commit(HEADER, &[dedicated(Handle::OWN_CELL, 1), best(one, 2, 1), best(two, 2, 1)]);
    let _ = calls::park(time::now() + 5_000_000);
    let taken = spin(50_000_000);
    check(
        "one timer interrupt for each slice of 1 ms",
        (49..=51).contains(&taken),
        format_args!("saw {taken} in 50 ms"),
    );
}

fn steady(root: PlanEntry, one: Handle, two: Handle, wide: Handle) {
    let exact = window(one, 2, 5_000_000, 1_000_000, 1_000_000);
    commit(HEADER, &[root, exact, best(wide, 3, 1)]);
    let _ = calls::park(time::now() + 20_000_000);
    let before = calls::machine_info().map(|info| info.ipis);
    let _ = calls::park(time::now() + 60_000_000);
    check_equal("interrupts sent while nothing changes", before, calls::machine_info().map(|info| info.ipis));
    // Changes of several cells at once, that do not touch `one`.
    for weight in 1..=4 {
        let other = if weight % 2 == 0 { reserve(two, 2, 3_000_000, 500_000) } else { best(two, 2, 1) };
        commit(HEADER, &[root, best(wide, 3, weight), other, exact]);
        let _ = calls::park(time::now() + 10_000_000);
    }
    check_equal("the plan in force", Ok(6), calls::machine_info().map(|info| info.plan));
    let mut log = LOG.lock();
    check("the log can be read", calls::cell_log(one, 0, &mut log).is_ok(), "it cannot");
    let written = log.written.load(core::sync::atomic::Ordering::Relaxed) as usize;
    check("there were windows", written > 20 && written < log.entries.len(), format_args!("saw {written}"));
    let entries = &log.entries[..written.min(log.entries.len())];
    let gaps = entries.windows(2).filter(|pair| pair[1].at_ns != pair[0].at_ns + 5_000_000).count();
    check_equal("windows of an untouched cell that were left out or moved", 0, gaps);
    let late = entries.iter().skip(1).map(|entry| entry.entered_ns - entry.at_ns).max().unwrap_or(u64::MAX);
    check("none of them was late", late < 20_000, format_args!("expected less than 20000 ns, saw {late}"));
}
