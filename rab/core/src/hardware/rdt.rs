//! Cache ways and memory bandwidth through Intel RDT ("Intel 64 and IA-32 Architectures Software Developer's Manual", volume 3, "Cache Allocation Technology" and "Memory
//! Bandwidth Allocation").
//!
//! A hardware thread belongs to a *class of service*; each class has a mask of cache ways and a throttle. Class 0 is what a processor starts with; it is left to the kernel and to
//! cells without ways of their own, which share what nobody else has.

use core::fmt;

use heapless::Vec;

use crate::cell::CellId;
use crate::resource::{Amounts, Resource};

/// What `cpuid` says in four registers: EAX, EBX, ECX, EDX.
pub type Registers = [u32; 4];

/// What the processor can divide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rdt {
    /// Ways of the last-level cache; 0 if they cannot be divided.
    pub ways: u32,
    /// Ways that devices use too (bits of a mask): not for cells that were promised ways.
    pub shared: u32,
    /// Classes of service that have a mask of ways.
    pub way_classes: u32,
    /// The greatest throttle in percent, for bandwidth; 0 if it cannot be divided.
    pub most_throttle: u32,
    /// Classes of service that have a throttle.
    pub throttle_classes: u32,
}

impl Rdt {
    /// From leaf 7 (sub-leaf 0) and sub-leaves 0, 1 and 3 of leaf 10h. A leaf that the processor does not have is given as zeroes.
    ///
    /// Throttles that do not act linearly are taken as absent: nobody could say what they promise.
    #[must_use]
    pub fn from_cpuid(leaf7: Registers, leaf10: [Registers; 3]) -> Self {
        let mut rdt = Self::default();
        if leaf7[1] & 1 << 15 == 0 {
            return rdt;
        }
        let [kinds, cache, bandwidth] = leaf10;
        if kinds[1] & 1 << 1 != 0 {
            rdt.ways = (cache[0] & 0x1f) + 1;
            rdt.shared = cache[1];
            rdt.way_classes = (cache[3] & 0xffff) + 1;
        }
        let is_linear = bandwidth[2] & 1 << 2 != 0;
        if kinds[1] & 1 << 3 != 0 && is_linear {
            rdt.most_throttle = (bandwidth[0] & 0xfff) + 1;
            rdt.throttle_classes = (bandwidth[3] & 0xffff) + 1;
        }
        rdt
    }

    /// Ways that can be promised to cells: not those that devices use, and one fewer if that leaves none for all others.
    #[must_use]
    pub fn ways_to_give(&self) -> u32 {
        let own = self.own();
        if self.ways == 0 { 0 } else { own.count_ones().saturating_sub(u32::from(self.shared & all(self.ways) == 0)) }
    }

    /// The longest run of ways that devices do not use, as a mask; masks of cells lie in it and are contiguous, as most processors demand.
    fn own(&self) -> u32 {
        let free = all(self.ways) & !self.shared;
        let (mut best, mut run) = (0_u32, 0_u32);
        for way in 0..self.ways {
            run = if free & 1 << way != 0 { run | 1 << way } else { 0 };
            if run.count_ones() > best.count_ones() {
                best = run;
            }
        }
        best
    }

    /// What to set for these shares. A quantum of ways is a way; a quantum of bandwidth is a percent.
    ///
    /// Cells keep the class that they had, and the order of their ways, so that what they have in the cache moves as little as possible. Cells without ways and bandwidth of their own are in
    /// class 0.
    ///
    /// # Errors
    /// There are too few classes, or more ways were given out than there are. Nothing is to be set then.
    pub fn settings<const CELLS: usize>(
        &self,
        shares: &[(CellId, Amounts)],
        last: &[Setting],
    ) -> Result<Vec<Setting, CELLS>, NoSettings> {
        let mut settings: Vec<Setting, CELLS> = Vec::new();
        for &(cell, share) in shares {
            let ways = if self.ways > 0 { share[Resource::Ways] } else { 0 };
            let percent = if self.most_throttle > 0 { share[Resource::Bandwidth] } else { 0 };
            let known = last.iter().find(|setting| setting.cell == cell && setting.class > 0);
            let is_common = ways == 0 && percent == 0;
            let class = if is_common { 0 } else { known.map_or(u32::MAX, |setting| setting.class) };
            // Ways are counted here and placed below.
            let setting = Setting { cell, class, ways, throttle: self.throttle(percent) };
            settings
                .push(setting)
                .map_err(|_| NoSettings::Classes { cells: shares.len() as u32, classes: CELLS as u32 })?;
        }
        self.number(&mut settings)?;
        self.place(&mut settings, last)?;
        Ok(settings)
    }

