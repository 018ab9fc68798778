//! Both ends in one process: for tests, benchmarks, and threads that stand for cells.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::blocking::{BlockingReceiver, BlockingSender};
use crate::bulk::{BulkReceiver, BulkSender, Shape};
use crate::layout::{HEAD_WORDS, LINE_WORDS, Misfit, receiver_half_words, sender_half_words};
use crate::notify::Bell;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::words::{ReadHalf, WriteHalf, on_heap};

/// Memory of so many words, zeroed and aligned to a page, as its writer and its readers see it.
#[must_use]
pub fn half(words: usize) -> (WriteHalf, ReadHalf) {
    on_heap(words)
}

/// A half as large as the kernel makes it; under loom, where each word is dear, only what is used of it.
fn senders_half(capacity: u32) -> (WriteHalf, ReadHalf) {
    let used = HEAD_WORDS + capacity as usize * LINE_WORDS;
    on_heap(if cfg!(loom) { used } else { sender_half_words(capacity) })
}

fn receivers_half(blocks: u32) -> (WriteHalf, ReadHalf) {
    on_heap(if cfg!(loom) { HEAD_WORDS + blocks as usize } else { receiver_half_words(blocks) })
}

/// A channel whose ends poll.
///
/// # Errors
/// The capacity is outside of its range.
pub fn channel(capacity: u32) -> Result<(Sender, Receiver), Misfit> {
    // Memory is made for what is asked for, and there is none for the absurd.
    if capacity > crate::layout::MOST_CAPACITY {
        return Err(Misfit::Capacity { capacity });
    }
    let (senders, senders_seen) = senders_half(capacity);
    let (receivers, receivers_seen) = receivers_half(0);
    let receiver = Receiver::new(receivers, senders_seen, capacity)?;
    Ok((Sender::new(senders, receivers_seen, capacity)?, receiver))
}

/// A channel whose ends wait for each other, and know when the other one is gone.
///
/// # Errors
/// The capacity is outside of its range.
pub fn blocking(capacity: u32) -> Result<(BlockingSender<HostBell>, BlockingReceiver<HostBell>), Misfit> {
    let (sender, receiver) = channel(capacity)?;
    let (first, second) = bells();
    Ok((BlockingSender::new(sender, first), BlockingReceiver::new(receiver, second)))
}

/// The four ends of a channel with a region for bulk transfer.
pub type BulkEnds<const MOST: usize> = ((Sender, BulkSender<MOST>), (Receiver, BulkReceiver));

/// A channel with a region.
///
/// # Errors
/// The capacity or the shape is outside of its range.
pub fn bulk<const MOST: usize>(capacity: u32, shape: Shape) -> Result<BulkEnds<MOST>, Misfit> {
    if capacity > crate::layout::MOST_CAPACITY {
        return Err(Misfit::Capacity { capacity });
    }
    let (senders, senders_seen) = senders_half(capacity);
    let (receivers, receivers_seen) = receivers_half(shape.blocks);
    let (region, region_seen) = on_heap(shape.region_words());
    let (head, returns) = receivers.split_at(HEAD_WORDS);
    let receiver = (Receiver::new(head, senders_seen, capacity)?, BulkReceiver::new(region_seen, returns, shape)?);
    let bulk = BulkSender::new(region, receivers_seen.clone(), shape)?;
    Ok(((Sender::new(senders, receivers_seen, capacity)?, bulk), receiver))
}

/// Whether one end was rung for, and whether the other is there.
#[derive(Debug, Default)]
struct State {
    is_rung: bool,
    is_alone: bool,
}

#[derive(Debug, Default)]
struct Chime {
    state: Mutex<State>,
    changed: Condvar,
}

impl Chime {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock leaves it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bell of a thread.
#[derive(Debug)]
pub struct HostBell {
    mine: Arc<Chime>,
    peers: Arc<Chime>,
    start: Instant,
}

/// The other end was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerGone;

impl fmt::Display for PeerGone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the other end of the channel is gone")
    }
}

impl std::error::Error for PeerGone {}

/// Two bells, each the other's. Their clock begins now.
#[must_use]
pub fn bells() -> (HostBell, HostBell) {
    let (first, second) = (Arc::new(Chime::default()), Arc::new(Chime::default()));
    let start = Instant::now();
    let bell = |mine: &Arc<Chime>, peers: &Arc<Chime>| HostBell { mine: mine.clone(), peers: peers.clone(), start };
    (bell(&first, &second), bell(&second, &first))
}

impl Bell for HostBell {
    type Error = PeerGone;

    fn now(&mut self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn ring(&mut self) -> Result<(), PeerGone> {
        if self.mine.lock().is_alone {
            return Err(PeerGone);
        }
        self.peers.lock().is_rung = true;
        self.peers.changed.notify_one();
        Ok(())
    }

    fn peer_gone(&mut self) -> Option<PeerGone> {
        self.mine.lock().is_alone.then_some(PeerGone)
    }

    fn wait_until(&mut self, deadline: Option<u64>) -> Result<(), PeerGone> {
        let mine = self.mine.clone();
        let mut state = mine.lock();
        loop {
            if std::mem::take(&mut state.is_rung) {
                return Ok(());
            }
            if state.is_alone {
                return Err(PeerGone);
            }
            state = match deadline {
                None => mine.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let rest = deadline.saturating_sub(self.now());
                    if rest == 0 {
                        return Ok(());
                    }
                    let waited = mine.changed.wait_timeout(state, Duration::from_nanos(rest));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl Drop for HostBell {
    fn drop(&mut self) {
        self.peers.lock().is_alone = true;
        self.peers.changed.notify_one();
    }
}
