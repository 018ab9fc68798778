//! Collections of contexts, for schedulers. They use nothing of the framework but a [`Context`] and its [`Links`], and the framework keeps its own contexts in them:
//! those that sleep, and those whose stacks are free.

#[allow(unsafe_code, reason = "a second way to the last context of a chain")]
mod queue;
mod ranked;

pub use queue::Queue;
pub use ranked::Ranked;

use core::cell::Cell;

use crate::switch::Context;

/// What a collection keeps in each of its contexts, so that it chains them without allocating. `Context::links` lends it to whoever owns the context; nobody
/// else looks at it, and a context that is in no collection has one that is empty but for its rank.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Links {
    next: Option<Context>,
    rank: Cell<u64>,
    /// Only [`Ranked`] uses the rest: the other branch, how far away the nearest end is, and what it sorts by.
    other: Option<Context>,
    height: u32,
    key: (u64, u64),
}
