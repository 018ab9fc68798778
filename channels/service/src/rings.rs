//! A link over two rings, one in each direction.

use channels::{Bell, BlockingReceiver, BlockingSender, Broken, Message as RingMessage, SendError as RingError};

use crate::link::{Awaited, FOR_EVER, Link, ReceiveError, SendError};
use crate::message::Message;

/// Two rings as a link. Both ends wait by bells that ring for the same hart, so that waiting for one is waiting for both.
///
/// Nothing is told to the peer, and no credits are granted but those that the ring grants by itself, until
/// [`Link::flush`]: one notification for a batch, and none to a peer that does not wait.
#[derive(Debug)]
pub struct RingLink<B> {
    sender: BlockingSender<B>,
    receiver: BlockingReceiver<B>,
    /// Messages were sent since the last flush.
    has_sent: bool,
    /// Messages were received since then.
    has_received: bool,
    /// The peer is gone, and everything that it sent was received.
    is_closed: bool,
}

impl<B: Bell> RingLink<B> {
    /// A link over these ends, which are nobody else's.
    #[must_use]
    pub const fn new(sender: BlockingSender<B>, receiver: BlockingReceiver<B>) -> Self {
        Self { sender, receiver, has_sent: false, has_received: false, is_closed: false }
    }

    /// The two ends.
    #[must_use]
    pub fn into_ends(self) -> (BlockingSender<B>, BlockingReceiver<B>) {
        (self.sender, self.receiver)
    }

    /// What a peer that is gone has left behind may read as anything: that is not its mistake.
    fn blame(&mut self, _: Broken) -> ReceiveError {
        if self.receiver.bell().peer_gone().is_some() { ReceiveError::Closed } else { ReceiveError::Broken }
    }
}

impl<B: Bell> Link for RingLink<B> {
    fn try_send(&mut self, message: &Message) -> Result<(), SendError> {
        match self.sender.end().try_send(&RingMessage { tag: message.tag, words: message.words }) {
            Ok(()) => {
                self.has_sent = true;
                Ok(())
            }
            // A peer that is gone grants nothing; that it is gone is found out by receiving.
            Err(RingError::NoCredit) => Err(SendError::NoCredit),
            Err(RingError::Closed) => Err(SendError::Closed),
            Err(RingError::Broken(broken)) => Err(self.blame(broken).into()),
        }
    }

    fn try_receive(&mut self) -> Result<Option<Message>, ReceiveError> {
        // That the peer is gone is asked before the last look: what it sent before is received before.
        loop {
            match self.receiver.end().try_receive() {
                Ok(Some(message)) => {
                    self.has_received = true;
                    return Ok(Some(Message { tag: message.tag, words: message.words }));
                }
                Ok(None) if self.is_closed => return Err(ReceiveError::Closed),
                Ok(None) => {
                    if self.receiver.bell().peer_gone().is_none() {
                        return Ok(None);
                    }
                    self.is_closed = true;
                }
                Err(broken) => return Err(self.blame(broken)),
            }
        }
    }

    fn flush(&mut self) {
        // That a bell does not work any more is found out by receiving.
        if core::mem::take(&mut self.has_sent) {
            let _ = self.sender.notify();
        }
        if core::mem::take(&mut self.has_received) {
            let now = self.receiver.bell().now();
            self.receiver.end().renew(now);
        }
        if self.receiver.end().has_granted() {
            let _ = self.receiver.notify();
        }
    }

    fn raise(&mut self, awaited: Awaited) -> Option<u64> {
        let now = self.receiver.bell().now();
        self.receiver.end().renew(now);
        self.flush();
        if awaited.message {
            self.receiver.end().raise();
        }
        if awaited.credit {
            self.sender.end().raise();
        }
        let has_come = awaited.message && self.receiver.end().is_ready()
            || awaited.credit && self.sender.end().credits() != Ok(0)
            || self.receiver.bell().peer_gone().is_some();
        if has_come { None } else { Some(self.receiver.end().renews_at().unwrap_or(FOR_EVER)) }
    }

    fn lower(&mut self) {
        self.receiver.end().lower();
        self.sender.end().lower();
    }
}
