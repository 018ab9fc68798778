//! Watches its own windows: at every activation it notes when it was to start and when it did, as seen from inside, and says so now and then.
//!
//! Arguments: `every=N`, a line after N windows (default 100; 0 for none).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::{hart, println, time};

cell::entry!(main);

fn main(number: u32) {
    let every = cell::arguments::number("every", 100);
    let mut windows = 0_u64;
    let mut worst = 0_u64;
    let mut seen = 0;
    loop {
        // A new activation shows in the dispatch page: no call is needed to notice it.
        let (activations, at, _) = hart::activation();
        if activations != seen {
            let late = time::now().saturating_sub(at);
            core::hint::spin_loop();
            // The first one is the start of the program, which takes longer than to go on.
            if seen != 0 {
                windows += 1;
                worst = worst.max(late);
                hart::heartbeat(1);
                if number == 0 && every != 0 && windows.is_multiple_of(every) {
                    println!("{windows} windows, my first instruction at most {worst} ns after the instant");
                    worst = 0;
                }
            }
            seen = activations;
        }
        core::hint::spin_loop();
    }
}
