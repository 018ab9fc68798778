//! A service without state: whoever serves it gives the same answers, so that it can run as a fleet of cells.

#![no_std]
#![forbid(unsafe_code)]

use names_contract::Name;
use service::service;

/// Digests words.
#[service(version = 1)]
pub trait Digests {
    /// The digest of these words.
    fn digest(&mut self, words: [u64; 6]) -> u64;
}

/// The digest of these words after so many rounds.
#[must_use]
pub fn digest(words: [u64; 6], rounds: u64) -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..rounds {
        for word in words {
            state = (state ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29).wrapping_add(round);
        }
    }
    state
}

/// The name that the argument `name` gives.
#[must_use]
pub fn name() -> Option<Name> {
    Name::new(cell::arguments::get("name").unwrap_or("fleet/digest")).ok()
}
