//! Interrupting a context: it goes on in a trampoline on its own stack, which saves everything and then leaves as a voluntary switch does. Or for good: its hart goes
//! on, and the context never does.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{Control, Status, interrupted, mask, running, unmask};
use crate::{Fault, Hart};

/// Bytes and components of the vector state to save; 0 components where there is only `fxsave`.
static VECTOR_BYTES: AtomicU64 = AtomicU64::new(512);
static VECTOR_MASK: AtomicU64 = AtomicU64::new(0);

/// x87, SSE, AVX and the three parts of AVX-512. Larger state (tiles) is not preserved, and contexts must not use it.
const VECTOR_COMPONENTS: u64 = 0xe7;

/// Finds out what vector state there is. To be called before the first preemption.
pub(crate) fn find_vector_state() {
    use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
    const OSXSAVE: u32 = 1 << 27;
    if __cpuid(1).ecx & OSXSAVE == 0 {
        return;
    }
    // SAFETY: the processor has the instruction, and the system allows it: that is what OSXSAVE says.
    let mask = unsafe { _xgetbv(0) } & VECTOR_COMPONENTS;
    // The legacy area and the header, then each component where the processor says that it lies.
    let ends = (2..64).filter(|bit| mask & (1 << bit) != 0).map(|bit| {
        let part = __cpuid_count(0xd, bit);
        u64::from(part.eax + part.ebx)
    });
    VECTOR_BYTES.store(ends.fold(576, u64::max).next_multiple_of(64), Ordering::Relaxed);
    VECTOR_MASK.store(mask, Ordering::Relaxed);
}

/// Bytes below the stack pointer that compiled code may use without saying so.
const RED_ZONE: u64 = 128;

/// What the trampoline and its calls take of a stack, at most, without the vector state. Debug builds were seen to take 448.
const TRAMPOLINE_BYTES: u64 = 1024;

/// Makes an interrupted context go on in the trampoline: changes its instruction pointer and stack pointer, pushes what they and the flags
/// were, and masks events once. Refuses where too little is left of the stack, and where something else runs than the context on its own stack: another signal's handler.
///
/// # Safety
/// The three are those of the context that runs on this hart, interrupted between two instructions while events were not masked.
pub(crate) unsafe fn preempt(hart: &Hart, rip: &mut u64, rsp: &mut u64, rflags: u64) -> bool {
    let needed = RED_ZONE + TRAMPOLINE_BYTES + VECTOR_BYTES.load(Ordering::Relaxed);
    if !is_on_running_stack(hart, *rsp, needed.cast_signed()) {
        return false;
    }
    let frame = (*rsp - RED_ZONE - 16) as *mut [u64; 2];
    // SAFETY: it lies on the context's stack, below everything that it uses.
    unsafe { frame.write_unaligned([rflags, *rip]) };
    *rsp = frame as u64;
    *rip = preempted as *const () as u64;
    mask();
    true
}

/// Ends the running context where it was interrupted: returns the instruction pointer, the stack pointer and the flags with which its hart goes on, as in the
/// second half of [`switch`](super::switch). Masks events once.
///
/// # Safety
/// A context runs on this hart, events were not masked, and it never goes on.
pub(crate) unsafe fn abandon(hart: &Hart, fault: Fault, rflags: u64) -> [u64; 3] {
    const DIRECTION: u64 = 1 << 10;
    running(hart).inspect(|context| context.status.set(Status::Faulted(fault)));
    mask();
    let stack = hart.stack_pointer.load(Ordering::Relaxed).cast::<u64>();
    // SAFETY: `switch` has left it there, and waits.
    [unsafe { stack.read() }, stack.wrapping_add(1) as u64, rflags & !DIRECTION]
}

/// Whether an address lies in the running context's stack, at least so many bytes above its lowest; or below that, where it is negative.
pub(crate) fn is_on_running_stack(hart: &Hart, address: u64, above: i64) -> bool {
    let stack = running(hart).map(Control::stack);
    stack.is_some_and(|stack| (stack.start.saturating_add_signed(above)..stack.end).contains(&address))
}

/// The trampoline: the stack holds flags and instruction pointer, then the red zone. Rounding modes are set as compiled code expects them,
/// because a scheduler runs next.
#[unsafe(naked)]
unsafe extern "sysv64" fn preempted() {
    core::arch::naked_asm!(
        "push rax; push rcx; push rdx; push rbx; push rsi; push rdi; push rbp",
        "push r8; push r9; push r10; push r11; push r12; push r13; push r14; push r15",
        "cld; mov rbx, rsp",
        // Room for the vector state, whose header must not hold what the stack held.
        "sub rsp, [rip + {bytes}]; and rsp, -64; mov r12, rsp",
        "mov r13, [rip + {mask}]; test r13, r13; jz 2f",
        "xor eax, eax; lea rdi, [r12 + 512]; mov ecx, 8; rep stosq",
        "mov eax, r13d; xor edx, edx; xsave64 [r12]; jmp 3f",
        "2: fxsave64 [r12]",
        "3: fninit; push 0x1f80; ldmxcsr [rsp]; sub rsp, 8; call {leave}; call {unmask}",
        "test r13, r13; jz 4f",
        "mov eax, r13d; xor edx, edx; xrstor64 [r12]; jmp 5f",
        "4: fxrstor64 [r12]",
        "5: mov rsp, rbx",
        "pop r15; pop r14; pop r13; pop r12; pop r11; pop r10; pop r9; pop r8",
        "pop rbp; pop rdi; pop rsi; pop rbx; pop rdx; pop rcx; pop rax",
        "popfq; ret 128",
        bytes = sym VECTOR_BYTES,
        mask = sym VECTOR_MASK,
        leave = sym interrupted,
        unmask = sym unmask,
    )
}
