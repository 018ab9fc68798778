//! What the root cell is filled with: stacks, an empty page of parameters, the boot archive, and its program.

use abi::Error;
use abi::call::Access;
use abi::layout::{self, EVENT_STACK_SIZE, EVENT_STACK_TOP_OFFSET, PARAMETERS, STACK_TOP_OFFSET, hart_area};
use elf::ElfBytes;
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;
use heapless::Vec;
use kernel_core::frames::Frame;

use crate::arch::loader::Range;
use crate::cells::{self, Cell};
use crate::cpu::Cpu;
use crate::memory::{PAGE, frames, physical};

/// Where the root cell's program is in the archive.
const PROGRAM: &str = "cells/root";

/// Bytes of its stack.
const STACK: u64 = 256 * 1024;

/// The most segments that its program may have.
const SEGMENTS_MAX: usize = 8;

/// Pages in a row, from an address on.
#[derive(Debug)]
struct Part {
    address: u64,
    pages: u64,
    access: Access,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Zeroes,
    /// These bytes, from an address in the first page on, and zeroes around them.
    Bytes(u64, &'static [u8]),
    /// The memory itself, from this physical address on. It stays the loader's.
    Loan(u64),
}

/// All parts, checked once.
#[derive(Debug)]
pub(super) struct Filling {
    parts: Vec<Part, { SEGMENTS_MAX + 4 }>,
    entry: u64,
}

impl Filling {
    /// From the boot archive.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn new(range: Range, archive: &'static [u8]) -> Result<Self, &'static str> {
        if archive.is_empty() {
            return Err("the loader gave no boot archive (QEMU: -initrd)");
        }
        let tar = tar_no_std::TarArchiveRef::new(archive).map_err(|_| "the boot archive is not a tar archive")?;
        let program = tar
            .entries()
            .find(|entry| entry.filename().as_str() == Ok(PROGRAM))
            .ok_or("the boot archive has no cells/root")?
            .data();
        let zeroes = |top: u64, size: u64, access| Part {
            address: hart_area(0) + top - size,
            pages: size / PAGE,
            access,
            content: Content::Zeroes,
        };
        let mut parts = Vec::new();
        let mut add = |part| parts.push(part).map_err(|_| "cells/root has too many segments");
        add(zeroes(EVENT_STACK_TOP_OFFSET, EVENT_STACK_SIZE, Access::ReadWrite))?;
        add(zeroes(STACK_TOP_OFFSET, STACK, Access::ReadWrite))?;
        add(Part { address: PARAMETERS, pages: 1, access: Access::Read, content: Content::Zeroes })?;
        let pages = (range.end - range.start).div_ceil(PAGE);
        add(Part { address: layout::ARCHIVE, pages, access: Access::Read, content: Content::Loan(range.start) })?;
        let file = ElfBytes::<LittleEndian>::minimal_parse(program).map_err(|_| "cells/root is not an ELF program")?;
        let segments = file.segments().ok_or("cells/root has no segments")?;
        for segment in segments.iter().filter(|segment| segment.p_type == elf::abi::PT_LOAD) {
            let data = file.segment_data(&segment).map_err(|_| "cells/root is cut off")?;
            add(part(&segment, data)?)?;
        }
        Ok(Self { parts, entry: file.ehdr.e_entry })
    }

    /// Where its program begins.
    pub(super) fn entry(&self) -> u64 {
        self.entry
    }

    /// Maps one page of all, by its place. False if there are not so many. Costs at most the copying of a page.
    pub(super) fn map_page(&self, cpu: &mut Cpu, cell: &'static Cell, mut place: u64) -> Result<bool, Error> {
        for part in &self.parts {
            if place < part.pages {
                return part.map_page(cpu, cell, place).map(|()| true);
            }
            place -= part.pages;
        }
        Ok(false)
    }
}

impl Part {
    fn map_page(&self, cpu: &mut Cpu, cell: &'static Cell, place: u64) -> Result<(), Error> {
        let page = self.address + place * PAGE;
        if let Content::Loan(from) = self.content {
            let frame = Frame::containing(from + place * PAGE);
            let _guard = cell.space.lock();
            return cell.space().map(page, frame, self.access, true, || frames::take(cpu, &cell.quota));
        }
        let frame = frames::take(cpu, &cell.quota)?;
        if let Content::Bytes(start, bytes) = self.content {
            // What of the bytes lies in this page.
            let from = page.max(start);
            let offset = (from - start) as usize;
            if offset < bytes.len() {
                let length = (bytes.len() - offset).min((page + PAGE - from) as usize);
                physical::copy_to(frame, (from - page) as usize, &bytes[offset..offset + length]);
            }
        }
        cells::map(cpu, cell, page, frame, self.access).inspect_err(|_| frames::give(cpu, &cell.quota, frame))
    }
}

/// A segment of the program.
fn part(segment: &ProgramHeader, bytes: &'static [u8]) -> Result<Part, &'static str> {
    let access = match (segment.p_flags & elf::abi::PF_W != 0, segment.p_flags & elf::abi::PF_X != 0) {
        (true, true) => return Err("cells/root has a segment that is writable and executable"),
        (true, false) => Access::ReadWrite,
        (false, true) => Access::ReadExecute,
        (false, false) => Access::Read,
    };
    let address = segment.p_vaddr & !(PAGE - 1);
    let end = segment.p_vaddr.checked_add(segment.p_memsz).ok_or("cells/root has an impossible segment")?;
    if address < layout::USER_BOTTOM || end > layout::USER_TOP {
        return Err("cells/root wants to lie outside a cell's memory");
    }
    let content = Content::Bytes(segment.p_vaddr, bytes);
    Ok(Part { address, pages: (end - address).div_ceil(PAGE), access, content })
}
