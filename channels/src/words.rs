//! Shared memory as words. The only room of this crate for unsafe code.
//!
//! A half of a channel is memory that one end writes and the other may only read, in atomic words of 8 bytes: what the other end does at
//! the same time can change the values that are read, and nothing else. [`WriteHalf`] is the writer's view and [`ReadHalf`] the reader's, which
//! has no way to write. An index outside of the memory reads 0 and writes nothing; slots are taken by the [`ReadLine`] and the
//! [`WriteLine`], which are checked once for their eight words.
#![allow(unsafe_code, reason = "shared memory is raw memory; this is the room for it")]

use core::fmt;
use core::ptr::NonNull;
#[cfg(not(loom))]
use core::sync::atomic::{AtomicU64 as Word, Ordering, fence as real_fence};

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64 as Word, Ordering, fence as real_fence};

#[cfg(feature = "std")]
use std::{boxed::Box, sync::Arc};

use crate::layout::LINE_WORDS;
#[cfg(feature = "std")]
use crate::layout::PAGE_WORDS;

/// Orders all that came before against all that comes after, between two ends that each write and then look at what the other wrote.
#[inline]
pub(crate) fn full_fence() {
    real_fence(Ordering::SeqCst);
}

/// Memory on the host's heap that both ends keep alive.
#[cfg(feature = "std")]
#[derive(Debug)]
struct Heap {
    words: Box<[Word]>,
}

/// Words somewhere.
#[derive(Clone)]
struct Area {
    base: NonNull<Word>,
    words: usize,
    /// Memory on the heap lives as long as somebody has it.
    #[cfg(feature = "std")]
    _heap: Option<Arc<Heap>>,
}

// SAFETY: the words are only accessed atomically, and the memory is valid from every thread (contract of `from_raw`, or the heap's).
unsafe impl Send for Area {}
// SAFETY: as for `Send`; no access through a shared reference is other than atomic.
unsafe impl Sync for Area {}

impl Area {
    #[inline]
    fn word(&self, index: usize) -> Option<&Word> {
        if index >= self.words {
            return None;
        }
        // SAFETY: `base` is the first of `words` words of one allocation (contract of `from_raw`, or `on_heap`), and the index is below that.
        let word = unsafe { self.base.add(index) };
        // SAFETY: the word is valid and aligned for as long as `self` lives, and nobody accesses it other than atomically.
        Some(unsafe { word.as_ref() })
    }

    #[inline]
    fn line(&self, line: usize) -> Option<&[Word; LINE_WORDS]> {
        if line >= self.words / LINE_WORDS {
            return None;
        }
        // SAFETY: `line * 8 + 8` is at most `words`, by the check above, so that the pointer stays in the allocation.
        let first = unsafe { self.base.add(line * LINE_WORDS) };
        // SAFETY: eight valid and aligned words begin there (see `word`), for as long as `self` lives.
        Some(unsafe { first.cast::<[Word; LINE_WORDS]>().as_ref() })
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let index = index.min(self.words);
        let mut second = self.clone();
        // SAFETY: at most one past the end of the allocation.
        second.base = unsafe { self.base.add(index) };
        second.words = self.words - index;
        let mut first = self;
        first.words = index;
        (first, second)
    }
}

/// A half that this end may only read: the peer writes it at any time.
#[derive(Clone)]
pub struct ReadHalf(Area);

/// A half that this end writes and nobody else does.
pub struct WriteHalf(Area);

impl ReadHalf {
    /// The words that begin at `base`, which the peer writes.
    ///
    /// # Safety
    /// - `base` is aligned to a page, and so many words from it are mapped readable until the last copy of the half is dropped;
    /// - nobody in this program accesses them other than by atomic loads, or by the [`WriteHalf`] of the same memory.
    #[cfg(not(loom))]
    #[must_use]
    pub const unsafe fn from_raw(base: NonNull<u64>, words: usize) -> Self {
        let base = base.cast();
        #[cfg(feature = "std")]
        return Self(Area { base, words, _heap: None });
        #[cfg(not(feature = "std"))]
        Self(Area { base, words })
    }

