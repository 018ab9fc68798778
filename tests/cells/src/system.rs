//! For root programs that do without the supervisor: what the manifest says, loaded and planned.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use cell::abi::account::CellStatus;
use cell::abi::plan::{PlanEntry, PlanHeader};
use cell::abi::{ErrorKind, Handle};
use cell::{calls, time};
use rab_cell::archive::Archive;
use rab_cell::promise::Claim;
use rab_cell::supervisor::place_in_plan;

use crate::{check, finish_machine, pump};

/// A whole root program: runs all cells of the manifest, calls `body`, and gives the verdict.
pub fn run(body: impl FnOnce(&mut Loaded)) -> ! {
    match Loaded::from_manifest().and_then(|loaded| loaded.commit().map(|_| loaded)) {
        Ok(mut loaded) => body(&mut loaded),
        Err(why) => check("the system starts", false, why),
    }
    pump();
    finish_machine()
}

/// What is counted of a cell; all zero if it is none.
#[must_use]
pub fn status(cell: Handle) -> CellStatus {
    calls::cell_status(cell).unwrap_or_default()
}

/// Sleeps until an instant, whatever else happens.
pub fn sleep_until(instant: u64) {
    while time::now() < instant {
        let _ = calls::park(instant);
    }
}

/// The cells of the manifest, loaded.
#[derive(Debug)]
pub struct Loaded {
    /// The root cell's arguments.
    pub args: String,
    /// The plan's entries: the root cell, and the cells in the order of the manifest.
    pub entries: Vec<PlanEntry>,
    /// The cells.
    pub cells: Vec<Handle>,
    /// What a plan says besides.
    pub header: PlanHeader,
}

impl Loaded {
    /// Loads all cells of the manifest. They run when a plan with them is committed.
    ///
    /// # Errors
    /// A sentence.
    pub fn from_manifest() -> Result<Self, String> {
        let info = calls::machine_info().map_err(|error| format!("{error}"))?;
        let archive = Archive::open(&info)?;
        let system = archive.manifest()?;
        let root = Claim { threads: 1, policy: system.root.policy };
        let mut entries = Vec::from([place_in_plan(Handle::OWN_CELL, root)]);
        let mut cells = Vec::new();
        for cell in &system.cells {
            let threads = cell.threads.resolve(info.hardware_threads).map_err(|error| format!("{error}"))?;
            let handle = rab_cell::loader::load(&archive, cell, threads.count_ones());
            let handle = handle.map_err(|error| format!("{}: {error}", cell.name))?;
            entries.push(place_in_plan(handle, Claim { threads, policy: cell.policy }));
            cells.push(handle);
        }
        let handle = |name: &str| match name {
            "root" => Some(Handle::OWN_CELL),
            name => cells.get(system.cells.iter().position(|cell| cell.name == name)?).copied(),
        };
        if let Some(failure) = rab_cell::channels::connect(&system.channels, handle).into_iter().next() {
            return Err(failure);
        }
        let header =
            PlanHeader { slice_ns: system.slice_ns, tolerance_ns: system.tolerance_ns, ..PlanHeader::default() };
        Ok(Self { args: system.root.args, entries, cells, header })
    }

    /// Commits a plan of the entries as they are now, as soon as the one before is in force.
    ///
    /// # Errors
    /// A sentence.
    pub fn commit(&self) -> Result<u64, String> {
        loop {
            match calls::plan_commit(self.header, &self.entries) {
                Ok(number) => return Ok(number),
                Err(error) if error.kind == ErrorKind::Again || rab_cell::refusal::is_too_soon(&error) => {
                    let _ = calls::park(time::now() + 50_000);
                }
                Err(error) => return Err(format!("the plan is refused: {error}")),
            }
        }
    }

    /// A number among the root cell's arguments.
    #[must_use]
    pub fn number(&self, name: &str, default: u64) -> u64 {
        let words = self.args.split_whitespace().filter_map(|word| word.split_once('='));
        words.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse().ok()).unwrap_or(default)
    }
}
