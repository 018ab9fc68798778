//! The end that sends.

use crate::layout::{FIRST_SLOT, GRANTED, HEADER, Misfit, PAYLOAD, WAITING, WANTING, fits};
use crate::message::{Broken, Message, SendError};
use crate::notify::{Answers, Wish};
use crate::words::{ReadHalf, WriteHalf, full_fence};

/// Sends messages while it has credits. Never waits: see [`BlockingSender`](crate::BlockingSender).
#[derive(Debug)]
pub struct Sender {
    own: WriteHalf,
    peers: ReadHalf,
    capacity: u32,
    /// Where the next message goes.
    slot: u32,
    /// Messages sent in total, modulo 2^32.
    sent: u32,
    /// What was granted and is not used, as far as this end has looked. 0 when the end is of no more use, so that the common path has one thing to check.
    credits: u32,
    end: Option<SendError>,
    wish: Wish,
    answers: Answers,
}

impl Sender {
    /// The sending end over zeroed memory: the half that it writes, and the receiver's.
    ///
    /// # Errors
    /// The capacity is outside of its range, or a half is too small for it.
    pub fn new(own: WriteHalf, peers: ReadHalf, capacity: u32) -> Result<Self, Misfit> {
        fits(capacity, own.len(), peers.len())?;
        let (wish, answers) = (Wish::default(), Answers::default());
        Ok(Self { own, peers, capacity, slot: 0, sent: 0, credits: 0, end: None, wish, answers })
    }

    /// Messages that the channel holds.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// How many messages can be sent now. Looks at what the receiver has granted.
    ///
    /// # Errors
    /// The end is of no more use; never [`SendError::NoCredit`].
    pub fn credits(&mut self) -> Result<u32, SendError> {
        self.look()?;
        Ok(self.credits)
    }

    /// Sends a message. It costs one cache line that travels, and another one whenever the known credits are used up. A receiver that waits is
    /// not told: see [`must_notify`](Self::must_notify).
    ///
    /// # Errors
    /// There is no credit, or the end is of no more use.
    #[inline]
    pub fn try_send(&mut self, message: &Message) -> Result<(), SendError> {
        if self.credits == 0 {
            self.look()?;
            if self.credits == 0 {
                return Err(SendError::NoCredit);
            }
        }
        self.publish(message);
        Ok(())
    }

    /// Sends as many of these as there are credits for, from the first; returns how many.
    ///
    /// # Errors
    /// The end is of no more use, and none was sent; never [`SendError::NoCredit`].
    #[inline]
    pub fn send_batch(&mut self, messages: &[Message]) -> Result<usize, SendError> {
        self.send_each(messages.iter().copied())
    }

    /// Sends messages as they are made, until there are no more or no more credits; returns how many. None is made that cannot be sent. Each is written where
    /// the receiver reads it, which spares what copying a batch costs.
    ///
    /// # Errors
    /// As for [`send_batch`](Self::send_batch).
    #[inline]
    pub fn send_each(&mut self, messages: impl IntoIterator<Item = Message>) -> Result<usize, SendError> {
        let mut messages = messages.into_iter();
        if (self.credits as usize) < messages.size_hint().0.max(1) {
            self.look()?;
        }
        let mut count = 0;
        while self.credits > 0
            && let Some(first) = messages.next()
        {
            let most = self.credits.min(GROUP);
            let mut group = Group { sender: self, first, count: 1 };
            while group.count < most
                && let Some(message) = messages.next()
            {
                group.sender.write(group.count, &message);
                group.count = group.count.wrapping_add(1);
            }
            count += group.count as usize;
        }
        Ok(count)
    }

    /// Whether the receiver waits and is to be notified of what was sent: to be asked once after sending, alone or a batch. It says so once for each time that
    /// the receiver waits. Costs a full fence; ends that both poll need not ask.
    #[must_use]
    pub fn must_notify(&mut self) -> bool {
        full_fence();
        self.answers.is_new(self.peers.load(WAITING))
    }

    /// Asks to be notified of credits (or of returned blocks). To be followed by another look, and only then by waiting, and then by
    /// [`lower`](Self::lower).
    pub fn raise(&mut self) {
        self.own.store(WANTING, self.wish.next());
        full_fence();
    }

    /// Takes the wish back.
    pub fn lower(&mut self) {
        self.own.store(WANTING, 0);
    }

    /// Nothing can be sent any more. The receiver is not told: what was sent can still be received.
    pub fn close(&mut self) {
        self.end.get_or_insert(SendError::Closed);
        self.credits = 0;
    }

    /// Looks at what was granted.
    #[cold]
    fn look(&mut self) -> Result<(), SendError> {
        if let Some(end) = self.end {
            return Err(end);
        }
        let seen = self.peers.load_acquire(GRANTED);
        let (sent, capacity) = (self.sent, self.capacity);
        let credits = u32::try_from(seen).map(|granted| granted.wrapping_sub(sent)).unwrap_or(u32::MAX);
        if credits > capacity || credits < self.credits {
            let broken = SendError::Broken(Broken::Granted { sent, capacity, seen });
            self.end = Some(broken);
            self.credits = 0;
            return Err(broken);
        }
        self.credits = credits;
        Ok(())
    }

    /// Sends a message. The caller has seen a credit.
    #[inline]
    fn publish(&mut self, message: &Message) {
        self.write(0, message);
        self.advance(1);
    }

    /// Writes a message into a slot beyond the next one.
    #[inline]
    fn write(&self, ahead: u32, message: &Message) {
        let sequence = self.sent.wrapping_add(ahead).wrapping_add(1);
        if let Some(line) = self.own.line(FIRST_SLOT.wrapping_add(self.slot_after(ahead) as usize)) {
            for (index, word) in message.words.iter().enumerate() {
                line.store(PAYLOAD + index, *word);
            }
            line.store_release(HEADER, (u64::from(message.tag) << 32) | u64::from(sequence));
        }
    }

    /// So many messages were written; at most as many as there are credits.
    #[inline]
    fn advance(&mut self, count: u32) {
        self.slot = self.slot_after(count);
        self.sent = self.sent.wrapping_add(count);
        self.credits = self.credits.wrapping_sub(count);
    }

    /// The slot so many, at most the capacity, after the next one.
    #[inline]
    const fn slot_after(&self, count: u32) -> u32 {
        let slot = self.slot.wrapping_add(count);
        if slot >= self.capacity { slot.wrapping_sub(self.capacity) } else { slot }
    }
}

/// Messages of a batch that appear together: enough that the receiver is not in the lines that are being written, few enough not to keep it waiting.
const GROUP: u32 = 32;

/// Messages that are written and cannot be seen yet: the receiver looks for the first, which is written last. Were they to appear one by one, then a
/// receiver that keeps up would take away each line while it is being written.
struct Group<'sender> {
    sender: &'sender mut Sender,
    first: Message,
    count: u32,
}

/// Also when making a message panics: those that were made are sent.
impl Drop for Group<'_> {
    #[inline]
    fn drop(&mut self) {
        self.sender.write(0, &self.first);
        self.sender.advance(self.count);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    impl Sender {
        /// As if so many messages, a multiple of the capacity, had been sent.
        pub(crate) fn pretend(&mut self, sent: u64) {
            assert_eq!(sent % u64::from(self.capacity), 0);
            self.sent = (sent as u32).wrapping_sub(self.capacity);
            self.credits = self.capacity;
            for _ in 0..self.capacity {
                self.publish(&Message::default());
            }
        }
    }
}