    /// Gives a class to those that have none yet.
    fn number(&self, settings: &mut [Setting]) -> Result<(), NoSettings> {
        let of = |is_there: bool, classes: u32| if is_there { classes } else { u32::MAX };
        let classes = of(self.ways > 0, self.way_classes).min(of(self.most_throttle > 0, self.throttle_classes));
        for place in 0..settings.len() {
            if settings[place].class != u32::MAX {
                continue;
            }
            let is_free = |class: &u32| settings.iter().all(|setting| setting.class != *class);
            let Some(class) = (1..classes).find(is_free) else {
                let cells = settings.iter().filter(|setting| setting.class > 0).count() as u32;
                return Err(NoSettings::Classes { cells, classes: classes.saturating_sub(1) });
            };
            settings[place].class = class;
        }
        Ok(())
    }

    /// Turns numbers of ways into masks, one beside the other, in the order that they had.
    fn place(&self, settings: &mut [Setting], last: &[Setting]) -> Result<(), NoSettings> {
        let given: u32 = settings.iter().fold(0, |sum, setting| sum.saturating_add(setting.ways));
        if given > self.ways_to_give() {
            return Err(NoSettings::Ways { given, ways: self.ways_to_give() });
        }
        let was = |cell: CellId| {
            let known = last.iter().find(|setting| setting.cell == cell && setting.class > 0);
            known.map_or(u32::MAX, |setting| setting.ways.trailing_zeros())
        };
        settings.sort_unstable_by_key(|setting| (was(setting.cell), setting.cell));
        let own = self.own();
        let mut next = own.trailing_zeros();
        let mut taken = 0;
        for setting in settings.iter_mut().filter(|setting| setting.ways > 0) {
            let mask = all(setting.ways) << next;
            next += setting.ways;
            taken |= mask;
            setting.ways = mask;
        }
        // One run of what is left, since masks are contiguous: above what was taken, and what devices use if it is beside that.
        let rest = all(self.ways) & !taken;
        let common = if next < self.ways { rest & !(all(next)) } else { self.shared & all(self.ways) };
        for setting in settings.iter_mut().filter(|setting| setting.ways == 0 && self.ways > 0) {
            setting.ways = first_run(common);
        }
        Ok(())
    }

    /// The throttle for so many percent of the bandwidth; of none of its own, none.
    fn throttle(&self, percent: u32) -> u32 {
        if percent == 0 { 0 } else { 100_u32.saturating_sub(percent).min(self.most_throttle) }
    }
}

/// The lowest run of ones.
fn first_run(mask: u32) -> u32 {
    let low = mask & mask.wrapping_neg();
    mask & !mask.wrapping_add(low)
}

/// So many ones.
fn all(ways: u32) -> u32 {
    if ways >= 32 { u32::MAX } else { (1 << ways) - 1 }
}

/// What to set for a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The cell.
    pub cell: CellId,
    /// The class of service of its hardware threads while it runs.
    pub class: u32,
    /// The mask of ways of that class; 0 if ways cannot be divided.
    pub ways: u32,
    /// The throttle of that class, in percent of the bandwidth that is withheld.
    pub throttle: u32,
}

/// Why shares cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSettings {
    /// More cells have shares of their own than there are classes.
    Classes {
        /// The cells.
        cells: u32,
        /// The classes.
        classes: u32,
    },
    /// More ways were given out than there are.
    Ways {
        /// Given out.
        given: u32,
        /// There are.
        ways: u32,
    },
}

