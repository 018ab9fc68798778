//! Who waits is told: wishes with generations, and the bell that an end waits by.
//!
//! An end that is about to wait writes a new generation into its half, puts a full fence, looks once more and only then waits. The other end publishes, puts a
//! full fence, and looks whether there is a wish. So at least one of the two sees what the other wrote, and nobody waits for what is there. A wish is
//! answered once.

/// The wishes that this end utters.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    generation: u64,
}

impl Wish {
    /// The next generation, never 0.
    pub(crate) fn next(&mut self) -> u64 {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.generation
    }
}

/// What this end has answered of the peer's wishes.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    last: u64,
}

impl Answers {
    /// Whether what was seen is a wish that was not answered yet. From now on it is.
    pub(crate) fn is_new(&mut self, seen: u64) -> bool {
        let is_new = seen != 0 && seen != self.last;
        if is_new {
            self.last = seen;
        }
        is_new
    }
}

/// How an end tells the other, and waits to be told: an event of the kernel, or a thread's condition.
pub trait Bell {
    /// Why it no longer works: the peer is gone.
    type Error;

    /// What time it is, in ns: deadlines and contracts are of this clock.
    fn now(&mut self) -> u64;

    /// Tells the peer, whether it waits already or is about to.
    ///
    /// # Errors
    /// The peer is gone.
    fn ring(&mut self) -> Result<(), Self::Error>;

    /// Waits until the peer rings, or has rung since the last wait, or this instant has come; for ever if there is none. It may come back for no reason.
    ///
    /// # Errors
    /// The peer is gone.
    fn wait_until(&mut self, deadline: Option<u64>) -> Result<(), Self::Error>;

    /// Why the peer is gone, if it is. Asked when the peer's memory makes no sense: that of a peer that is gone may read as anything.
    fn peer_gone(&mut self) -> Option<Self::Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_answered_once() {
        let (mut wish, mut answers) = (Wish::default(), Answers::default());
        assert!(!answers.is_new(0));
        for _ in 0..3 {
            let generation = wish.next();
            assert!(answers.is_new(generation));
            assert!(!answers.is_new(generation));
            assert!(!answers.is_new(0));
        }
    }

    #[test]
    fn a_generation_is_never_0() {
        let mut wish = Wish { generation: u64::MAX };
        assert_eq!(wish.next(), 1);
    }
}
