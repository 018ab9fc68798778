//! Sets of hardware threads.

/// A set of hardware threads, numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ThreadSet(u64);

impl ThreadSet {
    /// How many hardware threads a set can tell apart.
    pub const CAPACITY: usize = 64;

    /// No hardware thread.
    pub const EMPTY: Self = Self(0);

    /// Bit `n` stands for hardware thread `n`.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether a hardware thread is in the set.
    #[must_use]
    pub const fn contains(self, thread: usize) -> bool {
        thread < Self::CAPACITY && self.0 & 1 << thread != 0
    }

    /// Whether two sets share a hardware thread.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether all of this set is in the other.
    #[must_use]
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Both together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The members that the other does not have.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it has no member.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many members.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// How many members are below `thread`: the number of the hart that runs there.
    #[must_use]
    pub const fn rank(self, thread: usize) -> usize {
        (self.0 & ((1 << thread) - 1)).count_ones() as usize
    }

    /// The members in ascending order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..Self::CAPACITY).filter(move |thread| self.contains(*thread))
    }
}
