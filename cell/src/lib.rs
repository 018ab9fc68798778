//! The cell runtime.
#![no_std]
