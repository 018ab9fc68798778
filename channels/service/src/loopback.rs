//! A link inside one program, so that a service and its client are tested together without a kernel.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::link::{Link, ReceiveError, SendError};
use crate::message::Message;

/// One end of a link in memory. Each direction holds a fixed number of messages: a sender that is so far ahead has no
/// credit. Dropping an end closes the link. The ends may live in different threads.
#[derive(Debug)]
pub struct Loopback {
    outgoing: Arc<Queue>,
    incoming: Arc<Queue>,
}

impl Loopback {
    /// Two ends that are connected, with room for `capacity` messages in each direction. Allocates, here only.
    ///
    /// # Panics
    /// If `capacity` is 0: nothing could ever be sent.
    #[must_use]
    pub fn pair(capacity: usize) -> (Self, Self) {
        assert!(capacity > 0, "a link needs room for one message at least");
        let (there, back) = (Arc::new(Queue::new(capacity)), Arc::new(Queue::new(capacity)));
        (Self { outgoing: there.clone(), incoming: back.clone() }, Self { outgoing: back, incoming: there })
    }

    /// Makes the peer see a channel whose protocol was broken, to test how it takes that.
    pub fn break_protocol(&self) {
        self.outgoing.broken.store(true, Ordering::Release);
        self.incoming.broken.store(true, Ordering::Release);
    }
}

impl Link for Loopback {
    fn try_send(&mut self, message: &Message) -> Result<(), SendError> {
        self.outgoing.push(message)
    }

    fn try_receive(&mut self) -> Result<Option<Message>, ReceiveError> {
        self.incoming.pop()
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.outgoing.closed.store(true, Ordering::Release);
        self.incoming.closed.store(true, Ordering::Release);
    }
}

/// One direction. `sent` and `received` count messages and wrap; each is written by one end only.
#[derive(Debug)]
struct Queue {
    slots: Box<[[AtomicU64; 8]]>,
    sent: AtomicUsize,
    received: AtomicUsize,
    closed: AtomicBool,
    broken: AtomicBool,
}

impl Queue {
    fn new(capacity: usize) -> Self {
        // Positions wrap with the counters, so the number of slots must divide the counters' range.
        let slots = (0..capacity.next_power_of_two()).map(|_| core::array::from_fn(|_| AtomicU64::new(0))).collect();
        Self {
            slots,
            sent: AtomicUsize::new(0),
            received: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        }
    }

    fn push(&self, message: &Message) -> Result<(), SendError> {
        if self.broken.load(Ordering::Acquire) {
            return Err(SendError::Broken);
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(SendError::Closed);
        }
        let sent = self.sent.load(Ordering::Relaxed);
        if sent.wrapping_sub(self.received.load(Ordering::Acquire)) >= self.slots.len() {
            return Err(SendError::NoCredit);
        }
        let slot = &self.slots[sent % self.slots.len()];
        slot[0].store(u64::from(message.tag), Ordering::Relaxed);
        for (target, word) in slot[1..].iter().zip(message.words) {
            target.store(word, Ordering::Relaxed);
        }
        self.sent.store(sent.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    fn pop(&self) -> Result<Option<Message>, ReceiveError> {
        if self.broken.load(Ordering::Acquire) {
            return Err(ReceiveError::Broken);
        }
        // Read before `sent`: what was sent before the end must be received before the end is seen.
        let closed = self.closed.load(Ordering::Acquire);
        let received = self.received.load(Ordering::Relaxed);
        if self.sent.load(Ordering::Acquire) == received {
            return if closed { Err(ReceiveError::Closed) } else { Ok(None) };
        }
        let slot = &self.slots[received % self.slots.len()];
        let message = Message {
            tag: slot[0].load(Ordering::Relaxed) as u32,
            words: core::array::from_fn(|word| slot[word + 1].load(Ordering::Relaxed)),
        };
        self.received.store(received.wrapping_add(1), Ordering::Release);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u32) -> Message {
        Message { tag, words: [u64::from(tag); 7] }
    }

    #[test]
    fn messages_arrive_in_order_and_a_full_link_has_no_credit() {
        let (mut here, mut there) = Loopback::pair(2);
        assert_eq!(there.try_receive(), Ok(None));
        assert_eq!(here.try_send(&message(1)), Ok(()));
        assert_eq!(here.try_send(&message(2)), Ok(()));
        assert_eq!(here.try_send(&message(3)), Err(SendError::NoCredit));
        assert_eq!(there.try_receive(), Ok(Some(message(1))));
        assert_eq!(here.try_send(&message(3)), Ok(()));
        assert_eq!(there.try_receive(), Ok(Some(message(2))));
        assert_eq!(there.try_receive(), Ok(Some(message(3))));
    }

    #[test]
    fn what_was_sent_before_the_end_is_received_before_the_end() {
        let (mut here, mut there) = Loopback::pair(2);
        assert_eq!(here.try_send(&message(1)), Ok(()));
        drop(here);
        assert_eq!(there.try_receive(), Ok(Some(message(1))));
        assert_eq!(there.try_receive(), Err(ReceiveError::Closed));
        assert_eq!(there.try_send(&message(2)), Err(SendError::Closed));
    }

    #[test]
    fn a_broken_link_says_so_to_both_ends() {
        let (mut here, mut there) = Loopback::pair(2);
        here.break_protocol();
        assert_eq!(there.try_receive(), Err(ReceiveError::Broken));
        assert_eq!(here.try_send(&message(1)), Err(SendError::Broken));
    }
}
