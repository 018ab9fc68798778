//! The end that receives, and grants the credits.

use crate::credits::{Bucket, Contract};
use crate::layout::{FIRST_SLOT, GRANTED, HEADER, Misfit, PAYLOAD, PAYLOAD_WORDS, WAITING, WANTING, fits};
use crate::message::{Broken, Message};
use crate::notify::{Answers, Wish};
use crate::words::{ReadHalf, ReadLine, WriteHalf, full_fence};

/// Receives messages and grants credits for more. Never waits: see [`BlockingReceiver`](crate::BlockingReceiver).
///
/// Credits are granted in batches of a quarter of the capacity: a sender that has used all of them up gets the next ones early enough not to
/// stand still, and the line that tells it travels seldom.
#[derive(Debug)]
pub struct Receiver {
    own: WriteHalf,
    peers: ReadHalf,
    capacity: u32,
    /// Where the next message will be.
    slot: u32,
    /// Messages received in total.
    received: u64,
    /// Credits granted in total, modulo 2^32.
    granted: u32,
    /// How many credits must have gathered to be granted while messages come.
    batch: u32,
    /// Credits were granted of which the sender was not notified yet.
    has_granted: bool,
    bucket: Option<Bucket>,
    broken: Option<Broken>,
    wish: Wish,
    answers: Answers,
}

impl Receiver {
    /// The receiving end over zeroed memory: the half that it writes, and the sender's. Grants as many credits as the channel holds.
    ///
    /// # Errors
    /// The capacity is outside of its range, or a half is too small for it.
    pub fn new(own: WriteHalf, peers: ReadHalf, capacity: u32) -> Result<Self, Misfit> {
        Self::with(own, peers, capacity, None)
    }

