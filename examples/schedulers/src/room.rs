//! Room in queues that are behind a [`Spin`] lock, under which nothing may be allocated.

use alloc::collections::VecDeque;

use pulse::Spin;

/// Makes a queue, which is a part of what a lock guards, large enough for so many. Memory is got and given back while the lock is not held. For threads.
pub(crate) fn make_room<S, T>(lock: &Spin<S>, queue: fn(&mut S) -> &mut VecDeque<T>, wanted: usize) {
    if queue(&mut lock.lock()).capacity() >= wanted {
        return;
    }
    let mut larger = VecDeque::with_capacity(2 * wanted);
    let mut guard = lock.lock();
    let present = queue(&mut guard);
    if present.capacity() < larger.capacity() {
        larger.extend(present.drain(..));
        core::mem::swap(present, &mut larger);
    }
    drop(guard);
    drop(larger);
}
