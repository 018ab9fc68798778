//! Which processors there are, and to stay on one.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Those that this program may run on.
pub(crate) fn allowed() -> impl Iterator<Item = usize> {
    let allowed = sched_getaffinity(None).ok();
    (0..CpuSet::MAX_CPU).filter(move |&processor| allowed.is_some_and(|allowed| allowed.is_set(processor)))
}

/// Keeps the calling thread on a processor, which must be one of them.
pub(crate) fn pin(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set).expect("a thread may choose among its processors");
}
