//! Hardware threads with nothing to run sleep until the next instant that concerns them, as deeply as who waits for them can spare.
//!
//! Two cases. Where no input sways what runs on a hardware thread, it is woken by its own timer, armed earlier by what waking takes, or by a plan, which
//! leaves time for the slowest state: so it may sleep in any. Where an input does, or a hart is parked, somebody waits for it to wake: it sleeps only in states that the delay of inputs covers.

use kernel_core::sleep::{State, States, hints};
use spin::Once;

use crate::arch::frame::Frame;
use crate::arch::{features, trap};
use crate::cpu::Cpu;
use crate::plans;

/// Sleeps by which a state's time to wake is measured.
const TRIALS: usize = 8;

/// How long each lasts, in ns.
const TRIAL: u64 = 400_000;

static STATES: Once<States> = Once::new();
static NONE: States = States::new();

fn states() -> &'static States {
    STATES.get().unwrap_or(&NONE)
}

/// Measures what the processor's states cost. Where it has none this costs nothing.
pub(crate) fn measure(cpu: &mut Cpu) {
    let (ecx, edx, timer_always_runs) = features::sleep_states();
    let mut states = States::new();
    for hint in hints(ecx, edx, timer_always_runs) {
        let mut slowest = 0;
        for _ in 0..TRIALS {
            let due = cpu.now() + TRIAL;
            cpu.arm(due);
            trap::wait_for_timer(cpu, due, trap::Wait::Asleep(hint));
            slowest = slowest.max(cpu.now().saturating_sub(due));
        }
        log::info!("sleep state {hint:#x} takes {slowest} ns to wake from");
        states.add(hint, slowest);
    }
    STATES.call_once(|| states);
}

/// What a hardware thread that others tell something may take to wake, in ns: states that take no longer than a lead are counted into the delay of inputs.
pub(crate) fn spare(lead: u64) -> u64 {
    states().deepest(u64::MAX, lead).map_or(0, State::wake_ns)
}

/// What waking takes at most, in ns: a plan takes effect so much later.
pub(crate) fn slowest() -> u64 {
    states().slowest_ns()
}

/// Has an idle hardware thread sleep until `at`. Returns when its timer has to strike for that. `is_waited_for`: the input of a cell concerns it, or an event of a parked hart.
pub(crate) fn until(cpu: &mut Cpu, frame: &mut Frame, at: u64, is_waited_for: bool) -> u64 {
    if states().is_empty() {
        return at;
    }
    let spare = if is_waited_for { plans::sleepers_share() } else { u64::MAX };
    let state = states().deepest(at.saturating_sub(cpu.now()), spare);
    *frame = state.map_or_else(|| cpu.idle_frame(), |state| cpu.sleep_frame(state.hint));
    cpu.slept = state;
    // Another hardware thread may meanwhile have found that the state takes longer than there is time.
    if at == u64::MAX { at } else { at.saturating_sub(state.map_or(0, State::wake_ns)) }
}

/// An interrupt came: whether it woke the hardware thread later than was thought.
pub(crate) fn woke(cpu: &mut Cpu) {
    if let Some(state) = cpu.slept.take() {
        state.woke_after(cpu.late());
    }
}