    /// The same for a sender with a contract. Credits are granted as time passes, of which [`renew`](Self::renew) has to be told.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_contract(
        own: WriteHalf,
        peers: ReadHalf,
        capacity: u32,
        contract: Contract,
        now_ns: u64,
    ) -> Result<Self, Misfit> {
        Self::with(own, peers, capacity, Some(Bucket::new(contract, now_ns)))
    }

    fn with(own: WriteHalf, peers: ReadHalf, capacity: u32, bucket: Option<Bucket>) -> Result<Self, Misfit> {
        fits(capacity, peers.len(), own.len())?;
        let mut receiver = Self {
            own,
            peers,
            capacity,
            slot: 0,
            received: 0,
            granted: 0,
            batch: (capacity / 4).max(1),
            has_granted: false,
            bucket,
            broken: None,
            wish: Wish::default(),
            answers: Answers::default(),
        };
        receiver.grant();
        Ok(receiver)
    }

    /// Messages that the channel holds.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Receives the next message, if there is one.
    ///
    /// # Errors
    /// The sender does not follow the protocol.
    #[inline]
    pub fn try_receive(&mut self) -> Result<Option<Message>, Broken> {
        let Some((tag, line)) = self.find()? else { return Ok(None) };
        let message = copy(tag, line);
        self.consume();
        self.grant_batch();
        Ok(Some(message))
    }

    /// Receives as many messages as there are and fit; returns how many.
    ///
    /// # Errors
    /// The sender does not follow the protocol, and none was received. What it sent before that is received first.
    #[inline]
    pub fn receive_batch(&mut self, messages: &mut [Message]) -> Result<usize, Broken> {
        let most = messages.len();
        let mut places = messages.iter_mut();
        self.take_each(most, |tag, line| {
            if let Some(place) = places.next() {
                copy_to(tag, line, place);
            }
        })
    }

    /// Receives as many messages as there are, but at most `most`, and hands each to `take`; returns how many. Spares what copying a batch costs.
    ///
    /// # Errors
    /// As for [`receive_batch`](Self::receive_batch).
    #[inline]
    pub fn receive_each(&mut self, most: usize, mut take: impl FnMut(Message)) -> Result<usize, Broken> {
        self.take_each(most, |tag, line| take(copy(tag, line)))
    }

    /// Hands the tags and slots of as many messages as there are, but at most `most`, to `take`; returns how many.
    #[inline]
    fn take_each(&mut self, most: usize, mut take: impl FnMut(u32, ReadLine<'_>)) -> Result<usize, Broken> {
        let mut count = 0;
        while count < most {
            match self.find() {
                Ok(Some((tag, line))) => take(tag, line),
                Ok(None) => break,
                Err(broken) if count == 0 => return Err(broken),
                Err(_) => break,
            }
            self.consume();
            count += 1;
        }
        self.grant_batch();
        Ok(count)
    }

    /// The next message, if there is one, where it is: nothing is copied but the words that are asked for. It counts as received when the view is dropped.
    ///
    /// # Errors
    /// The sender does not follow the protocol.
    #[inline]
    pub fn peek(&mut self) -> Result<Option<View<'_>>, Broken> {
        let Some((tag, _)) = self.find()? else { return Ok(None) };
        Ok(Some(View { receiver: self, tag, words: [0; PAYLOAD_WORDS], is_read: 0 }))
    }

    /// Whether the next message is there, or the sender is broken, so that a call that receives would not come back with nothing.
    #[must_use]
    pub fn is_ready(&mut self) -> bool {
        !matches!(self.find(), Ok(None))
    }

    /// Grants all credits that can be granted: before waiting, or after receiving what there was.
    pub fn grant(&mut self) {
        let room = self.room();
        let credits = self.bucket.as_mut().map_or(room, |bucket| bucket.take(room));
        if credits > 0 {
            self.granted = self.granted.wrapping_add(credits);
            self.own.store_release(GRANTED, u64::from(self.granted));
            self.has_granted = true;
        }
    }

    /// Grants what the contract allows by now: to be called when what there was is received. Without a contract it grants all.
    pub fn renew(&mut self, now_ns: u64) {
        let unused = self.unused();
        if let Some(bucket) = &mut self.bucket {
            bucket.refill(now_ns, unused);
        }
        self.grant();
    }

    /// When the contract allows a credit that is held back now, in ns; `None` if nothing is held back.
    #[must_use]
    pub fn renews_at(&self) -> Option<u64> {
        self.bucket.as_ref().filter(|_| self.room() > 0)?.next_at()
    }

    /// Whether the sender waits and is to be notified of credits (or of returned blocks): to be asked once after granting. It says so once for each time
    /// that the sender waits. Costs a full fence; ends that both poll need not ask.
    #[must_use]
    pub fn must_notify(&mut self) -> bool {
        self.has_granted = false;
        full_fence();
        self.answers.is_new(self.peers.load(WANTING))
    }

    /// Whether credits were granted since [`must_notify`](Self::must_notify) was asked last.
    #[inline]
    #[must_use]
    pub const fn has_granted(&self) -> bool {
        self.has_granted
    }

    /// Asks to be notified of messages. To be followed by another look ([`is_ready`](Self::is_ready)), and only then by waiting, and then by [`lower`](Self::lower).
    pub fn raise(&mut self) {
        self.own.store(WAITING, self.wish.next());
        full_fence();
    }

    /// Takes the wish back.
    pub fn lower(&mut self) {
        self.own.store(WAITING, 0);
    }

    /// The tag and the slot of the next message, if it is there.
    #[inline]
    fn find(&mut self) -> Result<Option<(u32, ReadLine<'_>)>, Broken> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        let Some(line) = self.peers.line(FIRST_SLOT.wrapping_add(self.slot as usize)) else { return Ok(None) };
        let header = line.load_acquire(HEADER);
        let (seen, expected) = (header as u32, (self.received as u32).wrapping_add(1));
        if seen == expected {
            return Ok(Some(((header >> 32) as u32, line)));
        }
        let absent = self.absent(expected);
        if seen == absent {
            return Ok(None);
        }
        let broken = Broken::Sequence { slot: self.slot, expected, absent, seen };
        self.broken = Some(broken);
        Err(broken)
    }

    /// What to say when the next message was there and is no longer: the sender took it back.
    pub(crate) const fn retracted(&self) -> Broken {
        let expected = (self.received as u32).wrapping_add(1);
        let absent = self.absent(expected);
        Broken::Sequence { slot: self.slot, expected, absent, seen: absent }
    }

    /// The sequence of a slot into which the next message was not written yet: what the last lap left there, or nothing on the first.
    const fn absent(&self, expected: u32) -> u32 {
        if self.received < self.capacity as u64 { 0 } else { expected.wrapping_sub(self.capacity) }
    }

    #[inline]
    fn consume(&mut self) {
        self.received = self.received.wrapping_add(1);
        self.slot = if self.slot.wrapping_add(1) == self.capacity { 0 } else { self.slot.wrapping_add(1) };
    }

    /// Credits that were granted and not used, as far as this end has received.
    #[inline]
    const fn unused(&self) -> u32 {
        self.granted.wrapping_sub(self.received as u32)
    }

    /// How many more credits the channel has room for.
    #[inline]
    const fn room(&self) -> u32 {
        (self.received as u32).wrapping_add(self.capacity).wrapping_sub(self.granted)
    }

    #[inline]
    fn grant_batch(&mut self) {
        if self.room() >= self.batch {
            self.grant();
        }
    }
}

