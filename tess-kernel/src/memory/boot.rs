//! Memory before there is a frame allocator: ranges of the loader's map, handed out from the lowest address and never given back.

use spin::Mutex;

use super::{PAGE, physical};

/// The direct map covers this much before the kernel has tables of its own.
const REACH: u64 = 1 << 30;

/// Ranges that can be handed out.
#[derive(Debug)]
struct Ranges {
    free: [(u64, u64); 16],
    used: usize,
    taken: [(u64, u64); 64],
    takes: usize,
}

static RANGES: Mutex<Ranges> = Mutex::new(Ranges { free: [(0, 0); 16], used: 0, taken: [(0, 0); 64], takes: 0 });

/// Adds a range. What reaches beyond the first GiB is left to the frame allocator.
pub(crate) fn add(start: u64, end: u64) {
    let mut ranges = RANGES.lock();
    let start = start.next_multiple_of(PAGE);
    let end = end.min(REACH) & !(PAGE - 1);
    if start < end && ranges.used < ranges.free.len() {
        let place = ranges.used;
        ranges.free[place] = (start, end);
        ranges.used += 1;
    }
}

/// Zeroed memory of whole pages, for ever. The kernel cannot go on without it, so it panics where there is none: at boot, before any cell.
pub(crate) fn take(bytes: u64) -> u64 {
    let bytes = bytes.next_multiple_of(PAGE);
    let mut ranges = RANGES.lock();
    let used = ranges.used;
    let Some(range) = ranges.free[..used].iter_mut().find(|range| range.1 - range.0 >= bytes) else {
        panic!("no {bytes} bytes of contiguous memory below 1 GiB to boot with: give the machine more memory");
    };
    let start = range.0;
    range.0 += bytes;
    let takes = ranges.takes;
    match ranges.taken[..takes].iter_mut().find(|taken| taken.1 == start) {
        Some(neighbour) => neighbour.1 = start + bytes,
        None => {
            ranges.taken[takes] = (start, start + bytes);
            ranges.takes += 1;
        }
    }
    drop(ranges);
    for frame in (start..start + bytes).step_by(PAGE as usize) {
        physical::zero(kernel_core::frames::Frame::containing(frame));
    }
    start
}

/// Calls `visit` for every range that was handed out: the frame allocator must not have them.
pub(crate) fn for_each_taken(mut visit: impl FnMut(u64, u64)) {
    let ranges = RANGES.lock();
    for (start, end) in &ranges.taken[..ranges.takes] {
        visit(*start, *end);
    }
}

/// A slice of `count` values for ever, each made by `make`.
pub(crate) fn slice<T>(count: usize, mut make: impl FnMut(usize) -> T) -> &'static mut [T] {
    assert!(align_of::<T>() as u64 <= PAGE, "frames are aligned to pages");
    let physical = take((count * size_of::<T>()) as u64);
    let first = physical::direct(physical) as *mut T;
    for index in 0..count {
        let place = first.wrapping_add(index);
        // SAFETY: the memory was just taken for this slice, is large enough, and is never given out again.
        unsafe { place.write(make(index)) };
    }
    // SAFETY: all `count` values were just written, and nothing else refers to them.
    unsafe { core::slice::from_raw_parts_mut(first, count) }
}
