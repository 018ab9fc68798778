//! How one waits where nothing wakes.

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Something may have changed: look again.
    Wait,
    /// Enough.
    GiveUp,
}

/// Called when there is nothing to do: spins, blocks until an event, or gives up. A closure that returns [`Patience`]
/// is one, so a deadline is a closure that reads the clock.
pub trait Wait {
    /// Waits for a while, at least so long that others get to run.
    fn wait(&mut self) -> Patience;

    /// Whether an event of the channel ends the wait. Only then the peer is asked for one, which costs it something.
    fn is_woken(&self) -> bool {
        false
    }

    /// The same, but at most until this instant, in ns of the link's clock: something happens by itself then.
    fn wait_until(&mut self, until_ns: u64) -> Patience {
        let _ = until_ns;
        self.wait()
    }
}

impl<F: FnMut() -> Patience> Wait for F {
    fn wait(&mut self) -> Patience {
        self()
    }
}

/// Spins for ever: for a peer that runs on another hart all the time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spin;

impl Wait for Spin {
    fn wait(&mut self) -> Patience {
        core::hint::spin_loop();
        Patience::Wait
    }
}
