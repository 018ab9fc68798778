//! What every cell links. A cell is a `no_std` program whose `main` runs on every hart:
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//!
//! cell::entry!(main);
//!
//! fn main(hart: u32) {
//!     cell::println!("hart {hart} is at {} ns", cell::time::now());
//! }
//! ```
//!
//! When `main` has returned on every hart on which it began the cell ends with code 0.
//!
//! - [`calls`]: the kernel's calls
//! - [`time`]: the timebase, without a call
//! - [`events`]: ticks and notifications, and who handles them
//! - [`hart`]: what a hart knows about itself
//! - [`resize`]: getting and losing harts and memory
//! - [`arguments`]: what the manifest says
//! - [`barrier`]: a meeting place for harts
//!
//! `alloc` works: the heap grows by asking the kernel for memory. Handlers of events must not allocate or print: they may have interrupted whoever holds the
//! heap's lock.

#![no_std]
#![deny(unsafe_code)]

pub mod arguments;
pub mod barrier;
pub mod calls;
pub mod console;
pub mod hart;
mod panic;
#[allow(unsafe_code, reason = "the system layer: calls, entry, shared pages")]
mod system;

pub use abi;
pub use system::{events, resize, time};

/// Names the function that runs on every hart: `fn(hart: u32)`.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        const _: () = {
            #[allow(unsafe_code, reason = "the symbol is the runtime's own, and defined once in a program")]
            #[unsafe(no_mangle)]
            extern "Rust" fn tess_cell_main(hart: u32) {
                let main: fn(u32) = $main;
                main(hart);
            }

            #[allow(unsafe_code, reason = "as above")]
            #[unsafe(no_mangle)]
            static TESS_CELL_PROGRAM: &str = match option_env!("CARGO_BIN_NAME") {
                Some(name) => name,
                None => env!("CARGO_PKG_NAME"),
            };
        };
    };
}
