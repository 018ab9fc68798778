//! The states of a cell. Harts on several hardware threads may end it at the same instant: exactly one does.

use core::sync::atomic::{AtomicU64, Ordering};

use abi::account::CellState;
use abi::{Error, ErrorKind};

/// A slot of the cell table: free, or a cell in some state with a code. One word, so that state and code change together.
/// All in one order with what others publish before they look here, which costs nothing where every step is a locked instruction anyhow.
#[derive(Debug)]
pub struct Life(AtomicU64);

const FREE: u64 = 0xff;
const DESTROYING: u64 = 0xfe;
const STATE_EXITED: u64 = CellState::Exited as u64;
const STATE_FAULTED: u64 = CellState::Faulted as u64;

/// A step of a cell's life that the present state does not allow; carries the state's number.
const fn refused(word: u64) -> Error {
    Error { kind: ErrorKind::WrongState, argument: 0, value: word & 0xff }
}

const fn word(state: CellState, code: u64) -> u64 {
    state as u64 | code << 8
}

impl Default for Life {
    fn default() -> Self {
        Self::new()
    }
}

impl Life {
    /// A free slot.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(FREE))
    }

    fn step(&self, from: impl Fn(u64) -> bool, to: u64) -> Result<(), Error> {
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| from(now).then_some(to))
            .map(|_| ())
            .map_err(refused)
    }

    /// Takes a free slot for a new cell; false when it is in use.
    pub fn claim(&self) -> bool {
        self.step(|now| now == FREE, word(CellState::New, 0)).is_ok()
    }

    /// New to running.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] with the state's number, as for all steps.
    pub fn start(&self) -> Result<(), Error> {
        self.step(|now| now == word(CellState::New, 0), word(CellState::Running, 0))
    }

    /// Running to exited or faulted, with a code (its lower 56 bits). Of several that try, one succeeds.
    ///
    /// # Errors
    /// As [`Life::start`]: somebody else was first.
    pub fn end(&self, state: CellState, code: u64) -> Result<(), Error> {
        self.step(|now| now == word(CellState::Running, 0), word(state, code))
    }

    /// Any state to "being destroyed": from here on nobody finds the cell. May be called again.
    ///
    /// # Errors
    /// When the slot is free.
    pub fn destroy(&self) -> Result<(), Error> {
        self.step(|now| now != FREE, DESTROYING)
    }

    /// After destruction: the slot is free.
    pub fn free(&self) {
        self.0.store(FREE, Ordering::SeqCst);
    }

    /// Exited or faulted to new: the cell is to be filled and started again.
    ///
    /// # Errors
    /// As [`Life::start`].
    pub fn renew(&self) -> Result<(), Error> {
        let ended = |now| matches!(now & 0xff, STATE_EXITED | STATE_FAULTED);
        self.step(ended, word(CellState::New, 0))
    }

    /// Whether the cell may run.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.0.load(Ordering::SeqCst) == word(CellState::Running, 0)
    }

    /// Whether the slot has a cell that was not yet started.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.0.load(Ordering::SeqCst) == word(CellState::New, 0)
    }

    /// State and code, or none for a slot that is free or being freed.
    #[must_use]
    pub fn get(&self) -> Option<(CellState, u64)> {
        let now = self.0.load(Ordering::SeqCst);
        CellState::from_number((now & 0xff) as u32).map(|state| (state, now >> 8))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn a_cell_lives_once_from_claim_to_free() {
        let life = Life::new();
        assert!(life.destroy().is_err());
        assert!(life.claim() && !life.claim());
        assert!(life.end(CellState::Exited, 0).is_err(), "not started yet");
        assert_eq!(life.start(), Ok(()));
        assert!(life.start().is_err() && life.is_running());
        assert_eq!(life.end(CellState::Exited, 3), Ok(()));
        assert_eq!(life.get(), Some((CellState::Exited, 3)));
        assert_eq!(life.destroy(), Ok(()));
        assert_eq!(life.get(), None);
        assert!(!life.claim());
        life.free();
        assert!(life.claim());
    }

    #[test]
    fn only_a_cell_that_ended_is_renewed() {
        let life = Life::new();
        assert!(life.renew().is_err());
        assert!(life.claim() && life.renew().is_err());
        assert_eq!(life.start(), Ok(()));
        assert!(life.renew().is_err(), "it runs");
        assert_eq!(life.end(CellState::Faulted, 14), Ok(()));
        assert_eq!(life.renew(), Ok(()));
        assert!(life.is_new());
        assert_eq!(life.destroy(), Ok(()));
        assert!(life.renew().is_err(), "it is being destroyed");
    }

    #[test]
    fn of_many_harts_that_end_a_cell_exactly_one_does() {
        for _ in 0..50 {
            let life = Life::new();
            assert!(life.claim() && life.start().is_ok());
            let life = &life;
            let ended: usize = std::thread::scope(|scope| {
                let harts: std::vec::Vec<_> = (0..4)
                    .map(|hart| scope.spawn(move || usize::from(life.end(CellState::Faulted, hart).is_ok())))
                    .collect();
                harts.into_iter().map(|hart| hart.join().expect("no hart panics")).sum()
            });
            assert_eq!(ended, 1);
        }
    }
}
