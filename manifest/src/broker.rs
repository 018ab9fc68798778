//! What the broker is told: how to decide, and what each cell needs. Numbers are whole, in thousandths where people write fractions, so that manifests can be compared.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{Nanoseconds, Threads};

/// The optimizers that the root cell ships, by the names that it knows them by.
pub const OPTIMIZERS: [&str; 5] = ["static", "fair", "utilisation", "pota", "pacora"];

/// How the broker decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broker {
    /// The optimizer's name: one of [`OPTIMIZERS`] if the root cell's program is the usual one.
    pub optimizer: String,
    /// From decision to decision, in ns ([`crate::limits::BROKER_PERIOD_NS`]).
    pub period_ns: u64,
    /// Measurements of each cell in a period ([`crate::limits::SAMPLES`]).
    pub samples: u32,
    /// Parts into which the time of a hardware thread is divided ([`crate::limits::QUANTA`]).
    pub quanta: u32,
    /// The hardware threads that cells with `most-harts` can have.
    pub threads: Threads,
    /// How long a cell that is to have fewer harts has time to release them, in ns ([`crate::limits::NOTICE_NS`]).
    pub notice_ns: u64,
    /// How far before its deadline a response is to come, in thousandths of the deadline ([`crate::limits::MARGIN`]).
    pub margin_permille: u32,
}

/// What a cell needs of the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// It never has less, in thousandths of a hardware thread; 0: one quantum.
    pub minimum_milli: u32,
    /// More is of no use to it, in thousandths of a hardware thread; without it, all that it may run on.
    pub desired_milli: Option<u32>,
    /// What it is to reach; without it, it is best-effort: the sooner the better.
    pub target: Option<Target>,
    /// The penalty of each second that it is late, in thousandths.
    pub slope_milli: u64,
    /// Its share where shares go by weight ([`crate::limits::WEIGHT`]).
    pub weight: u32,
    /// What it wants of services.
    pub contracts: Vec<Rate>,
}

/// What a cell is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// So many heartbeats in a second, in thousandths.
    Heartbeats {
        /// Thousandths of a heartbeat per second; at least 1.
        milli_per_s: u64,
    },
    /// The work of each heartbeat is done within so long, however seldom there is some.
    Deadline {
        /// In ns.
        ns: u64,
    },
}

impl Target {
    /// The longest time that the work of a heartbeat may take, in ns.
    #[must_use]
    pub fn deadline_ns(self) -> u64 {
        match self {
            Self::Heartbeats { milli_per_s } => 1_000_000_000_000 / milli_per_s.max(1),
            Self::Deadline { ns } => ns,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Heartbeats { milli_per_s } if milli_per_s % 1000 == 0 => write!(f, "{}/s", milli_per_s / 1000),
            Self::Heartbeats { milli_per_s } => write!(f, "{}.{:03}/s", milli_per_s / 1000, milli_per_s % 1000),
            Self::Deadline { ns } => write!(f, "within {}", Nanoseconds(ns)),
        }
    }
}

/// Requests per second of a service, which is named by the cell that serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// The service's cell.
    pub service: String,
    /// Requests per second ([`crate::limits::RATE`]).
    pub per_s: u32,
}
