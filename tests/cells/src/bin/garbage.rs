//! Calls the kernel with every number and wild arguments. Nothing may come of it but errors.
//!
//! Arguments: `rounds=N` (default 400), `seed=N`.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::abi::{Call, ErrorKind};
use cell::{calls, events};
use test_cells::{Random, check, check_equal, check_quietly, check_refused, finish};

cell::entry!(main);

fn main(_: u32) {
    let mut random = Random(cell::arguments::number("seed", 12_345));
    let rounds = cell::arguments::number("rounds", 400);
    let mut served = 0;
    events::mask();
    for _ in 0..rounds {
        for number in (0..64).chain([random.next_number()]) {
            let call = Call::from_number(number);
            // This one would do what it says.
            if call == Some(Call::Exit) {
                continue;
            }
            // An event that waits: no park lasts, however long it was meant to be.
            events::set_tick(1);
            let mut wild = || match random.next_number() % 6 {
                0 => random.next_number(),
                1 => u64::MAX - random.next_number() % 5000,
                2 => 0xffff_8000_0000_0000 + random.next_number() % (1 << 40),
                3 => random.next_number() % 70,
                4 => 0x7fff_ffff_0000 + random.next_number() % 0x2_0000,
                _ => 0x5000_0000_0000 + (random.next_number() % 4096) * 4096,
            };
            let arguments = [wild(), wild(), wild(), wild(), wild()];
            if calls::any(number, arguments).is_ok() {
                served += 1;
                let harmless = matches!(
                    call,
                    Some(
                        Call::Null
                            | Call::Park
                            | Call::TimerSet
                            | Call::ConsoleWrite
                            | Call::MemoryMap
                            | Call::MemoryUnmap
                            | Call::ChannelInfo
                            | Call::HandleInfo
                            | Call::ChannelNotify
                            | Call::ChannelBind
                            | Call::ChannelClose
                    )
                );
                check_quietly("only harmless calls are served", harmless, format_args!("{call:?} with {arguments:x?}"));
            }
        }
    }
    let _ = calls::timer_set(0);
    events::unmask();
    check("harmless calls are served", served > rounds, format_args!("saw {served}"));
    check_refused("a number that is no call's", ErrorKind::UnknownCall, calls::any(999, [0; 5]));
    check_refused("a number beyond all", ErrorKind::UnknownCall, calls::any(u64::MAX, [0; 5]));
    check_refused(
        "the machine's handle",
        ErrorKind::BadHandle,
        calls::any(Call::MachineInfo as u64, [1, 0x4000_0000, 0, 0, 0]),
    );
    let own_code = main as *const () as u64;
    let into_code = calls::any(Call::CellStatus as u64, [0, own_code, 0, 0, 0]);
    check_refused("a result into the program's own code", ErrorKind::BadPointer, into_code);
    check_refused(
        "text in the kernel's half",
        ErrorKind::BadPointer,
        calls::any(4, [0xffff_ffff_8020_0000, 16, 0, 0, 0]),
    );
    check_refused("text that wraps around", ErrorKind::BadPointer, calls::any(4, [u64::MAX - 4, 16, 0, 0, 0]));
    let dispatch = cell::abi::layout::hart_area(0);
    check_refused("giving the dispatch page back", ErrorKind::Occupied, calls::any(6, [dispatch, 4096, 0, 0, 0]));
    check_equal("the cell still runs", Ok(0), calls::null());
    finish()
}
