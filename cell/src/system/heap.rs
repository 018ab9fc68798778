//! Where the heap's memory comes from.

use core::sync::atomic::{AtomicBool, Ordering};

use abi::call::{Access, MAP_MAX};
use abi::layout::HEAP_BASE;
use lock_api::{GuardNoSend, RawMutex};
use talc::{OomHandler, Span, Talc, Talck};

use crate::calls;
use crate::system::events;

/// Asks the kernel for more, in steps that one call can map.
pub(crate) struct Grow {
    end: u64,
    heap: Span,
}

/// A lock that keeps events away while it is held: what an event makes run on this hart may want the heap too, and would wait for ever.
pub(crate) struct Masking {
    is_locked: AtomicBool,
    /// Whether events were masked before. Whoever has the lock writes and reads it.
    were_masked: AtomicBool,
}

// SAFETY: of all that try, the one whose exchange finds the lock free has it until it unlocks, on whichever hart.
unsafe impl RawMutex for Masking {
    const INIT: Self = Self { is_locked: AtomicBool::new(false), were_masked: AtomicBool::new(false) };

    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        while !self.try_lock() {
            core::hint::spin_loop();
        }
    }

    fn try_lock(&self) -> bool {
        let were_masked = events::mask_again();
        let is_ours = self.is_locked.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if is_ours {
            self.were_masked.store(were_masked, Ordering::Relaxed);
        } else if !were_masked {
            events::unmask();
        }
        is_ours
    }

    unsafe fn unlock(&self) {
        let were_masked = self.were_masked.load(Ordering::Relaxed);
        self.is_locked.store(false, Ordering::Release);
        if !were_masked {
            events::unmask();
        }
    }
}

/// The allocator, shared by all harts.
#[global_allocator]
pub(crate) static HEAP: Talck<Masking, Grow> =
    Talc::new(Grow { end: HEAP_BASE, heap: Span::empty() }).lock::<Masking>();

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
