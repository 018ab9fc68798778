//! Which frames of physical memory are free.
//!
//! Each memory node has a list of free frames behind a lock; each hardware thread keeps a small [`Cache`] of frames, so that most
//! allocations touch nothing that is shared (the fos page-allocation experiment, fos section 2.2, is what this must not repeat).

use heapless::Vec;
use spin::Mutex;

/// Bytes of a frame.
const SIZE: u64 = abi::layout::PAGE_SIZE;

/// The most memory nodes.
pub const MAX_NODES: usize = 8;

/// Frames in a full [`Cache`].
pub const CACHE: usize = 64;

/// How many frames move between a cache and its node at once.
const BATCH: usize = CACHE / 2;

/// No frame: the end of a list.
const END: u32 = u32::MAX;

/// Marks a frame that is not in the list. Physical memory ends far below.
const TAKEN: u32 = u32::MAX - 1;

/// Marks a frame of a node's span that is not the allocator's: a hole, or in use since before there was one.
const RESERVED: u32 = u32::MAX - 2;

/// A frame of physical memory, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Frame(u32);

impl Frame {
    /// The frame that an address is in. Addresses reach to 2^44 - 2 frames; this machine's memory is below.
    #[must_use]
    pub const fn containing(address: u64) -> Self {
        Self((address / SIZE) as u32)
    }

    /// The physical address of its first byte.
    #[must_use]
    pub const fn address(self) -> u64 {
        self.0 as u64 * SIZE
    }
}

/// A frame was given back that was not out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotTaken(pub Frame);

/// Free frames of one memory node: a list threaded through a table with a word for each frame of the node's span.
#[derive(Debug)]
pub struct NodeFrames<'m> {
    base: u32,
    next: &'m mut [u32],
    head: u32,
    free: u32,
    total: u32,
}

impl<'m> NodeFrames<'m> {
    /// A node whose span starts at frame `base` and has a frame for each word of `table`. None of it is the allocator's until [`NodeFrames::add`].
    #[must_use]
    pub fn new(base: Frame, table: &'m mut [u32]) -> Self {
        table.fill(RESERVED);
        Self { base: base.0, next: table, head: END, free: 0, total: 0 }
    }

    /// Adds the frames of a range of addresses that lie wholly in it and in the node's span.
    pub fn add(&mut self, start: u64, end: u64) {
        let first = start.div_ceil(SIZE).max(u64::from(self.base));
        let last = (end / SIZE).min(u64::from(self.base) + self.next.len() as u64);
        // Backwards, so that low frames are taken first.
        for number in (first..last.max(first)).rev() {
            let frame = Frame(number as u32);
            let slot = &mut self.next[(frame.0 - self.base) as usize];
            if *slot == RESERVED {
                *slot = TAKEN;
                self.total += u32::from(self.give(frame).is_ok());
            }
        }
    }

    fn contains(&self, frame: Frame) -> bool {
        frame.0.checked_sub(self.base).is_some_and(|index| (index as usize) < self.next.len())
    }

    /// Takes a free frame.
    pub fn take(&mut self) -> Option<Frame> {
        if self.head == END {
            return None;
        }
        let frame = Frame(self.base + self.head);
        let slot = &mut self.next[self.head as usize];
        self.head = core::mem::replace(slot, TAKEN);
        self.free -= 1;
        Some(frame)
    }

    /// Gives a frame back.
    ///
    /// # Errors
    /// When the frame was never added to this node, or is free already.
    pub fn give(&mut self, frame: Frame) -> Result<(), NotTaken> {
        if !self.contains(frame) {
            return Err(NotTaken(frame));
        }
        let index = frame.0 - self.base;
        let slot = &mut self.next[index as usize];
        if *slot != TAKEN {
            return Err(NotTaken(frame));
        }
        *slot = self.head;
        self.head = index;
        self.free += 1;
        Ok(())
    }

    /// Frames in the list.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.free
    }
}

