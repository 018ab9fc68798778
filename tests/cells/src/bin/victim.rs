//! A time-triggered cell that must not notice whatever others do: it checks from inside that no window is missed, late or shortened.
//!
//! Arguments: `windows=N` to watch (default 20), `period=NS`, `phase=NS`, `length=NS` as in the manifest, `tolerance=NS` (default 20000).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::arguments::number;
use cell::{calls, hart, println, time};
use test_cells::{check, check_equal, finish};

cell::entry!(main);

fn main(this: u32) {
    if this != 0 {
        // Other harts only make the gang wide.
        loop {
            core::hint::spin_loop();
        }
    }
    let windows = number("windows", 20);
    let (period, phase, length) = (number("period", 0), number("phase", 0), number("length", 0));
    let tolerance = number("tolerance", 20_000);
    let (first, first_at, _) = hart::activation();
    let mut last = (first, first_at);
    let mut latest = 0;
    let mut entered_latest = 0;
    let mut early = 0;
    let mut shortest = u64::MAX;
    let mut last_seen = time::now();
    let mut gaps = 0;
    let mut off_phase = 0;
    let mut begun = last_seen;
    let mut whole = false;
    while last.0 < first + windows {
        let (activations, at, entered) = hart::activation();
        let now = time::now();
        // A window ended between the two readings: they do not belong together.
        if hart::activation().0 != activations {
            continue;
        }
        if activations != last.0 {
            if whole {
                shortest = shortest.min(last_seen - begun);
                gaps += u64::from(at != last.1 + period);
            }
            // The first window may have begun before the plan did: only those after it are whole, and a period apart.
            whole = true;
            latest = latest.max(now.saturating_sub(at));
            entered_latest = entered_latest.max(entered.saturating_sub(at));
            early = early.max(at.saturating_sub(entered));
            gaps += u64::from(activations != last.0 + 1);
            off_phase += u64::from(at % period != phase);
            last = (activations, at);
            begun = now;
        }
        last_seen = now;
        core::hint::spin_loop();
    }
    println!("latest: entered after {entered_latest} ns, seen after {latest} ns; shortest {shortest} ns");
    check_equal("no window was left out", 0, gaps);
    check_equal("every window starts at its phase", 0, off_phase);
    check_equal("nanoseconds by which a window started early", 0, early);
    check("no window starts late", latest <= tolerance, format_args!("expected at most {tolerance} ns, saw {latest}"));
    check(
        "no window is shortened",
        shortest + tolerance >= length,
        format_args!("expected {length} ns less {tolerance}, saw {shortest}"),
    );
    let status = calls::cell_status(cell::abi::Handle::OWN_CELL);
    check_equal("the kernel counts no missed window", Ok(0), status.map(|status| status.missed));
    finish()
}
