//! Which pages of a program go where: a list of steps that the loader carries out. Programs are not trusted; everything is checked here.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::abi::call::{Access, MAP_MAX};
use crate::abi::layout::{HART_AREAS, PAGE_SIZE, USER_BOTTOM};
use elf::ElfBytes;
use elf::abi::{EM_X86_64, ET_EXEC, PF_W, PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use manifest::Bytes;

/// Why a program cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// Not an ELF file, or a damaged one.
    NotElf,
    /// An ELF file for something else than this processor, or one that is not linked to a fixed address.
    NotForCells,
    /// It has nothing to load.
    Empty,
    /// A segment's bytes are not all in the file.
    CutOff,
    /// The segment at this address would be writable and executable.
    WritableAndExecutable(u64),
    /// The segment at this address lies outside the memory that a program may use.
    Outside(u64),
    /// Two segments share the page at this address.
    Overlap(u64),
    /// The segments need more memory than the cell has.
    TooLarge {
        /// What they need, in bytes.
        needed: u64,
        /// What the cell has, in bytes.
        memory: u64,
    },
    /// The first instruction, at this address, is in no executable segment.
    Entry(u64),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotElf => f.write_str("its program is not an ELF file"),
            Self::NotForCells => f.write_str("its program is not a static x86-64 program"),
            Self::Empty => f.write_str("its program has nothing to load"),
            Self::CutOff => f.write_str("its program is cut off"),
            Self::WritableAndExecutable(at) => {
                write!(f, "its program has a writable and executable segment at {at:#x}")
            }
            Self::Outside(at) => write!(f, "its program has a segment at {at:#x}, outside a cell's memory"),
            Self::Overlap(at) => write!(f, "its program has two segments in the page at {at:#x}"),
            Self::TooLarge { needed, memory } => {
                write!(f, "its program needs {}, and the cell has {}", Bytes(needed), Bytes(memory))
            }
            Self::Entry(at) => write!(f, "its program starts at {at:#x}, where no code is"),
        }
    }
}

impl core::error::Error for ImageError {}

/// Where the contents of some pages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Zeroes.
    Zero,
    /// These bytes of the file: whole pages.
    File(Range<usize>),
    /// One page: zeroes, but from `offset` on these bytes of the file.
    Part {
        /// Where in the page they begin.
        offset: usize,
        /// Which bytes.
        bytes: Range<usize>,
    },
}

/// One step: at most [`MAP_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The first page.
    pub address: u64,
    /// A multiple of a page.
    pub length: u64,
    /// How the cell may use it.
    pub access: Access,
    /// What it starts with.
    pub content: Content,
}

/// A program, ready to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The first instruction.
    pub entry: u64,
    /// In the order of the file.
    pub steps: Vec<Step>,
}

/// Checks a program and lays out its segments for a cell with so much memory.
///
/// # Errors
/// [`ImageError`] for the first thing that is wrong.
pub fn lay_out(program: &[u8], memory: u64) -> Result<Image, ImageError> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(program).map_err(|_| ImageError::NotElf)?;
    if file.ehdr.e_machine != EM_X86_64 || file.ehdr.e_type != ET_EXEC {
        return Err(ImageError::NotForCells);
    }
    let segments = file.segments().ok_or(ImageError::Empty)?;
    let entry = file.ehdr.e_entry;
    let (mut steps, mut pages, mut entered) = (Vec::new(), Vec::<Range<u64>>::new(), false);
    let mut needed = 0_u64;
    for segment in segments.iter().filter(|segment| segment.p_type == PT_LOAD && segment.p_memsz > 0) {
        let start = segment.p_vaddr;
        let access = match (segment.p_flags & PF_W != 0, segment.p_flags & PF_X != 0) {
            (true, true) => return Err(ImageError::WritableAndExecutable(start)),
            (true, false) => Access::ReadWrite,
            (false, true) => Access::ReadExecute,
            (false, false) => Access::Read,
        };
        let end = start.checked_add(segment.p_memsz).filter(|end| start >= USER_BOTTOM && *end <= HART_AREAS);
        let end = end.ok_or(ImageError::Outside(start))?;
        let own = start & !(PAGE_SIZE - 1)..end.next_multiple_of(PAGE_SIZE);
        needed = needed.saturating_add(own.end - own.start);
        if needed > memory {
            return Err(ImageError::TooLarge { needed, memory });
        }
        if let Some(other) = pages.iter().find(|other| own.start < other.end && other.start < own.end) {
            return Err(ImageError::Overlap(own.start.max(other.start)));
        }
        let bytes = segment.p_offset.checked_add(segment.p_filesz).filter(|_| segment.p_filesz <= segment.p_memsz);
        let bytes = usize::try_from(segment.p_offset).ok().zip(bytes.and_then(|end| usize::try_from(end).ok()));
        let bytes = bytes.map(|(from, to)| from..to).filter(|bytes| program.get(bytes.clone()).is_some());
        add_pages(&mut steps, &own, start, &bytes.ok_or(ImageError::CutOff)?, access);
        entered |= access == Access::ReadExecute && (start..end).contains(&entry);
        pages.push(own);
    }
    match (pages.is_empty(), entered) {
        (true, _) => Err(ImageError::Empty),
        (_, false) => Err(ImageError::Entry(entry)),
        _ => Ok(Image { entry, steps }),
    }
}

/// Adds the pages of a segment that starts at `start` with `bytes` of the file, joining equal neighbours up to the size of one step.
fn add_pages(steps: &mut Vec<Step>, pages: &Range<u64>, start: u64, bytes: &Range<usize>, access: Access) {
    let first = steps.len();
    for address in (pages.start..pages.end).step_by(PAGE_SIZE as usize) {
        // The part of the segment's bytes that lies in this page.
        let offset = start.saturating_sub(address) as usize;
        let skip = address.saturating_sub(start) as usize;
        let from = bytes.start.saturating_add(skip).min(bytes.end);
        let to = from.saturating_add(PAGE_SIZE as usize - offset).min(bytes.end);
        let content = match to - from {
            0 => Content::Zero,
            length if length == PAGE_SIZE as usize => Content::File(from..to),
            _ => Content::Part { offset, bytes: from..to },
        };
        match (steps[first..].last_mut(), &content) {
            (Some(Step { length, content: Content::Zero, .. }), Content::Zero) if *length < MAP_MAX => {
                *length += PAGE_SIZE;
            }
            (Some(Step { length, content: Content::File(range), .. }), Content::File(_)) if *length < MAP_MAX => {
                *length += PAGE_SIZE;
                range.end = to;
            }
            _ => steps.push(Step { address, length: PAGE_SIZE, access, content }),
        }
    }
}

#[cfg(test)]
mod tests;
