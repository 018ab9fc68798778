//! The root cell, whose broker knows the optimizers of `examples/optimizers` besides those that ship. A system has it by `[root] program = "root-examples"`.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use rab_cell::plugged::shipped;

cell::entry!(main);

fn main(_hart: u32) {
    rab_cell::supervisor::run_with(|name| shipped(name).or_else(|| example_optimizers::named(name)));
}
