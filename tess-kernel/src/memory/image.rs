//! The kernel's own address space: image, direct map, stacks, devices, each with no more access than it needs.

use core::sync::atomic::{AtomicU64, Ordering};

use kernel_core::frames::Frame;
use spin::Once;

use super::tables::{self, GLOBAL, LARGE, NO_EXECUTE, PRESENT, UNCACHED, WRITABLE};
use super::{DEVICES, DIRECT_MAP, KERNEL_OFFSET, PAGE, STACKS, boot, physical};
use crate::arch::features::features;
use crate::arch::registers;

unsafe extern "C" {
    static _image_start: u8;
    static _text_start: u8;
    static _text_end: u8;
    static _rodata_end: u8;
    static _image_end: u8;
}

const MIB_2: u64 = 2 << 20;

/// Bytes of a hardware thread's ordinary stack. Unoptimised code needs three times what optimised code does.
const STACK: u64 = 96 * 1024;

/// Bytes of each stack for what cannot be survived.
const FATAL_STACK: u64 = 16 * 1024;

/// Virtual memory set aside for a hardware thread's stacks.
const STACK_AREA: u64 = 256 * 1024;

static ROOT: AtomicU64 = AtomicU64::new(0);
static BLANK: AtomicU64 = AtomicU64::new(0);
static NEXT_DEVICE: AtomicU64 = AtomicU64::new(DEVICES);

/// Where the image lies in physical memory, in whole 2 MiB: it has no other mapping than its own.
pub(crate) fn physical_range() -> (u64, u64) {
    let start = (&raw const _image_start) as u64;
    let end = (&raw const _image_end) as u64 - KERNEL_OFFSET;
    (start & !(MIB_2 - 1), end.next_multiple_of(MIB_2))
}

/// Whether an address is in the kernel's code.
pub(crate) fn is_text(address: u64) -> bool {
    ((&raw const _text_start) as u64..(&raw const _text_end) as u64).contains(&address)
}

/// The kernel's page table, whose upper half every cell's table shares.
pub(crate) fn root() -> u64 {
    ROOT.load(Ordering::Relaxed)
}

/// A frame of zeroes that nobody writes to.
pub(crate) fn blank() -> Frame {
    Frame::containing(BLANK.load(Ordering::Relaxed))
}

fn allocate() -> Result<u64, core::convert::Infallible> {
    Ok(boot::take(PAGE))
}

fn map(virtual_address: u64, entry: u64, level: u32) {
    // A part of the direct map that two of the loader's ranges share is mapped once.
    let _ = tables::map(root(), virtual_address, entry, level, allocate);
}

/// Builds the tables and switches to them. `ranges` is the memory that the direct map must show.
pub(crate) fn build(ranges: impl Iterator<Item = (u64, u64)>) {
    ROOT.store(boot::take(PAGE), Ordering::Relaxed);
    BLANK.store(boot::take(PAGE), Ordering::Relaxed);
    // Every entry of the root that the kernel will ever use exists before the first cell copies them.
    for area in [DIRECT_MAP, STACKS, DEVICES, KERNEL_OFFSET] {
        let table = boot::take(PAGE);
        physical::table(root())[tables::index(area, 4)].store(table | PRESENT | WRITABLE, Ordering::Relaxed);
    }
    let sections = [
        (&raw const _text_start, &raw const _text_end, 0),
        (&raw const _text_end, &raw const _rodata_end, NO_EXECUTE),
        (&raw const _rodata_end, &raw const _image_end, NO_EXECUTE | WRITABLE),
    ];
    for (start, end, access) in sections {
        for page in (start as u64..end as u64).step_by(PAGE as usize) {
            map(page, (page - KERNEL_OFFSET) | PRESENT | GLOBAL | access, 1);
        }
    }
    for (start, end) in ranges {
        direct_map(start, end);
    }
    // SAFETY: the new tables map the image where it runs, and the boot stack in it.
    unsafe { registers::set_tables(root()) };
}

