//! Fills a new cell with its program, stacks and parameters, and starts it.

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;

use crate::abi::call::{Access, MAP_MAX};
use crate::abi::layout::{
    self, EVENT_STACK_SIZE, EVENT_STACK_TOP_OFFSET, PAGE_SIZE, PARAMETERS, STACK_TOP_OFFSET, hart_area,
};
use crate::abi::{Error, Handle};
use cell::calls;

use crate::archive::Archive;
use crate::image::{self, Content, ImageError};

/// Why a cell could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The archive has no such program.
    NoProgram,
    /// The program cannot be loaded.
    Image(ImageError),
    /// It begins with more harts than its manifest says that it can have: so many, and so many at most.
    TooManyHarts(u32, u32),
    /// The kernel refused to create the cell.
    Create(Error),
    /// The kernel refused memory at this address.
    Memory(u64, Error),
    /// The kernel refused to start it.
    Start(Error),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProgram => f.write_str("its program is not in the boot archive"),
            Self::Image(error) => error.fmt(f),
            Self::TooManyHarts(harts, most) => {
                write!(f, "it would begin with {harts} harts on this machine, and `most-harts` is {most}")
            }
            Self::Create(error) => write!(f, "it cannot be created: {error}"),
            Self::Memory(at, error) => write!(f, "it cannot have memory at {at:#x}: {error}"),
            Self::Start(error) => write!(f, "it cannot be started: {error}"),
        }
    }
}

impl core::error::Error for LoadError {}

/// Creates, fills and starts a cell that begins with so many harts, and with stacks for as many as it can have. It runs when a plan names it. On an error nothing is left of it.
///
/// # Errors
/// [`LoadError`].
pub fn load(archive: &Archive, cell: &manifest::Cell, harts: u32) -> Result<Handle, LoadError> {
    let program = archive.program(&cell.program).ok_or(LoadError::NoProgram)?;
    let image = image::lay_out(program, cell.memory_bytes).map_err(LoadError::Image)?;
    let most = cell.most_harts.unwrap_or(harts);
    if most < harts {
        return Err(LoadError::TooManyHarts(harts, most));
    }
    let handle = calls::cell_create_resizable(&cell.name, harts, most, cell.memory_bytes / PAGE_SIZE)
        .map_err(LoadError::Create)?;
    let filled = fill(handle, program, &image.steps)
        .and_then(|()| add_stacks(handle, most, cell.stack_bytes))
        .and_then(|()| add_parameters(handle, &cell.args))
        .and_then(|()| calls::cell_start(handle, image.entry).map(|_| ()).map_err(LoadError::Start));
    if let Err(error) = filled {
        discard(handle);
        return Err(error);
    }
    Ok(handle)
}

/// Takes back a cell that no plan names. Gives up on what the kernel does not let go, which would be the kernel's mistake.
pub fn discard(handle: Handle) {
    for _ in 0..1_000_000 {
        match calls::cell_destroy(handle) {
            Err(error) if error.kind == crate::abi::ErrorKind::Again => {}
            _ => return,
        }
    }
}

fn fill(handle: Handle, program: &[u8], steps: &[image::Step]) -> Result<(), LoadError> {
    let mut page: Box<[u8]> = vec![0; PAGE_SIZE as usize].into_boxed_slice();
    for step in steps {
        let result = match &step.content {
            Content::Zero => calls::cell_map_zeroed(handle, step.address, step.length, step.access),
            Content::File(bytes) => {
                let bytes = program.get(bytes.clone()).ok_or(LoadError::Image(ImageError::CutOff))?;
                calls::cell_map(handle, step.address, bytes, step.access)
            }
            Content::Part { offset, bytes } => {
                let bytes = program.get(bytes.clone()).ok_or(LoadError::Image(ImageError::CutOff))?;
                let place = page.get_mut(*offset..offset.saturating_add(bytes.len()));
                place.ok_or(LoadError::Image(ImageError::CutOff))?.copy_from_slice(bytes);
                let result = calls::cell_map(handle, step.address, &page, step.access);
                page.fill(0);
                result
            }
        };
        result.map_err(|error| LoadError::Memory(step.address, error))?;
    }
    Ok(())
}

fn add_stacks(handle: Handle, harts: u32, stack: u64) -> Result<(), LoadError> {
    let stack = stack.clamp(PAGE_SIZE, layout::STACK_SIZE_MAX) & !(PAGE_SIZE - 1);
    for hart in 0..harts {
        for (top, size) in [(EVENT_STACK_TOP_OFFSET, EVENT_STACK_SIZE), (STACK_TOP_OFFSET, stack)] {
            let top = hart_area(hart) + top;
            let mut at = top - size;
            while at < top {
                let length = (top - at).min(MAP_MAX);
                calls::cell_map_zeroed(handle, at, length, Access::ReadWrite)
                    .map_err(|error| LoadError::Memory(at, error))?;
                at += length;
            }
        }
    }
    Ok(())
}

/// The page in the layout of [`layout::Parameters`]: the length, a reserved word, the text.
fn add_parameters(handle: Handle, args: &str) -> Result<(), LoadError> {
    let mut page: Box<[u8]> = vec![0; PAGE_SIZE as usize].into_boxed_slice();
    let length = args.len().min(manifest::limits::ARGUMENTS_MAX);
    page[..4].copy_from_slice(&(length as u32).to_le_bytes());
    page[8..8 + length].copy_from_slice(&args.as_bytes()[..length]);
    calls::cell_map(handle, PARAMETERS, &page, Access::Read)
        .map(|_| ())
        .map_err(|error| LoadError::Memory(PARAMETERS, error))
}
