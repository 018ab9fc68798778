//! The only place that knows the processor.

pub(crate) mod apic;
pub(crate) mod boot;
pub(crate) mod clock;
pub(crate) mod features;
pub(crate) mod firmware;
pub(crate) mod frame;
pub(crate) mod gdt;
pub(crate) mod loader;
pub(crate) mod power;
pub(crate) mod registers;
pub(crate) mod secondary;
pub(crate) mod serial;
pub(crate) mod trap;
pub(crate) mod vector;