/// Shows a range of physical memory in the direct map, in whole 2 MiB (or GiB). Not the kernel's image.
fn direct_map(start: u64, end: u64) {
    let image = physical_range();
    let mut at = start & !(MIB_2 - 1);
    while at < end {
        let gib = 1 << 30;
        let whole_gib = features().gigabyte_pages
            && at.is_multiple_of(gib)
            && at + gib <= end
            && !(at < image.1 && image.0 < at + gib);
        let (level, step) = if whole_gib { (3, gib) } else { (2, MIB_2) };
        if !(image.0..image.1).contains(&at) {
            map(physical::direct(at), at | PRESENT | WRITABLE | NO_EXECUTE | GLOBAL | LARGE, level);
        }
        at += step;
    }
}

/// Makes sure that the direct map shows what firmware tables lie in. At boot only.
pub(crate) fn show(start: u64, length: u64) {
    for page in (start & !(MIB_2 - 1)..start + length).step_by(MIB_2 as usize) {
        if tables::find(root(), physical::direct(page)).0 & PRESENT == 0 {
            direct_map(page, page + MIB_2);
        }
    }
}

/// Maps a page of device registers; at boot only.
pub(crate) fn map_device(physical: u64) -> u64 {
    let at = NEXT_DEVICE.fetch_add(2 * PAGE, Ordering::Relaxed);
    map(at, (physical & !(PAGE - 1)) | PRESENT | WRITABLE | NO_EXECUTE | GLOBAL | UNCACHED, 1);
    at + physical % PAGE
}

/// Gives hardware thread `thread` its stacks.
pub(crate) fn map_stacks(thread: usize) -> crate::arch::gdt::Stacks {
    let mut at = STACKS + thread as u64 * STACK_AREA;
    let mut stack = |bytes: u64| {
        at += PAGE;
        let memory = boot::take(bytes);
        for offset in (0..bytes).step_by(PAGE as usize) {
            map(at + offset, (memory + offset) | PRESENT | WRITABLE | NO_EXECUTE | GLOBAL, 1);
        }
        at += bytes;
        at
    };
    crate::arch::gdt::Stacks {
        kernel: stack(STACK),
        nmi: stack(FATAL_STACK),
        double_fault: stack(FATAL_STACK),
        machine_check: stack(FATAL_STACK),
    }
}

/// Counts stacks of the first `threads` hardware threads whose guard page is mapped.
pub(crate) fn unguarded_stacks(threads: usize) -> u64 {
    let mut found = 0;
    for thread in 0..threads {
        let mut at = STACKS + thread as u64 * STACK_AREA;
        for bytes in [STACK, FATAL_STACK, FATAL_STACK, FATAL_STACK] {
            found += u64::from(tables::find(root(), at).0 & PRESENT != 0);
            at += PAGE + bytes;
        }
    }
    found
}

/// Page tables for starting the other hardware threads: the kernel's, and one page of low memory readable and executable. Its address is
/// below 4 GiB, as all boot memory is.
pub(crate) fn startup_tables(page: u64) -> u64 {
    let startup = boot::take(PAGE);
    for (own, shared) in physical::table(startup).iter().zip(physical::table(root())).skip(256) {
        own.store(shared.load(Ordering::Relaxed), Ordering::Relaxed);
    }
    let _ = tables::map(startup, page, page | PRESENT, 1, allocate);
    startup
}

/// Switches from the startup tables to the kernel's own.
pub(crate) fn leave_startup_tables() {
    registers::use_kernel_tables();
}

/// Writable and executable pages of the kernel's half, and hardware threads whose stacks lack a guard. Looked for once, when all is mapped: the kernel's half does not change
/// after that, and the walk takes a while.
pub(crate) fn audit() -> (u64, u64) {
    static FOUND: Once<(u64, u64)> = Once::new();
    let look = || (tables::count(root(), tables::writable_and_executable), unguarded_stacks(crate::cpu::count()));
    *FOUND.call_once(look)
}
