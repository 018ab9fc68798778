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
