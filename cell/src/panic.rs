//! A panic ends the cell: the message first, then an invalid instruction, so that the kernel reports registers and a backtrace.

use core::panic::PanicInfo;

use crate::console::Quoted;
use crate::hart;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let (file, line) = info.location().map_or(("?", 0), |location| (location.file(), location.line()));
    // The runtime knows the program's name; the kernel's report, which follows, has the cell's.
    let (program, message) = (crate::system::entry::program(), Quoted(info.message()));
    crate::println!("@tess panic cell={program} hart={} file={file} line={line} message={message}", hart::number());
    crate::system::entry::die()
}
