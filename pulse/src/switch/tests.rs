//! Preemption must not be felt, and a fault must end one context only.

#![cfg(feature = "std")]

use core::arch::asm;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::is_x86_feature_detected;
use std::sync::Arc;

use crate::home::linux;
use crate::{Context, Fault, FaultKind, Hart, Next, Queue, Scheduler, Shape, Spin, now, on_hart, wake_one, yield_now};

/// Ticks as often as the system can.
#[derive(Default)]
struct Hasty {
    ready: Spin<Queue>,
    ticks: AtomicU64,
    faults: Spin<Option<Fault>>,
}

impl Scheduler for Hasty {
    fn enter(&self, hart: &Hart) -> Next {
        hart.set_tick(hart.now() + 20_000);
        Next::run_or_idle(self.ready.lock().pop())
    }

    fn ready(&self, _: &Hart, context: Context) {
        self.ready.lock().push(context);
        wake_one();
    }

    fn tick(&self, hart: &Hart, context: Context) -> Next {
        self.ticks.fetch_add(1, SeqCst);
        self.yielded(hart, context)
    }

    fn fault(&self, hart: &Hart, context: Context, fault: Fault) -> Next {
        *self.faults.lock() = Some(fault);
        drop(context);
        self.enter(hart)
    }
}

fn spawn(scheduler: &Hasty, work: impl FnOnce() + Send + 'static) {
    let context = Context::new(work).expect("there is memory");
    on_hart(|hart| scheduler.ready(hart, context));
}

/// Holds a value in registers of every kind for a while; returns how many of them have changed.
fn hold(value: u64) -> u32 {
    let wrong: u64;
    // SAFETY: it changes only registers that it names, and the red zone in the way that compiled code may.
    unsafe {
        asm!(
            "movq xmm0, {value}",
            "movq xmm15, {value}",
            "mov {count}, 2000000",
            "lea r8, [{value} + 1]",
            "lea r15, [{value} + 2]",
            "cmp {count}, {count}",
            "mov [rsp - 128], {value}",
            "2:",
            "dec {count}",
            "jnz 2b",
            "xor {wrong}, {wrong}",
            "movq {other}, xmm0",
            "xor {other}, {value}",
            "or {wrong}, {other}",
            "movq {other}, xmm15",
            "xor {other}, {value}",
            "or {wrong}, {other}",
            "sub r8, {value}",
            "dec r8",
            "or {wrong}, r8",
            "sub r15, {value}",
            "sub r15, 2",
            "or {wrong}, r15",
            "mov {other}, [rsp - 128]",
            "xor {other}, {value}",
            "or {wrong}, {other}",
            value = in(reg) value, count = out(reg) _, other = out(reg) _, wrong = out(reg) wrong,
            out("r8") _, out("r15") _, out("xmm0") _, out("xmm15") _,
            // The stack below is the red zone of a leaf, which this stands for.
            options(nostack),
        );
    }
    u32::from(wrong != 0) + if is_x86_feature_detected!("avx") { hold_wide(value) } else { 0 }
}

/// The same for the upper halves of AVX registers, and of AVX-512 where there are some.
fn hold_wide(value: u64) -> u32 {
    let mut seen = [0_u64; 4];
    let given = [value, value + 1, value + 2, value + 3];
    // SAFETY: the processor has AVX; it reads and writes the arrays and the registers that it names.
    unsafe {
        asm!("vmovdqu ymm7, [{given}]", "mov {count}, 2000000", "2:", "dec {count}", "jnz 2b", "vmovdqu [{seen}], ymm7",
            "vzeroupper", given = in(reg) &given, seen = in(reg) &mut seen, count = out(reg) _, out("ymm7") _);
    }
    let mut wrong = u32::from(seen != given);
    if is_x86_feature_detected!("avx512f") {
        let (given, mut seen) = ([value; 8], [0_u64; 8]);
        let mask: u32;
        // SAFETY: the processor has AVX-512; as above.
        unsafe {
            asm!("vmovdqu64 zmm31, [{given}]", "mov {count:e}, 0x5a5a", "kmovw k3, {count:e}", "mov {count}, 2000000", "2:", "dec {count}",
                "jnz 2b", "vmovdqu64 [{seen}], zmm31", "kmovw {mask:e}, k3", given = in(reg) &given, seen = in(reg) &mut seen,
                count = out(reg) _, mask = out(reg) mask, out("zmm31") _, out("k3") _);
        }
        wrong += u32::from(seen != given) + u32::from(mask != 0x5a5a);
    }
    wrong
}

