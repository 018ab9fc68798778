//! What a manifest says.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{Broker, Needs, limits};

/// A whole system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// Its name.
    pub name: String,
    /// One line for whoever runs it; may be empty.
    pub about: String,
    /// How long a best-effort gang runs before the next one's turn, in ns ([`limits::SLICE_NS`]).
    pub slice_ns: u64,
    /// A hart that starts later than this after its activation counts as missed, in ns ([`limits::TOLERANCE_NS`]).
    pub tolerance_ns: u64,
    /// How long it runs, in ns; without it, until someone ends it.
    pub run_for_ns: Option<u64>,
    /// The interval of the live view, in ns; 0 for none.
    pub status_ns: u64,
    /// How gangs are activated.
    pub activation: Activation,
    /// The root cell.
    pub root: Root,
    /// How it decides who gets what; without it, every cell keeps what the manifest says.
    pub broker: Option<Broker>,
    /// All other cells, in the order of the file. Names are unique.
    pub cells: Vec<Cell>,
    /// The channels between them, each way of each pair.
    pub channels: Vec<Channel>,
}

/// A channel from one cell to another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// What both know it by; several may have the same.
    pub name: String,
    /// The cell that sends.
    pub from: String,
    /// The cell that receives.
    pub to: String,
    /// Messages that it holds ([`limits::CAPACITY`]).
    pub capacity: u32,
    /// Blocks of bulk memory; 0 for none.
    pub blocks: u32,
    /// Bytes of each; a multiple of a page.
    pub block_bytes: u32,
    /// What the sender is promised, and held to; without it, as much as the receiver can take.
    pub contract: Option<Contract>,
    /// The two ways of a two-way channel have the same number, which no other has: from 1 to [`limits::CHANNELS_MAX`]. 0: it goes one way only.
    pub pair: u32,
}

/// What a sender may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// Messages per second, in the long run ([`limits::RATE`]).
    pub rate_per_s: u32,
    /// Messages at once.
    pub burst: u32,
}

/// How gangs are activated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// Every hardware thread arms its timer early and holds until the instant.
    #[default]
    Hold,
    /// One hardware thread interrupts the others at the instant. To measure against.
    Ipi,
}

/// The root cell: one hart on hardware thread 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Its program.
    pub program: String,
    /// When it runs.
    pub policy: Policy,
    /// For the program; words separated by spaces.
    pub args: String,
}

impl Default for Root {
    fn default() -> Self {
        Self {
            program: String::from("root"),
            policy: Policy::TimeTriggered { period_ns: 50_000_000, phase_ns: 0, length_ns: 3_000_000 },
            args: String::new(),
        }
    }
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Its name, unique in the system, at most [`limits::NAME_MAX`] bytes.
    pub name: String,
    /// The program that it runs.
    pub program: String,
    /// Where it runs: one hart on each of these.
    pub threads: Threads,
    /// The most harts that it can have while it runs, where it takes part in the resize protocol: at least as many as it begins with ([`limits::MOST_HARTS`]). Their stacks are
    /// paid from its memory. Without it the cell is of fixed size.
    pub most_harts: Option<u32>,
    /// The memory that it may use, in bytes, page tables and stacks included.
    pub memory_bytes: u64,
    /// Each hart's first stack, in bytes.
    pub stack_bytes: u64,
    /// When it runs.
    pub policy: Policy,
    /// For the program; words separated by spaces.
    pub args: String,
    /// What a test expects of it.
    pub expect: Expect,
    /// A test fails if it misses a window.
    pub no_missed: bool,
    /// Start it again when it ends or faults.
    pub restart: bool,
    /// What it needs of the broker; without it, it keeps its hardware threads and its policy.
    pub needs: Option<Needs>,
    /// Requests per second that it can serve to all cells that have contracts with it; 0 if it is no service.
    pub offers_per_s: u32,
}

/// Which hardware threads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Threads {
    /// All that the machine has.
    All,
    /// All but hardware thread 0, where the root cell runs.
    Other,
    /// These numbers.
    List(Vec<u32>),
}

/// Why a cell cannot have the hardware threads that it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadsError {
    /// The machine does not have this number.
    NoSuchThread {
        /// The number asked for.
        wanted: u32,
        /// How many there are.
        machine: u32,
    },
    /// The number is in the list twice.
    Duplicate(u32),
    /// Nothing is left to run on.
    Empty,
}

impl fmt::Display for ThreadsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchThread { wanted, machine } => {
                write!(f, "it asks for hardware thread {wanted}, and this machine has {machine}, numbered from 0")
            }
            Self::Duplicate(number) => write!(f, "it asks for hardware thread {number} twice"),
            Self::Empty => f.write_str("it would run on no hardware thread"),
        }
    }
}

impl core::error::Error for ThreadsError {}

