//! The manifest.
#![no_std]
