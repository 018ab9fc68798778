//! What a change of cell does, without cells: for measuring the lead before there are any.

use muxer::inputs::NoInputs;
use muxer::{CellId, Entry, Instant, Plan, Policy, Replica, Span, Spec, ThreadSet};

use crate::arch::registers::{self, Bases};
use crate::arch::vector::VectorArea;
use crate::cpu::Cpu;
use crate::memory::boot;

/// Decides, saves and loads what belongs to a hart. The plan is of two gangs that take turns.
pub(crate) fn switch(cpu: &mut Cpu) {
    let all = ThreadSet::from_bits(u64::MAX);
    let gang = |cell| Entry { cell: CellId(cell), threads: all, policy: Policy::BestEffort { weight: 1 } };
    let entries = [gang(1), gang(2)];
    let spec = Spec {
        number: 0,
        effective: Instant::from_nanos(cpu.now()),
        slice: Span::from_millis(1),
        lead: Span::ZERO,
        machine: all,
        entries: &entries,
    };
    if let Ok(plan) = Plan::<2>::validate(&spec) {
        let mut replica = Replica::new(cpu.thread, &plan, None, &NoInputs);
        let _ = core::hint::black_box(replica.decide(&plan, spec.effective, &NoInputs));
    }
    let area = cpu.scratch_area.get_or_insert_with(|| &mut boot::slice(1, |_| VectorArea::new())[0]);
    area.save();
    registers::use_kernel_tables();
    registers::use_kernel_tables();
    area.load();
    Bases::read().load();
}
