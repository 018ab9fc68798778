//! Grows and shrinks while it works, and counts what it does. What it is told to do comes by notifications to hart 0.
//!
//! Arguments: `mode=`
//! - `work`: all harts take numbered items of work; harts that are to go finish theirs and release themselves. Notified, it ends when every item was done once.
//! - `ignore`: hart 1 computes and knows nothing of resizing. Notified while it is taken, hart 0 adopts it. Not notified, it goes on when it is given back.
//! - `masked`: as `ignore`, but hart 1 masks events for the first half. Notified while it is taken, hart 0 lends it its time, until it has unmasked them and released itself.
//! - `hold`: maps memory and gives back what it is told to.
//! - `storm`: hart 1 computes amid ticks; whenever hart 0 is notified it adopts hart 1, looks at what it got, and drops it, so that hart 1 begins again. Ends after `again=N` times.
//! - `rest`: each hart counts one heartbeat, and has nothing more to do. Notified, it ends.
//! - `drop`: hart 1 computes for ever, hart 0 adopts it when notified and drops it.
//!
//! `rounds=N` of the computation (default 4,000,000), `harts=N` that begin in mode `work` (default 3), `again=N`: how often hart 1 has to have begun again at the end (default 0);
//! `loans=N`: how often hart 0 has to lend its time in mode `masked` (default 4).
//! `ticks=NS` (default 0: none): in mode `ignore`, hart 1 is interrupted by ticks so far apart, so that it is often taken in the midst of an event. What masks events is lent time until it does not.

#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "gives a stack away again, when it is not in use any more")]

extern crate alloc;

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use cell::abi::call::{Access, Call};
use cell::abi::{ErrorKind, Handle};
use cell::arguments::{get, number};
use cell::{calls, events, hart, resize, time};
use test_cells::{check, check_equal, check_quietly, check_refused, finish};

cell::entry!(main);

const ITEMS: usize = 4096;

/// Where memory is mapped, and how many pages at first.
const MEMORY: u64 = 0x30_0000_0000;
const PAGES: u64 = 64;

/// Hart 0 lends hart 1 time.
static LENDING: AtomicBool = AtomicBool::new(false);
static TOLD: AtomicBool = AtomicBool::new(false);
static EVENTS: AtomicU64 = AtomicU64::new(0);
static TICKS: AtomicU64 = AtomicU64::new(0);
static INTERVAL: AtomicU64 = AtomicU64::new(0);
static BEGUN: AtomicU64 = AtomicU64::new(0);
static AGAIN: AtomicU64 = AtomicU64::new(0);
static RELEASED: AtomicU64 = AtomicU64::new(0);
static STOPPED: AtomicU32 = AtomicU32::new(0);
static NEXT: AtomicU64 = AtomicU64::new(0);
static DONE: [AtomicU32; ITEMS] = [const { AtomicU32::new(0) }; ITEMS];
static COMPLETED: AtomicU64 = AtomicU64::new(0);

fn main(this: u32) {
    events::on_notification(|_| TOLD.store(true, Ordering::SeqCst));
    events::on_resize(|_| _ = EVENTS.fetch_add(1, Ordering::SeqCst));
    events::on_tick(|_| _ = TICKS.fetch_add(1, Ordering::SeqCst));
    BEGUN.fetch_add(1, Ordering::SeqCst);
    match (get("mode"), this) {
        (Some("work"), _) => work(this),
        (Some("ignore"), 0) => adopt(),
        (Some("ignore"), _) if number("ticks", 0) > 0 => {
            begin_ticks();
            complete(compute(number("rounds", 4_000_000), 1.0), 1.0);
        }
        (Some("ignore"), _) => complete(compute(number("rounds", 4_000_000), 1.0), 1.0),
        (Some("masked"), 0) => lend(),
        (Some("masked"), _) => masked(),
        (Some("hold"), _) => hold(),
        (Some("storm"), 0) => storm(),
        (Some("storm"), _) => toss(this),
        (Some("rest"), _) => {
            events::on_notification(|_| calls::exit(0));
            hart::heartbeat(1);
            resize::rest(this);
        }
        (Some("drop"), 0) => {
            wait_until_told();
            let _ = resize::adopt(1, again, stack());
            wait_for(|| false);
        }
        (Some("drop"), _) => wait_for(|| compute(1_000, 1.0) == 0.0),
        (mode, _) => check("the mode is known", false, format_args!("{mode:?}")),
    }
    finish()
}

