//! Launching the root cell: the only cell that the kernel loads itself. All others are loaded by it.

use abi::call::Access;
use abi::layout::{self, EVENT_STACK_SIZE, EVENT_STACK_TOP_OFFSET, PARAMETERS, STACK_TOP_OFFSET, hart_area};
use abi::plan::PlanHeader;
use abi::{Error, Handle, Rights};
use elf::ElfBytes;
use elf::endian::LittleEndian;
use muxer::{Entry, Policy, ThreadSet};

use crate::arch::loader::Range;
use crate::cells::{self, Cell, Object};
use crate::cpu::Cpu;
use crate::memory::{PAGE, frames, physical};
use crate::{plans, start};
use kernel_core::frames::Frame;

/// Where the root cell's program is in the archive.
const PROGRAM: &str = "cells/root";

/// Frames that the root cell may use: 32 MiB.
const QUOTA: u64 = 8192;

/// Bytes of its stack.
const STACK: u64 = 256 * 1024;

/// Loads and starts the root cell, dedicated on hardware thread 0, until it commits a plan of its own.
///
/// # Errors
/// A sentence that says what is wrong with the archive.
pub(crate) fn launch(cpu: &mut Cpu, range: Range, archive: &'static [u8]) -> Result<(), &'static str> {
    if archive.is_empty() {
        return Err("the loader gave no boot archive (QEMU: -initrd)");
    }
    let tar = tar_no_std::TarArchiveRef::new(archive).map_err(|_| "the boot archive is not a tar archive")?;
    let program = tar
        .entries()
        .find(|entry| entry.filename().as_str() == Ok(PROGRAM))
        .ok_or("the boot archive has no cells/root")?
        .data();
    let mut name = [0; abi::call::NAME_MAX];
    name[..4].copy_from_slice(b"root");
    let cell = cells::create(cpu, name, [1, 1], QUOTA).map_err(|_| "there is not enough memory")?;
    assert_eq!(cell.slot, start::ROOT, "the root cell is the first");
    let entry = load(cpu, cell, program)?;
    let memory = |error: Error| {
        log::error!("root cell: {error}");
        "its memory cannot be mapped"
    };
    for (top, size) in [(EVENT_STACK_TOP_OFFSET, EVENT_STACK_SIZE), (STACK_TOP_OFFSET, STACK)] {
        let top = hart_area(0) + top;
        for page in (top - size..top).step_by(PAGE as usize) {
            map_zeroed(cpu, cell, page, Access::ReadWrite).map_err(memory)?;
        }
    }
    map_zeroed(cpu, cell, PARAMETERS, Access::Read).map_err(memory)?;
    for (place, physical) in (range.start..range.end).step_by(PAGE as usize).enumerate() {
        let address = layout::ARCHIVE + place as u64 * PAGE;
        let frame = Frame::containing(physical);
        cell.space().map(address, frame, Access::Read, true, || frames::take(cpu, &cell.quota)).map_err(memory)?;
    }
    let all = Rights::all();
    let mut handles = cell.handles.lock();
    handles.set(Handle::MACHINE, Object::Machine, all);
    handles.set(Handle::OWN_CELL, Object::Cell(cell), Rights::OBSERVE | Rights::CONNECT);
    drop(handles);
    cell.start(entry).map_err(memory)?;
    let entries =
        [Entry { cell: crate::muxing::id_of(cell), threads: ThreadSet::from_bits(1), policy: Policy::Dedicated }];
    let header = PlanHeader { slice_ns: 10_000_000, tolerance_ns: 1_000_000, ..PlanHeader::default() };
    plans::publish(cpu, &entries, header, false).map(|_| ()).map_err(|_| "its plan was refused")
}

fn map_zeroed(cpu: &mut Cpu, cell: &'static Cell, address: u64, access: Access) -> Result<(), Error> {
    let frame = frames::take(cpu, &cell.quota)?;
    cells::map(cpu, cell, address, frame, access)
}

/// Maps the program's segments. Returns its entry.
fn load(cpu: &mut Cpu, cell: &'static Cell, program: &[u8]) -> Result<u64, &'static str> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(program).map_err(|_| "cells/root is not an ELF program")?;
    let segments = file.segments().ok_or("cells/root has no segments")?;
    for segment in segments.iter().filter(|segment| segment.p_type == elf::abi::PT_LOAD) {
        let access = match (segment.p_flags & elf::abi::PF_W != 0, segment.p_flags & elf::abi::PF_X != 0) {
            (true, true) => return Err("cells/root has a segment that is writable and executable"),
            (true, false) => Access::ReadWrite,
            (false, true) => Access::ReadExecute,
            (false, false) => Access::Read,
        };
        let data = file.segment_data(&segment).map_err(|_| "cells/root is cut off")?;
        let start = segment.p_vaddr & !(PAGE - 1);
        let end = segment.p_vaddr.checked_add(segment.p_memsz).ok_or("cells/root has an impossible segment")?;
        if start < layout::USER_BOTTOM || end > layout::USER_TOP {
            return Err("cells/root wants to lie outside a cell's memory");
        }
        for page in (start..end).step_by(PAGE as usize) {
            let frame = frames::take(cpu, &cell.quota).map_err(|_| "there is not enough memory")?;
            // The part of the segment's bytes that lies in this page.
            let from = page.max(segment.p_vaddr);
            let offset = (from - segment.p_vaddr) as usize;
            if offset < data.len() {
                let length = (data.len() - offset).min((page + PAGE - from) as usize);
                physical::copy_to(frame, (from - page) as usize, &data[offset..offset + length]);
            }
            cells::map(cpu, cell, page, frame, access).map_err(|_| "cells/root has segments that overlap")?;
        }
    }
    Ok(file.ehdr.e_entry)
}
