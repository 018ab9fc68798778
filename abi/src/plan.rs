//! The plan as a cell hands it to the kernel: a [`PlanHeader`] and as many [`PlanEntry`]s as it says.
//!
//! The kernel copies it, validates it with the `muxer` crate and makes it effective as a whole, or refuses it as a whole.

/// The start of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PlanHeader {
    /// Entries that follow, at most [`crate::MAX_CELLS`].
    pub entries: u32,
    /// [`FLAG_IPI_ACTIVATION`] or 0.
    pub flags: u32,
    /// When it takes effect, in ns of the timebase; 0: as soon as every muxer can know of it.
    pub effective_ns: u64,
    /// The length of a best-effort slice, in ns.
    pub slice_ns: u64,
    /// A hart that starts later than this after its activation instant counts as missed, in ns.
    pub tolerance_ns: u64,
    /// Written by the kernel when it refuses: an instant at which the entries in conflict both want a hardware thread, in ns; 0 where there is no single one.
    pub conflict_at_ns: u64,
    /// Written by the kernel when it refuses: the longest window, or the largest budget, that the entry to blame could have with its period and
    /// phase and all else as asked, in ns; 0: none.
    pub fits_ns: u64,
}

/// Activate gangs by an inter-processor interrupt that the lowest hardware thread broadcasts at the instant, with no lead. It exists
/// to be measured against.
pub const FLAG_IPI_ACTIVATION: u32 = 1;

/// A cell in a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PlanEntry {
    /// A [`crate::Handle`] to the cell, in the register form, with [`crate::Rights::CONTROL`]; `OWN_CELL` is allowed too.
    pub cell: u32,
    /// A [`PolicyKind`].
    pub policy: u32,
    /// The hardware threads, a bit each. Hart `n` runs on the `n`-th lowest set bit. As many as the cell has harts; or, if it takes part in the resize protocol
    /// ([`crate::resize`]), more, up to the most that it can have, or fewer, if those that go have been released or their deadline has passed.
    pub threads: u64,
    /// Time-triggered and event-triggered: the period, in ns. Best-effort: the weight (1 to 10,000). Otherwise 0.
    pub period_ns_or_weight: u64,
    /// Time-triggered: the window's start in the period, in ns, counted from the timebase's zero. Otherwise 0.
    pub phase_ns: u64,
    /// Time-triggered: the window's length; event-triggered: the budget in every period; in ns. Otherwise 0.
    pub length_ns: u64,
}

/// A whole plan, as [`crate::Call::PlanRead`] writes it.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct PlanCopy {
    /// Its start.
    pub header: PlanHeader,
    /// Its entries, as many as the header says.
    pub entries: [PlanEntry; crate::MAX_CELLS],
}

impl Default for PlanCopy {
    fn default() -> Self {
        Self { header: PlanHeader::default(), entries: [PlanEntry::default(); crate::MAX_CELLS] }
    }
}

/// When a gang runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum PolicyKind {
    /// Always.
    Dedicated = 0,
    /// A window of fixed length at a fixed phase of a period.
    TimeTriggered = 1,
    /// Weighted shares of what is left, gang by gang.
    BestEffort = 2,
    /// A budget in every period, used when the cell has work.
    EventTriggered = 3,
}

impl PolicyKind {
    /// The policy of this number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Dedicated),
            1 => Some(Self::TimeTriggered),
            2 => Some(Self::BestEffort),
            3 => Some(Self::EventTriggered),
            _ => None,
        }
    }
}

/// Why a plan was refused: a reason and the entries (by index) in conflict. It travels packed in an error's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: RefusalReason,
    /// The entry to blame.
    pub entry: u16,
    /// The entry that it conflicts with; the same as `entry` where there is none.
    pub other: u16,
}

/// The reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum RefusalReason {
    /// The entry names no hardware thread, or one that the machine does not have.
    NoSuchThread = 1,
    /// The number of hardware threads is not the number of the cell's harts.
    WrongGangSize = 2,
    /// The cell is in the plan twice.
    Duplicate = 3,
    /// A length, period, phase, weight or slice is zero or out of range.
    BadParameter = 4,
    /// Two windows, or a window and a dedicated cell, want a hardware thread at the same time (switch cost included).
    Overlap = 5,
    /// More than the kernel's tables hold.
    TooMany = 6,
    /// The effective instant is too near, or past, or an earlier plan is still on its way.
    TooSoon = 7,
    /// The budgets, and the windows beside them, are more than can be promised (switch cost included).
    Overload = 8,
    /// It would take harts that have not been released, before the deadline of the notice.
    NotReleased = 9,
    /// It would take harts of a cell that was given no notice of it.
    NoNotice = 10,
}

impl RefusalReason {
    const ALL: [Self; 10] = [
        Self::NoSuchThread,
        Self::WrongGangSize,
        Self::Duplicate,
        Self::BadParameter,
        Self::Overlap,
        Self::TooMany,
        Self::TooSoon,
        Self::Overload,
        Self::NotReleased,
        Self::NoNotice,
    ];

    /// As part of a sentence.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::NoSuchThread => "names a hardware thread that the machine does not have",
            Self::WrongGangSize => "does not have one hardware thread per hart",
            Self::Duplicate => "is in the plan twice",
            Self::BadParameter => "has a period, phase, length, budget, weight or slice out of range",
            Self::Overlap => "wants a hardware thread at the same time as another",
            Self::TooMany => "is more than the kernel's tables hold",
            Self::TooSoon => "would take effect before every muxer can know of it",
            Self::Overload => "asks for a larger budget than can be promised beside the others",
            Self::NotReleased => "has harts to go that it has not released, and the deadline has not passed",
            Self::NoNotice => "was given no notice that it is to have fewer harts",
        }
    }
}

impl Refusal {
    /// In one register.
    #[must_use]
    pub const fn pack(self) -> u64 {
        self.reason as u64 | (self.entry as u64) << 16 | (self.other as u64) << 32
    }

    /// The reverse of [`Refusal::pack`].
    #[must_use]
    pub fn unpack(value: u64) -> Option<Self> {
        let reason = RefusalReason::ALL.into_iter().find(|reason| *reason as u64 == value & 0xffff)?;
        Some(Self { reason, entry: (value >> 16) as u16, other: (value >> 32) as u16 })
    }
}

const _: () = assert!(size_of::<PlanHeader>() == 48, "the layout is part of the contract");
const _: () = assert!(size_of::<PlanEntry>() == 40, "the layout is part of the contract");
