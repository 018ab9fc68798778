//! The kernel.
#![no_std]
#![no_main]
