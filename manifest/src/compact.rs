//! The compact form: a version byte, then [`System`] as `postcard` writes it.

use alloc::vec::Vec;
use core::fmt;

use crate::System;

/// Raised whenever [`System`] changes.
pub(crate) const VERSION: u8 = 6;

/// Why bytes are not a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompactError {
    /// Written by another version of this crate, or not a manifest at all.
    Version(Option<u8>),
    /// Too short, too long, or impossible.
    Malformed,
}

impl fmt::Display for CompactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(Some(found)) => {
                write!(f, "the manifest has format version {found}, this program reads version {VERSION}")
            }
            Self::Version(None) => f.write_str("the manifest is empty"),
            Self::Malformed => f.write_str("the manifest is damaged"),
        }
    }
}

impl core::error::Error for CompactError {}

/// The compact form of a system.
#[must_use]
pub fn compact(system: &System) -> Vec<u8> {
    // Nothing in a `System` can fail to serialize into memory that grows; if it did, an empty result is refused by whoever reads it.
    postcard::to_allocvec(&(VERSION, system)).unwrap_or_default()
}

impl System {
    /// Reads the compact form. Never panics, whatever the bytes are; costs time and memory in proportion to them.
    ///
    /// # Errors
    /// [`CompactError`] if the bytes are not what [`compact`] of this version writes.
    pub fn from_compact(bytes: &[u8]) -> Result<Self, CompactError> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => match postcard::take_from_bytes(rest) {
                Ok((system, [])) => Ok(system),
                _ => Err(CompactError::Malformed),
            },
            other => Err(CompactError::Version(other.map(|(version, _)| *version))),
        }
    }
}
