//! A cell of the system, as the root cell sees it, from its start to its end and perhaps its next start.

use alloc::boxed::Box;
use alloc::string::{String, ToString};

use crate::abi::Handle;
use crate::abi::account::{ACTIVATION_LOG_ENTRIES, Activation, ActivationLog, CellState, CellStatus};
use cell::{calls, time};
use core::sync::atomic::{AtomicU64, Ordering};

use crate::archive::Archive;
use crate::gang_log::GangLog;
use crate::loader;
use crate::measure::Reading;
use crate::promise::Claim;
use crate::resize::Shrinking;
use crate::verdict::{Fate, Outcome};

/// Logs are read when this many activations may be new. A log holds 170.
const READ_AFTER: u64 = 40;

/// Where a cell is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Loaded; it is or will be in the plan.
    Running(Handle),
    /// Ended, and to be destroyed as soon as the plan does not name it and its last words are written.
    Ending(Handle),
    /// Nothing is left of it.
    Gone,
}

/// What a cell did in lives that are over.
#[derive(Clone, Copy, Debug, Default)]
struct Past {
    activations: u64,
    missed: u64,
    time_ns: u64,
    heartbeats: u64,
}

/// A cell.
#[derive(Debug)]
pub struct Member {
    /// What the manifest says.
    pub spec: manifest::Cell,
    /// Its hardware threads and policy.
    pub claim: Claim,
    /// Where it is in its life.
    pub phase: Phase,
    /// How it stands, or how it ended last.
    pub fate: Fate,
    /// Harts that it is to release.
    pub shrinking: Option<Shrinking>,
    /// The hardware threads that the plan in force gives it.
    pub planned_threads: u64,
    /// Its activations' skew.
    pub log: GangLog,
    /// Hardware-thread time that its plans promised so far, in ns.
    pub promised_ns: f64,
    /// When it was started last, in ns.
    pub started_ns: u64,
    /// When it ended last, in ns.
    pub ended_ns: u64,
    status: CellStatus,
    past: Past,
    exits: (u64, u64),
    faults: u64,
}

impl Member {
    /// A cell that is not loaded yet.
    #[must_use]
    pub fn new(spec: manifest::Cell, threads: u64) -> Self {
        let claim = Claim { threads, policy: spec.policy };
        Self {
            claim,
            phase: Phase::Gone,
            fate: Fate::NotStarted(String::from("nobody started it")),
            shrinking: None,
            planned_threads: threads,
            log: GangLog::new(threads.count_ones()),
            promised_ns: 0.0,
            started_ns: 0,
            ended_ns: 0,
            status: CellStatus::default(),
            past: Past::default(),
            exits: (0, 0),
            faults: 0,
            spec,
        }
    }

    /// The root cell, which runs already. What it has received so far does not count.
    #[must_use]
    pub fn root(root: &manifest::Root) -> Self {
        let spec = manifest::Cell {
            name: String::from("root"),
            program: root.program.clone(),
            threads: manifest::Threads::List([0].to_vec()),
            most_harts: None,
            memory_bytes: 0,
            stack_bytes: 0,
            policy: root.policy,
            args: root.args.clone(),
            expect: manifest::Expect::Run,
            no_missed: false,
            restart: false,
            needs: None,
            offers_per_s: 0,
        };
        let mut member = Self { phase: Phase::Running(Handle::OWN_CELL), fate: Fate::Running, ..Self::new(spec, 1) };
        member.observe();
        member.spec.memory_bytes = member.status.frames_quota * crate::abi::layout::PAGE_SIZE;
        member.past.time_ns = member.status.time_ns.wrapping_neg();
        member
    }

    /// Its harts.
    #[must_use]
    pub fn harts(&self) -> u32 {
        self.claim.threads.count_ones()
    }

    /// Its harts as the kernel has them, how many it is to have, and how many of those that go it has released.
    #[must_use]
    pub fn sizes(&self) -> (u32, u32, u32) {
        (self.status.harts, self.status.wanted_harts, self.status.released_harts)
    }

    /// Loads and starts it.
    pub fn load(&mut self, archive: &Archive, now: u64) {
        match loader::load(archive, &self.spec, self.harts()) {
            Ok(handle) => {
                self.phase = Phase::Running(handle);
                self.shrinking = None;
                self.planned_threads = self.claim.threads;
                self.fate = Fate::Running;
                self.status = CellStatus::default();
                self.log.restart();
            }
            Err(error) => self.fate = Fate::NotStarted(error.to_string()),
        }
        self.started_ns = now;
    }

    /// Loads and starts it if it is admitted. Returns whether it was.
    pub fn begin(&mut self, archive: &Archive, admission: Result<(), String>) -> bool {
        match admission {
            Ok(()) => self.load(archive, time::now()),
            Err(reason) => self.fate = Fate::NotStarted(reason),
        }
        self.is_running()
    }

