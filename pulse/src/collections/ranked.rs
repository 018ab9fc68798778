//! A queue of contexts by rank.

use crate::switch::{Context, Control};

impl Control {
    /// What [`crate::Ranked`] sorts by: the smallest first. 0 at the start.
    pub fn rank(&self) -> u64 {
        self.links.rank.get()
    }

    /// Sets the rank. Not while the context is in a [`crate::Ranked`], which cannot happen by accident: it owns its contexts.
    pub fn set_rank(&self, rank: u64) {
        self.links.rank.set(rank);
    }
}

/// Contexts by rank, the smallest first, and among equals the one that came first. Never allocates: a leftist heap of the contexts themselves, in which pushing and
/// popping take logarithmic time at most.
#[derive(Debug, Default)]
pub struct Ranked {
    root: Option<Context>,
    pushed: u64,
}

impl Ranked {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { root: None, pushed: 0 }
    }

    /// Whether none waits in it.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Adds a context by its [`rank`](crate::Control::rank).
    pub fn push(&mut self, context: Context) {
        let rank = context.rank();
        self.push_at(context, rank);
    }

    /// Adds a context by a key that is not its rank.
    pub(crate) fn push_at(&mut self, mut context: Context, key: u64) {
        let links = context.links();
        (links.key, links.height) = ((key, self.pushed), 1);
        self.pushed += 1;
        self.root = meld(self.root.take(), Some(context));
    }

    /// The smallest rank in it.
    pub fn first_rank(&self) -> Option<u64> {
        self.root.as_ref().map(|first| first.links.key.0)
    }

    /// Removes the context with the smallest rank.
    pub fn pop(&mut self) -> Option<Context> {
        self.pop_at().map(|(_, context)| context)
    }

    /// As [`Ranked::pop`], with the rank or key that it was added by.
    pub(crate) fn pop_at(&mut self) -> Option<(u64, Context)> {
        let mut first = self.root.take()?;
        let links = first.links();
        self.root = meld(links.next.take(), links.other.take());
        Some((first.links.key.0, first))
    }

    /// Sorts anew, after ranks of contexts in it have become different: `rank` is asked for each. Among equals the one that was pushed first stays first. Takes the time
    /// of popping and pushing all.
    pub fn rank_again(&mut self, mut rank: impl FnMut(&Context) -> u64) {
        let mut again = None;
        while let Some(mut context) = self.pop() {
            let rank = rank(&context);
            context.set_rank(rank);
            let links = context.links();
            (links.key.0, links.height) = (rank, 1);
            again = meld(again, Some(context));
        }
        self.root = again;
    }
}

impl Drop for Ranked {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

/// One heap of two. It goes down where the way to an end is shortest, which a leftist heap keeps on the side of `other`: at most as many steps as the number of contexts has
/// binary digits.
fn meld(one: Option<Context>, other: Option<Context>) -> Option<Context> {
    let (mut first, mut second) = match (one, other) {
        (Some(one), Some(other)) => (one, other),
        (one, other) => return one.or(other),
    };
    if second.links.key < first.links.key {
        core::mem::swap(&mut first, &mut second);
    }
    let height = |of: &Option<Context>| of.as_ref().map_or(0, |context| context.links.height);
    let links = first.links();
    links.other = meld(links.other.take(), Some(second));
    if height(&links.next) < height(&links.other) {
        core::mem::swap(&mut links.next, &mut links.other);
    }
    links.height = 1 + height(&links.other);
    Some(first)
}
