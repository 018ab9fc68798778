//! The functions that compiled code expects to find. There is no C library.
//!
//! The string instructions are what today's processors do best, and an emulator does in one step.

use core::arch::asm;

/// Bytes that are handled at once where the string instructions do not help.
const WORD: usize = size_of::<u64>();

/// Copies `count` bytes between ranges that do not overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(target: *mut u8, source: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller passes valid ranges, as in C.
    unsafe {
        asm!("rep movsb", inout("rcx") count => _, inout("rdi") target => _, inout("rsi") source => _,
            options(nostack, preserves_flags));
    }
    target
}

/// Copies `count` bytes between ranges that may overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(target: *mut u8, source: *const u8, count: usize) -> *mut u8 {
    if (target as usize).wrapping_sub(source as usize) >= count {
        // SAFETY: going upwards, no byte of the source is overwritten before it is read.
        return unsafe { memcpy(target, source, count) };
    }
    // Downwards. `rep movsb` is slow in that direction, so words first: what a word overwrites was read with it or before it.
    let mut rest = count;
    if rest >= WORD {
        // SAFETY: as in C: each word lies within both ranges. In assembly, so that the loop is not turned into a call of this very function.
        unsafe {
            asm!("2:", "sub {rest}, 8", "mov {word}, [{source} + {rest}]", "mov [{target} + {rest}], {word}", "cmp {rest}, 8", "jae 2b",
                rest = inout(reg) rest, word = out(reg) _, source = in(reg) source, target = in(reg) target, options(nostack));
        }
    }
    while rest > 0 {
        rest -= 1;
        // SAFETY: as above, for a byte; volatile for the same reason.
        let byte = unsafe { source.wrapping_add(rest).read_volatile() };
        // SAFETY: as above.
        unsafe { target.wrapping_add(rest).write_volatile(byte) };
    }
    target
}

/// Fills `count` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(target: *mut u8, value: i32, count: usize) -> *mut u8 {
    // SAFETY: as in C.
    unsafe {
        asm!("rep stosb", inout("rcx") count => _, inout("rdi") target => _, in("al") value as u8, options(nostack, preserves_flags));
    }
    target
}

/// Compares `count` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(one: *const u8, two: *const u8, count: usize) -> i32 {
    let mut place = 0;
    while count - place >= WORD {
        // SAFETY: as in C: the word lies within the range.
        let a = unsafe { one.wrapping_add(place).cast::<u64>().read_unaligned() };
        // SAFETY: as above.
        let b = unsafe { two.wrapping_add(place).cast::<u64>().read_unaligned() };
        if a != b {
            // The first byte in memory decides.
            return if a.swap_bytes() < b.swap_bytes() { -1 } else { 1 };
        }
        place += WORD;
    }
    while place < count {
        // SAFETY: as in C; volatile, so that the loop is not turned into a call of this very function.
        let a = unsafe { one.wrapping_add(place).read_volatile() };
        // SAFETY: as above.
        let b = unsafe { two.wrapping_add(place).read_volatile() };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
        place += 1;
    }
    0
}

/// Compares `count` bytes for equality.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(one: *const u8, two: *const u8, count: usize) -> i32 {
    // SAFETY: as in C.
    unsafe { memcmp(one, two, count) }
}

/// The length of a string that ends with a zero.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: as in C.
    while unsafe { text.wrapping_add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}

/// Nothing unwinds; the prebuilt `core` only wants the names.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    crate::calls::exit(0xdead)
}

/// As above.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
