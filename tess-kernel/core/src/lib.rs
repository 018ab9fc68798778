//! The kernel's bookkeeping.
#![no_std]
#![forbid(unsafe_code)]
