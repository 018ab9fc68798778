//! Switching off.

use x86_64::instructions::port::Port;

/// QEMU's exit device; on a machine without it the write goes nowhere.
const EXIT_PORT: u16 = 0xf4;

/// Added to the code, so that no failure of QEMU itself looks like success.
const EXIT_BASE: u32 = 0x10;

/// Ends the machine with a code, or stops this hardware thread for ever where there is nobody to tell.
pub(crate) fn off(code: u32) -> ! {
    // SAFETY: the port belongs to the exit device or to nobody.
    unsafe { Port::new(EXIT_PORT).write(EXIT_BASE.wrapping_add(code)) };
    halt()
}

/// Stops this hardware thread for ever.
pub(crate) fn halt() -> ! {
    loop {
        x86_64::instructions::interrupts::disable();
        x86_64::instructions::hlt();
    }
}

/// Masks the legacy interrupt controllers: nothing uses them, and they must not strike with the vectors of exceptions.
pub(crate) fn silence_legacy_interrupts() {
    for (port, value) in
        [(0x20_u16, 0x11_u8), (0xa0, 0x11), (0x21, 0x20), (0xa1, 0x28), (0x21, 4), (0xa1, 2), (0x21, 1), (0xa1, 1)]
    {
        // SAFETY: the two 8259 controllers; interrupts are off while they are set up, and masked afterwards.
        unsafe { Port::new(port).write(value) };
    }
    for port in [0x21_u16, 0xa1] {
        // SAFETY: masks all lines.
        unsafe { Port::new(port).write(0xff_u8) };
    }
}
