//! What cells are given, in whole quanta.
//!
//! How much a quantum is, the broker decides for each machine: a hardware thread or 50 ms of one in each second, a large page or a gigabyte, a way of the cache, a
//! percent of the memory's bandwidth, ten requests per second of a service. Optimizers never need to know.

use core::fmt;
use core::ops::{Index, IndexMut};

/// A kind of thing that can be divided among cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Hardware threads, or time on them.
    Threads,
    /// Memory.
    Memory,
    /// Ways of the last-level cache.
    Ways,
    /// Bandwidth to memory.
    Bandwidth,
    /// A service's contracts.
    Service,
}

impl Resource {
    /// How many kinds there are.
    pub const COUNT: usize = 5;
    /// All kinds, in the order of [`Amounts`].
    pub const ALL: [Self; Self::COUNT] = [Self::Threads, Self::Memory, Self::Ways, Self::Bandwidth, Self::Service];

    /// The place in arrays of all kinds.
    #[must_use]
    pub const fn place(self) -> usize {
        self as usize
    }

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Threads => "threads",
            Self::Memory => "memory",
            Self::Ways => "ways",
            Self::Bandwidth => "bandwidth",
            Self::Service => "service",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// So many quanta of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Amounts([u32; Resource::COUNT]);

impl Amounts {
    /// Nothing.
    pub const NONE: Self = Self([0; Resource::COUNT]);

    /// Hardware threads only.
    #[must_use]
    pub const fn threads(quanta: u32) -> Self {
        Self::NONE.with(Resource::Threads, quanta)
    }

    /// The same, but so much of one kind.
    #[must_use]
    pub const fn with(mut self, resource: Resource, quanta: u32) -> Self {
        self.0[resource.place()] = quanta;
        self
    }

    /// The sum, at most what 32 bits hold.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.joined(other, u32::saturating_add)
    }

    /// What is left, at least nothing.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.joined(other, u32::saturating_sub)
    }

    /// The smaller of each kind.
    #[must_use]
    pub fn least(self, other: Self) -> Self {
        self.joined(other, u32::min)
    }

    /// The larger of each kind.
    #[must_use]
    pub fn most(self, other: Self) -> Self {
        self.joined(other, u32::max)
    }

    /// The first kind of which this has more than the other.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Option<Resource> {
        Resource::ALL.into_iter().find(|&resource| self[resource] > other[resource])
    }

    fn joined(self, other: Self, join: impl Fn(u32, u32) -> u32) -> Self {
        let mut result = Self::NONE;
        for resource in Resource::ALL {
            result[resource] = join(self[resource], other[resource]);
        }
        result
    }
}

impl Index<Resource> for Amounts {
    type Output = u32;

    fn index(&self, resource: Resource) -> &u32 {
        &self.0[resource.place()]
    }
}

impl IndexMut<Resource> for Amounts {
    fn index_mut(&mut self, resource: Resource) -> &mut u32 {
        &mut self.0[resource.place()]
    }
}

impl fmt::Display for Amounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut is_first = true;
        for resource in Resource::ALL {
            if self[resource] > 0 {
                let comma = if is_first { "" } else { ", " };
                write!(f, "{comma}{} {resource}", self[resource])?;
                is_first = false;
            }
        }
        if is_first { f.write_str("nothing") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn amounts_are_printed_without_what_is_not_there() {
        assert_eq!(Amounts::threads(4).with(Resource::Ways, 2).to_string(), "4 threads, 2 ways");
        assert_eq!(Amounts::NONE.to_string(), "nothing");
    }

    #[test]
    fn sums_and_differences_stay_in_range() {
        let most = Amounts::threads(u32::MAX);
        assert_eq!(most.plus(Amounts::threads(1)), most);
        assert_eq!(Amounts::threads(1).minus(most), Amounts::NONE);
        assert_eq!(Amounts::threads(2).beyond(&Amounts::threads(1)), Some(Resource::Threads));
    }
}
