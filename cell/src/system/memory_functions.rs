//! The functions that compiled code expects to find. There is no C library.
//!
//! The string instructions are what today's processors do best, and an emulator does in one step.

use core::arch::asm;

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
    // SAFETY: as in C; downwards from the last byte, which exists because `count` is more than the distance.
    unsafe {
        asm!("std", "rep movsb", "cld", inout("rcx") count => _, inout("rdi") target.wrapping_add(count).wrapping_sub(1) => _,
            inout("rsi") source.wrapping_add(count).wrapping_sub(1) => _, options(nostack));
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
    for place in 0..count {
        // SAFETY: as in C; the pointers are volatile so that the loop is not turned into a call of this very function.
        let a = unsafe { one.add(place).read_volatile() };
        // SAFETY: as above.
        let b = unsafe { two.add(place).read_volatile() };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
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
    while unsafe { text.add(length).read_volatile() } != 0 {
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
