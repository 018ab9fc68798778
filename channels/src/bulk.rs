//! Bulk transfer: blocks of memory that the sender gives up for the time being.
//!
//! A region of equal blocks is written by the sender and read by the receiver. The sender fills a block and hands it over; its [`Descriptor`] travels in a
//! message. The receiver checks the descriptor, reads, and gives the block back by writing the descriptor's generation into the block's word in its half of the
//! channel. Nothing is copied that the receiver does not copy.
//!
//! The receiver must not believe what it reads to stay as it is: a hostile sender writes into blocks that it has handed over.

use core::fmt;

use crate::layout::{HEAD_WORDS, Misfit, holds};
use crate::words::{ReadHalf, WriteHalf};

/// What of which block was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Descriptor {
    /// The block.
    pub block: u32,
    /// How often it had been handed over, this time included, modulo 2^32.
    pub generation: u32,
    /// Where in the block it begins, in bytes.
    pub offset: u32,
    /// How long it is, in bytes.
    pub length: u32,
}

impl Descriptor {
    /// As two words of a message.
    #[must_use]
    pub fn to_words(self) -> [u64; 2] {
        let pair = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
        [pair(self.block, self.generation), pair(self.offset, self.length)]
    }

    /// From two words of a message. All words are some descriptor; [`BulkReceiver::accept`] says whether it is a true one.
    #[must_use]
    pub const fn from_words(words: [u64; 2]) -> Self {
        let [first, second] = words;
        Self {
            block: first as u32,
            generation: (first >> 32) as u32,
            offset: second as u32,
            length: (second >> 32) as u32,
        }
    }
}

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkError {
    /// There is no such block.
    Block {
        /// What the descriptor says.
        block: u32,
        /// How many there are.
        blocks: u32,
    },
    /// It is not wholly inside of a block.
    Range {
        /// Where it begins, in bytes.
        offset: u32,
        /// How long it is, in bytes.
        length: u32,
        /// How long a block is, in bytes.
        block_bytes: u32,
    },
    /// The generation is not the one that comes next for this block, or that was handed over.
    Generation {
        /// The block.
        block: u32,
        /// What it should be.
        expected: u32,
        /// What it is.
        seen: u64,
    },
}

impl fmt::Display for BulkError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block { block, blocks } => write!(out, "there is no block {block}, only {blocks} from 0"),
            Self::Range { offset, length, block_bytes } => {
                write!(out, "{length} bytes from {offset} are not inside of a block of {block_bytes}")
            }
            Self::Generation { block, expected, seen } => {
                write!(out, "block {block} has generation {seen} where {expected} is due")
            }
        }
    }
}

impl core::error::Error for BulkError {}

/// How a region is divided. Both ends know it from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many blocks there are.
    pub blocks: u32,
    /// How long each is, in words.
    pub block_words: u32,
}

impl Shape {
    /// How long a block is, in bytes.
    #[must_use]
    pub const fn block_bytes(self) -> u32 {
        self.block_words * 8
    }

    /// Words of the region.
    #[must_use]
    pub const fn region_words(self) -> usize {
        self.blocks as usize * self.block_words as usize
    }

    /// The region must hold the blocks, and the receiver's half from some word on a word for each.
    fn check(self, region: usize, returns: usize) -> Result<(), Misfit> {
        if self.block_words == 0 || self.block_words > u32::MAX / 8 {
            return Err(Misfit::Block { words: self.block_words });
        }
        let blocks = usize::try_from(self.blocks).unwrap_or(usize::MAX);
        let words = usize::try_from(self.block_words).unwrap_or(usize::MAX);
        holds(blocks.saturating_mul(words), region)?;
        holds(blocks, returns)
    }

    /// The first byte of something in the region, if it is wholly inside of its block.
    fn find(self, block: u32, offset: u32, length: u32) -> Result<usize, BulkError> {
        if block >= self.blocks {
            return Err(BulkError::Block { block, blocks: self.blocks });
        }
        let block_bytes = self.block_bytes();
        if offset.checked_add(length).is_none_or(|end| end > block_bytes) {
            return Err(BulkError::Range { offset, length, block_bytes });
        }
        Ok(block as usize * block_bytes as usize + offset as usize)
    }
}

