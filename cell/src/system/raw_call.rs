//! The instruction by which a cell calls the kernel.

use abi::Error;

/// Makes a call by number. Pointers among the arguments are checked by the kernel, so a wrong one is an error; but memory that the kernel writes
/// to must be the caller's to give, which the functions in `calls` see to.
pub(crate) fn call(number: u64, arguments: [u64; 5]) -> Result<u64, Error> {
    let [a, b, c, d, e] = arguments;
    let (status, value);
    // SAFETY: the kernel keeps all registers but rax, rdx, rcx and r11 (abi::call), and writes to memory only where the arguments say
    // so, which the callers guarantee to be theirs.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number => status,
            in("rdi") a,
            in("rsi") b,
            inlateout("rdx") c => value,
            in("r10") d,
            in("r8") e,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    Error::decode(status, value)
}

/// A message as it travels in registers: the tag and seven words.
pub(crate) type Registers = [u64; 8];

/// Makes the call that hands a message over and waits for one.
pub(crate) fn hand_over(send: u64, receive: u64, message: Registers) -> Result<Registers, Error> {
    let [tag, a, b, c, d, e, f, g] = message;
    let (status, value);
    let mut words = [a, b, c, d, e, f, g];
    let [a, b, c, d, e, f, g] = &mut words;
    // SAFETY: as above, but the kernel also changes the registers that carry the message; it touches no memory.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") abi::Call::ChannelHandOver as u64 => status,
            in("rdi") send,
            in("rsi") receive,
            inlateout("rdx") tag => value,
            inlateout("r8") *a,
            inlateout("r9") *b,
            inlateout("r10") *c,
            inlateout("r12") *d,
            inlateout("r13") *e,
            inlateout("r14") *f,
            inlateout("r15") *g,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    let tag = Error::decode(status, value)?;
    let [a, b, c, d, e, f, g] = words;
    Ok([tag, a, b, c, d, e, f, g])
}
