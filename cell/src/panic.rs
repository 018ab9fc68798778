//! A panic ends the cell: the message first, then an invalid instruction, so that the kernel reports registers and a backtrace.

use core::panic::PanicInfo;

use crate::hart;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let (file, line) = info.location().map_or(("?", 0), |location| (location.file(), location.line()));
    crate::println!("@tess panic hart={} file={file} line={line} message=\"{}\"", hart::number(), info.message());
    crate::system::entry::die()
}
