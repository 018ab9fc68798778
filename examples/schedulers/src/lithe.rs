//! Lithe (Pan, Hindman, Asanović, PLDI 2010): parallel libraries that call each other share the machine by handing harts to each other, so that each hart runs exactly one thing
//! and there are never more threads that can run than harts.
//!
//! Libraries form a tree: who calls a library is its parent, and [`Base`] is the root. A hart is in one library at a time, and the library decides what it does there:
//!
//! | Lithe | here |
//! |---|---|
//! | register, unregister | [`Lithe::with`]: the calling hart goes into the library, and back when all its harts have left |
//! | request | [`Lithe::request`]: asks the parent for harts, which asks its own, up to the root |
//! | enter | [`Library::enter`]: a hart is here; the library chooses what it does |
//! | yield | [`Choice::Yield`]: the hart goes to a child that asked, else back to the parent |
//! | block | [`pulse::suspend`], and then `enter` |
//! | unblock | [`Library::ready`]: it queues the context, and never goes on with it in place |
//!
//! Nothing is interrupted: a tick goes on with what it found. One lock guards the tree, and a table of fixed size holds it: right for tens of libraries at a time. Two libraries
//! to compose are [`fork_join`] and [`stealing`].

pub mod fork_join;
mod library;
mod outstanding;
pub mod stealing;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use pulse::{
    Context, Hart, MAX_HARTS, Next, NoStack, PerHart, Queue, Scheduler, Spin, on_hart, suspend, wake_one, with_running,
};

pub use library::{Choice, Id, Library, TooMany};

/// The root.
const BASE: Id = Id(0);

/// The word of a context that holds the [`Id`] of its library; a new one belongs to the root until a library chooses it.
const LIBRARY: usize = 0;

/// The scheduler: moves harts between libraries.
#[derive(Debug)]
pub struct Lithe {
    tree: Spin<Tree>,
    /// The library that each hart is in. As it is one number, no hart is in two. Changed while `tree` is locked.
    at: PerHart<AtomicU64>,
}

#[derive(Debug)]
struct Tree {
    nodes: Vec<Node>,
    last: u64,
    given: u64,
}

#[derive(Debug)]
struct Node {
    id: Id,
    parent: Id,
    library: Arc<dyn Library>,
    /// Harts that it asked for and has not got.
    wanted: usize,
    /// When it was given one the last time, in the order of giving.
    given: u64,
    /// Whoever called the library, waiting for all its harts to leave.
    ending: Option<Context>,
}

impl Tree {
    fn node(&mut self, id: Id) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.id == id)
    }
}

impl Lithe {
    /// With room for so many libraries at a time.
    #[must_use]
    pub fn new(libraries: usize) -> Arc<Self> {
        let mut nodes = Vec::with_capacity(libraries + 1);
        let library = Arc::new(Base::default());
        nodes.push(Node { id: BASE, parent: BASE, library, wanted: 0, given: 0, ending: None });
        let tree = Spin::new(Tree { nodes, last: BASE.0, given: 0 });
        Arc::new(Self { tree, at: PerHart::new(|_| AtomicU64::new(BASE.0)) })
    }

    /// Does some work as a part of a library, whose parent is the library that calls. For contexts; the calling one and its hart belong to the library meanwhile. Returns
    /// when the work was done and no hart is in the library any more. By then the library's other contexts must have ended.
    ///
    /// # Errors
    /// [`TooMany`] when there is no room for it in the tree.
    pub fn with<R>(&self, library: Arc<dyn Library>, work: impl FnOnce() -> R) -> Result<R, TooMany> {
        let id = self.register(library.clone())?;
        let result = work();
        suspend(|context| {
            // The hart goes on in the library until that yields it.
            if let Some(node) = self.tree.lock().node(id) {
                node.ending = Some(context);
            }
        });
        drop(library);
        Ok(result)
    }

    fn register(&self, library: Arc<dyn Library>) -> Result<Id, TooMany> {
        on_hart(|hart| {
            let mut tree = self.tree.lock();
            if tree.nodes.len() == tree.nodes.capacity() {
                return Err(TooMany { libraries: tree.nodes.len() - 1 });
            }
            let (id, parent) = (Id(tree.last + 1), self.at(hart));
            tree.last = id.0;
            tree.nodes.push(Node { id, parent, library, wanted: 0, given: 0, ending: None });
            self.at.of(hart).store(id.0, SeqCst);
            with_running(|context| context.set_word(LIBRARY, id.0));
            Ok(id)
        })
    }

    /// Makes a context that does some work, as a part of the library that calls. For contexts.
    ///
    /// # Errors
    /// [`NoStack`] when there is no memory for it.
    pub fn spawn(&self, work: impl FnOnce() + Send + 'static) -> Result<(), NoStack> {
        let context = Context::new(work)?;
        context.set_word(LIBRARY, self.here().0);
        on_hart(|hart| self.ready(hart, context));
        Ok(())
    }

    /// The library to which the calling context belongs.
    pub fn here(&self) -> Id {
        with_running(|context| Id(context.word(LIBRARY))).unwrap_or(BASE)
    }

    /// Asks for so many more harts for the calling context's library. They come to its `enter` when the parents have them to give.
    pub fn request(&self, harts: usize) {
        self.request_for(self.here(), harts);
    }

