//! What a root cell that was started again finds: the kernel kept its handles and the plan.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::abi::account::CellState;
use crate::abi::call::{HandleKind, NO_CELL};
use crate::abi::machine::MachineInfo;
use crate::abi::plan::{PlanCopy, PlanEntry, PolicyKind};
use crate::abi::{Error, Handle};
use cell::calls;
use manifest::Policy;

use crate::archive::Archive;
use crate::loader;
use crate::member::Member;
use crate::promise::Claim;
use crate::verdict::Fate;

/// Cells and the plan, as they are.
#[derive(Debug)]
pub struct Found {
    cells: Vec<(String, Handle)>,
    plan: Vec<PlanEntry>,
    /// The root cell died before it had committed a plan: what it had begun is worth nothing.
    is_early: bool,
}

impl Found {
    /// Asks the kernel.
    ///
    /// # Errors
    /// The kernel's.
    pub fn look(info: &MachineInfo) -> Result<Self, Error> {
        let mut cells = Vec::new();
        let mut slot = 0;
        while let Some((info, next)) = calls::handle_info(slot)? {
            if let (true, Some(handle)) =
                (info.kind == HandleKind::Cell as u32, Handle::from_register(info.handle.into()))
                && handle != Handle::OWN_CELL
            {
                let length = info.name.iter().position(|byte| *byte == 0).unwrap_or(info.name.len());
                cells.push((String::from_utf8_lossy(&info.name[..length]).into_owned(), handle));
            }
            slot = next;
        }
        let mut copy: Box<PlanCopy> = Box::default();
        let count = calls::plan_read(&mut copy)?;
        let planned = copy.entries.iter().take(usize::try_from(count).unwrap_or(usize::MAX));
        let plan = planned.filter(|entry| entry.cell != NO_CELL).copied().collect();
        // The kernel's own plan is the first.
        Ok(Self { cells, plan, is_early: info.plan <= 1 })
    }

    /// Makes a member what it is, or starts it: nobody had come to it, or it is to be started again whenever it ends. `admit` says whether it may, and is told of those that are there too.
    /// Returns whether it was started.
    pub fn restore(
        &self,
        member: &mut Member,
        archive: &Archive,
        mut admit: impl FnMut() -> Result<(), String>,
    ) -> bool {
        let found = self.cells.iter().find(|(name, _)| *name == member.spec.name);
        if let Some((_, handle)) = found {
            let planned = self.plan.iter().find(|entry| u64::from(entry.cell) == handle.register());
            let state = calls::cell_status(*handle).ok().and_then(|status| CellState::from_number(status.state));
            if planned.is_some() || matches!(state, Some(CellState::Exited | CellState::Faulted)) {
                member.found(*handle, planned.and_then(claim));
                // It was admitted before, with the same needs.
                let _ = admit();
                return false;
            }
            // Half filled, without its channels, or about to be destroyed: nobody knows how far.
            loader::discard(*handle);
        }
        if self.is_early || member.spec.restart {
            return member.begin(archive, admit());
        }
        member.fate = Fate::Forgotten;
        false
    }
}

/// A cell's claim in a plan.
fn claim(entry: &PlanEntry) -> Option<Claim> {
    let PlanEntry { threads, period_ns_or_weight: period_ns, phase_ns, length_ns, .. } = *entry;
    let policy = match PolicyKind::from_number(entry.policy)? {
        PolicyKind::Dedicated => Policy::Dedicated,
        PolicyKind::TimeTriggered => Policy::TimeTriggered { period_ns, phase_ns, length_ns },
        PolicyKind::EventTriggered => Policy::EventTriggered { period_ns, budget_ns: length_ns },
        PolicyKind::BestEffort => Policy::BestEffort { weight: u32::try_from(period_ns).ok()? },
    };
    Some(Claim { threads, policy })
}
