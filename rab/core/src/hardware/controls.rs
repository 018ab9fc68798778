//! Putting shares in force on hardware: the only thing that a machine's owner has to implement, and the order in which it is used.

use core::fmt;

use heapless::Vec;

use super::energy::{Energy, Meter};
use super::rdt::{NoSettings, Rdt, Setting};
use crate::cell::CellId;
use crate::machine::Machine;
use crate::resource::Amounts;

/// Writes what hardware is told, and reads its counters. What a machine does not have is never asked of it.
pub trait Controls {
    /// What the processor can divide.
    fn rdt(&self) -> Rdt;

    /// A class of service may fill these ways.
    ///
    /// # Errors
    /// The hardware refuses.
    fn set_ways(&mut self, class: u32, mask: u32) -> Result<(), Refused>;

    /// So many percent of the bandwidth are withheld from a class of service.
    ///
    /// # Errors
    /// The hardware refuses.
    fn set_throttle(&mut self, class: u32, percent: u32) -> Result<(), Refused>;

    /// A cell's hardware threads belong to this class from its next activation on.
    ///
    /// # Errors
    /// The kernel refuses.
    fn set_class(&mut self, cell: CellId, class: u32) -> Result<(), Refused>;

    /// The package's counter of energy. Nothing if there is none: QEMU has none.
    fn energy(&mut self) -> Option<u32>;
}

/// The hardware or the kernel refused to set something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Why shares are not in force. What was set before stays: enforcing the same shares again is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotEnforced {
    /// There are no settings for these shares; nothing was set.
    Settings(NoSettings),
    /// Setting this was refused.
    Refused(Setting),
}

impl fmt::Display for NotEnforced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(reason) => write!(f, "{reason}"),
            Self::Refused(setting) => {
                let Setting { cell, class, ways, throttle } = setting;
                write!(f, "the hardware refused class {class} for {cell}, ways {ways:#x} and throttle {throttle} %")
            }
        }
    }
}

/// Puts the shares of ways and bandwidth in force; what is in force then, to be given to the next call. Between two writes the masks of two cells may overlap for some
/// microseconds: that costs time, never isolation of data.
///
/// # Errors
/// Why they are not in force.
pub fn enforce<const CELLS: usize>(
    controls: &mut impl Controls,
    shares: &[(CellId, Amounts)],
    last: &[Setting],
) -> Result<Vec<Setting, CELLS>, NotEnforced> {
    let rdt = controls.rdt();
    let settings: Vec<Setting, CELLS> = rdt.settings(shares, last).map_err(NotEnforced::Settings)?;
    for setting in &settings {
        let refused = |Refused| NotEnforced::Refused(*setting);
        if last.contains(setting) {
            continue;
        }
        if rdt.ways > 0 {
            controls.set_ways(setting.class, setting.ways).map_err(refused)?;
        }
        if rdt.most_throttle > 0 {
            controls.set_throttle(setting.class, setting.throttle).map_err(refused)?;
        }
        // Last, so that no cell ever runs with what the class was before.
        if rdt.ways > 0 || rdt.most_throttle > 0 {
            controls.set_class(setting.cell, setting.class).map_err(refused)?;
        }
    }
    Ok(settings)
}

/// Energy since the last call: measured, or else estimated from what was given out for so many seconds.
pub fn energy(
    controls: &mut impl Controls,
    meter: &mut Meter,
    machine: &Machine,
    given: &Amounts,
    seconds: f64,
) -> Energy {
    match controls.energy() {
        Some(counter) => meter.read(counter),
        None => Energy::estimate(machine, given, seconds),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::resource::Resource;

    /// A machine that remembers what it was told.
    #[derive(Default)]
    struct Simulated {
        rdt: Rdt,
        ways: BTreeMap<u32, u32>,
        throttles: BTreeMap<u32, u32>,
        classes: BTreeMap<CellId, u32>,
        writes: u32,
        refuses: bool,
        counter: Option<u32>,
    }

    impl Controls for Simulated {
        fn rdt(&self) -> Rdt {
            self.rdt
        }

        fn set_ways(&mut self, class: u32, mask: u32) -> Result<(), Refused> {
            assert!(class < self.rdt.way_classes && mask != 0 && mask < 1 << self.rdt.ways, "{class}: {mask:#x}");
            self.writes += 1;
            self.ways.insert(class, mask);
            if self.refuses { Err(Refused) } else { Ok(()) }
        }

        fn set_throttle(&mut self, class: u32, percent: u32) -> Result<(), Refused> {
            assert!(class < self.rdt.throttle_classes && percent <= self.rdt.most_throttle, "{class}: {percent}");
            self.throttles.insert(class, percent);
            Ok(())
        }

        fn set_class(&mut self, cell: CellId, class: u32) -> Result<(), Refused> {
            assert!(self.rdt != Rdt::default(), "a machine without classes is told of one");
            self.classes.insert(cell, class);
            Ok(())
        }

        fn energy(&mut self) -> Option<u32> {
            self.counter
        }
    }

    fn server() -> Simulated {
        let rdt = Rdt { ways: 12, shared: 0, way_classes: 8, most_throttle: 90, throttle_classes: 8 };
        Simulated { rdt, ..Simulated::default() }
    }

    fn share(cell: u16, ways: u32, percent: u32) -> (CellId, Amounts) {
        (CellId(cell), Amounts::threads(1).with(Resource::Ways, ways).with(Resource::Bandwidth, percent))
    }

    #[test]
    fn a_simulated_machine_gives_each_cell_what_its_share_says() {
        let mut machine = server();
        let mut last: Vec<Setting, 4> = Vec::new();
        for shares in
            [[share(1, 4, 50), share(2, 6, 0), share(3, 0, 0)], [share(1, 2, 30), share(2, 9, 0), share(3, 0, 0)]]
        {
            last = enforce(&mut machine, &shares, &last).unwrap();
            for (cell, share) in shares {
                let class = machine.classes[&cell];
                let wanted = share[Resource::Ways];
                assert!(wanted == 0 || machine.ways[&class].count_ones() == wanted, "{cell}: {:?}", machine.ways);
                let percent = share[Resource::Bandwidth];
                assert_eq!(machine.throttles[&class], if percent == 0 { 0 } else { 100 - percent });
            }
            let masks = machine.classes.values().map(|class| machine.ways[class]);
            assert_eq!(masks.clone().sum::<u32>(), masks.fold(0, |all, mask| all | mask), "masks overlap");
        }
        let writes = machine.writes;
        let again = [share(1, 2, 30), share(2, 9, 0), share(3, 0, 0)];
        let _ = enforce::<4>(&mut machine, &again, &last).unwrap();
        assert_eq!(machine.writes, writes, "nothing changed, but something was set");
    }

    #[test]
    fn a_machine_that_has_nothing_is_told_nothing() {
        let mut machine = Simulated::default();
        assert!(enforce::<4>(&mut machine, &[share(1, 0, 0), share(2, 3, 50)], &[]).is_ok());
        assert!(machine.classes.is_empty());
        let used = energy(&mut machine, &mut Meter::new(0), &Machine::new(4), &Amounts::NONE, 1.0);
        assert!(used.is_estimate);
    }

    #[test]
    fn a_refusal_is_reported() {
        let mut machine = Simulated { refuses: true, ..server() };
        let refused = enforce::<4>(&mut machine, &[share(1, 2, 0)], &[]).unwrap_err();
        let setting = Setting { cell: CellId(1), class: 1, ways: 0b11, throttle: 0 };
        assert_eq!(refused, NotEnforced::Refused(setting));
    }
}
