//! What a parallel library implements.

use alloc::sync::Arc;
use core::fmt::Debug;

use pulse::{Context, Hart};

use super::Lithe;

/// A library's name in the tree: never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(pub(super) u64);

impl Id {
    /// 0 for the root, then in the order of calling.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// What a hart in a library does next.
#[derive(Debug)]
#[must_use = "a hart does what its library chooses, and a context in it would be lost"]
pub enum Choice {
    /// Run this context, which belongs to the library from now on.
    Run(Context),
    /// Go to this child, whether it asked for a hart or not.
    Give(Id),
    /// There is nothing to run here: go to the child that has been without a new hart for longest, of those that asked; if there is none, back to the parent.
    Yield,
}

/// A parallel library's scheduler. Its functions are callbacks in [`pulse::Scheduler`]'s sense.
pub trait Library: Send + Sync + Debug {
    /// This hart is here and has nothing to run: it was given by the parent, came back from a child, or what it ran waits or ended. Choose.
    fn enter(self: Arc<Self>, lithe: &Lithe, hart: &Hart) -> Choice;

    /// A context of this library can go on. Put it where `enter` will find it. A hart is asked for already.
    fn ready(&self, hart: &Hart, context: Context);

    /// A child asks for so many harts. How many of them to ask the own parent for: all.
    fn requested(&self, _child: Id, harts: usize) -> usize {
        harts
    }
}

/// No more libraries fit into the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// So many are there.
    pub libraries: usize,
}

impl core::fmt::Display for TooMany {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "no more than {} libraries at a time fit into this scheduler's table", self.libraries)
    }
}

impl core::error::Error for TooMany {}