/// What the sender knows of a block.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    generation: u32,
    is_out: bool,
}

/// The sender's end of a region, for at most `MOST` blocks.
#[derive(Debug)]
pub struct BulkSender<const MOST: usize> {
    region: WriteHalf,
    peers: ReadHalf,
    shape: Shape,
    entries: [Entry; MOST],
    /// Where to look for a free block first.
    next: u32,
}

impl<const MOST: usize> BulkSender<MOST> {
    /// Over zeroed memory: the region, and a copy of the receiver's half of the channel.
    ///
    /// # Errors
    /// The memory is too small for this shape, or there are more blocks than `MOST`.
    pub fn new(region: WriteHalf, peers: ReadHalf, shape: Shape) -> Result<Self, Misfit> {
        shape.check(region.len(), peers.len().saturating_sub(HEAD_WORDS))?;
        if shape.blocks as usize > MOST {
            return Err(Misfit::Blocks { blocks: shape.blocks, most: u32::try_from(MOST).unwrap_or(u32::MAX) });
        }
        Ok(Self { region, peers, shape, entries: [Entry::default(); MOST], next: 0 })
    }

    /// A block to fill, if there is one that is not handed over, or was given back. Looks at each block once at most.
    ///
    /// # Errors
    /// The receiver gave back what it was never given.
    pub fn take(&mut self) -> Result<Option<Block<'_, MOST>>, BulkError> {
        let mut index = self.next;
        for _ in 0..self.shape.blocks {
            index = if index >= self.shape.blocks { 0 } else { index };
            if self.is_free(index)? {
                self.next = index + 1;
                return Ok(Some(Block { sender: self, index }));
            }
            index += 1;
        }
        Ok(None)
    }

    fn is_free(&mut self, index: u32) -> Result<bool, BulkError> {
        let Some(entry) = self.entries.get_mut(index as usize) else { return Ok(false) };
        if entry.is_out {
            let seen = self.peers.load_acquire(HEAD_WORDS + index as usize);
            if seen == u64::from(entry.generation) {
                entry.is_out = false;
            } else if seen != u64::from(entry.generation.wrapping_sub(1)) {
                return Err(BulkError::Generation { block: index, expected: entry.generation, seen });
            }
        }
        Ok(!entry.is_out)
    }
}

/// A block that the sender fills. If it is dropped without being handed over it remains free.
#[derive(Debug)]
pub struct Block<'sender, const MOST: usize> {
    sender: &'sender mut BulkSender<MOST>,
    index: u32,
}

impl<const MOST: usize> Block<'_, MOST> {
    /// Writes bytes at an offset.
    ///
    /// # Errors
    /// They are not wholly inside of the block; nothing was written.
    pub fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), BulkError> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let at = self.sender.shape.find(self.index, offset, length)?;
        write(&self.sender.region, at, bytes);
        Ok(())
    }

    /// Writes the word at an index (in words).
    ///
    /// # Errors
    /// It is not inside of the block.
    #[inline]
    pub fn store(&mut self, index: u32, word: u64) -> Result<(), BulkError> {
        let at = self.sender.shape.find(self.index, index.saturating_mul(8), 8)?;
        self.sender.region.store(at / 8, word);
        Ok(())
    }

    /// Gives the block up until the receiver gives it back. The descriptor is to be sent.
    ///
    /// # Errors
    /// What is described is not wholly inside of the block, which remains free.
    pub fn hand_over(self, offset: u32, length: u32) -> Result<Descriptor, BulkError> {
        self.sender.shape.find(self.index, offset, length)?;
        let mut generation = 0;
        if let Some(entry) = self.sender.entries.get_mut(self.index as usize) {
            entry.generation = entry.generation.wrapping_add(1);
            entry.is_out = true;
            generation = entry.generation;
        }
        Ok(Descriptor { block: self.index, generation, offset, length })
    }
}

/// The receiver's end of a region.
#[derive(Debug)]
pub struct BulkReceiver {
    region: ReadHalf,
    returns: WriteHalf,
    shape: Shape,
}

