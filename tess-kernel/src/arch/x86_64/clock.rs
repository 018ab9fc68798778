//! Reading the time-stamp counter, and finding out how fast it and the interrupt controller's timer count.

use x86_64::instructions::port::Port;

use super::apic::Apic;

/// The ACPI power management timer's frequency: fixed by the ACPI specification, section 4.8.2.1.
const PM_TIMER_HZ: u64 = 3_579_545;

/// How long each measurement takes: 10 ms.
const MEASURE_TICKS: u32 = (PM_TIMER_HZ / 100) as u32;

/// Channel 2 of the legacy interval timer, where there is no power management timer.
const PIT_HZ: u64 = 1_193_182;

/// The time-stamp counter, not before earlier loads are done.
#[inline]
pub(crate) fn counter() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the fence and the counter are in every processor of this architecture, and change nothing but two registers.
    unsafe {
        core::arch::asm!("lfence", "rdtsc", out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags));
    }
    u64::from(low) | u64::from(high) << 32
}

/// A reference that counts while we look.
trait Reference {
    fn hz(&self) -> u64;
    /// Waits until it has counted [`Reference::hz`] / 100 and returns how much exactly.
    fn wait(&mut self) -> u64;
}

struct PowerTimer {
    port: u16,
}

impl PowerTimer {
    fn read(&self) -> u32 {
        let mut port: Port<u32> = Port::new(self.port);
        // SAFETY: the port is the one that the firmware's tables name as the power management timer; reading has no effect.
        let value = unsafe { port.read() };
        value & 0xff_ffff
    }
}

impl Reference for PowerTimer {
    fn hz(&self) -> u64 {
        PM_TIMER_HZ
    }

    fn wait(&mut self) -> u64 {
        let start = self.read();
        loop {
            let passed = self.read().wrapping_sub(start) & 0xff_ffff;
            if passed >= MEASURE_TICKS {
                return u64::from(passed);
            }
        }
    }
}

/// A port of the legacy interval timer or its gate.
fn read_port(port: u16) -> u8 {
    // SAFETY: reading the timer's ports (0x40 to 0x43, 0x61) has no effect on memory.
    unsafe { Port::new(port).read() }
}

/// As [`read_port`].
fn write_port(port: u16, value: u8) {
    // SAFETY: the timer's channel 2 drives nothing but the speaker, which is kept off.
    unsafe { Port::new(port).write(value) };
}

struct IntervalTimer;

impl Reference for IntervalTimer {
    fn hz(&self) -> u64 {
        PIT_HZ
    }

    fn wait(&mut self) -> u64 {
        let count = (PIT_HZ / 100) as u16;
        // Bit 1 is the speaker, which stays off; bit 0 lets the channel count.
        let gate = read_port(0x61) & !2;
        write_port(0x61, gate & !1);
        write_port(0x43, 0xb0);
        write_port(0x42, count as u8);
        write_port(0x42, (count >> 8) as u8);
        write_port(0x61, gate | 1);
        while read_port(0x61) & 0x20 == 0 {
            core::hint::spin_loop();
        }
        u64::from(count)
    }
}

/// Frequencies in Hz.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frequencies {
    pub(crate) counter: u64,
    pub(crate) timer: u64,
}

/// Measures both against the power management timer, or the interval timer where there is none. Takes 30 ms; the middle one of three
/// measurements counts, because the machine may be taken from us during one.
pub(crate) fn calibrate(apic: &mut Apic, power_timer: Option<u16>) -> Frequencies {
    let mut power = power_timer.map(|port| PowerTimer { port });
    let mut interval = IntervalTimer;
    let reference: &mut dyn Reference = match power.as_mut() {
        Some(power) => power,
        None => &mut interval,
    };
    let mut counters = [0_u64; 3];
    let mut timers = [0_u64; 3];
    for round in 0..3 {
        if !apic.deadline_mode() {
            apic.arm(u64::from(u32::MAX));
        }
        let start = counter();
        let passed = reference.wait();
        let ticks = counter() - start;
        let counted = if apic.deadline_mode() { 0 } else { u32::MAX - apic.timer_current() };
        counters[round] = ticks * reference.hz() / passed;
        timers[round] = u64::from(counted) * reference.hz() / passed;
    }
    apic.arm(0);
    counters.sort_unstable();
    timers.sort_unstable();
    Frequencies { counter: round_off(counters[1]), timer: round_off(timers[1]) }
}

/// A measured frequency within a part in 5,000 of a whole multiple of 100 MHz is that multiple: measuring is not as exact as quartz.
fn round_off(hz: u64) -> u64 {
    let step = 100_000_000;
    let nearest = (hz + step / 2) / step * step;
    if nearest > 0 && hz.abs_diff(nearest) * 5_000 <= nearest { nearest } else { hz }
}
