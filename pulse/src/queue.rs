//! A queue of contexts by rank. The plain one is [`crate::Queue`].

use crate::switch::Context;

/// Contexts by rank, the smallest first, and among equals the one that came first. Never allocates: a pairing heap of the contexts themselves, constant
/// time to push, logarithmic (amortised) to pop.
#[derive(Debug, Default)]
pub struct Ranked {
    root: Option<Context>,
    pushed: u64,
}

impl Ranked {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { root: None, pushed: 0 }
    }

    /// Whether none waits in it.
    #[must_use]
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
        (links.key, links.turn) = (key, self.pushed);
        self.pushed += 1;
        self.root = meld(self.root.take(), Some(context));
    }

    /// The smallest rank in it.
    #[must_use]
    pub fn first_rank(&self) -> Option<u64> {
        self.root.as_ref().map(Context::key)
    }

    /// Removes the context with the smallest rank.
    pub fn pop(&mut self) -> Option<Context> {
        let mut first = self.root.take()?;
        // Meld the children in pairs from the left, and the pairs from the right.
        let mut children = first.links().child.take();
        let mut pairs: Option<Context> = None;
        while let Some(mut one) = children {
            let mut other = one.links().next.take();
            children = other.as_mut().and_then(|other| other.links().next.take());
            let mut pair = meld(Some(one), other);
            if let Some(pair) = &mut pair {
                pair.links().next = pairs;
            }
            pairs = pair;
        }
        while let Some(mut pair) = pairs {
            pairs = pair.links().next.take();
            self.root = meld(self.root.take(), Some(pair));
        }
        Some(first)
    }

    /// Sorts anew, after ranks of contexts in it have become different: `rank` is asked for each. Takes time in proportion to how many there are.
    pub fn rank_again(&mut self, mut rank: impl FnMut(&Context) -> u64) {
        // Taken apart without recursion, in the order of `turn` among equals, which `push_at` would lose.
        let mut apart = self.root.take();
        while let Some(mut context) = apart {
            apart = context.links().next.take();
            if let Some(mut child) = context.links().child.take() {
                let mut last = &mut child;
                while last.links().next.is_some() {
                    last = last.links().next.as_mut().expect("just looked");
                }
                last.links().next = apart;
                apart = Some(child);
            }
            context.set_rank(rank(&context));
            context.links().key = context.rank();
            self.root = meld(self.root.take(), Some(context));
        }
    }
}

impl Drop for Ranked {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

/// One heap of two: the root that comes later becomes the first child of the other.
fn meld(one: Option<Context>, other: Option<Context>) -> Option<Context> {
    match (one, other) {
        (Some(mut one), Some(mut other)) => {
            let order = |context: &mut Context| (context.links().key, context.links().turn);
            if order(&mut other) < order(&mut one) {
                core::mem::swap(&mut one, &mut other);
            }
            other.links().next = one.links().child.take();
            one.links().child = Some(other);
            Some(one)
        }
        (one, other) => one.or(other),
    }
}
