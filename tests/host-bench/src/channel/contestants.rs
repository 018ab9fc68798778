//! Our channel and what it is measured against, all by the same two traits.
//!
//! A message is a cache line of 64 bytes; ours has 60 for its user, the others have 64 and their indices elsewhere. All words are written and all are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use channels::{Message, Receiver, Sender};
use crossbeam_queue::ArrayQueue;

/// Messages under way at most.
pub(crate) const CAPACITY: usize = 1024;

/// Messages that are sent or received at once, by who can do that.
pub(crate) const BATCH: usize = 32;

/// What others carry.
type Line = [u64; 8];

/// The end that sends. A message is made of a number.
pub(crate) trait Tx: Send {
    /// Sends one if there is room.
    fn send(&mut self, number: u64) -> bool;

    /// Sends these numbers, or as many of the first as there is room for; returns how many.
    fn send_batch(&mut self, first: u64, count: usize) -> usize {
        (0..count).take_while(|&index| self.send(first + index as u64)).count()
    }
}

/// The end that receives. What is received is told as the sum of its words.
pub(crate) trait Rx: Send {
    /// Receives one if there is one.
    fn receive(&mut self) -> Option<u64>;

    /// Receives as many as there are, at most [`BATCH`]; the sum of all, and how many.
    fn receive_batch(&mut self) -> (u64, usize) {
        let mut total = (0, 0);
        while total.1 < BATCH
            && let Some(sum) = self.receive()
        {
            total = (sum.wrapping_add(total.0), total.1 + 1);
        }
        total
    }
}

fn sum(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

/// The sum of its words and its tag is eight times the number, as it is of the others'.
fn message(number: u64) -> Message {
    let tag = number as u32;
    let rest = number + (number - u64::from(tag));
    Message::new(tag, [number, number, number, number, number, number, rest])
}

fn sum_of(message: &Message) -> u64 {
    sum(&message.words).wrapping_add(message.tag.into())
}

impl Tx for Sender {
    #[inline]
    fn send(&mut self, number: u64) -> bool {
        self.try_send(&message(number)).is_ok()
    }

    #[inline]
    fn send_batch(&mut self, first: u64, count: usize) -> usize {
        self.send_each((first..first + count as u64).map(message)).unwrap_or(0)
    }
}

impl Rx for Receiver {
    #[inline]
    fn receive(&mut self) -> Option<u64> {
        self.try_receive().ok()?.as_ref().map(sum_of)
    }

    #[inline]
    fn receive_batch(&mut self) -> (u64, usize) {
        let mut total = 0_u64;
        let count = self.receive_each(BATCH, |message| total = total.wrapping_add(sum_of(&message)));
        (total, count.unwrap_or(0))
    }
}

impl Tx for rtrb::Producer<Line> {
    #[inline]
    fn send(&mut self, number: u64) -> bool {
        self.push([number; 8]).is_ok()
    }

    #[inline]
    fn send_batch(&mut self, first: u64, count: usize) -> usize {
        let count = count.min(self.slots());
        let Ok(chunk) = self.write_chunk_uninit(count) else { return 0 };
        chunk.fill_from_iter((first..).map(|number| [number; 8]))
    }
}

impl Rx for rtrb::Consumer<Line> {
    #[inline]
    fn receive(&mut self) -> Option<u64> {
        self.pop().ok().map(|line| sum(&line))
    }

    #[inline]
    fn receive_batch(&mut self) -> (u64, usize) {
        let count = self.slots().min(BATCH);
        let Ok(chunk) = self.read_chunk(count) else { return (0, 0) };
        (chunk.into_iter().fold(0, |total, line| total.wrapping_add(sum(&line))), count)
    }
}

impl Tx for heapless::spsc::Producer<'static, Line> {
    #[inline]
    fn send(&mut self, number: u64) -> bool {
        self.enqueue([number; 8]).is_ok()
    }
}

impl Rx for heapless::spsc::Consumer<'static, Line> {
    #[inline]
    fn receive(&mut self) -> Option<u64> {
        self.dequeue().map(|line| sum(&line))
    }
}

impl Tx for Arc<ArrayQueue<Line>> {
    #[inline]
    fn send(&mut self, number: u64) -> bool {
        self.push([number; 8]).is_ok()
    }
}

impl Rx for Arc<ArrayQueue<Line>> {
    #[inline]
    fn receive(&mut self) -> Option<u64> {
        self.pop().map(|line| sum(&line))
    }
}

/// The least that two threads can exchange: a number in a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Word(AtomicU64);

/// An end of some words that are used in turns, and the last number that it saw or wrote.
pub(crate) struct Bare<const WORDS: usize>(Arc<[Word; WORDS]>, u64);

impl<const WORDS: usize> Bare<WORDS> {
    fn word(&self, number: u64) -> &AtomicU64 {
        &self.0[number as usize % WORDS].0
    }
}

impl<const WORDS: usize> Tx for Bare<WORDS> {
    #[inline]
    fn send(&mut self, number: u64) -> bool {
        self.word(number).store(number, Ordering::Release);
        true
    }
}

impl<const WORDS: usize> Rx for Bare<WORDS> {
    #[inline]
    fn receive(&mut self) -> Option<u64> {
        let next = self.1 + 1;
        (self.word(next).load(Ordering::Acquire) == next).then(|| {
            self.1 = next;
            next.wrapping_mul(8)
        })
    }
}

/// One word is used for ever, or one for each message that may be under way, as queues do.
pub(crate) fn bare<const WORDS: usize>() -> (Bare<WORDS>, Bare<WORDS>) {
    let words = Arc::new([const { Word(AtomicU64::new(0)) }; WORDS]);
    (Bare(words.clone(), 0), Bare(words, 0))
}

pub(crate) fn ours() -> (Sender, Receiver) {
    channels::host::channel(CAPACITY as u32).expect("a benchmark's capacity is in range")
}

pub(crate) fn rtrb() -> (rtrb::Producer<Line>, rtrb::Consumer<Line>) {
    rtrb::RingBuffer::new(CAPACITY)
}

/// It holds one message less than its size.
pub(crate) fn heapless() -> (heapless::spsc::Producer<'static, Line>, heapless::spsc::Consumer<'static, Line>) {
    Box::leak(Box::new(heapless::spsc::Queue::<Line, CAPACITY>::new())).split()
}

pub(crate) fn crossbeam() -> (Arc<ArrayQueue<Line>>, Arc<ArrayQueue<Line>>) {
    let queue = Arc::new(ArrayQueue::new(CAPACITY));
    (queue.clone(), queue)
}
