//! Memory that a cell maps: zeroed, its own, up to its quota, and given back.

#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "looks at memory by address")]

use cell::abi::call::{Access, MAP_MAX};
use cell::abi::{ErrorKind, Handle};
use cell::calls;
use test_cells::{check, check_equal, check_refused, finish};

cell::entry!(main);

const BASE: u64 = 0x20_0000_0000;

fn words(address: u64) -> &'static mut [u64] {
    // SAFETY: called only for ranges of `MAP_MAX` bytes that were just mapped and that nothing else uses.
    unsafe { core::slice::from_raw_parts_mut(address as *mut u64, MAP_MAX as usize / 8) }
}

fn used() -> u64 {
    calls::cell_status(Handle::OWN_CELL).map_or(0, |status| status.frames_used)
}

fn main(_: u32) {
    let before = used();
    for round in 0..30 {
        check_equal("mapping", Ok(0), calls::memory_map(BASE, MAP_MAX, Access::ReadWrite));
        let dirty = words(BASE).iter().filter(|word| **word != 0).count();
        check_equal("words of fresh memory that are not zero", 0, dirty);
        words(BASE).fill(round + 1);
        check_refused("mapping over it", ErrorKind::Occupied, calls::memory_map(BASE, 4096, Access::Read));
        check_equal("giving it back", Ok(0), calls::memory_unmap(BASE, MAP_MAX));
    }
    let tables = used() - before;
    check("only page tables stay", tables <= 3, format_args!("expected at most 3 frames, saw {tables}"));
    check_refused("the kernel's half", ErrorKind::BadPointer, calls::memory_map(0xffff_8000_0000_0000, 4096, Access::Read));
    check_refused("page 0", ErrorKind::BadPointer, calls::memory_map(0, 4096, Access::Read));
    check_refused("too much at once", ErrorKind::OutOfRange, calls::memory_map(BASE, MAP_MAX + 4096, Access::Read));
    check_refused("half a page", ErrorKind::Misaligned, calls::memory_map(BASE + 8, 4096, Access::Read));
    check_refused("an access that there is not", ErrorKind::OutOfRange, calls::any(5, [BASE, 4096, 3, 0, 0]));
    let mut at = BASE;
    let full = loop {
        match calls::memory_map(at, MAP_MAX, Access::ReadWrite) {
            Ok(_) => at += MAP_MAX,
            Err(error) => break error,
        }
    };
    check_equal("the quota ends it", ErrorKind::NoMemory, full.kind);
    let status = calls::cell_status(Handle::OWN_CELL);
    check("and is used up, not exceeded", status.is_ok_and(|status| status.frames_used <= status.frames_quota), "it is exceeded");
    finish()
}