    /// It was there when the root cell was started again: what it has received so far does not count. In what plan it was, if in one.
    pub fn found(&mut self, handle: Handle, claim: Option<Claim>) {
        self.phase = Phase::Running(handle);
        self.fate = Fate::Running;
        self.claim = claim.unwrap_or(self.claim);
        self.planned_threads = self.claim.threads;
        self.log.restart();
        self.log.resize(self.harts());
        self.status = calls::cell_status(handle).unwrap_or_default();
        self.past.time_ns = self.status.time_ns.wrapping_neg();
        self.started_ns = time::now();
    }

    /// Its place among cells and its handle, while it runs.
    #[must_use]
    pub fn at(&self) -> Option<(u32, Handle)> {
        let Phase::Running(handle) = self.phase else { return None };
        // A place is below the number of cells.
        Some((self.status.place as u32, handle))
    }

    /// Whether a plan should name it.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running(_))
    }

    /// Asks the kernel how it does. Returns true if it has just ended.
    pub fn observe(&mut self) -> bool {
        let (Phase::Running(handle) | Phase::Ending(handle)) = self.phase else { return false };
        let Ok(status) = calls::cell_status(handle) else { return false };
        self.status = status;
        if !self.is_running() {
            return false;
        }
        match CellState::from_number(status.state) {
            Some(CellState::Exited) => {
                self.exits.0 += u64::from(status.code == 0);
                self.exits.1 += u64::from(status.code != 0);
                self.fate = Fate::Exited(status.code);
            }
            Some(CellState::Faulted) => {
                self.faults += 1;
                self.fate = Fate::Faulted(status.code);
            }
            _ => return false,
        }
        self.phase = Phase::Ending(handle);
        true
    }

    /// Ends it, if it runs.
    pub fn kill(&mut self) -> bool {
        let Phase::Running(handle) = self.phase else { return false };
        self.phase = Phase::Ending(handle);
        self.fate = Fate::Killed;
        true
    }

    /// Reads the logs of its harts if enough may be new, or `now`.
    pub fn read_logs(&mut self, buffer: &mut LogBuffer, now: bool) {
        let (Phase::Running(handle) | Phase::Ending(handle)) = self.phase else { return };
        if !now && self.status.activations < self.log.read_so_far(0) + READ_AFTER {
            return;
        }
        for hart in 0..self.harts() {
            if calls::cell_log(handle, hart, &mut buffer.0).is_ok() {
                self.log.take(hart, buffer.0.written.load(Ordering::Relaxed), &buffer.0.entries);
            }
        }
    }

    /// What waits in its console ring, in characters.
    #[must_use]
    pub fn console_waiting(&self) -> u64 {
        self.status.console_waiting
    }

    /// Notes that nothing is left of it; what it did is kept.
    pub fn gone(&mut self) {
        self.phase = Phase::Gone;
        self.past = Past {
            activations: self.activations(),
            missed: self.missed(),
            time_ns: self.time_ns(),
            heartbeats: self.heartbeats(),
        };
        self.status = CellStatus::default();
    }

    /// Activations in all its lives.
    #[must_use]
    pub fn activations(&self) -> u64 {
        self.past.activations + self.status.activations
    }

    /// Missed windows in all its lives, summed over harts.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.past.missed + self.status.missed
    }

    /// Hardware-thread time in all its lives, in ns.
    #[must_use]
    pub fn time_ns(&self) -> u64 {
        self.past.time_ns.wrapping_add(self.status.time_ns)
    }

    /// Heartbeats in all its lives.
    #[must_use]
    pub fn heartbeats(&self) -> u64 {
        self.past.heartbeats.wrapping_add(self.status.heartbeats)
    }

    /// What the kernel has counted in this life.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let CellStatus { heartbeats, time_ns, lent_ns, borrowed_ns, activations, .. } = self.status;
        Reading { heartbeats, used_ns: (time_ns + lent_ns).saturating_sub(borrowed_ns), activations }
    }

    /// For the verdict.
    #[must_use]
    pub fn outcome(&self) -> Outcome<'_> {
        Outcome {
            name: &self.spec.name,
            expect: self.spec.expect,
            no_missed: self.spec.no_missed,
            missed: self.missed(),
            fate: self.fate.clone(),
            good_exits: self.exits.0,
            bad_exits: self.exits.1,
            faults: self.faults,
        }
    }
}

/// Room for a copy of a hart's log.
#[derive(Debug)]
pub struct LogBuffer(Box<ActivationLog>);

impl Default for LogBuffer {
    fn default() -> Self {
        let entries = [Activation::default(); ACTIVATION_LOG_ENTRIES];
        Self(Box::new(ActivationLog { written: AtomicU64::new(0), reserved: 0, entries }))
    }
}
