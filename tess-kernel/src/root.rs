//! Launching the root cell: the only cell that the kernel loads itself. All others are loaded by it.

mod filling;
mod revival;

use abi::plan::PlanHeader;
use abi::{Error, Handle, Rights};
use muxer::{Entry, Policy, ThreadSet};
use spin::Once;

use crate::arch::loader::Range;
use crate::cells::{self, Object};
use crate::cpu::Cpu;
use crate::{plans, start};
use filling::Filling;
pub(crate) use revival::{beats, died, died_at, is_dead, lives, revive};

/// Frames that the root cell may use: 32 MiB.
const QUOTA: u64 = 8192;

/// What the root cell is filled with, in each of its lives.
static FILLING: Once<Filling> = Once::new();

/// Loads and starts the root cell, dedicated on hardware thread 0, until it commits a plan of its own.
///
/// # Errors
/// A sentence that says what is wrong with the archive.
pub(crate) fn launch(cpu: &mut Cpu, range: Range, archive: &'static [u8]) -> Result<(), &'static str> {
    let filling = Filling::new(range, archive)?;
    let filling = FILLING.call_once(|| filling);
    let mut name = [0; abi::call::NAME_MAX];
    name[..4].copy_from_slice(b"root");
    let cell = cells::create(cpu, name, [1, 1], QUOTA).map_err(|_| "there is not enough memory")?;
    assert_eq!(cell.slot, start::ROOT, "the root cell is the first");
    let memory = |error: Error| {
        log::error!("root cell: {error}");
        "its memory cannot be mapped"
    };
    let mut place = 0;
    while filling.map_page(cpu, cell, place).map_err(memory)? {
        place += 1;
    }
    let all = Rights::all();
    let mut handles = cell.handles.lock();
    handles.set(Handle::MACHINE, Object::Machine, all);
    handles.set(Handle::OWN_CELL, Object::Cell(cell), Rights::OBSERVE | Rights::CONNECT);
    drop(handles);
    revival::begins(cpu.now());
    cell.start(filling.entry()).map_err(memory)?;
    let entries =
        [Entry { cell: crate::muxing::id_of(cell), threads: ThreadSet::from_bits(1), policy: Policy::Dedicated }];
    let header = PlanHeader { slice_ns: 10_000_000, tolerance_ns: 1_000_000, ..PlanHeader::default() };
    plans::publish(cpu, &entries, header, false).map(|_| ()).map_err(|_| "its plan was refused")
}
