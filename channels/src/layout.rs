//! Where things are in the two halves of a channel, in words of 8 bytes. Both ends and the kernel know it.
//!
//! What one end polls and the other writes is on a cache line of its own, and far from what the other direction uses.

use core::fmt;

/// Words of a page.
pub const PAGE_WORDS: usize = 512;

/// Words of a cache line, and of a slot.
pub const LINE_WORDS: usize = 8;

/// The largest capacity of a channel, in messages.
pub const MOST_CAPACITY: u32 = 65_536;

/// In the sender's half: the generation of the sender's wish to be notified of credits; 0 for none.
pub(crate) const WANTING: usize = 0;

/// In the receiver's half: how many messages the sender may have sent in total.
pub(crate) const GRANTED: usize = 0;

/// In the receiver's half: the generation of the receiver's wish to be notified of messages; 0 for none.
pub(crate) const WAITING: usize = 16;

/// Where the slots begin in the sender's half, and the words of returned blocks in the receiver's.
pub const HEAD_WORDS: usize = 32;

/// The line of the first slot.
pub(crate) const FIRST_SLOT: usize = HEAD_WORDS / LINE_WORDS;

/// In a slot: the sequence in the low half, the tag in the high half.
pub(crate) const HEADER: usize = 0;

/// In a slot: the first word of the payload.
pub(crate) const PAYLOAD: usize = 1;

/// Words that a message carries besides its tag.
pub const PAYLOAD_WORDS: usize = LINE_WORDS - PAYLOAD;

const _: () = assert!(HEAD_WORDS.is_multiple_of(LINE_WORDS), "slots begin at a cache line");
const _: () =
    assert!(WAITING * 8 >= 128, "what the sender reads in a burst and what it looks at after it are 128 bytes apart");

/// Words that the sender's half must have: a multiple of a page.
#[must_use]
pub const fn sender_half_words(capacity: u32) -> usize {
    (HEAD_WORDS + capacity as usize * LINE_WORDS).next_multiple_of(PAGE_WORDS)
}

/// Words that the receiver's half must have for so many blocks of bulk memory (0: none): a multiple of a page.
#[must_use]
pub const fn receiver_half_words(blocks: u32) -> usize {
    (HEAD_WORDS + blocks as usize).next_multiple_of(PAGE_WORDS)
}

/// Memory that cannot hold what it was to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// A capacity outside of 1 to [`MOST_CAPACITY`].
    Capacity {
        /// What was asked for.
        capacity: u32,
    },
    /// A half, or a region, is too small.
    TooSmall {
        /// Words that it needs.
        needed: usize,
        /// Words that it has.
        has: usize,
    },
    /// Blocks of no size, or so large that a descriptor cannot describe them.
    Block {
        /// The size that was asked for, in words.
        words: u32,
    },
    /// More blocks than this end can keep track of.
    Blocks {
        /// What was asked for.
        blocks: u32,
        /// The most that it can.
        most: u32,
    },
}

impl fmt::Display for Misfit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capacity { capacity } => {
                write!(out, "a channel holds 1 to {MOST_CAPACITY} messages, not {capacity}")
            }
            Self::TooSmall { needed, has } => write!(out, "{needed} words are needed, and the memory has {has}"),
            Self::Block { words } => write!(out, "a block has 1 to {} words, not {words}", u32::MAX / 8),
            Self::Blocks { blocks, most } => write!(out, "{blocks} blocks, and this end keeps track of {most}"),
        }
    }
}

impl core::error::Error for Misfit {}

/// Whether the halves hold a channel of this capacity; only whole slots count, so that tests need not make pages.
pub(crate) fn fits(capacity: u32, senders: usize, receivers: usize) -> Result<(), Misfit> {
    if capacity == 0 || capacity > MOST_CAPACITY {
        return Err(Misfit::Capacity { capacity });
    }
    holds(HEAD_WORDS + capacity as usize * LINE_WORDS, senders)?;
    holds(HEAD_WORDS, receivers)
}

/// Whether so many words suffice.
pub(crate) fn holds(needed: usize, has: usize) -> Result<(), Misfit> {
    if has < needed { Err(Misfit::TooSmall { needed, has }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_whole_pages() {
        assert_eq!(sender_half_words(1), 512);
        assert_eq!(sender_half_words(60), 512, "60 slots and the head are a page");
        assert_eq!(sender_half_words(61), 1024);
        assert_eq!(receiver_half_words(0), 512);
        assert_eq!(receiver_half_words(481), 1024);
    }

    #[test]
    fn a_channel_needs_a_capacity_in_range_and_memory_for_it() {
        assert_eq!(fits(0, 512, 512), Err(Misfit::Capacity { capacity: 0 }));
        assert_eq!(fits(65_537, usize::MAX, 512), Err(Misfit::Capacity { capacity: 65_537 }));
        assert_eq!(fits(61, 512, 512), Err(Misfit::TooSmall { needed: 520, has: 512 }));
        assert_eq!(fits(60, 512, 31), Err(Misfit::TooSmall { needed: 32, has: 31 }));
        assert_eq!(fits(60, 512, 32), Ok(()));
    }
}
