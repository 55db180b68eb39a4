//! An allocator for guests that get an instance of their own for each call: it hands out memory in a row and takes nothing
//! back but the last piece, since all of it is thrown away when the call ends.
//!
//! What it saves is growing the memory, which Rust's own allocator does at its first piece: the host then changes the
//! protection of pages twice a call, which costs more than the rest of a short one. So the memory has to be there from the
//! beginning: link with `--initial-memory`. Not for guests that keep an instance for many calls.

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::{memory_grow, memory_size};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const PAGE: usize = 1 << 16;

unsafe extern "C" {
    /// Where the linker says that nothing lies any more.
    static __heap_base: u8;
}

/// For `#[global_allocator]`.
pub struct Arena {
    /// Where the next piece begins; 0 before the first.
    next: AtomicUsize,
}

impl Arena {
    /// An arena with all memory behind what the linker laid out.
    #[allow(clippy::new_without_default, reason = "there is one, in a static")]
    pub const fn new() -> Self {
        Self {
            next: AtomicUsize::new(0),
        }
    }
}

// SAFETY: pieces lie in a row behind `__heap_base`, each begins where the one before ended, and only the last one is ever taken
// back; so no two overlap. There is one thread.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let next = match self.next.load(Relaxed) {
            0 => &raw const __heap_base as usize,
            next => next,
        };
        let at = next.next_multiple_of(layout.align());
        let Some(end) = at.checked_add(layout.size()) else {
            return ptr::null_mut();
        };
        let has = memory_size(0) * PAGE;
        if end > has && memory_grow(0, (end - has).div_ceil(PAGE)) == usize::MAX {
            return ptr::null_mut();
        }
        self.next.store(end, Relaxed);
        ptr::with_exposed_provenance_mut(at)
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let at = at.addr();
        if at + layout.size() == self.next.load(Relaxed) {
            self.next.store(at, Relaxed);
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let start = at.addr();
        if start + layout.size() == self.next.load(Relaxed) && size <= layout.size() {
            self.next.store(start + size, Relaxed);
            return at;
        }
        // SAFETY: as the caller's, with another size.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(at, new, size.min(layout.size()));
            }
            new
        }
    }
}
