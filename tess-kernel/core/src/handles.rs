//! A cell's handle table: from a handle to an object and the rights to it.

use abi::{Error, ErrorKind, Handle, Rights};

#[derive(Clone, Copy, Debug)]
enum Slot<T> {
    Free {
        generation: u16,
    },
    Used {
        generation: u16,
        rights: Rights,
        object: T,
    },
    /// Every generation was used: giving the slot out again could revive a stale handle.
    Retired,
}

/// `N` slots for objects of type `T`.
#[derive(Debug)]
pub struct HandleTable<T, const N: usize> {
    slots: [Slot<T>; N],
    /// All slots from here on were never used.
    end: usize,
}

impl<T: Copy, const N: usize> Default for HandleTable<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy, const N: usize> HandleTable<T, N> {
    /// An empty table.
    #[must_use]
    pub const fn new() -> Self {
        Self { slots: [const { Slot::Free { generation: 0 } }; N], end: 0 }
    }

    /// Makes it empty, as if new, for a holder to whom older handles mean nothing. Costs what was used.
    pub fn clear(&mut self) {
        self.slots.iter_mut().take(self.end).for_each(|slot| *slot = Slot::Free { generation: 0 });
        self.end = 0;
    }

    /// Puts an object into a slot that is free and was never used: for the handles that everybody knows.
    pub fn set(&mut self, handle: Handle, object: T, rights: Rights) {
        if let Some(slot) = self.slots.get_mut(usize::from(handle.slot())) {
            *slot = Slot::Used { generation: handle.generation(), rights, object };
            self.end = self.end.max(usize::from(handle.slot()) + 1);
        }
    }

    /// Puts an object into a free slot, not one of the first two.
    ///
    /// # Errors
    /// [`ErrorKind::Full`].
    pub fn insert(&mut self, object: T, rights: Rights) -> Result<Handle, Error> {
        for (place, slot) in self.slots.iter_mut().enumerate().skip(2) {
            if let Slot::Free { generation } = *slot {
                *slot = Slot::Used { generation, rights, object };
                self.end = self.end.max(place + 1);
                return Ok(Handle::from_parts(place as u16, generation));
            }
        }
        Err(Error::plain(ErrorKind::Full))
    }

    /// The object of the handle in register `value`, which is argument `argument` of a call that needs `rights`.
    ///
    /// # Errors
    /// [`ErrorKind::BadHandle`] and [`ErrorKind::NoRight`], blaming the argument.
    pub fn get(&self, value: u64, rights: Rights, argument: u8) -> Result<T, Error> {
        let bad = Error::new(ErrorKind::BadHandle, argument, value);
        let handle = Handle::from_register(value).ok_or(bad)?;
        match self.slots.get(usize::from(handle.slot())) {
            Some(Slot::Used { generation, rights: held, object }) if *generation == handle.generation() => {
                if held.contains(rights) { Ok(*object) } else { Err(Error::new(ErrorKind::NoRight, argument, value)) }
            }
            _ => Err(bad),
        }
    }

    /// The first slot from `first` on whose object is wanted, with its handle.
    pub fn find(&self, first: usize, is_wanted: impl Fn(&T) -> bool) -> Option<(usize, Handle)> {
        self.slots.iter().enumerate().take(self.end).skip(first).find_map(|(place, slot)| match slot {
            Slot::Used { generation, object, .. } if is_wanted(object) => {
                Some((place, Handle::from_parts(place as u16, *generation)))
            }
            _ => None,
        })
    }

    /// The first object from a slot on, with its slot and handle.
    pub fn next(&self, first: usize) -> Option<(usize, Handle, T)> {
        let (place, handle) = self.find(first, |_| true)?;
        let object = self.get(handle.register(), Rights::empty(), 0).ok()?;
        Some((place, handle, object))
    }

    /// Takes a handle out. The handle, and every copy of it, names nothing from now on.
    pub fn remove(&mut self, handle: Handle) {
        let Some(slot) = self.slots.get_mut(usize::from(handle.slot())) else { return };
        match *slot {
            Slot::Used { generation, .. } if generation == handle.generation() => {
                *slot = match generation.checked_add(1) {
                    Some(generation) => Slot::Free { generation },
                    None => Slot::Retired,
                };
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_handle_is_an_error_and_never_the_next_object() {
        let mut table = HandleTable::<u32, 3>::new();
        let first = table.insert(1, Rights::OBSERVE).expect("a slot is free");
        assert!(table.insert(2, Rights::OBSERVE).is_err());
        table.remove(first);
        let second = table.insert(2, Rights::OBSERVE).expect("the slot is free again");
        assert_eq!(table.get(second.register(), Rights::OBSERVE, 0), Ok(2));
        let error = table.get(first.register(), Rights::OBSERVE, 4).expect_err("the handle is stale");
        assert_eq!((error.kind, error.argument), (ErrorKind::BadHandle, 4));
        table.remove(first);
        assert!(table.get(second.register(), Rights::OBSERVE, 0).is_ok(), "a stale handle removed something");
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_retired() {
        let mut table = HandleTable::<u32, 3>::new();
        for _ in 0..=u16::MAX {
            let handle = table.insert(1, Rights::OBSERVE).expect("not yet used up");
            table.remove(handle);
        }
        assert!(table.insert(1, Rights::OBSERVE).is_err());
    }

    #[test]
    fn a_table_that_was_cleared_is_as_new() {
        let mut table = HandleTable::<u32, 4>::new();
        let handle = table.insert(1, Rights::OBSERVE).expect("a slot is free");
        table.remove(handle);
        let next = table.insert(2, Rights::OBSERVE).expect("a slot is free");
        table.clear();
        assert_eq!(table.find(0, |_| true), None);
        assert!(table.get(next.register(), Rights::OBSERVE, 0).is_err());
        assert_eq!(table.insert(3, Rights::OBSERVE), Ok(handle));
    }

    #[test]
    fn objects_are_found_from_a_slot_on() {
        let mut table = HandleTable::<u32, 6>::new();
        let handles = [10, 11, 20].map(|object| table.insert(object, Rights::OBSERVE).expect("a slot is free"));
        assert_eq!(table.find(0, |object| *object < 20), Some((2, handles[0])));
        assert_eq!(table.find(3, |object| *object < 20), Some((3, handles[1])));
        assert_eq!(table.find(4, |object| *object < 20), None);
        assert_eq!(table.find(usize::MAX, |_| true), None);
    }

    #[test]
    fn rights_are_needed_and_wild_registers_name_nothing() {
        let mut table = HandleTable::<u32, 4>::new();
        table.set(Handle::OWN_CELL, 7, Rights::OBSERVE);
        assert_eq!(table.get(0, Rights::OBSERVE, 0), Ok(7));
        assert_eq!(table.get(0, Rights::CONTROL, 1).map_err(|error| error.kind), Err(ErrorKind::NoRight));
        for wild in [1, 4, 0x1_0000, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            assert_eq!(table.get(wild, Rights::empty(), 0).map_err(|error| error.kind), Err(ErrorKind::BadHandle));
        }
    }
}
