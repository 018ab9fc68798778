//! Schedulers to read, to use and to copy: one file each.

#![no_std]
#![forbid(unsafe_code)]

pub mod round_robin;
