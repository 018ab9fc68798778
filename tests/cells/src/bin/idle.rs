//! Parks for ever.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

cell::entry!(main);

fn main(_: u32) {
    loop {
        let _ = cell::calls::park(u64::MAX);
    }
}
