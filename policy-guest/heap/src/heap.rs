//! The heap of the guest: a bump allocator that frees only the most recent allocation.
//!
//! An instance lives for one decision, and its memory is dropped with it. The standard library's allocator grows the memory in
//! every decision, and for each growth the host changes the protection of pages twice, under a lock that all its threads share.
//! With this allocator, a decision of usual size fits into the memory that the instance starts with.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::cell::Cell;
use core::ptr;

/// A page of WebAssembly, in bytes.
const PAGE: usize = 64 << 10;

/// The least number of pages by which memory grows.
const STEP: usize = 16;

#[global_allocator]
static HEAP: Heap = Heap { next: Cell::new(0), end: Cell::new(0) };

/// The memory between `next` and `end` is free. Both are 0 before the first use.
struct Heap {
    next: Cell<usize>,
    end: Cell<usize>,
}

unsafe extern "C" {
    /// The end of static data, defined by the linker. The stack is before it.
    static __heap_base: u8;
}

// SAFETY: the contract has no threads, and a guest could not start any.
unsafe impl Sync for Heap {}

impl Heap {
    /// Moves `next` to `new`; grows the memory if that is beyond its end.
    fn reach(&self, new: usize) -> Option<()> {
        let missing = new.saturating_sub(self.end.get()).div_ceil(PAGE);
        if missing > 0 {
            let grown = memory_grow(0, missing.max(STEP));
            let grown = if grown == usize::MAX { memory_grow(0, missing) } else { grown };
            if grown == usize::MAX {
                return None;
            }
            // 4 GiB does not fit into a `usize`, so the last byte of the address space stays unused.
            self.end.set(memory_size(0).checked_mul(PAGE).unwrap_or(usize::MAX));
        }
        self.next.set(new);
        Some(())
    }

    /// Whether this is the most recent allocation.
    fn is_last(&self, pointer: *mut u8, layout: Layout) -> bool {
        pointer.addr() + layout.size() == self.next.get()
    }
}

// SAFETY: every allocation is inside memory, aligned, and behind all others that are in use: `next` only moves back over the
// most recent one.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.end.get() == 0 {
            self.next.set((&raw const __heap_base).addr());
            self.end.set(memory_size(0) * PAGE);
        }
        let pointer = self.next.get().checked_next_multiple_of(layout.align());
        let end = pointer.and_then(|pointer| pointer.checked_add(layout.size()));
        match (pointer, end.and_then(|end| self.reach(end))) {
            (Some(pointer), Some(())) => ptr::with_exposed_provenance_mut(pointer),
            _ => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if self.is_last(pointer, layout) {
            self.next.set(pointer.addr());
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if self.is_last(pointer, layout) {
            let reached = pointer.addr().checked_add(size).and_then(|end| self.reach(end));
            return if reached.is_some() { pointer } else { ptr::null_mut() };
        }
        if size <= layout.size() {
            return pointer;
        }
        // SAFETY: the caller's size, rounded up to the alignment, does not overflow; the old allocation has
        // `layout.size()` bytes, fewer than the new one, which does not overlap it.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(pointer, new, layout.size());
            }
            new
        }
    }
}
