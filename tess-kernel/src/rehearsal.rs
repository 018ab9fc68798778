//! What a change of cell does, without cells: for measuring the lead before there are any.

use muxer::inputs::NoInputs;
use muxer::{CellId, Entry, Instant, Plan, Policy, Replica, Span, Spec, ThreadSet};

use crate::arch::registers::{self, Bases};
use crate::arch::vector::VectorArea;
use crate::cpu::Cpu;
use crate::memory::boot;

/// Gangs in the rehearsal: a window, two reserves, and some that take turns.
const GANGS: usize = 8;

const SLICE: Span = Span::from_millis(1);

/// A muxer that is about to change cells.
pub(crate) struct Rehearsal {
    plan: Plan<GANGS>,
    replica: Replica,
    change: Instant,
}

impl Rehearsal {
    /// Gets ready for a change of cell after `due`. None if there is no such plan.
    pub(crate) fn prepare(cpu: &Cpu, due: u64) -> Option<Self> {
        let all = ThreadSet::from_bits(u64::MAX);
        let period = Span::from_millis(20);
        let policy = |cell| match cell {
            0 => Policy::TimeTriggered { period, phase: Span::ZERO, length: SLICE },
            1 | 2 => Policy::EventTriggered { period, budget: SLICE },
            _ => Policy::BestEffort { weight: 1 },
        };
        let entries: [Entry; GANGS] =
            core::array::from_fn(|cell| Entry { cell: CellId(cell as u16), threads: all, policy: policy(cell) });
        let effective = Instant::from_nanos(due);
        let spec = Spec { number: 0, effective, slice: SLICE, lead: Span::ZERO, machine: all, entries: &entries };
        let plan = Plan::validate(&spec).ok()?;
        let mut replica = Replica::new(cpu.thread, &plan, None, &NoInputs);
        // After the reserves, where a slice is what changes.
        let mut change = effective;
        for _ in 0..4 {
            change = replica.decide(&plan, change, &NoInputs).until?;
        }
        Some(Self { plan, replica, change })
    }

    /// Decides, saves and loads what belongs to a hart.
    pub(crate) fn switch(&mut self, cpu: &mut Cpu) {
        let _ = core::hint::black_box(self.replica.decide_within(&self.plan, self.change, 1, &NoInputs));
        let area = cpu.scratch_area.get_or_insert_with(|| &mut boot::slice(1, |_| VectorArea::new())[0]);
        area.save();
        registers::use_kernel_tables();
        registers::use_kernel_tables();
        area.load();
        Bases::read().load();
    }
}