    /// How many words it has.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.words
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.words == 0
    }

    /// Two: the first `index` words, and the rest.
    #[must_use]
    pub fn split_at(self, index: usize) -> (Self, Self) {
        let (first, second) = self.0.split_at(index);
        (Self(first), Self(second))
    }

    /// A word, in no order; 0 if there is no such word.
    #[inline]
    #[must_use]
    pub fn load(&self, index: usize) -> u64 {
        self.0.word(index).map_or(0, load)
    }

    /// A word, and after it what was written before it; 0 if there is no such word.
    #[inline]
    #[must_use]
    pub fn load_acquire(&self, index: usize) -> u64 {
        self.0.word(index).map_or(0, load_acquire)
    }

    /// The eight words of a cache line.
    #[inline]
    #[must_use]
    pub fn line(&self, line: usize) -> Option<ReadLine<'_>> {
        self.0.line(line).map(ReadLine)
    }
}

impl WriteHalf {
    /// The words that begin at `base`, which the peer may read.
    ///
    /// # Safety
    /// - `base` is aligned to a page, and so many words from it are mapped writable until the half is dropped;
    /// - nobody in this program accesses them other than by this half, what it is split into, or [`ReadHalf`]s of the same memory.
    #[cfg(not(loom))]
    #[must_use]
    pub const unsafe fn from_raw(base: NonNull<u64>, words: usize) -> Self {
        let base = base.cast();
        #[cfg(feature = "std")]
        return Self(Area { base, words, _heap: None });
        #[cfg(not(feature = "std"))]
        Self(Area { base, words })
    }

    /// How many words it has.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.words
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.words == 0
    }

    /// Two: the first `index` words, and the rest.
    #[must_use]
    pub fn split_at(self, index: usize) -> (Self, Self) {
        let (first, second) = self.0.split_at(index);
        (Self(first), Self(second))
    }

    /// What this end wrote there last; 0 if there is no such word.
    #[inline]
    #[must_use]
    pub fn load(&self, index: usize) -> u64 {
        self.0.word(index).map_or(0, load)
    }

    /// Writes a word, in no order. Nothing happens if there is no such word.
    #[inline]
    pub fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.0.word(index) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Writes a word so that who sees it sees what was written before it. Nothing happens if there is no such word.
    #[inline]
    pub fn store_release(&self, index: usize, value: u64) {
        if let Some(word) = self.0.word(index) {
            word.store(value, Ordering::Release);
        }
    }

    /// The eight words of a cache line.
    #[inline]
    #[must_use]
    pub fn line(&self, line: usize) -> Option<WriteLine<'_>> {
        self.0.line(line).map(WriteLine)
    }
}

#[inline]
fn load(word: &Word) -> u64 {
    word.load(Ordering::Relaxed)
}

/// Only relaxed loads are defined on memory that is mapped read-only, thus the fence. It costs nothing on x86.
#[inline]
fn load_acquire(word: &Word) -> u64 {
    let value = word.load(Ordering::Relaxed);
    real_fence(Ordering::Acquire);
    value
}

/// A cache line that this end may only read. Indices count modulo eight.
#[derive(Clone, Copy, Debug)]
pub struct ReadLine<'half>(&'half [Word; LINE_WORDS]);

impl ReadLine<'_> {
    /// A word, in no order.
    #[inline]
    #[must_use]
    pub fn load(&self, index: usize) -> u64 {
        load(&self.0[index % LINE_WORDS])
    }

    /// A word, and after it what was written before it.
    #[inline]
    #[must_use]
    pub fn load_acquire(&self, index: usize) -> u64 {
        load_acquire(&self.0[index % LINE_WORDS])
    }
}