#[test]
fn no_register_changes_when_a_context_is_interrupted() {
    let scheduler = Arc::new(Hasty::default());
    let wrong = Arc::new(AtomicU32::new(0));
    let (scheduler_of_main, seen) = (scheduler.clone(), wrong.clone());
    linux::run(Shape::new(2), &*scheduler, move || {
        for number in 0..8 {
            let (wrong, scheduler) = (wrong.clone(), scheduler_of_main.clone());
            spawn(&scheduler_of_main, move || {
                for round in 0..1_000_000 {
                    wrong.fetch_add(hold(number * 1_000_003 + round * 7), SeqCst);
                    if round > 3 && scheduler.ticks.load(SeqCst) > 500 {
                        return;
                    }
                }
            });
        }
    });
    assert_eq!(seen.load(SeqCst), 0, "registers that changed, in {} ticks", scheduler.ticks.load(SeqCst));
}

#[inline(never)]
fn deeper(depth: u64) -> u64 {
    let room = core::hint::black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { deeper(depth + 1) + room[3] }
}

#[test]
fn a_context_that_leaves_its_stack_ends_alone() {
    let scheduler = Arc::new(Hasty::default());
    let (scheduler_of_main, others) = (scheduler.clone(), Arc::new(AtomicU32::new(0)));
    let seen = others.clone();
    let summary = linux::run(Shape::new(1), &*scheduler, move || {
        spawn(&scheduler_of_main, || {
            core::hint::black_box(deeper(0));
        });
        spawn(&scheduler_of_main, move || {
            (0..10).for_each(|_| yield_now());
            others.fetch_add(1, SeqCst);
        });
    });
    assert_eq!(seen.load(SeqCst), 1, "other contexts that finished");
    assert_eq!(summary.lost, 1, "contexts that were lost");
    let fault = *scheduler.faults.lock();
    let kind = fault.map(|fault| fault.kind);
    assert_eq!(kind, Some(FaultKind::StackOverflow), "the fault that the scheduler was told: {fault:?}");
}

#[test]
fn who_leaves_its_stack_with_events_masked_ends_the_process_and_says_why() {
    const CHILD: &str = "PULSE_TEST_LEAVES_ITS_STACK_MASKED";
    if std::env::var_os(CHILD).is_some() {
        linux::run(Shape::new(1), &Hasty::default(), || crate::masked(|| assert_ne!(deeper(0), 0)));
        return;
    }
    let name = "switch::tests::who_leaves_its_stack_with_events_masked_ends_the_process_and_says_why";
    let program = std::env::current_exe().expect("a test has a program");
    let child = std::process::Command::new(program).args(["--exact", name, "--nocapture"]).env(CHILD, "1").output();
    let child = child.expect("the program can be run again");
    let told = std::string::String::from_utf8_lossy(&child.stderr);
    assert!(!child.status.success(), "it should not have ended well, but it was {}: {told}", child.status);
    assert!(told.contains("a context left its stack while it masked events"), "it should say why, but said: {told}");
}

