//! A reply as a future.

use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::{Caller, Token, decode_reply};
use crate::error::CallError;
use crate::link::Link;
use crate::wire::Wire;

/// The reply of a call to come, for any executor.
///
/// Polling takes whatever replies came and wakes those who wait for them. When all tasks wait, somebody has to call
/// [`Caller::pump`] at an event of the channel. Dropped, the call's reply is ignored.
#[derive(Debug)]
#[must_use = "the reply is ignored unless the future is awaited"]
pub struct Answer<'a, R, L: Link, const N: usize> {
    caller: &'a Caller<L, N>,
    state: State,
    reply: PhantomData<fn() -> R>,
}

#[derive(Debug)]
enum State {
    Refused(CallError),
    Waiting(Token),
    Done,
}

impl<'a, R, L: Link, const N: usize> Answer<'a, R, L, N> {
    pub(super) fn new(caller: &'a Caller<L, N>, begun: Result<Token, CallError>) -> Self {
        let state = match begun {
            Ok(token) => State::Waiting(token),
            Err(error) => State::Refused(error),
        };
        Self { caller, state, reply: PhantomData }
    }
}

impl<R: Wire, L: Link, const N: usize> Future for Answer<'_, R, L, N> {
    type Output = Result<R, CallError>;

    /// # Panics
    /// If it is polled after it was ready, as futures do.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match self.state {
            State::Refused(error) => Err(error),
            State::Waiting(token) => {
                self.caller.pump();
                match self.caller.take_or_wait(token, context.waker()) {
                    Some(result) => result,
                    None => return Poll::Pending,
                }
            }
            State::Done => panic!("polled after it was ready"),
        };
        self.state = State::Done;
        Poll::Ready(result.and_then(|payload| decode_reply(&payload)))
    }
}

impl<R, L: Link, const N: usize> Drop for Answer<'_, R, L, N> {
    fn drop(&mut self) {
        if let State::Waiting(token) = self.state {
            self.caller.forget(token);
        }
    }
}
