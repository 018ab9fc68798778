//! An application with phases: it always has work, and how much a heartbeat takes changes over time. The broker sees only the heartbeats. Every hart works by itself, so two are twice
//! as fast; with `most-harts` in its manifest it can be given more and fewer while it runs.
//!
//! Arguments: `work=N`, multiplications for a heartbeat (default 10000); `phases=MS:PERCENT,...`, from which instant of the timebase on a heartbeat takes how much of that
//! (default always 100); `cycle=MS`, after which the phases begin again (default never); `until=MS`, when the cell
//! ends (default never).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::hint::black_box;

use cell::{arguments, events, hart, resize, time};

cell::entry!(main);

/// Phases that are remembered, at most.
const PHASES: usize = 16;

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
    if number == 0 {
        events::on_resize(|_| {
            // What ran here waits until the hart is given back: no other hart misses it.
            if resize::is_to_go() {
                let _ = hart::release();
            }
        });
    }
    let schedule = Schedule::from_arguments();
    let work = arguments::number("work", 10_000);
    let until_ns = arguments::number("until", u64::MAX).saturating_mul(1_000_000);
    let mut value = u64::from(number);
    while time::now() < until_ns {
        for step in 0..work * schedule.percent() / 100 {
            value = black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            if step % 64 == 0 {
                // Polite to whoever shares the processor, be it a hyperthread or an emulator that runs hardware threads in turn.
                core::hint::spin_loop();
            }
        }
        hart::heartbeat(1);
    }
}
