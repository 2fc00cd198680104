//! The heap of the guest: memory is handed out from front to back and all but never taken back.
//!
//! An instance lives for one decision, so whatever it leaves behind goes with it. What this saves is growth: the standard
//! library's allocator asks for more memory in every decision, and the host then changes the protection of pages twice, under a
//! lock that all its threads share. Here a decision of usual size makes do with the memory that the instance starts with.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::cell::Cell;
use core::ptr;

/// A page of WebAssembly, in bytes.
const PAGE: usize = 64 << 10;

/// The pages that memory grows by at least.
const STEP: usize = 16;

#[global_allocator]
static HEAP: Heap = Heap { next: Cell::new(0), end: Cell::new(0) };

/// What lies between `next` and `end` is free. Both are 0 before the first use.
struct Heap {
    next: Cell<usize>,
    end: Cell<usize>,
}

unsafe extern "C" {
    /// Where static data ends; the linker defines it. The stack is before it.
    static __heap_base: u8;
}

// SAFETY: the contract has no threads, and a guest could not start any.
unsafe impl Sync for Heap {}

impl Heap {
    /// Moves `next` to `new`; grows memory if that is beyond its end.
    fn reach(&self, new: usize) -> Option<()> {
        let missing = new.saturating_sub(self.end.get()).div_ceil(PAGE);
        if missing > 0 {
            let grown = memory_grow(0, missing.max(STEP));
            let grown = if grown == usize::MAX { memory_grow(0, missing) } else { grown };
            if grown == usize::MAX {
                return None;
            }
            // As a size, the whole address space of 4 GiB would be 0: its last byte is done without.
            self.end.set(memory_size(0).checked_mul(PAGE).unwrap_or(usize::MAX));
        }
        self.next.set(new);
        Some(())
    }

    /// Whether nothing has been handed out behind this.
    fn is_last(&self, place: *mut u8, layout: Layout) -> bool {
        place.addr() + layout.size() == self.next.get()
    }
}

// SAFETY: every place handed out is inside memory, aligned, and beyond all others that are in use: `next` only moves back
// over the last one.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.end.get() == 0 {
            self.next.set((&raw const __heap_base).addr());
            self.end.set(memory_size(0) * PAGE);
        }
        let place = self.next.get().checked_next_multiple_of(layout.align());
        let end = place.and_then(|place| place.checked_add(layout.size()));
        match (place, end.and_then(|end| self.reach(end))) {
            (Some(place), Some(())) => ptr::with_exposed_provenance_mut(place),
            _ => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        if self.is_last(place, layout) {
            self.next.set(place.addr());
        }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if self.is_last(place, layout) {
            let reached = place.addr().checked_add(size).and_then(|end| self.reach(end));
            return if reached.is_some() { place } else { ptr::null_mut() };
        }
        if size <= layout.size() {
            return place;
        }
        // SAFETY: the caller's size, rounded up to the alignment, does not overflow; the old place holds `layout.size()` bytes, fewer
        // than the new one, which does not overlap it.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(place, new, layout.size());
            }
            new
        }
    }
}
