//! Optimizers to copy, one file each.

#![no_std]
#![forbid(unsafe_code)]
