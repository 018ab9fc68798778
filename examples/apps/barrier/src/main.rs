//! Fine-grained parallel work: every hart computes a little, then all meet at a barrier. A hart that is not active when the others are would make
//! them all wait, so this is what gang scheduling is for (Peter's dissertation, section 4.2).
//!
//! Arguments: `work=N`, multiplications between two meetings (default 2000).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::hint::black_box;

use cell::barrier::Barrier;

cell::entry!(main);

static MEETING: Barrier = Barrier::new();

fn main(hart: u32) {
    let harts = cell::hart::count();
    let work = cell::arguments::number("work", 2_000);
    let mut value = u64::from(hart);
    loop {
        for step in 0..work {
            value = black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            if step % 64 == 0 {
                // Polite to whoever shares the processor, be it a hyperthread or an emulator that runs hardware threads in turn.
                core::hint::spin_loop();
            }
        }
        // The last one to arrive counts the round, so one heartbeat is one round of the whole gang.
        if MEETING.wait(harts) {
            cell::hart::heartbeat(1);
        }
    }
}