impl fmt::Display for NoSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Classes { cells, classes } => {
                write!(f, "{cells} cells have ways or bandwidth of their own, the processor has classes for {classes}")
            }
            Self::Ways { given, ways } => write!(f, "{given} ways are given out, {ways} can be"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SERVER: Rdt = Rdt { ways: 11, shared: 0x600, way_classes: 16, most_throttle: 90, throttle_classes: 8 };

    fn share(cell: u16, ways: u32, percent: u32) -> (CellId, Amounts) {
        (CellId(cell), Amounts::threads(1).with(Resource::Ways, ways).with(Resource::Bandwidth, percent))
    }

    #[test]
    fn a_processor_without_rdt_has_nothing_to_divide() {
        let nothing = Rdt::from_cpuid([0; 4], [[u32::MAX; 4]; 3]);
        assert_eq!(nothing, Rdt::default());
        assert_eq!(nothing.ways_to_give(), 0);
        let settings = nothing.settings::<4>(&[share(1, 0, 0)], &[]).unwrap();
        assert_eq!(settings[0], Setting { cell: CellId(1), class: 0, ways: 0, throttle: 0 });
    }

    #[test]
    fn what_cpuid_says_is_understood() {
        let found = Rdt::from_cpuid([0, 1 << 15, 0, 0], [[0, 0b1010, 0, 0], [10, 0x600, 0, 15], [89, 0, 4, 7]]);
        assert_eq!(found, SERVER);
        assert_eq!(found.ways_to_give(), 9);
    }

    #[test]
    fn cells_get_ways_side_by_side_and_the_others_what_is_left() {
        let settings = SERVER.settings::<4>(&[share(1, 3, 40), share(2, 0, 0), share(3, 4, 0)], &[]).unwrap();
        let of = |cell| *settings.iter().find(|setting| setting.cell == CellId(cell)).unwrap();
        assert_eq!(of(1), Setting { cell: CellId(1), class: 1, ways: 0b111, throttle: 60 });
        assert_eq!(of(3), Setting { cell: CellId(3), class: 2, ways: 0b111_1000, throttle: 0 });
        assert_eq!(of(2), Setting { cell: CellId(2), class: 0, ways: 0b111_1000_0000, throttle: 0 });
    }

    #[test]
    fn a_cell_keeps_its_class_and_its_place() {
        let before = SERVER.settings::<4>(&[share(1, 3, 0), share(2, 2, 0), share(3, 2, 0)], &[]).unwrap();
        let after = SERVER.settings::<4>(&[share(4, 1, 0), share(3, 3, 0), share(2, 2, 0)], &before).unwrap();
        let of = |cell| *after.iter().find(|setting| setting.cell == CellId(cell)).unwrap();
        assert_eq!((of(2).class, of(3).class, of(4).class), (2, 3, 1));
        assert!(of(2).ways < of(3).ways && of(3).ways < of(4).ways, "{after:?}");
    }

    #[test]
    fn too_few_classes_are_reported() {
        let few = Rdt { way_classes: 3, ..SERVER };
        let shares = [share(1, 1, 0), share(2, 1, 0), share(3, 1, 0)];
        assert_eq!(few.settings::<4>(&shares, &[]), Err(NoSettings::Classes { cells: 3, classes: 2 }));
        let much = SERVER.settings::<4>(&[share(1, 10, 0)], &[]);
        assert_eq!(much, Err(NoSettings::Ways { given: 10, ways: 9 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn masks_are_contiguous_and_do_not_overlap(
            ways in 2..=20_u32,
            shared in prop_oneof![Just(0_u32), any::<u32>()],
            plans in proptest::collection::vec(proptest::collection::vec(0..5_u32, 1..6), 1..4),
        ) {
            let rdt = Rdt { ways, shared, way_classes: 16, most_throttle: 90, throttle_classes: 16 };
            let mut last: Vec<Setting, 8> = Vec::new();
            for plan in plans {
                let shares: std::vec::Vec<_> =
                    plan.iter().enumerate().map(|(cell, ways)| share(cell as u16, *ways, 0)).collect();
                let Ok(settings) = rdt.settings::<8>(&shares, &last) else { continue };
                let mut taken = 0_u32;
                for setting in &settings {
                    let wanted = plan[usize::from(setting.cell.0)];
                    prop_assert!(setting.ways > 0 && setting.ways <= all(ways), "{settings:?}");
                    prop_assert_eq!(first_run(setting.ways), setting.ways, "{:?}", settings);
                    if wanted > 0 {
                        prop_assert_eq!(setting.ways.count_ones(), wanted);
                        prop_assert_eq!(setting.ways & (taken | shared), 0, "{:?}", settings);
                        taken |= setting.ways;
                    }
                }
                for setting in settings.iter().filter(|setting| plan[usize::from(setting.cell.0)] == 0) {
                    prop_assert_eq!(setting.ways & taken, 0, "{:?}", settings);
                }
                last = settings;
            }
        }
    }
}