/// A hardware thread's own frames.
#[derive(Debug, Default)]
pub struct Cache {
    frames: Vec<Frame, CACHE>,
}

impl Cache {
    /// An empty cache.
    #[must_use]
    pub const fn new() -> Self {
        Self { frames: Vec::new() }
    }

    /// Frames in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

/// All free frames of the machine.
#[derive(Debug)]
pub struct FramePool<'m> {
    nodes: Vec<Mutex<NodeFrames<'m>>, MAX_NODES>,
    total: u64,
}

impl<'m> FramePool<'m> {
    /// A pool of these nodes; a ninth and later ones are left out.
    #[must_use]
    pub fn new(nodes: impl IntoIterator<Item = NodeFrames<'m>>) -> Self {
        let mut total = 0;
        let mut list = Vec::new();
        for node in nodes {
            let frames = u64::from(node.total);
            if list.push(Mutex::new(node)).is_ok() {
                total += frames;
            }
        }
        Self { nodes: list, total }
    }

    /// Nodes.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Frames that the pool was made with.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Takes a frame: from the cache, else from node `node`, else from the following ones. At most one lock for each node.
    pub fn allocate(&self, cache: &mut Cache, node: usize) -> Option<Frame> {
        if let Some(frame) = cache.frames.pop() {
            return Some(frame);
        }
        for offset in 0..self.nodes.len() {
            let mut frames = self.nodes[(node + offset) % self.nodes.len()].lock();
            while cache.frames.len() < BATCH {
                let Some(frame) = frames.take() else { break };
                let _ = cache.frames.push(frame);
            }
            if let Some(frame) = cache.frames.pop() {
                return Some(frame);
            }
        }
        None
    }

    /// Gives a frame back to the cache; a full cache first gives half of its frames back to their nodes. At most one lock for each node.
    ///
    /// # Errors
    /// When a frame turns out not to be taken: some frame was given back twice. If it is another one than `frame`, `frame` was taken
    /// back all the same. A frame in another hardware thread's cache is not found out before one of the two drains.
    pub fn release(&self, cache: &mut Cache, frame: Frame) -> Result<(), NotTaken> {
        if cache.frames.contains(&frame) {
            return Err(NotTaken(frame));
        }
        let drained = if cache.frames.is_full() { self.drain(cache) } else { Ok(()) };
        cache.frames.push(frame).map_err(NotTaken)?;
        drained
    }

    /// Gives half of a full cache back; the first frame that was not taken is the error, and no other is lost for it.
    fn drain(&self, cache: &mut Cache) -> Result<(), NotTaken> {
        let mut batch: Vec<Frame, BATCH> = Vec::new();
        batch.extend((0..BATCH).map_while(|_| cache.frames.pop()));
        let mut wrong = None;
        for node in &self.nodes {
            if batch.is_empty() {
                break;
            }
            let mut frames = node.lock();
            batch.retain(|frame| {
                let here = frames.contains(*frame);
                if here && let Err(error) = frames.give(*frame) {
                    wrong.get_or_insert(error);
                }
                !here
            });
        }
        wrong.or(batch.first().copied().map(NotTaken)).map_or(Ok(()), Err)
    }