/// Computes with the stack pointer so many bytes above the end of the running context's stack, until `ticks` is not `before` or for a while.
fn linger(above: u64, ticks: &AtomicU64, before: u64) {
    let base = on_hart(|hart| super::running(hart).expect("a context runs").stack().start);
    // SAFETY: it comes back to where the stack pointer was, and the stack in between is unused. It is the context's, so that it may be interrupted.
    unsafe {
        asm!("xchg rsp, {place}", "2:", "cmp [{ticks}], {before}", "jne 3f", "dec {count}", "jnz 2b", "3:", "mov rsp, {place}",
            place = inout(reg) base + above => _, count = inout(reg) 200_000_u64 => _, ticks = in(reg) ticks.as_ptr(), before = in(reg) before);
    }
}

#[test]
fn an_interruption_does_not_leave_the_stack() {
    let scheduler = Arc::new(Hasty::default());
    let (scheduler_of_main, interrupted) = (scheduler.clone(), Arc::new(AtomicU64::new(0)));
    let seen = interrupted.clone();
    linux::run(Shape::new(1), &*scheduler, move || {
        for above in (0..1 << 13).step_by(16) {
            let before = scheduler_of_main.ticks.load(SeqCst);
            linger(above, &scheduler_of_main.ticks, before);
            interrupted.fetch_add(scheduler_of_main.ticks.load(SeqCst) - before, SeqCst);
        }
    });
    // Where it is too near to the end the context goes on without being interrupted, or this would have ended with a fault.
    assert!(seen.load(SeqCst) > 0, "where there is room the context should be interrupted");
}

#[test]
fn what_does_not_run_on_its_contexts_stack_is_not_interrupted() {
    linux::run(Shape::new(1), &Hasty::default(), || {
        let elsewhere = std::vec![0_u64; 4096];
        let end = elsewhere.as_ptr_range().end.addr() as u64;
        let (mut rip, mut rsp) = (1, end);
        // SAFETY: it must refuse, and change nothing; events are masked, so that nothing else does.
        let taken = on_hart(|hart| unsafe { super::preempt(hart, &mut rip, &mut rsp, 0) });
        assert_eq!((taken, rip, rsp), (false, 1, end), "taken, and the registers");
        assert!(elsewhere.iter().all(|word| *word == 0), "the other stack should be as it was");
    });
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "a callback must run on the hart's own stack, but `tick` does not")]
fn a_callback_on_a_contexts_stack_is_refused() {
    linux::run(Shape::new(1), &Hasty::default(), || on_hart(|hart| hart.call("tick", |_| ())));
}

#[test]
fn stacks_are_used_again() {
    let scheduler = Arc::new(Hasty::default());
    let scheduler_of_main = scheduler.clone();
    let places = Arc::new(Spin::new(std::collections::BTreeSet::new()));
    let seen = places.clone();
    linux::run(Shape::new(1), &*scheduler, move || {
        for _ in 0..1_000 {
            let (places, begun) = (places.clone(), now());
            spawn(&scheduler_of_main, move || {
                let place = core::hint::black_box(&raw const begun).addr() & !0xffff;
                crate::masked(|| places.lock().insert(place));
            });
            yield_now();
        }
    });
    let stacks = seen.lock().len();
    assert!(stacks < 50, "1,000 contexts, of which few live at once, should use few stacks, but used {stacks}");
}

#[test]
fn a_closure_that_never_starts_is_dropped() {
    let counted = Arc::new(());
    let held = counted.clone();
    let scheduler = Hasty::default();
    linux::run(Shape::new(1), &scheduler, move || {
        let other = held.clone();
        drop(Context::new(move || drop(other)).expect("there is memory"));
        assert_eq!(Arc::strong_count(&held), 2, "references, after the context was dropped");
    });
    assert_eq!(Arc::strong_count(&counted), 1, "references in the end");
}

#[test]
#[should_panic(expected = "this goes on in whoever started the machine")]
fn a_panic_in_a_context_comes_out() {
    linux::run(Shape::new(2), &Hasty::default(), || panic!("this goes on in whoever started the machine"));
}
