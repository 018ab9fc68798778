//! Sets of hardware threads.

/// A set of hardware threads, numbered from 0; `64 * WORDS` can be told apart. The kernel uses one word, simulations of large machines more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ThreadSet<const WORDS: usize = 1>([u64; WORDS]);

impl ThreadSet {
    /// Bit `n` stands for hardware thread `n`.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self([bits])
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0[0]
    }
}

impl<const WORDS: usize> Default for ThreadSet<WORDS> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const WORDS: usize> ThreadSet<WORDS> {
    /// How many hardware threads a set can tell apart.
    pub const CAPACITY: usize = 64 * WORDS;

    /// No hardware thread.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// The hardware threads from `first` on, `count` of them, as far as a set reaches.
    #[must_use]
    pub fn range(first: usize, count: usize) -> Self {
        let mut set = Self::EMPTY;
        for thread in (first..first.saturating_add(count)).take_while(|thread| *thread < Self::CAPACITY) {
            set.0[thread / 64] |= 1 << (thread % 64);
        }
        set
    }

    /// Whether a hardware thread is in the set.
    #[must_use]
    pub const fn contains(self, thread: usize) -> bool {
        thread < Self::CAPACITY && self.0[thread / 64] & 1 << (thread % 64) != 0
    }

    /// Whether two sets share a hardware thread.
    #[must_use]
    pub fn intersects(self, other: Self) -> bool {
        self.0.iter().zip(other.0).any(|(one, two)| one & two != 0)
    }

    /// Whether all of this set is in the other.
    #[must_use]
    pub fn is_within(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(one, two)| one & !two == 0)
    }

    /// Both together.
    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(one, two)| *one |= two);
        self
    }

    /// The members that the other does not have.
    #[must_use]
    pub fn without(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(one, two)| *one &= !two);
        self
    }

    /// Whether it has no member.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many members.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many members are below `thread`: the number of the hart that runs there.
    #[must_use]
    pub fn rank(self, thread: usize) -> usize {
        let whole: usize = self.0.iter().take(thread / 64).map(|word| word.count_ones() as usize).sum();
        let part = self.0.get(thread / 64).map_or(0, |word| (word & ((1 << (thread % 64)) - 1)).count_ones() as usize);
        whole + part
    }

    /// The members in ascending order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        self.0
            .into_iter()
            .enumerate()
            .flat_map(|(place, word)| Bits(word).map(move |bit| place * 64 + usize::from(bit)))
    }
}

/// The set bits of a word, the lowest first.
#[derive(Clone, Copy)]
pub(crate) struct Bits(pub(crate) u64);

impl Iterator for Bits {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let bit = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        (bit < 64).then_some(bit as u8)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    #[test]
    fn a_set_of_many_words_behaves_as_one_of_one() {
        let set = ThreadSet::<3>::range(62, 5);
        assert_eq!(set.iter().collect::<Vec<_>>(), [62, 63, 64, 65, 66]);
        assert_eq!((set.len(), set.rank(64), set.rank(66), set.rank(191)), (5, 2, 4, 5));
        assert!(set.contains(66) && !set.contains(67) && !set.contains(1_000));
        assert!(set.intersects(ThreadSet::range(66, 1)) && !set.intersects(ThreadSet::range(67, 100)));
        assert!(set.without(ThreadSet::range(0, 64)).is_within(ThreadSet::range(64, 3)));
        assert_eq!(ThreadSet::<3>::range(190, 10).len(), 2);
        assert_eq!(ThreadSet::range(0, 64), ThreadSet::from_bits(u64::MAX));
    }
}