/// Copies a message to its place, each word once and without a stop on the way.
#[inline]
fn copy_to(tag: u32, line: ReadLine<'_>, place: &mut Message) {
    place.tag = tag;
    for (index, word) in place.words.iter_mut().enumerate() {
        *word = line.load(PAYLOAD + index);
    }
}

/// Copies a message, each word once.
#[inline]
fn copy(tag: u32, line: ReadLine<'_>) -> Message {
    Message { tag, words: core::array::from_fn(|index| line.load(PAYLOAD + index)) }
}

/// A message in its slot. The sender gets the slot back when the view is dropped.
///
/// A hostile sender may write into the slot at any time, so that two reads of a word could differ. A view reads each word from the slot at most
/// once, when it is first asked for, and keeps it: what was validated is what is used. The words need not be of one message, though.
#[derive(Debug)]
pub struct View<'receiver> {
    receiver: &'receiver mut Receiver,
    tag: u32,
    words: [u64; PAYLOAD_WORDS],
    /// A bit for each word that was read.
    is_read: u8,
}

impl View<'_> {
    /// The message's tag.
    #[inline]
    #[must_use]
    pub const fn tag(&self) -> u32 {
        self.tag
    }

    /// A word of the message; `None` if a message has no such word.
    #[inline]
    pub fn word(&mut self, index: usize) -> Option<u64> {
        let kept = self.words.get_mut(index)?;
        if self.is_read & 1 << index == 0 {
            let line = self.receiver.peers.line(FIRST_SLOT.wrapping_add(self.receiver.slot as usize))?;
            *kept = line.load(PAYLOAD + index);
            self.is_read |= 1 << index;
        }
        Some(*kept)
    }

    /// A copy of the whole message.
    #[must_use]
    pub fn message(&mut self) -> Message {
        Message { tag: self.tag, words: core::array::from_fn(|index| self.word(index).unwrap_or(0)) }
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        self.receiver.consume();
        self.receiver.grant_batch();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::Sender;
    use crate::words::on_heap;

    #[test]
    fn sequences_wrap_and_absent_messages_are_still_told_from_lies() {
        let capacity = 3;
        let ((senders, senders_seen), (receivers, receivers_seen)) = (on_heap(56), on_heap(32));
        let (mut receiver, mut sender) = (
            Receiver::new(receivers, senders_seen, capacity).expect("it fits"),
            Sender::new(senders, receivers_seen, capacity).expect("it fits"),
        );
        // As if so many messages had been sent and received, a multiple of the capacity.
        let past = (1 << 32) - 4;
        receiver.pretend(past);
        sender.pretend(past);
        for message in 0..20 {
            assert_eq!(receiver.try_receive(), Ok(None), "before message {message}");
            let message = Message::new(message, [7; 7]);
            assert_eq!(sender.try_send(&message), Ok(()));
            assert_eq!(receiver.try_receive(), Ok(Some(message)));
        }
    }

    impl Receiver {
        fn pretend(&mut self, received: u64) {
            assert_eq!(received % u64::from(self.capacity), 0);
            self.received = received;
            self.granted = received as u32;
            self.grant();
        }
    }
}
