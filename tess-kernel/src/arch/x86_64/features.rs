//! What the processor can do, and switching it on.

use raw_cpuid::CpuId;
use spin::Once;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

/// Detected once on the boot processor; the others must not have less.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features {
    pub(crate) x2apic: bool,
    pub(crate) tsc_deadline: bool,
    pub(crate) smep: bool,
    pub(crate) smap: bool,
    pub(crate) umip: bool,
    pub(crate) fsgsbase: bool,
    pub(crate) pcid: bool,
    pub(crate) xsave: bool,
    pub(crate) invariant_tsc: bool,
    pub(crate) gigabyte_pages: bool,
    /// Vector state that cells may use, as in `xcr0`.
    pub(crate) vector_mask: u64,
    /// Bytes that `xsave` needs for it.
    pub(crate) vector_bytes: u64,
    pub(crate) name: [u8; 48],
}

static FEATURES: Once<Features> = Once::new();

/// x87, SSE, AVX and AVX-512: their state in the standard format fits in a page.
const VECTOR_STATE: u64 = 0b1110_0111;

/// What was detected.
pub(crate) fn features() -> &'static Features {
    FEATURES.call_once(detect)
}

fn detect() -> Features {
    let cpuid = CpuId::new();
    let basic = cpuid.get_feature_info();
    let extended = cpuid.get_extended_feature_info();
    let processor = cpuid.get_extended_processor_and_feature_identifiers();
    let mut features = Features {
        x2apic: false,
        tsc_deadline: false,
        smep: false,
        smap: false,
        umip: false,
        fsgsbase: false,
        pcid: false,
        xsave: false,
        invariant_tsc: false,
        gigabyte_pages: false,
        vector_mask: 0,
        vector_bytes: 0,
        name: [0; 48],
    };
    if let Some(basic) = &basic {
        features.x2apic = basic.has_x2apic();
        features.tsc_deadline = basic.has_tsc_deadline();
        features.pcid = basic.has_pcid();
        features.xsave = basic.has_xsave();
    }
    if let Some(extended) = &extended {
        features.smep = extended.has_smep();
        features.smap = extended.has_smap();
        features.umip = extended.has_umip();
        features.fsgsbase = extended.has_fsgsbase();
    }
    if let Some(processor) = &processor {
        features.gigabyte_pages = processor.has_1gib_pages();
    }
    features.invariant_tsc = cpuid.get_advanced_power_mgmt_info().is_some_and(|info| info.has_invariant_tsc());
    if features.xsave {
        let supported = core::arch::x86_64::__cpuid_count(0xd, 0);
        features.vector_mask = (u64::from(supported.eax) | u64::from(supported.edx) << 32) & VECTOR_STATE;
        // AVX-512's three parts only make sense together.
        if features.vector_mask & 0b1110_0000 != 0b1110_0000 {
            features.vector_mask &= 0b111;
        }
    }
    if let Some(brand) = cpuid.get_processor_brand_string() {
        let text = brand.as_str().trim().as_bytes();
        let length = text.len().min(features.name.len());
        features.name[..length].copy_from_slice(&text[..length]);
    }
    if features.xsave {
        switch_on(&features);
        features.vector_bytes = u64::from(core::arch::x86_64::__cpuid_count(0xd, 0).ebx);
    }
    features
}

/// What the processor says of states in which it sleeps: registers `ecx` and `edx` of CPUID leaf 5, and whether the timer runs in all of them. Zeros
/// where it has no `monitor` and `mwait`.
pub(crate) fn sleep_states() -> (u32, u32, bool) {
    let cpuid = CpuId::new();
    let has_mwait = cpuid.get_feature_info().is_some_and(|basic| basic.has_monitor_mwait());
    if !has_mwait || cpuid.get_monitor_mwait_info().is_none() {
        return (0, 0, false);
    }
    let states = core::arch::x86_64::__cpuid(5);
    (states.ecx, states.edx, cpuid.get_thermal_power_info().is_some_and(|info| info.has_arat()))
}

/// Switches the protections and extensions on, on this hardware thread.
pub(crate) fn enable() {
    switch_on(features());
}

fn switch_on(features: &Features) {
    // SAFETY: write protection, native exceptions and no emulation change nothing that the kernel's own code relies on.
    unsafe {
        Cr0::update(|flags| {
            flags.remove(Cr0Flags::EMULATE_COPROCESSOR | Cr0Flags::TASK_SWITCHED);
            flags.insert(Cr0Flags::MONITOR_COPROCESSOR | Cr0Flags::NUMERIC_ERROR | Cr0Flags::WRITE_PROTECT);
        });
    }
    let mut wanted = Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE | Cr4Flags::PAGE_GLOBAL;
    wanted.set(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, features.smep);
    wanted.set(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, features.smap);
    wanted.set(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, features.umip);
    wanted.set(Cr4Flags::FSGSBASE, features.fsgsbase);
    wanted.set(Cr4Flags::OSXSAVE, features.xsave);
    // SAFETY: each flag is set only where the processor has the feature. The kernel touches cells' memory only through the
    // direct map, so supervisor access prevention never strikes it, and global pages are used for kernel mappings only.
    unsafe { Cr4::update(|flags| flags.insert(wanted)) };
    if features.xsave {
        // SAFETY: the mask holds only components that the processor reports, x87 among them, AVX only with SSE.
        unsafe { XCr0::write(XCr0Flags::from_bits_truncate(features.vector_mask)) };
    }
}

impl Features {
    /// As bits of [`abi::machine::MachineInfo::features`], in the order of [`abi::machine::FEATURES`].
    pub(crate) fn bits(&self) -> u64 {
        let list = [
            self.x2apic,
            self.tsc_deadline,
            self.smep,
            self.smap,
            self.umip,
            true,
            self.fsgsbase,
            self.pcid,
            self.xsave,
            self.invariant_tsc,
        ];
        list.into_iter().enumerate().fold(0, |bits, (place, present)| bits | u64::from(present) << place)
    }
}
