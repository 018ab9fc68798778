//! Memory that a cell maps: zeroed, its own, up to its quota, and given back.

#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "looks at memory by address")]

use cell::abi::call::{Access, MAP_MAX};
use cell::abi::{ErrorKind, Handle};
use cell::calls;
use test_cells::{check, check_equal, check_quietly, check_refused, finish};

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
        let mapped = calls::memory_map(BASE, MAP_MAX, Access::ReadWrite);
        check_quietly("memory is mapped", mapped == Ok(0), format_args!("{mapped:?}"));
        let dirty = words(BASE).iter().filter(|word| **word != 0).count();
        check_quietly("fresh memory is zero", dirty == 0, format_args!("saw {dirty} other words"));
        words(BASE).fill(round + 1);
        let over = calls::memory_map(BASE, 4096, Access::Read).map_err(|error| error.kind);
        check_quietly("mapping over it is refused", over == Err(ErrorKind::Occupied), format_args!("{over:?}"));
        let given = calls::memory_unmap(BASE, MAP_MAX);
        check_quietly("memory is given back", given == Ok(0), format_args!("{given:?}"));
    }
    let tables = used() - before;
    check("only page tables stay", tables <= 3, format_args!("expected at most 3 frames, saw {tables}"));
    check_refused(
        "the kernel's half",
        ErrorKind::BadPointer,
        calls::memory_map(0xffff_8000_0000_0000, 4096, Access::Read),
    );
    // Were the last page of the lower half to be had, a call from its end would return to an address that is none.
    let last = calls::memory_map(0x7fff_ffff_f000, 4096, Access::ReadExecute);
    check_refused("the last page before the gap", ErrorKind::BadPointer, last);
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
    check(
        "and is used up, not exceeded",
        status.is_ok_and(|status| status.frames_used <= status.frames_quota),
        "it is exceeded",
    );
    finish()
}
