//! What the kernel found on this machine.

/// What [`crate::Call::MachineInfo`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct MachineInfo {
    /// Hardware threads that were started.
    pub hardware_threads: u32,
    /// Memory nodes.
    pub nodes: u32,
    /// Bits of `feature`.
    pub features: u64,
    /// Frames that the allocator was given at boot.
    pub frames_total: u64,
    /// Frames free now.
    pub frames_free: u64,
    /// Time-stamp counter ticks per second, as calibrated.
    pub tsc_hz: u64,
    /// The timebase's error bound measured at boot, in ns.
    pub timebase_error_ns: u64,
    /// The calibrated lead: how long before an activation the timer is armed, in ns.
    pub lead_ns: u64,
    /// Bytes of the boot archive at [`crate::layout::ARCHIVE`].
    pub archive_bytes: u64,
    /// The plan in force.
    pub plan: u64,
    /// Inter-processor interrupts sent since the first cell started.
    pub ipis: u64,
    /// From the kernel's first instruction to the first cell's, in ns.
    pub boot_ns: u64,
    /// Pages that are writable and executable, in the kernel's page tables and the caller's. Anything but 0 is a bug.
    pub writable_executable_pages: u64,
    /// Kernel stacks whose guard page is mapped. Anything but 0 is a bug.
    pub unguarded_stacks: u64,
    /// How long after its stamp a wake or idle input of a cell takes effect, and how far ahead a plan does at least, in ns.
    pub delay_ns: u64,
    /// Wake and idle inputs that cells published.
    pub inputs: u64,
    /// Those, and plans, that were published too late for some muxer to be sure to see them.
    pub late_inputs: u64,
    /// Times that a muxer found its decisions different from a sibling's, or itself too far behind.
    pub divergences: u64,
    /// Repairs published.
    pub repairs: u64,
    /// From the acceptance of the last plan to the instant at which the last muxer followed it, in ns; 0 while some do not.
    pub commit_ns: u64,
    /// Timer interrupts taken since the first cell started, by all hardware threads. There is no periodic tick: each was armed for an instant that concerned someone.
    pub timers: u64,
    /// How often the root cell was started: more than 1 if it died.
    pub root_lives: u64,
    /// When it died last, in ns of the timebase; 0 if it never did.
    pub root_died_ns: u64,
    /// Its heartbeats when it died last: a word that one life of it leaves to the next.
    pub root_beats: u64,
    /// Name of the processor, zero-padded UTF-8.
    pub processor: [u8; 48],
}

impl Default for MachineInfo {
    fn default() -> Self {
        Self {
            hardware_threads: 0,
            nodes: 0,
            features: 0,
            frames_total: 0,
            frames_free: 0,
            tsc_hz: 0,
            timebase_error_ns: 0,
            lead_ns: 0,
            archive_bytes: 0,
            plan: 0,
            ipis: 0,
            boot_ns: 0,
            writable_executable_pages: 0,
            unguarded_stacks: 0,
            delay_ns: 0,
            inputs: 0,
            late_inputs: 0,
            divergences: 0,
            repairs: 0,
            commit_ns: 0,
            timers: 0,
            root_lives: 0,
            root_died_ns: 0,
            root_beats: 0,
            processor: [0; 48],
        }
    }
}

/// Bits of [`MachineInfo::features`], each with the name that a person reads.
pub const FEATURES: [(u64, &str); 10] = [
    (1 << 0, "x2apic"),
    (1 << 1, "tsc-deadline"),
    (1 << 2, "smep"),
    (1 << 3, "smap"),
    (1 << 4, "umip"),
    (1 << 5, "nx"),
    (1 << 6, "fsgsbase"),
    (1 << 7, "pcid"),
    (1 << 8, "xsave"),
    (1 << 9, "invariant-tsc"),
];

const _: () = assert!(size_of::<MachineInfo>() == 232, "the layout is part of the contract");