fn wait_for(is_so: impl Fn() -> bool) {
    while !is_so() {
        core::hint::spin_loop();
    }
}

fn wait_until_told() {
    wait_for(|| TOLD.load(Ordering::SeqCst));
}

/// A computation whose state is in vector registers: no step can be left out or done twice.
fn compute(rounds: u64, seed: f64) -> f64 {
    let (mut x, mut y, mut sum) = (0.4_f64, 0.3_f64, seed);
    for round in 0..rounds {
        x = 3.9 * x * (1.0 - x);
        y = 3.8 * y * (1.0 - y);
        sum += x * y;
        if round % 1024 == 0 {
            hart::heartbeat(1);
        }
    }
    sum
}

/// On whichever hart the computation of hart 1 ended.
fn complete(result: f64, seed: f64) {
    COMPLETED.fetch_add(1, Ordering::SeqCst);
    let expected = compute(number("rounds", 4_000_000), seed);
    check_equal("the result of hart 1", expected.to_bits(), result.to_bits());
    wait_for(|| AGAIN.load(Ordering::SeqCst) >= number("again", 0));
    check_equal("hart 1 began again after it was adopted", number("again", 0), AGAIN.load(Ordering::SeqCst));
    check_equal("harts that began", 2, BEGUN.load(Ordering::SeqCst));
    check_equal("the computation was completed", 1, COMPLETED.load(Ordering::SeqCst));
    check("harts were told", EVENTS.load(Ordering::SeqCst) > 0, "no event came");
    finish()
}

/// Ticks for hart 1, over and over.
fn begin_ticks() {
    INTERVAL.store(number("ticks", 0), Ordering::SeqCst);
    events::on_tick(|_| {
        TICKS.fetch_add(1, Ordering::SeqCst);
        if hart::number() == 1 {
            events::set_tick(time::now() + INTERVAL.load(Ordering::Relaxed));
        } else if LENDING.load(Ordering::SeqCst) {
            // It may have come before the loan that it is to end.
            events::set_tick(time::now() + 20_000);
        }
    });
    events::set_tick(1);
}

fn toss(_: u32) {
    AGAIN.fetch_add(1, Ordering::SeqCst);
    begin_ticks();
    wait_for(|| compute(100, 1.0) == 0.0);
}

/// Lends hart 1 about so much time, in ns.
fn lend_for(length: u64) {
    LENDING.store(true, Ordering::SeqCst);
    events::set_tick(time::now() + length);
    let _ = resize::lend(1);
    LENDING.store(false, Ordering::SeqCst);
}

fn storm() {
    let stack = stack();
    let (top, bytes) = (stack.as_mut_ptr(), stack.len());
    let mut saved = 0;
    let mut loans = 0;
    for _ in 0..number("again", 0) {
        wait_until_told();
        TOLD.store(false, Ordering::SeqCst);
        let adopted = loop {
            // SAFETY: of what ran there nothing is left, when the call goes through; else it has not kept the stack.
            match resize::adopt(1, toss, unsafe { core::slice::from_raw_parts_mut(top, bytes) }) {
                Err(error) if error.kind == ErrorKind::Masked => {
                    // Of another length each time: else, where time is exact, each could end in the midst of the same tick.
                    loans += 1;
                    lend_for(3_000 + loans % 64 * 37);
                }
                result => break result,
            }
        };
        match adopted {
            Ok(adopted) => {
                let rip = adopted.context().rip;
                let is_right = !events::resume_sequence().contains(&rip);
                check_quietly("a context that can go on anywhere", is_right, format_args!("{rip:#x}"));
                saved += 1;
            }
            Err(error) => check("a hart that was taken can be adopted", false, error),
        }
    }
    check_equal("contexts that were adopted", number("again", 0), saved);
    check("ticks came", TICKS.load(Ordering::SeqCst) > saved, "none did");
}

