//! Loops for ever, with no call and no pause. Argument `masked=1`: with its events masked as well.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

cell::entry!(main);

fn main(_: u32) {
    if cell::arguments::number("masked", 0) != 0 {
        cell::events::mask();
    }
    let mut value = 0_u64;
    loop {
        value = core::hint::black_box(value.wrapping_add(1));
    }
}
