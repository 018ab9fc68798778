//! A queue of contexts, first in, first out.

use core::ptr::NonNull;

use super::Links;
use crate::switch::Context;

/// First in, first out: the plainest queue of contexts. Pushing and popping take constant time and never allocate.
#[derive(Debug, Default)]
pub struct Queue {
    head: Option<Context>,
    /// Those of the last one, which the queue owns through its chain.
    tail: Option<NonNull<Links>>,
    length: usize,
}

// SAFETY: it owns the contexts that it points to, and they can be sent.
unsafe impl Send for Queue {}

impl Queue {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { head: None, tail: None, length: 0 }
    }

    /// How many contexts wait in it.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// To the end.
    pub fn push(&mut self, mut context: Context) {
        match self.tail.replace(NonNull::from(context.links())) {
            // SAFETY: this queue owns it, and `&mut self` says that nobody else uses it.
            Some(mut tail) => unsafe { tail.as_mut() }.next = Some(context),
            None => self.head = Some(context),
        }
        self.length += 1;
    }

    /// From the front.
    pub fn pop(&mut self) -> Option<Context> {
        let mut context = self.head.take()?;
        self.head = context.links().next.take();
        self.tail = self.tail.filter(|_| self.head.is_some());
        self.length -= 1;
        Some(context)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}
