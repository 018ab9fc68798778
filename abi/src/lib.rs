//! What the kernel and the cells agree on. Types only; every shared layout is asserted at compile time.
//!
//! The kernel (`tess-kernel`) implements this contract, the cell runtime (`cell`) hides it behind safe functions.
//! A change here is a change for both: raise [`VERSION`].

#![no_std]
#![forbid(unsafe_code)]

pub mod account;
pub mod call;
pub mod channel;
pub mod dispatch;
pub mod error;
pub mod handle;
pub mod layout;
pub mod machine;
pub mod plan;
pub mod resize;

pub use call::Call;
pub use dispatch::{Context, DispatchPage, Event, Timebase};
pub use error::{Error, ErrorKind};
pub use handle::{Handle, Rights};

/// Version of the contract. The kernel writes it into every dispatch page; the cell runtime refuses another one.
pub const VERSION: u32 = 2;

/// The most hardware threads that a plan can name.
pub const MAX_HARDWARE_THREADS: usize = 64;

/// The most cells that exist at once, the root cell included.
pub const MAX_CELLS: usize = 64;

/// The most channels that exist at once.
pub const MAX_CHANNELS: usize = 256;

/// The most handles that a cell has, those to itself and to the machine included.
pub const MAX_HANDLES: usize = 130;