/// A cache line that this end writes. Indices count modulo eight.
#[derive(Clone, Copy, Debug)]
pub struct WriteLine<'half>(&'half [Word; LINE_WORDS]);

impl WriteLine<'_> {
    /// Writes a word, in no order.
    #[inline]
    pub fn store(&self, index: usize, value: u64) {
        self.0[index % LINE_WORDS].store(value, Ordering::Relaxed);
    }

    /// Writes a word so that who sees it sees what was written before it.
    #[inline]
    pub fn store_release(&self, index: usize, value: u64) {
        self.0[index % LINE_WORDS].store(value, Ordering::Release);
    }
}

impl fmt::Debug for ReadHalf {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ReadHalf({} words at {:p})", self.0.words, self.0.base)
    }
}

impl fmt::Debug for WriteHalf {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "WriteHalf({} words at {:p})", self.0.words, self.0.base)
    }
}

/// So many zeroed words on the heap, aligned to a page.
#[cfg(feature = "std")]
pub(crate) fn on_heap(words: usize) -> (WriteHalf, ReadHalf) {
    // Loom's words are large and have no layout that matters.
    let spare = if cfg!(loom) { 0 } else { PAGE_WORDS };
    let heap = Arc::new(Heap { words: (0..words + spare).map(|_| Word::new(0)).collect() });
    let base = NonNull::from(&*heap.words).cast::<Word>();
    let skip = if cfg!(loom) { 0 } else { base.align_offset(PAGE_WORDS * 8).min(spare) };
    let all = Area { base, words: words + spare, _heap: Some(heap) };
    let (_, mut area) = all.split_at(skip);
    area.words = words;
    (WriteHalf(area.clone()), ReadHalf(area))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_is_outside() {
        let (writer, reader) = on_heap(20);
        assert_eq!((writer.len(), reader.len()), (20, 20));
        writer.store(19, 7);
        writer.store_release(20, 8);
        assert_eq!((reader.load(19), reader.load(20), reader.load_acquire(usize::MAX)), (7, 0, 0));
        writer.line(1).expect("words 8 to 15 are there").store(3, 9);
        assert_eq!(reader.load(11), 9);
        assert!(reader.line(2).is_none(), "words 16 to 19 are half a line");
        assert!(writer.line(usize::MAX).is_none());
    }

    #[test]
    fn memory_on_the_heap_begins_at_a_page_and_outlives_the_other_half() {
        let (writer, reader) = on_heap(PAGE_WORDS);
        assert_eq!(reader.0.base.as_ptr().addr() % 4096, 0);
        writer.store(511, 1);
        drop(writer);
        assert_eq!(reader.load(511), 1);
    }

    #[test]
    fn a_half_splits_in_two_that_do_not_overlap() {
        let (writer, reader) = on_heap(10);
        let (first, second) = writer.split_at(4);
        assert_eq!((first.len(), second.len()), (4, 6));
        first.store(4, 1);
        second.store(0, 2);
        assert_eq!((reader.load(3), reader.load(4), reader.load(5)), (0, 2, 0));
        let (all, none) = second.split_at(100);
        assert_eq!((all.len(), none.len(), none.is_empty()), (6, 0, true));
    }

    #[test]
    fn raw_memory_is_seen_as_words() {
        #[repr(align(4096))]
        struct Page([Word; PAGE_WORDS]);
        let page = Page([const { Word::new(3) }; PAGE_WORDS]);
        let base = NonNull::from(&page.0).cast();
        // SAFETY: the page is aligned, outlives the half, and is atomic words.
        let writer = unsafe { WriteHalf::from_raw(base, PAGE_WORDS) };
        // SAFETY: as above.
        let reader = unsafe { ReadHalf::from_raw(base, PAGE_WORDS) };
        writer.store(1, 4);
        assert_eq!((reader.load(0), reader.load(1), reader.load(512)), (3, 4, 0));
    }
}
