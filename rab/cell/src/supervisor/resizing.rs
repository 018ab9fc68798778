//! Cells get more harts by the next plan, and fewer after notice, when they have released them or the deadline has passed.

use cell::{calls, time};

use super::Supervisor;
use crate::member::Phase;
use crate::promise::Claim;
use crate::resize::{DEADLINE_NS, Shrinking, choose};
use crate::say;

impl Supervisor {
    /// Begins to resize a cell.
    pub(super) fn resize(&mut self, name: &str, harts: u32) {
        self.observe(true);
        let Some(place) = self.members.iter().position(|member| member.spec.name == name) else {
            return if name == "root" { say!("The root cell has one hart.") } else { self.deny(name) };
        };
        let member = &self.members[place];
        let Phase::Running(handle) = member.phase else {
            return say!("{name} does not run: it {}.", member.fate.describe());
        };
        let Some(most) = member.spec.most_harts else {
            return say!("{name} is of fixed size: its manifest has no `most-harts`.");
        };
        // What it was to get by a plan that was not committed so far does not count.
        let has = member.planned_threads.count_ones();
        if harts == 0 || harts > most {
            return say!("{name} can have 1 to {most} harts.");
        }
        let others = core::iter::once(&self.root).chain(&self.members).filter(|other| other.spec.name != name);
        let others: alloc::vec::Vec<Claim> =
            others.filter(|other| other.is_running()).map(|other| other.claim).collect();
        let machine = u64::MAX >> (64 - self.hardware_threads.clamp(1, 64));
        let Some(threads) = choose(member.planned_threads, harts, machine, &others) else {
            return say!("There are not {harts} hardware threads for {name}.");
        };
        let member = &mut self.members[place];
        member.shrinking = None;
        member.claim.threads = member.planned_threads;
        if harts > has {
            member.claim.threads = threads;
            self.plan_is_old = true;
            return say!("{name} gets {} more harts with the next plan.", harts - has);
        }
        // As many as it has: an earlier notice is taken back.
        let deadline_ns = time::now() + DEADLINE_NS;
        match calls::cell_notice(handle, harts, deadline_ns) {
            Ok(_) if harts == has => say!("{name} keeps its {has} harts."),
            Ok(_) => {
                member.shrinking = Some(Shrinking { threads, deadline_ns });
                say!("{name} is told to release {} harts.", has - harts);
            }
            Err(error) => say!("{name} cannot be given notice: {error}."),
        }
    }

    /// Takes harts that were released, or whose time is over. The plan that takes them is the next one.
    pub(super) fn take_harts(&mut self) {
        let now = time::now();
        for member in self.members.iter_mut().filter(|member| member.is_running()) {
            let Some(shrinking) = member.shrinking else { continue };
            let (harts, wanted, released) = member.sizes();
            if shrinking.is_over(now, harts, wanted, released) {
                let name = &member.spec.name;
                say!("{name} has released {released} of {} harts.", harts.saturating_sub(wanted));
                member.shrinking = None;
                member.claim.threads = shrinking.threads;
                self.plan_is_old = true;
            }
        }
    }

    /// A plan was accepted or refused: every cell has the hardware threads of the one in force.
    pub(super) fn settle_threads(&mut self, accepted: bool) {
        for member in self.members.iter_mut().filter(|member| member.is_running()) {
            if !accepted {
                member.claim.threads = member.planned_threads;
            } else if member.planned_threads != member.claim.threads {
                member.planned_threads = member.claim.threads;
                member.log.resize(member.claim.threads.count_ones());
            }
        }
    }
}
