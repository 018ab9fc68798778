//! Where the heap's memory comes from.

use abi::call::{Access, MAP_MAX};
use abi::layout::HEAP_BASE;
use talc::{OomHandler, Span, Talc, Talck};

use crate::calls;

/// Asks the kernel for more, in steps that one call can map.
pub(crate) struct Grow {
    end: u64,
    heap: Span,
}

/// The allocator, shared by all harts.
#[global_allocator]
pub(crate) static HEAP: Talck<spin::Mutex<()>, Grow> =
    Talc::new(Grow { end: HEAP_BASE, heap: Span::empty() }).lock::<spin::Mutex<()>>();

impl OomHandler for Grow {
    fn handle_oom(talc: &mut Talc<Self>, layout: core::alloc::Layout) -> Result<(), ()> {
        // Room for the allocation, its alignment and the allocator's own words.
        let wanted = (layout.size() + layout.align() + 64) as u64;
        let start = talc.oom_handler.end;
        let target = start + wanted.next_multiple_of(MAP_MAX);
        while talc.oom_handler.end < target {
            calls::memory_map(talc.oom_handler.end, MAP_MAX, Access::ReadWrite).map_err(|_| ())?;
            talc.oom_handler.end += MAP_MAX;
        }
        let old = talc.oom_handler.heap;
        let added = Span::new(start as *mut u8, target as *mut u8);
        let heap = if old.is_empty() {
            // SAFETY: the kernel just mapped these pages for this cell, and only this heap uses addresses from `HEAP_BASE` on.
            unsafe { talc.claim(added)? }
        } else {
            let whole = Span::new(HEAP_BASE as *mut u8, target as *mut u8);
            // SAFETY: as above; the new pages adjoin the heap there is, which began at `HEAP_BASE`.
            unsafe { talc.extend(old, whole) }
        };
        talc.oom_handler.heap = heap;
        Ok(())
    }
}
