//! The root cell's program. What it does is in the library, so that other root programs can use the parts.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

cell::entry!(rab_cell::run);
