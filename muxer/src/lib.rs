//! The multiplexing algorithm.
#![no_std]
#![forbid(unsafe_code)]