fn again(this: u32) {
    check_equal("the number of the hart that begins again", 1, this);
    AGAIN.fetch_add(1, Ordering::SeqCst);
    resize::rest(this);
}

fn stack() -> &'static mut [u8] {
    alloc::vec![0; 8192].leak()
}

fn work(this: u32) {
    loop {
        if resize::is_to_go() {
            RELEASED.fetch_add(1, Ordering::SeqCst);
            if let Err(error) = hart::release() {
                // The notice may have been taken back meanwhile.
                check("a hart that is to go can be released", error.kind == ErrorKind::WrongState, error);
                RELEASED.fetch_sub(1, Ordering::SeqCst);
            }
            continue;
        }
        if TOLD.load(Ordering::SeqCst) {
            break;
        }
        let item = NEXT.fetch_add(1, Ordering::SeqCst);
        for _ in 0..200 {
            core::hint::spin_loop();
        }
        DONE[item as usize % ITEMS].fetch_add(1, Ordering::SeqCst);
        hart::heartbeat(1);
    }
    if this != 0 {
        STOPPED.fetch_add(1, Ordering::SeqCst);
        return wait_for(|| false);
    }
    // A hart that is released has no item.
    wait_for(|| STOPPED.load(Ordering::SeqCst) + 1 >= hart::count());
    let next = NEXT.load(Ordering::SeqCst);
    let (rounds, rest) = ((next / ITEMS as u64) as u32, (next % ITEMS as u64) as usize);
    let wrong = (0..ITEMS).filter(|item| DONE[*item].load(Ordering::SeqCst) != rounds + u32::from(*item < rest));
    check_equal("items lost or done twice", 0, wrong.count());
    check("items were done", next > 100, format_args!("saw {next}"));
    check_equal("harts that began", number("harts", 3), BEGUN.load(Ordering::SeqCst));
    check("harts released themselves", RELEASED.load(Ordering::SeqCst) > 0, "none did");
    check("harts were told", EVENTS.load(Ordering::SeqCst) > 2, format_args!("{}", EVENTS.load(Ordering::SeqCst)));
}

fn adopt() {
    refused("of a hart that runs", ErrorKind::WrongState, 1);
    refused("of a hart that never ran", ErrorKind::WrongState, 2);
    for wrong in [0, 3, 64, u64::MAX] {
        refused("of itself, or of no hart", ErrorKind::OutOfRange, wrong);
    }
    check_equal("a hart that is not to go", Some(ErrorKind::WrongState), hart::release().err().map(|error| error.kind));
    let own = Handle::OWN_CELL;
    check_refused("a notice to itself", ErrorKind::NoRight, calls::cell_notice(own, 1, 0));
    check_refused("more memory for itself", ErrorKind::NoRight, calls::cell_memory(own, 1 << 20, 0));
    wait_until_told();
    check_equal("the hart that was taken", 0b10, resize::taken());
    check_equal("harts that are left", (1, 3), (hart::count(), hart::most()));
    let start = calls::any as *const () as u64;
    if number("ticks", 0) == 0 {
        for (name, kind, [pointer, entry, stack]) in [
            ("adopted to nowhere", ErrorKind::BadPointer, [0x1000, start, MEMORY]),
            ("adopted to code", ErrorKind::BadPointer, [start & !63, start, MEMORY]),
            ("adopted for no entry", ErrorKind::OutOfRange, [MEMORY, 0, MEMORY]),
            ("adopted for an entry of the kernel", ErrorKind::OutOfRange, [MEMORY, u64::MAX, MEMORY]),
            ("adopted for no stack", ErrorKind::OutOfRange, [MEMORY, start, 1 << 63]),
        ] {
            check_refused(name, kind, calls::any(Call::HartAdopt as u64, [1, pointer, entry, stack, 0]));
        }
    }
    let stack = stack();
    let (top, bytes) = (stack.as_mut_ptr(), stack.len());
    let mut adopted = resize::adopt(1, again, stack);
    while number("ticks", 0) > 0 && adopted.as_ref().is_err_and(|error| error.kind == ErrorKind::Masked) {
        lend_for(3_000);
        // SAFETY: the call was refused, so it has not kept the stack.
        adopted = resize::adopt(1, again, unsafe { core::slice::from_raw_parts_mut(top, bytes) });
    }
    match adopted {
        Ok(adopted) => {
            let rip = adopted.context().rip;
            check(
                "a context that can go on anywhere",
                !events::resume_sequence().contains(&rip),
                format_args!("{rip:#x}"),
            );
            refused("a second time", ErrorKind::WrongState, 1);
            check_equal("the hart that was taken has nothing any more", 0, resize::taken());
            adopted.resume()
        }
        Err(error) => check("a hart that was taken can be adopted", false, error),
    }
}

