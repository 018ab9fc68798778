//! Root program: what the kernel says of its own memory. No page is writable and executable, every stack has its guard.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::{calls, println};
use test_cells::{check, check_equal, finish_machine, pump};

cell::entry!(main);

fn main(_: u32) {
    match calls::machine_info() {
        Ok(info) => {
            println!("{} hardware threads, {} frames free", info.hardware_threads, info.frames_free);
            check_equal("no page is writable and executable", 0, info.writable_executable_pages);
            check_equal("every kernel stack has an unmapped page below it", 0, info.unguarded_stacks);
            check("frames are free", info.frames_free > 1_000, format_args!("saw {}", info.frames_free));
            check(
                "the timebase has an error bound",
                info.hardware_threads == 1 || info.timebase_error_ns > 0,
                "it is 0",
            );
            check_equal("nothing was sent between hardware threads", 0, info.ipis);
        }
        Err(error) => check("the machine describes itself", false, error),
    }
    pump();
    finish_machine()
}
