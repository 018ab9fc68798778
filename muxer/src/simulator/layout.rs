//! A plan, as lists: who shares hardware threads with whom.

use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use crate::{CellId, Entry, Plan, Span, ThreadSet};

/// What follows from a plan's entries.
#[derive(Debug)]
pub(crate) struct Layout<const W: usize> {
    pub(crate) slice: Span,
    pub(crate) lead: Span,
    /// In the plan's order.
    pub(crate) entries: Vec<Placed<W>>,
    pub(crate) components: Vec<Group<W>>,
    /// The component of each hardware thread.
    pub(crate) of_thread: Vec<Option<usize>>,
    numbers: BTreeMap<CellId, usize>,
}

/// An entry.
#[derive(Debug)]
pub(crate) struct Placed<const W: usize> {
    pub(crate) entry: Entry<W>,
    pub(crate) threads: Vec<usize>,
    /// None: it never runs.
    pub(crate) component: Option<usize>,
    /// The others in its component with which it shares hardware threads.
    pub(crate) neighbours: Vec<usize>,
    pub(crate) is_heard: bool,
}

/// A component.
#[derive(Debug)]
pub(crate) struct Group<const W: usize> {
    pub(crate) set: ThreadSet<W>,
    pub(crate) threads: Vec<usize>,
    pub(crate) entries: Vec<usize>,
    pub(crate) cells: Vec<CellId>,
}

impl<const W: usize> Layout<W> {
    pub(crate) fn new<const C: usize>(plan: &Plan<C, W>, threads: usize) -> Self {
        let mut of_thread = vec![None; threads];
        let mut components: Vec<Group<W>> = Vec::new();
        for thread in 0..threads {
            let set = plan.component_threads(thread);
            if of_thread[thread].is_none() && !set.is_empty() {
                let members: Vec<_> = set.iter().collect();
                members.iter().for_each(|member| of_thread[*member] = Some(components.len()));
                components.push(Group { set, threads: members, entries: Vec::new(), cells: Vec::new() });
            }
        }
        let mut entries = Vec::new();
        for (number, entry) in plan.entries().iter().enumerate() {
            let can_run = !plan.concerned_by(entry.cell).is_empty();
            let threads: Vec<_> = entry.threads.iter().collect();
            let component = of_thread[threads[0]].filter(|_| can_run);
            if let Some(component) = component {
                components[component].entries.push(number);
                components[component].cells.push(entry.cell);
            }
            let is_heard = plan.hears(entry.cell);
            entries.push(Placed { entry: *entry, threads, component, neighbours: Vec::new(), is_heard });
        }
        for group in &components {
            for one in &group.entries {
                let shares = |other: &&usize| {
                    *other != one && entries[**other].entry.threads.intersects(entries[*one].entry.threads)
                };
                entries[*one].neighbours = group.entries.iter().filter(shares).copied().collect();
            }
        }
        let numbers = plan.entries().iter().enumerate().map(|(number, entry)| (entry.cell, number)).collect();
        Self { slice: plan.slice(), lead: plan.lead(), entries, components, of_thread, numbers }
    }

    /// The entry of a cell.
    pub(crate) fn of_cell(&self, cell: CellId) -> Option<usize> {
        self.numbers.get(&cell).copied()
    }

    /// The hardware threads that decide about a cell.
    pub(crate) fn concerned_by(&self, cell: CellId) -> ThreadSet<W> {
        let component = self.of_cell(cell).and_then(|number| self.entries[number].component);
        component.map_or(ThreadSet::EMPTY, |component| self.components[component].set)
    }

    /// The hardware threads that decide together with this one.
    pub(crate) fn component_threads(&self, thread: usize) -> &[usize] {
        self.of_thread[thread].map_or(&[], |component| &self.components[component].threads)
    }

    /// Whether a component is the same in another plan: the same entries under the same rules.
    pub(crate) fn is_same(&self, component: usize, other: &Self, theirs: usize) -> bool {
        let (one, two) = (&self.components[component], &other.components[theirs]);
        let has = |number: &usize| {
            two.entries.iter().any(|other_number| other.entries[*other_number].entry == self.entries[*number].entry)
        };
        self.slice == other.slice
            && self.lead == other.lead
            && one.entries.len() == two.entries.len()
            && one.entries.iter().all(has)
    }
}