/// Both calls that want a hart that was taken.
fn refused(name: &str, kind: ErrorKind, hart: u64) {
    let start = calls::any as *const () as u64;
    for (call, arguments) in [(Call::HartAdopt, [hart, MEMORY, start, MEMORY, 0]), (Call::HartLend, [hart, 0, 0, 0, 0])]
    {
        // A plan may still be on its way.
        let result = loop {
            match calls::any(call as u64, arguments) {
                Err(error) if error.kind == ErrorKind::Again => {}
                result => break result,
            }
        };
        check_refused(name, kind, result);
    }
}

fn masked() {
    events::mask();
    let half = compute(number("rounds", 4_000_000), 1.0);
    events::unmask();
    check_equal("a hart that was lent time can release itself", Ok(()), hart::release());
    complete(compute(number("rounds", 4_000_000), half), half);
}

fn lend() {
    wait_until_told();
    let adopted = resize::adopt(1, again, stack()).map(|_| ()).map_err(|error| error.kind);
    check_equal("a hart with events masked", Err(ErrorKind::Masked), adopted);
    let mut lent = 0;
    loop {
        events::set_tick(time::now() + 500_000);
        match resize::lend(1) {
            Ok(()) => lent += 1,
            Err(error) if error.kind == ErrorKind::Interrupted => {}
            Err(error) => {
                check_equal("the hart has released itself", ErrorKind::WrongState, error.kind);
                break;
            }
        }
    }
    let least = number("loans", 4);
    check(
        "ticks end the loans",
        lent >= least && TICKS.load(Ordering::SeqCst) >= least - 1,
        format_args!("expected {least} loans, saw {lent}"),
    );
    check_equal(
        "nothing is left to adopt",
        0,
        calls::cell_status(Handle::OWN_CELL).map_or(9, |status| status.taken_harts),
    );
    wait_for(|| false);
}

fn hold() {
    for page in 0..PAGES {
        let mapped = calls::memory_map(MEMORY + page * 4096, 4096, Access::ReadWrite);
        check_quietly("memory is mapped", mapped.is_ok(), format_args!("{mapped:?}"));
    }
    hart::heartbeat(1);
    let mut left = PAGES;
    while !TOLD.load(Ordering::SeqCst) {
        let Some(wanted) = resize::memory_wanted() else { continue };
        let used = calls::cell_status(Handle::OWN_CELL).map_or(0, |status| status.frames_used);
        if used > wanted.left && left > 0 {
            left -= 1;
            let unmapped = calls::memory_unmap(MEMORY + left * 4096, 4096);
            check_quietly("memory is given back", unmapped.is_ok(), format_args!("{unmapped:?}"));
        }
    }
    let used = calls::cell_status(Handle::OWN_CELL).map(|status| (status.frames_used, status.frames_quota));
    check("the quota holds", used.is_ok_and(|(used, quota)| used <= quota), format_args!("{used:?}"));
    let beyond = calls::memory_map(MEMORY + (1 << 30), 8 * 4096, Access::ReadWrite);
    check_refused("memory beyond the quota", ErrorKind::NoMemory, beyond);
    check("it was told", EVENTS.load(Ordering::SeqCst) > 0, "no event came");
}
