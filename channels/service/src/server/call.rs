//! Between the server's loop and what the service macro generates.

use super::ClientId;
use super::desk::{Desk, Pending};
use crate::error::Refusal;
use crate::message::{Payload, payload_of};
use crate::wire::Wire;

/// A service as the server sees it. The service macro implements it; by hand only for what the macro cannot say.
pub trait Dispatch {
    /// Version of the service's declaration.
    const VERSION: u8;

    /// Carries out one request.
    ///
    /// # Errors
    /// When the request makes no sense or cannot be taken; the client is told why.
    fn dispatch(&mut self, call: &mut Call<'_>) -> Result<Outcome, Refusal>;

    /// A client is gone; nothing that is answered to it is sent any more.
    fn client_left(&mut self, client: ClientId);
}

/// What became of a request.
#[derive(Debug)]
#[must_use]
pub enum Outcome {
    /// It is answered with this reply.
    Reply(Payload),
    /// The service keeps it and answers later.
    Suspended,
}

impl Outcome {
    /// Answered with this value.
    pub fn reply<R: Wire>(value: &R) -> Self {
        Self::Reply(payload_of(value))
    }
}

/// A request that is being carried out.
#[derive(Debug)]
pub struct Call<'a> {
    pub(super) client: ClientId,
    pub(super) method: u8,
    pub(super) tag: u32,
    pub(super) arguments: Payload,
    pub(super) desk: &'a mut Desk,
}

impl Call<'_> {
    /// Whose request it is. The server knows it by the link; a client cannot pretend.
    #[must_use]
    pub fn client(&self) -> ClientId {
        self.client
    }

    /// The number of the method.
    #[must_use]
    pub fn method(&self) -> u8 {
        self.method
    }

    /// The arguments.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if the request's bytes are no such values.
    pub fn arguments<A: Wire>(&self) -> Result<A, Refusal> {
        A::decode(&self.arguments).map_err(Refusal::Malformed)
    }

    /// Suspends the request.
    ///
    /// # Errors
    /// [`Refusal::Busy`] if the client has as many suspended requests as its terms permit.
    pub fn suspend<R: Wire>(&mut self) -> Result<Pending<R>, Refusal> {
        self.desk.suspend(self.client, self.tag).ok_or(Refusal::Busy)
    }
}