    /// Free frames, those in caches not counted.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.nodes.iter().map(|node| u64::from(node.lock().free())).sum()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::HashSet;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn pool<'m>(tables: &'m mut [Vec<u32>]) -> FramePool<'m> {
        let mut base = 16;
        FramePool::new(tables.iter_mut().map(|table| {
            let length = table.len() as u32;
            let mut node = NodeFrames::new(Frame(base), table);
            node.add(u64::from(base) * SIZE, u64::from(base + length) * SIZE);
            base += length;
            node
        }))
    }

    #[test]
    fn a_frame_given_back_twice_is_refused() {
        let mut table = [0; 4];
        let mut node = NodeFrames::new(Frame(8), &mut table);
        node.add(8 * SIZE, 12 * SIZE);
        let frame = node.take().expect("four frames are free");
        assert_eq!(node.give(frame), Ok(()));
        assert_eq!(node.give(frame), Err(NotTaken(frame)));
        assert_eq!(node.give(Frame(3)), Err(NotTaken(Frame(3))));
        assert_eq!(node.free(), 4);
    }

    #[test]
    fn a_frame_that_was_never_added_is_refused() {
        let mut table = [0; 8];
        let mut node = NodeFrames::new(Frame(0), &mut table);
        node.add(4 * SIZE, 8 * SIZE);
        node.add(6 * SIZE, 8 * SIZE);
        assert_eq!((node.give(Frame(0)), node.free(), node.total), (Err(NotTaken(Frame(0))), 4, 4));
    }

    #[test]
    fn a_frame_given_back_twice_costs_no_other_frame() {
        let mut tables = [std::vec![0; 100]];
        let pool = pool(&mut tables);
        let (mut one, mut other) = (Cache::new(), Cache::new());
        let out: Vec<_> = (0..100).map_while(|_| pool.allocate(&mut one, 0)).collect();
        assert_eq!(out.len(), 100);
        assert_eq!(pool.release(&mut one, out[0]), Ok(()));
        assert_eq!(pool.release(&mut one, out[0]), Err(NotTaken(out[0])));
        // Behind another hardware thread's back: known when the second one drains.
        for frame in &out[1..65] {
            assert_eq!(pool.release(&mut one, *frame), Ok(()));
        }
        for frame in &out[..64] {
            assert_eq!(pool.release(&mut other, *frame), Ok(()));
        }
        let before = (pool.free(), other.len());
        let error = pool.release(&mut other, out[65]).expect_err("both caches had these frames");
        assert!(out[..64].contains(&error.0));
        assert!(other.frames.contains(&out[65]), "the last frame is lost");
        let home = u64::from(pool.nodes[0].lock().free());
        assert!(before.1 == CACHE && home >= before.0 && other.len() == CACHE - BATCH + 1);
    }

    #[test]
    fn ranges_are_added_only_as_far_as_they_hold_whole_frames_of_the_node() {
        let mut table = [0; 4];
        let mut node = NodeFrames::new(Frame(8), &mut table);
        node.add(7 * SIZE, 9 * SIZE - 1);
        assert_eq!(node.free(), 0);
        node.add(8 * SIZE + 1, 100 * SIZE);
        assert_eq!(node.free(), 3);
        node.add(u64::MAX - SIZE, 0);
        assert_eq!(node.free(), 3);
    }

    #[test]
    fn an_empty_node_borrows_from_the_next() {
        let mut tables = [std::vec![0; 1], std::vec![0; 100]];
        let pool = pool(&mut tables);
        let mut cache = Cache::new();
        let frames: HashSet<_> = (0..101).map_while(|_| pool.allocate(&mut cache, 0)).collect();
        assert_eq!(frames.len(), 101);
        assert_eq!(pool.allocate(&mut cache, 0), None);
    }

    proptest! {
        #[test]
        fn no_frame_is_out_twice_and_none_is_lost(
            steps in proptest::collection::vec((any::<bool>(), 0_usize..3, 0_usize..2), 1..600)
        ) {
            let mut tables = [std::vec![0; 70], std::vec![0; 90]];
            let pool = pool(&mut tables);
            let mut caches = [Cache::new(), Cache::new(), Cache::new()];
            let mut out = Vec::new();
            for (take, thread, node) in steps {
                if take {
                    if let Some(frame) = pool.allocate(&mut caches[thread], node) {
                        prop_assert!(!out.contains(&frame), "{frame:?} is out already");
                        out.push(frame);
                    }
                } else if let Some(frame) = out.pop() {
                    prop_assert_eq!(pool.release(&mut caches[thread], frame), Ok(()));
                }
                let cached: usize = caches.iter().map(Cache::len).sum();
                prop_assert_eq!(pool.free() + (cached + out.len()) as u64, pool.total());
            }
        }
    }
}
