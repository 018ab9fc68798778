//! An application with phases: it always has work, and how much a heartbeat takes changes over time. The broker sees only the heartbeats. Every hart works by itself, so two are twice
//! as fast; with `most-harts` in its manifest it can be given more and fewer while it runs.
//!
//! Arguments: `work=N`, multiplications for a heartbeat (default 10000), or `work-ns=N`, as many as this processor does in that time, found out at the start; `phases=MS:PERCENT,...`, from which instant of the timebase on a heartbeat takes how much of that
//! (default always 100); `cycle=MS`, after which the phases begin again (default never); `stays=1`, if it is to
//! ignore that it loses harts, which are taken from it then; `until=MS`, when the cell
//! ends (default never).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::hint::black_box;

use cell::{arguments, events, hart, resize, time};

cell::entry!(main);

/// Phases that are remembered, at most.
const PHASES: usize = 16;

/// How often it is tried how fast the processor is, and with how many multiplications.
const TRIES: u64 = 30;
const TRIED: u64 = 100_000;

/// When there is how much to do.
struct Schedule {
    /// From which millisecond on, and how much, in percent; as many as `count`.
    phases: [(u64, u64); PHASES],
    count: usize,
    cycle_ms: u64,
}

impl Schedule {
    fn from_arguments() -> Self {
        let mut schedule =
            Self { phases: [(0, 100); PHASES], count: 0, cycle_ms: arguments::number("cycle", u64::MAX) };
        for phase in arguments::get("phases").unwrap_or("").split(',') {
            let Some((from, percent)) = phase.split_once(':') else { continue };
            if let (Ok(from), Ok(percent), true) = (from.parse(), percent.parse(), schedule.count < PHASES) {
                schedule.phases[schedule.count] = (from, percent);
                schedule.count += 1;
            }
        }
        schedule
    }

    /// How much there is to do now, in percent.
    fn percent(&self) -> u64 {
        let now_ms = time::now() / 1_000_000 % self.cycle_ms.max(1);
        let begun = self.phases[..self.count].iter().take_while(|(from, _)| *from <= now_ms);
        begun.last().map_or(100, |(_, percent)| *percent)
    }
}

fn main(number: u32) {
    if number == 0 && arguments::number("stays", 0) == 0 {
        events::on_resize(|_| {
            // What ran here waits until the hart is given back: no other hart misses it.
            if resize::is_to_go() {
                let _ = hart::release();
            }
        });
    }
    let schedule = Schedule::from_arguments();
    let work = match arguments::number("work-ns", 0) {
        0 => arguments::number("work", 10_000),
        ns => multiplications_in(ns),
    };
    let until_ns = arguments::number("until", u64::MAX).saturating_mul(1_000_000);
    let mut value = u64::from(number);
    while time::now() < until_ns {
        value = multiply(work * schedule.percent() / 100, value);
        hart::heartbeat(1);
    }
}

fn multiply(steps: u64, mut value: u64) -> u64 {
    for step in 0..steps {
        value = black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        if step % 64 == 0 {
            // Polite to whoever shares the processor, be it a hyperthread or an emulator that runs hardware threads in turn.
            core::hint::spin_loop();
        }
    }
    value
}

/// The mean of those tries counts in which the hart was not suspended.
fn multiplications_in(ns: u64) -> u64 {
    let (mut tried, mut took) = (0, 0);
    for seed in 0..TRIES {
        let (activation, ..) = hart::activation();
        let began = time::now();
        black_box(multiply(TRIED, seed));
        let elapsed = time::now() - began;
        if hart::activation().0 == activation {
            tried += TRIED;
            took += elapsed;
        }
    }
    // Only a hart that is suspended all the time finds nothing out.
    (tried * ns).checked_div(took).unwrap_or(TRIED)
}
