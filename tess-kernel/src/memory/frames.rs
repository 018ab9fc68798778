//! The machine's free frames, and taking them on a cell's account.

use abi::{Error, ErrorKind};
use kernel_core::frames::{Frame, FramePool, NodeFrames};
use kernel_core::quota::Quota;
use spin::Once;

use super::{PAGE, boot, image, physical};
use crate::arch::loader::{BootInfo, Range};
use crate::cpu::Cpu;

static POOL: Once<FramePool<'static>> = Once::new();

/// Memory below this is left to the firmware and to starting hardware threads.
const LOW: u64 = 1 << 20;

/// Makes the pool from what the loader left free. `nodes` says which ranges of addresses belong to which memory node; without it there is one.
/// From here on the boot allocator is empty-handed.
pub(crate) fn initialize(info: &BootInfo, nodes: &[(Range, usize)]) {
    let whole = [(Range { start: 0, end: u64::MAX }, 0)];
    let nodes = if nodes.is_empty() { &whole } else { nodes };
    let count = nodes.iter().map(|(_, node)| node + 1).max().unwrap_or(1).min(kernel_core::frames::MAX_NODES);
    let mut spans = [Range { start: u64::MAX, end: 0 }; kernel_core::frames::MAX_NODES];
    for usable in info.usable() {
        for (range, node) in nodes {
            let part = usable.intersection(*range);
            if part.start < part.end && *node < count {
                spans[*node].start = spans[*node].start.min(part.start);
                spans[*node].end = spans[*node].end.max(part.end);
            }
        }
    }
    let size = |range: Range| range.end.saturating_sub(range.start);
    let usable: u64 = info.usable().map(size).sum();
    let covered: u64 =
        info.usable().flat_map(|part| nodes.iter().map(move |(range, _)| size(part.intersection(*range)))).sum();
    if covered < usable {
        log::warn!("the firmware names no node for {} KiB of memory, which stay unused", (usable - covered) / 1024);
    }
    let tables = spans.map(|span| {
        let frames = span.end.saturating_sub(span.start).div_ceil(PAGE);
        boot::slice(frames as usize, |_| 0_u32)
    });
    let mut lists = tables.into_iter().zip(spans).map(|(table, span)| {
        NodeFrames::new(Frame::containing(if span.start == u64::MAX { 0 } else { span.start }), table)
    });
    let mut filled: heapless::Vec<NodeFrames<'static>, { kernel_core::frames::MAX_NODES }> = heapless::Vec::new();
    for node in 0..count {
        let Some(mut list) = lists.next() else { break };
        for usable in info.usable() {
            for (range, _) in nodes.iter().filter(|(_, of)| *of == node) {
                add_free(&mut list, usable.intersection(*range), info);
            }
        }
        let _ = filled.push(list);
    }
    POOL.call_once(|| FramePool::new(filled));
}

/// Adds what is left of a range without everything that is in use already.
fn add_free(list: &mut NodeFrames<'static>, range: Range, info: &BootInfo) {
    let (image_start, image_end) = image::physical_range();
    let mut at = range.start.max(LOW);
    while at < range.end {
        // The lowest obstacle at or after `at`.
        let mut obstacle = Range { start: range.end, end: range.end };
        let mut consider = |start: u64, end: u64| {
            if end > at && start < obstacle.start && start < end {
                obstacle = Range { start: start.max(at), end };
            }
        };
        consider(image_start, image_end);
        consider(info.archive.start & !(PAGE - 1), info.archive.end.next_multiple_of(PAGE));
        boot::for_each_taken(&mut consider);
        list.add(at, obstacle.start);
        at = obstacle.end.max(at + 1);
    }
}

fn pool() -> &'static FramePool<'static> {
    POOL.get().expect("frames are asked for after the pool was made")
}

/// Frames at boot, frames free, and nodes. The caches of hardware threads count as free.
pub(crate) fn counts() -> (u64, u64, usize) {
    let cached: u64 = crate::cpu::each_shared().map(|shared| shared.cached_frames()).sum();
    (pool().total(), pool().free() + cached, pool().nodes())
}

/// A zeroed frame on the account of `quota`.
pub(crate) fn take(cpu: &mut Cpu, quota: &Quota) -> Result<Frame, Error> {
    quota.charge()?;
    let frame = pool().allocate(&mut cpu.frames, cpu.node);
    cpu.publish_cached_frames();
    let Some(frame) = frame else {
        quota.refund();
        return Err(Error::plain(ErrorKind::NoMemory));
    };
    physical::zero(frame);
    Ok(frame)
}

/// Gives a frame back.
pub(crate) fn give(cpu: &mut Cpu, quota: &Quota, frame: Frame) {
    let result = pool().release(&mut cpu.frames, frame);
    cpu.publish_cached_frames();
    match result {
        Ok(()) => quota.refund(),
        Err(error) => log::error!("frame {:#x} was given back twice", error.0.address()),
    }
}
