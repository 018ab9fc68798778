//! Burns its time on every hart: the antagonist of everybody else.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::hint::black_box;

cell::entry!(main);

fn main(_: u32) {
    let mut value = 1_u64;
    loop {
        for _ in 0..64 {
            for _ in 0..32 {
                value = black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            }
            // Polite to whoever shares the processor, be it a hyperthread or an emulator that runs hardware threads in turn.
            core::hint::spin_loop();
        }
        cell::hart::heartbeat(1);
    }
}
