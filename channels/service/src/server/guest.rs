//! One client of a server.

use super::call::{Call, Dispatch, Outcome};
use super::desk::Desk;
use super::{ClientId, Terms};
use crate::error::Refusal;
use crate::link::{Awaited, Link, SendError};
use crate::message::{Message, Tag, payload_of};

/// What a client did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were taken from it.
    pub requests: u64,
    /// Requests among them that were refused without asking the service, or for malformed arguments.
    pub refused: u64,
    /// Requests that are suspended now.
    pub suspended: u32,
}

#[derive(Debug)]
pub(super) struct Guest<L> {
    id: ClientId,
    link: L,
    terms: Terms,
    desk: Desk,
    /// A reply for which the client gave no credit yet. It takes no more requests until that is sent: who does not
    /// read replies stops only himself.
    unsent: Option<Message>,
    counts: Counts,
}

impl<L: Link> Guest<L> {
    pub(super) fn new(id: ClientId, link: L, terms: Terms) -> Self {
        let terms = Terms { share: terms.share.max(1), ..terms };
        Self { id, link, terms, desk: Desk::new(terms.suspended), unsent: None, counts: Counts::default() }
    }

    pub(super) fn share(&self) -> u16 {
        self.terms.share
    }

    pub(super) fn flush(&mut self) {
        self.link.flush();
    }

    /// Takes requests up to the client's share and says how many. An error means that the client is gone.
    pub(super) fn take_requests<D: Dispatch>(&mut self, service: &mut D) -> Result<u16, SendError> {
        if let Some(reply) = self.unsent.take() {
            self.send(reply)?;
        }
        let mut taken = 0;
        while taken < self.terms.share && self.unsent.is_none() {
            let Some(request) = self.link.try_receive()? else { break };
            taken += 1;
            if let Some(reply) = self.carry_out(service, &request) {
                self.send(reply)?;
            }
        }
        Ok(taken)
    }

    /// Sends the answers of suspended requests as far as there are credits.
    pub(super) fn send_answers(&mut self) -> Result<(), SendError> {
        while let Some((place, answer)) = self.desk.answer() {
            match self.link.try_send(&answer) {
                Ok(()) => self.desk.sent(place),
                Err(SendError::NoCredit) => break,
                Err(gone) => return Err(gone),
            }
        }
        Ok(())
    }

    /// As [`Link::raise`], for what this client is waited for.
    pub(super) fn raise(&mut self) -> Option<u64> {
        // With a reply that cannot be sent it takes no more requests.
        let message = self.unsent.is_none();
        self.link.raise(Awaited { message, credit: !message || self.desk.has_answers() })
    }

    pub(super) fn lower(&mut self) {
        self.link.lower();
    }

    fn carry_out<D: Dispatch>(&mut self, service: &mut D, request: &Message) -> Option<Message> {
        self.counts.requests += 1;
        let tag = Tag::unpacked(request.tag);
        match self.dispatch(service, tag, request) {
            Ok(Outcome::Reply(payload)) => Some(Message::new(tag, &payload)),
            Ok(Outcome::Suspended) => None,
            Err(refusal) => {
                self.counts.refused += 1;
                Some(Message::new(tag.refusing(), &payload_of(&refusal)))
            }
        }
    }

    fn dispatch<D: Dispatch>(&mut self, service: &mut D, tag: Tag, request: &Message) -> Result<Outcome, Refusal> {
        if tag.version != D::VERSION {
            return Err(Refusal::Version { served: D::VERSION, asked: tag.version });
        }
        if tag.refused {
            return Err(Refusal::UnknownMethod(tag.method | 0x80));
        }
        service.dispatch(&mut Call {
            client: self.id,
            method: tag.method,
            tag: request.tag,
            arguments: request.payload(),
            desk: &mut self.desk,
        })
    }

    fn send(&mut self, reply: Message) -> Result<(), SendError> {
        match self.link.try_send(&reply) {
            Err(SendError::NoCredit) => {
                self.unsent = Some(reply);
                Ok(())
            }
            other => other,
        }
    }
}

impl<L> Guest<L> {
    pub(super) fn counts(&self) -> Counts {
        Counts { suspended: self.desk.suspended(), ..self.counts }
    }
}