impl Threads {
    /// The hardware threads as a bit each, on a machine with so many; more than [`limits::THREADS_MAX`] count as that many.
    ///
    /// # Errors
    /// [`ThreadsError`] if the machine does not have them.
    pub fn resolve(&self, hardware_threads: u32) -> Result<u64, ThreadsError> {
        let machine = hardware_threads.min(limits::THREADS_MAX);
        let all = if machine == 0 { 0 } else { u64::MAX >> (64 - machine) };
        let mask = match self {
            Self::All => all,
            Self::Other => all & !1,
            Self::List(numbers) => {
                let mut mask = 0;
                for &number in numbers {
                    if number >= machine {
                        return Err(ThreadsError::NoSuchThread { wanted: number, machine: hardware_threads });
                    }
                    if mask & 1 << number != 0 {
                        return Err(ThreadsError::Duplicate(number));
                    }
                    mask |= 1 << number;
                }
                mask
            }
        };
        if mask == 0 { Err(ThreadsError::Empty) } else { Ok(mask) }
    }
}

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Other => f.write_str("other"),
            Self::List(numbers) => {
                for (index, number) in numbers.iter().enumerate() {
                    write!(f, "{}{number}", if index == 0 { "" } else { "," })?;
                }
                Ok(())
            }
        }
    }
}

/// When a gang runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// Always.
    Dedicated,
    /// A window in every period.
    TimeTriggered {
        /// From one window's start to the next one's, in ns ([`limits::PERIOD_NS`]).
        period_ns: u64,
        /// The window's start in the period, in ns; less than the period.
        phase_ns: u64,
        /// The window's length, in ns; at most the period.
        length_ns: u64,
    },
    /// A share of what is left.
    BestEffort {
        /// Its weight among the best-effort gangs ([`limits::WEIGHT`]).
        weight: u32,
    },
    /// A budget in every period, used when the cell has work: when not all its harts are parked.
    EventTriggered {
        /// While it has work, its budget is renewed this often, beginning when it wakes, in ns ([`limits::PERIOD_NS`]).
        period_ns: u64,
        /// How long the gang runs in each period, and never longer, in ns ([`limits::WINDOW_NS`]); less than the period.
        budget_ns: u64,
    },
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::Nanoseconds as Ns;
        match *self {
            Self::Dedicated => f.write_str("dedicated"),
            Self::TimeTriggered { period_ns, phase_ns, length_ns } => {
                write!(f, "{} every {} at {}", Ns(length_ns), Ns(period_ns), Ns(phase_ns))
            }
            Self::BestEffort { weight } => write!(f, "best effort, weight {weight}"),
            Self::EventTriggered { period_ns, budget_ns } => {
                write!(f, "{} in every {} when there is work", Ns(budget_ns), Ns(period_ns))
            }
        }
    }
}

/// What a test expects of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expect {
    /// Still runs when the system ends.
    #[default]
    Run,
    /// Ends by itself with exit code 0.
    Exit,
    /// Is stopped by the kernel.
    Fault,
    /// Is not admitted by the broker, and does not start.
    Refused,
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn threads_resolve_to_what_the_machine_has_and_to_nothing_else() {
        assert_eq!(Threads::All.resolve(4), Ok(0b1111));
        assert_eq!(Threads::All.resolve(64), Ok(u64::MAX));
        assert_eq!(Threads::All.resolve(1000), Ok(u64::MAX));
        assert_eq!(Threads::All.resolve(0), Err(ThreadsError::Empty));
        assert_eq!(Threads::Other.resolve(4), Ok(0b1110));
        assert_eq!(Threads::Other.resolve(1), Err(ThreadsError::Empty));
        assert_eq!(Threads::List(vec![3, 1]).resolve(4), Ok(0b1010));
        let missing = ThreadsError::NoSuchThread { wanted: 4, machine: 4 };
        assert_eq!(Threads::List(vec![4]).resolve(4), Err(missing));
        assert_eq!(Threads::List(vec![1, 1]).resolve(4), Err(ThreadsError::Duplicate(1)));
        assert_eq!(Threads::List(vec![]).resolve(4), Err(ThreadsError::Empty));
        assert!(Threads::List(vec![u32::MAX]).resolve(u32::MAX).is_err());
    }

    #[test]
    fn policies_are_shown_as_people_say_them() {
        let shown = |policy: Policy| alloc::format!("{policy}");
        let (period_ns, budget_ns) = (5_000_000, 1_500_000);
        assert_eq!(shown(Policy::EventTriggered { period_ns, budget_ns }), "1.5 ms in every 5 ms when there is work");
        assert_eq!(
            shown(Policy::TimeTriggered { period_ns, phase_ns: 0, length_ns: 1_000 }),
            "1 us every 5 ms at 0 ns"
        );
        assert_eq!(shown(Policy::BestEffort { weight: 7 }), "best effort, weight 7");
        assert_eq!(shown(Policy::Dedicated), "dedicated");
    }
}