    fn request_for(&self, mut id: Id, mut harts: usize) {
        while id != BASE {
            let mut tree = self.tree.lock();
            let Some(node) = tree.node(id) else { break };
            node.wanted = (node.wanted + harts).min(MAX_HARTS);
            let child = core::mem::replace(&mut id, node.parent);
            drop(tree);
            harts = self.library(id).map_or(0, |parent| parent.requested(child, harts));
        }
        (0..harts).for_each(|_| wake_one());
    }

    /// The library in which a hart is.
    pub fn at(&self, hart: &Hart) -> Id {
        Id(self.at.of(hart).load(SeqCst))
    }

    /// How many harts are in a library, not counting those in its children.
    pub fn harts(&self, id: Id) -> usize {
        (0..MAX_HARTS).filter(|number| self.at.at(*number).load(SeqCst) == id.0).count()
    }

    /// Of the children of the library in which this hart is, and which want a hart, the one with the smallest key, and among equals the one that has been without a new one
    /// for longest. For libraries that give by rules of their own.
    pub fn wanting(&self, hart: &Hart, key: impl Fn(Id) -> u64) -> Option<Id> {
        let (tree, own) = (self.tree.lock(), self.at(hart));
        let wanting = tree.nodes.iter().filter(|node| node.id != BASE && node.parent == own && node.wanted > 0);
        wanting.min_by_key(|node| (key(node.id), node.given)).map(|node| node.id)
    }

    fn library(&self, id: Id) -> Option<Arc<dyn Library>> {
        self.tree.lock().node(id).map(|node| node.library.clone())
    }

    /// To a child. If it ended meanwhile the hart stays, and its library is asked again.
    fn give(&self, hart: &Hart, child: Id) {
        let mut tree = self.tree.lock();
        tree.given += 1;
        let given = tree.given;
        if let Some(node) = tree.node(child) {
            node.wanted = node.wanted.saturating_sub(1);
            node.given = given;
            self.at.of(hart).store(child.0, SeqCst);
        }
    }

    /// Back to the parent, unless the library asked for a hart after it had chosen to yield this one. Returns who waited for the last hart to leave.
    fn leave(&self, hart: &Hart) -> Option<Context> {
        let mut tree = self.tree.lock();
        let node = tree.node(self.at(hart))?;
        if node.wanted > 0 {
            node.wanted -= 1;
            return None;
        }
        let parent = node.parent;
        self.go(hart, &mut tree, parent)
    }

    /// Moves a hart. If it was the last in a library that is to end, this ends it and returns who waits for that, who belongs to the parent again.
    fn go(&self, hart: &Hart, tree: &mut Tree, to: Id) -> Option<Context> {
        let from = self.at(hart);
        self.at.of(hart).store(to.0, SeqCst);
        let index = tree.nodes.iter().position(|node| node.id == from)?;
        // Who wants a hart has something left to run.
        if tree.nodes[index].wanted > 0 || self.harts(from) > 0 {
            return None;
        }
        let waiting = tree.nodes[index].ending.take()?;
        // The library is not freed here: who waits holds it.
        let parent = tree.nodes.swap_remove(index).parent;
        tree.nodes.iter_mut().filter(|node| node.parent == from).for_each(|child| child.parent = parent);
        waiting.set_word(LIBRARY, parent.0);
        Some(waiting)
    }

    /// Gives a context to its library, or the root if that has ended.
    fn queue(&self, hart: &Hart, context: Context) {
        let own = self.library(Id(context.word(LIBRARY))).or_else(|| self.library(BASE));
        own.expect("the root is always there").ready(hart, context);
    }
}

impl Scheduler for Lithe {
    fn enter(&self, hart: &Hart) -> Next {
        loop {
            let id = self.at(hart);
            let library = self.library(id).expect("a library does not end while a hart is there");
            match library.enter(self, hart) {
                Choice::Run(context) => {
                    context.set_word(LIBRARY, id.0);
                    return Next::Run(context);
                }
                Choice::Give(child) => self.give(hart, child),
                Choice::Yield => match self.wanting(hart, |_| 0) {
                    Some(child) => self.give(hart, child),
                    None if id == BASE => return Next::run_or_idle(None),
                    None => self.leave(hart).into_iter().for_each(|context| self.queue(hart, context)),
                },
            }
        }
    }

    fn ready(&self, hart: &Hart, context: Context) {
        let id = Id(context.word(LIBRARY));
        self.queue(hart, context);
        self.request_for(id, 1);
    }

    fn yielded(&self, hart: &Hart, context: Context) -> Next {
        self.queue(hart, context);
        self.enter(hart)
    }

    fn tick(&self, _hart: &Hart, context: Context) -> Next {
        Next::Run(context)
    }

    fn resize(&self, hart: &Hart, context: Option<Context>) {
        if let Some(context) = context {
            self.ready(hart, context);
        }
        let ended = self.go(hart, &mut self.tree.lock(), BASE);
        if let Some(context) = ended {
            self.ready(hart, context);
        }
    }
}

/// The root: contexts that belong to no library, in the order in which they became ready.
#[derive(Debug, Default)]
struct Base {
    ready: Spin<Queue>,
}

impl Library for Base {
    fn enter(self: Arc<Self>, _: &Lithe, _: &Hart) -> Choice {
        self.ready.lock().pop().map_or(Choice::Yield, Choice::Run)
    }

    fn ready(&self, _: &Hart, context: Context) {
        self.ready.lock().push(context);
    }
}
