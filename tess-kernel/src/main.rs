//! The kernel: divides a machine in space and time among cells.
//!
//! Mechanism only. What needs no privilege is in `kernel-core` and `muxer`; `arch` alone knows the processor; `arch` and `memory` are the only rooms
//! with unsafe code. One stack for each hardware thread, interrupts off inside, nothing blocks, no heap.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[allow(unsafe_code, reason = "the processor")]
#[path = "arch/x86_64/mod.rs"]
mod arch;
mod calls;
mod cells;
mod channels;
mod console;
mod cpu;
mod crash;
mod dispatch;
mod events;
mod handover;
mod inputs;
#[allow(unsafe_code, reason = "memory")]
mod memory;
mod muxing;
mod plans;
mod rehearsal;
mod resize;
mod root;
mod sleep;
mod start;