impl BulkReceiver {
    /// Over zeroed memory: the region, and of the receiver's half of the channel what comes after [`HEAD_WORDS`].
    ///
    /// # Errors
    /// The memory is too small for this shape.
    pub fn new(region: ReadHalf, returns: WriteHalf, shape: Shape) -> Result<Self, Misfit> {
        shape.check(region.len(), returns.len())?;
        Ok(Self { region, returns, shape })
    }

    /// What a descriptor describes, if it can be true.
    ///
    /// # Errors
    /// The descriptor is not one that an honest sender sends now; nothing is given back.
    pub fn accept(&self, descriptor: Descriptor) -> Result<Bulk<'_>, BulkError> {
        let Descriptor { block, generation, offset, length } = descriptor;
        let at = self.shape.find(block, offset, length)?;
        let expected = (self.returns.load(block as usize) as u32).wrapping_add(1);
        if generation != expected {
            return Err(BulkError::Generation { block, expected, seen: u64::from(generation) });
        }
        Ok(Bulk { receiver: self, descriptor, at })
    }
}

/// What was handed over. The block is given back when this is dropped; a sender that waits for it is told by
/// [`Receiver::must_notify`](crate::Receiver::must_notify).
#[derive(Debug)]
pub struct Bulk<'receiver> {
    receiver: &'receiver BulkReceiver,
    descriptor: Descriptor,
    /// Its first byte in the region.
    at: usize,
}

impl Bulk<'_> {
    /// How long it is, in bytes.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.descriptor.length
    }

    /// Whether it has no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.descriptor.length == 0
    }

    /// Copies bytes from an offset on, each once, until the end of either; returns how many.
    pub fn read(&self, offset: u32, bytes: &mut [u8]) -> usize {
        let rest = self.descriptor.length.saturating_sub(offset) as usize;
        let count = rest.min(bytes.len());
        if let Some(bytes) = bytes.get_mut(..count) {
            read(&self.receiver.region, self.at.saturating_add(offset as usize), bytes);
        }
        count
    }

    /// The word that begins at an offset in bytes, if it is wholly inside. Another read of it may read another.
    #[must_use]
    pub fn word(&self, offset: u32) -> Option<u64> {
        let mut bytes = [0; 8];
        (self.read(offset, &mut bytes) == 8).then(|| u64::from_le_bytes(bytes))
    }
}

impl Drop for Bulk<'_> {
    fn drop(&mut self) {
        let Descriptor { block, generation, .. } = self.descriptor;
        self.receiver.returns.store_release(block as usize, u64::from(generation));
    }
}

/// Writes bytes into words. Who writes them is the only one who does.
fn write(half: &WriteHalf, at: usize, bytes: &[u8]) {
    let (head, rest) = bytes.split_at(bytes.len().min(at.next_multiple_of(8) - at));
    if !head.is_empty() {
        write_part(half, at, head);
    }
    let first = at.div_ceil(8);
    let (words, tail) = rest.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        half.store(first + index, u64::from_le_bytes(*word));
    }
    if !tail.is_empty() {
        write_part(half, (first + words.len()) * 8, tail);
    }
}

/// Writes some bytes of one word.
fn write_part(half: &WriteHalf, at: usize, bytes: &[u8]) {
    let mut word = half.load(at / 8).to_le_bytes();
    for (place, byte) in word.iter_mut().skip(at % 8).zip(bytes) {
        *place = *byte;
    }
    half.store(at / 8, u64::from_le_bytes(word));
}

/// Reads bytes from words, each word once.
fn read(half: &ReadHalf, at: usize, bytes: &mut [u8]) {
    let (head, rest) = bytes.split_at_mut(bytes.len().min(at.next_multiple_of(8) - at));
    if !head.is_empty() {
        read_part(half, at, head);
    }
    let first = at.div_ceil(8);
    let (words, tail) = rest.as_chunks_mut::<8>();
    let count = words.len();
    for (index, word) in words.iter_mut().enumerate() {
        *word = half.load(first + index).to_le_bytes();
    }
    if !tail.is_empty() {
        read_part(half, (first + count) * 8, tail);
    }
}

/// Reads some bytes of one word.
fn read_part(half: &ReadHalf, at: usize, bytes: &mut [u8]) {
    let word = half.load(at / 8).to_le_bytes();
    for (byte, place) in bytes.iter_mut().zip(word.iter().skip(at % 8)) {
        *byte = *place;
    }
}
