//! The kernel's bookkeeping: what needs no privilege and no hardware. Safe code, tested on the host; `tess-kernel` binds it.
//!
//! - [`frames`]: which frames of memory are free, by node, with a cache for each hardware thread
//! - [`quota`]: what a cell may use and uses
//! - [`handles`]: a cell's handle table
//! - [`range`]: checks of the ranges that cells name
//! - [`life`]: the states of a cell, and that exactly one of several racing harts ends it
//! - [`console`]: fair sharing of the debug console, line by line
//! - [`arguments`]: the kernel's command line
//! - [`resize`]: how many harts a cell has, and which plans that permits
//! - [`sleep`]: how deeply hardware threads sleep

#![no_std]
#![forbid(unsafe_code)]

pub mod arguments;
pub mod console;
pub mod frames;
pub mod handles;
pub mod life;
pub mod quota;
pub mod range;
pub mod resize;
pub mod sleep;
