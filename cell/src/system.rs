//! The system layer: the only unsafe code of a cell.

pub(crate) mod entry;
pub mod events;
pub(crate) mod heap;
pub(crate) mod memory_functions;
pub(crate) mod pages;
pub(crate) mod raw_call;
pub mod resize;
pub mod time;
