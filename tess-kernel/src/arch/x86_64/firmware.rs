//! The firmware's tables (ACPI): which hardware threads there are, which memory is near which of them, and where the power management timer is.

use core::ptr::NonNull;

use acpi::fadt::Fadt;
use acpi::madt::{Madt, MadtEntry};
use acpi::mcfg::Mcfg;
use acpi::sdt::{SdtHeader, Signature};
use acpi::{AcpiHandler, AcpiTable, AcpiTables, PhysicalMapping};
use heapless::Vec;

use super::loader::Range;
use crate::memory::{image, physical};

/// The most hardware threads that are started.
pub(crate) const MAX_THREADS: usize = abi::MAX_HARDWARE_THREADS;

/// A hardware thread as the firmware lists it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Processor {
    /// Its number on the interrupt bus.
    pub(crate) apic: u32,
    /// Its memory node.
    pub(crate) node: usize,
}

/// What the tables say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topology {
    pub(crate) processors: Vec<Processor, MAX_THREADS>,
    pub(crate) memory: Vec<(Range, usize), 16>,
    /// The port of the power management timer.
    pub(crate) power_timer: Option<u16>,
    /// Where PCI configuration space is mapped.
    pub(crate) pci: Option<u64>,
    /// Hardware threads beyond [`MAX_THREADS`], which stay off.
    pub(crate) left_out: usize,
}

/// Shows the parser tables in the direct map.
#[derive(Clone, Copy)]
struct DirectMap;

impl AcpiHandler for DirectMap {
    unsafe fn map_physical_region<T>(&self, address: usize, size: usize) -> PhysicalMapping<Self, T> {
        image::show(address as u64, size as u64);
        let pointer = NonNull::new(physical::direct(address as u64) as *mut T).expect("the direct map is not at 0");
        // SAFETY: the direct map shows the range, for as long as the kernel runs.
        unsafe { PhysicalMapping::new(address, pointer, size, size, *self) }
    }

    fn unmap_physical_region<T>(_: &PhysicalMapping<Self, T>) {}
}

/// The header of the system resource affinity table; its entries are read as bytes.
#[repr(C, packed)]
struct Srat {
    header: SdtHeader,
    reserved: [u8; 12],
}

// SAFETY: the type is the fixed part of the table with this signature (ACPI 6.5, section 5.2.16).
unsafe impl AcpiTable for Srat {
    const SIGNATURE: Signature = Signature::SRAT;

    fn header(&self) -> &SdtHeader {
        &self.header
    }
}

/// Reads the tables.
///
/// # Errors
/// A sentence that says what is missing.
pub(crate) fn read(root: u64) -> Result<Topology, &'static str> {
    if root == 0 {
        return Err("the loader gave no ACPI tables");
    }
    // SAFETY: the loader says that the root table is there.
    let tables =
        unsafe { AcpiTables::from_rsdp(DirectMap, root as usize) }.map_err(|_| "the ACPI root table is broken")?;
    let mut topology = Topology::default();
    let madt = tables.find_table::<Madt>().map_err(|_| "the firmware does not list the processors (no MADT)")?;
    for entry in madt.get().entries() {
        let (apic, flags) = match entry {
            MadtEntry::LocalApic(entry) => (u32::from(entry.apic_id), { entry.flags }),
            MadtEntry::LocalX2Apic(entry) => ({ entry.x2apic_id }, { entry.flags }),
            _ => continue,
        };
        let known = topology.processors.iter().any(|processor| processor.apic == apic);
        if flags & 1 == 0 || known {
            continue;
        }
        if topology.processors.push(Processor { apic, node: 0 }).is_err() {
            topology.left_out += 1;
        }
    }
    let fadt = tables.find_table::<Fadt>().ok();
    let block = fadt.and_then(|fadt| fadt.pm_timer_block().ok().flatten());
    topology.power_timer = block.and_then(|block| u16::try_from(block.address).ok()).filter(|port| *port != 0);
    if let Ok(mcfg) = tables.find_table::<Mcfg>() {
        topology.pci = mcfg.entries().first().map(|entry| entry.base_address);
    }
    if let Ok(srat) = tables.find_table::<Srat>() {
        let length = srat.region_length();
        // SAFETY: the mapping covers the whole table.
        let bytes = unsafe { core::slice::from_raw_parts(srat.virtual_start().as_ptr().cast::<u8>(), length) };
        affinity(bytes.get(size_of::<Srat>()..).unwrap_or(&[]), &mut topology);
    }
    Ok(topology)
}

/// Entries of the affinity table (ACPI 6.5, tables 5.60 to 5.62). Proximity domains are numbered in the order of their appearance.
fn affinity(mut bytes: &[u8], topology: &mut Topology) {
    let mut domains: Vec<u32, { kernel_core::frames::MAX_NODES }> = Vec::new();
    let mut node = |domain: u32| {
        domains.iter().position(|known| *known == domain).or_else(|| {
            domains.push(domain).ok()?;
            Some(domains.len() - 1)
        })
    };
    while let [kind, length, ..] = *bytes {
        let Some((entry, rest)) = bytes.split_at_checked(usize::from(length).max(2)) else { return };
        bytes = rest;
        let word = |at: usize| {
            entry.get(at..at + 4).map_or(0, |word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        };
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let (apic, domain) = match kind {
            0 if word(4) & 1 != 0 => {
                let high = word(8) >> 8 << 8;
                (word(0) >> 24, word(0) >> 16 & 0xff | high)
            }
            2 if word(12) & 1 != 0 => (word(8), word(4)),
            1 if word(28) & 1 != 0 => {
                if let Some(node) = node(word(2)) {
                    let start = long(8);
                    let _ = topology.memory.push((Range { start, end: start.saturating_add(long(16)) }, node));
                }
                continue;
            }
            _ => continue,
        };
        let processor = topology.processors.iter_mut().find(|processor| processor.apic == apic);
        if let (Some(node), Some(processor)) = (node(domain), processor) {
            processor.node = node;
        }
    }
}
