//! Panics three calls deep, so that the report has names to show.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::hint::black_box;

cell::entry!(main);

fn main(hart: u32) {
    black_box(outer_function(black_box(hart)));
}

#[inline(never)]
fn outer_function(value: u32) -> u32 {
    black_box(middle_function(black_box(value + 1)) + 1)
}

#[inline(never)]
fn middle_function(value: u32) -> u32 {
    black_box(inner_function(black_box(value + 1)) + 1)
}

#[inline(never)]
fn inner_function(value: u32) -> u32 {
    let list = [1_u32, 2, 3];
    list[black_box(value as usize + 40)]
}
