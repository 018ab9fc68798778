//! What the loader handed over, by the PVH boot protocol: the memory map, the boot archive, the command line and the firmware's tables.

use heapless::{String, Vec};

use super::boot::START_INFO_MAGIC;
use crate::memory::physical;

/// A range of physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Range {
    /// What is in both; empty (start not below end) when nothing is.
    pub(crate) fn intersection(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }
}

/// Entries of the memory map that are kept.
const MAX_RANGES: usize = 64;

/// Kinds of the loader's memory map that may be in the direct map: usable memory and the firmware's tables.
const USABLE: u32 = 1;
const FIRMWARE: [u32; 2] = [3, 4];

/// What the loader handed over.
#[derive(Clone, Debug)]
pub(crate) struct BootInfo {
    ranges: Vec<(Range, u32), MAX_RANGES>,
    pub(crate) archive: Range,
    pub(crate) firmware_tables: u64,
    pub(crate) command_line: String<256>,
}

/// `hvm_start_info`, as the Xen project documents it.
#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    modules: u32,
    module_list: u64,
    command_line: u64,
    firmware_tables: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

#[repr(C)]
struct Module {
    address: u64,
    size: u64,
    command_line: u64,
    reserved: u64,
}

#[repr(C)]
struct MapEntry {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// Copies what matters out of the loader's structures, before anything can overwrite them.
///
/// # Errors
/// A sentence that says what the loader did wrong.
///
/// # Safety
/// `start_info` is the physical address that the boot code got from the loader, and the boot page tables are in use.
pub(crate) unsafe fn read(start_info: u64) -> Result<BootInfo, &'static str> {
    // SAFETY: by the caller's promise; the loader keeps its structures in memory that the direct map shows.
    let info = unsafe { (physical::direct(start_info) as *const StartInfo).read_unaligned() };
    if info.magic != START_INFO_MAGIC {
        return Err("the loader did not follow the PVH boot protocol: its start information has another magic number");
    }
    if info.version < 1 || info.memory_map == 0 {
        return Err("the loader gave no memory map (PVH start information of version 0)");
    }
    let mut boot = BootInfo {
        ranges: Vec::new(),
        archive: Range { start: 0, end: 0 },
        firmware_tables: info.firmware_tables,
        command_line: String::new(),
    };
    let map = physical::direct(info.memory_map) as *const MapEntry;
    for index in 0..info.memory_map_entries as usize {
        let entry = map.wrapping_add(index);
        // SAFETY: the loader says that there are so many entries; it need not align them as we would.
        let entry = unsafe { entry.read_unaligned() };
        let range = Range { start: entry.address, end: entry.address.saturating_add(entry.size) };
        if boot.ranges.push((range, entry.kind)).is_err() {
            break;
        }
    }
    if info.modules > 0 {
        let module = physical::direct(info.module_list) as *const Module;
        // SAFETY: the loader says that there is at least one module; aligned or not.
        let module = unsafe { module.read_unaligned() };
        boot.archive = Range { start: module.address, end: module.address + module.size };
    }
    if info.command_line != 0 {
        for offset in 0..boot.command_line.capacity() as u64 {
            // SAFETY: the command line is a string that ends with a zero, where the loop ends.
            let byte = unsafe { *(physical::direct(info.command_line + offset) as *const u8) };
            if byte == 0 || boot.command_line.push(if byte.is_ascii() { byte as char } else { '?' }).is_err() {
                break;
            }
        }
    }
    Ok(boot)
}

impl BootInfo {
    /// Ranges of usable memory.
    pub(crate) fn usable(&self) -> impl Iterator<Item = Range> {
        self.ranges.iter().filter(|(_, kind)| *kind == USABLE).map(|(range, _)| *range)
    }

    /// Ranges that the direct map must show: memory, the firmware's tables, and the first 2 MiB with the firmware's own.
    pub(crate) fn to_map(&self) -> impl Iterator<Item = (u64, u64)> {
        let memory = self.ranges.iter().filter(|(_, kind)| *kind == USABLE || FIRMWARE.contains(kind));
        memory.map(|(range, _)| (range.start, range.end)).chain([(0, 2 << 20), (self.archive.start, self.archive.end)])
    }
}
