//! Root program: a destroyed cell gives back every frame, whether it never ran, ran, or crashed.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::abi::account::CellState;
use cell::abi::call::{Access, MAP_MAX};
use cell::abi::layout::IMAGE_BASE;
use cell::abi::plan::{PlanEntry, PlanHeader, PolicyKind};
use cell::abi::{Error, ErrorKind, Handle};
use cell::{calls, time};
use test_cells::{check, check_equal, check_refused, finish_machine, pump};

cell::entry!(main);

/// `jmp` to itself, and an invalid instruction.
const LOOP: [u8; 2] = [0xeb, 0xfe];
const CRASH: [u8; 2] = [0x0f, 0x0b];

fn page(code: [u8; 2]) -> [u8; 4096] {
    let mut page = [0; 4096];
    page[..2].copy_from_slice(&code);
    page
}

fn free() -> u64 {
    calls::machine_info().map_or(0, |info| info.frames_free)
}

fn build(code: [u8; 2], harts: u32, extra: u64) -> Result<Handle, Error> {
    let cell = calls::cell_create("guest", harts, 2_000)?;
    calls::cell_map(cell, IMAGE_BASE, &page(code), Access::ReadExecute)?;
    for step in 0..extra {
        calls::cell_map_zeroed(cell, 0x50_0000_0000 + step * 0x4000_0000, MAP_MAX, Access::ReadWrite)?;
    }
    Ok(cell)
}

fn destroy(cell: Handle) -> Result<u64, Error> {
    loop {
        match calls::cell_destroy(cell) {
            Err(Error { kind: ErrorKind::Again, .. }) => {}
            // The plan without it is still on its way to some hardware thread.
            Err(Error { kind: ErrorKind::WrongState, .. }) => {
                let _ = calls::park(time::now() + 200_000);
            }
            result => return result,
        }
    }
}

/// Root on hardware thread 0 for half of the time, the guest in the other half.
fn plan(guest: Option<Handle>) {
    let half = |cell: Handle, phase| PlanEntry {
        cell: cell.register() as u32,
        policy: PolicyKind::TimeTriggered as u32,
        threads: 1,
        period_ns_or_weight: 4_000_000,
        phase_ns: phase,
        length_ns: 1_500_000,
    };
    let entries =
        [half(Handle::OWN_CELL, 0), guest.map_or_else(|| half(Handle::OWN_CELL, 0), |guest| half(guest, 2_000_000))];
    let entries = if guest.is_some() { &entries[..] } else { &entries[..1] };
    let header = PlanHeader { slice_ns: 1_000_000, tolerance_ns: 1_000_000, ..PlanHeader::default() };
    loop {
        match calls::plan_commit(header, entries) {
            Ok(_) => break,
            Err(error) if error.kind == ErrorKind::PlanRefused && error.value & 0xffff == 7 => {
                let _ = calls::park(time::now() + 200_000);
            }
            Err(error) => return check("the plan is accepted", false, error),
        }
    }
    let _ = calls::park(time::now() + 10_000_000);
}

fn main(_: u32) {
    // The tables of this cell's own handles and heap are in place after one round.
    for round in 0..20 {
        let before = free();
        let extra = round % 5 * 3;
        match build(LOOP, 1 + round as u32 % 3, extra) {
            Ok(cell) => {
                let used = before - free();
                check_equal("frames that came back are frames that were used", Ok(used), destroy(cell));
                check_equal("free frames after a cell that never ran", before, free());
                check_refused("the handle of a cell that is no more", ErrorKind::BadHandle, calls::cell_destroy(cell));
            }
            Err(error) => check("a cell is built", false, error),
        }
        pump();
    }
    let before = free();
    let poor = calls::cell_create("poor", 3, 5);
    check_equal(
        "a quota that does not suffice for three harts",
        Some(ErrorKind::NoMemory),
        poor.err().map(|error| error.kind),
    );
    check_equal("free frames after a cell that could not be built", before, free());
    for (code, state) in [(LOOP, CellState::Running), (CRASH, CellState::Faulted)] {
        let before = free();
        let Ok(cell) = build(code, 1, 2) else {
            check("a cell is built", false, "it was not");
            continue;
        };
        check_equal("a cell starts", Ok(0), calls::cell_start(cell, IMAGE_BASE));
        check_refused(
            "memory for a cell that runs",
            ErrorKind::WrongState,
            calls::cell_map_zeroed(cell, 0x9000_0000, 4096, Access::Read),
        );
        plan(Some(cell));
        let status = calls::cell_status(cell).map(|status| (status.state, status.activations > 0));
        check_equal("it ran", Ok((state as u32, true)), status);
        check_refused("destroying a cell that the plan names", ErrorKind::WrongState, calls::cell_destroy(cell));
        plan(None);
        check("it is destroyed", destroy(cell).is_ok(), "it was not");
        check_equal("free frames after a cell that ran", before, free());
        pump();
    }
    pump();
    finish_machine()
}
