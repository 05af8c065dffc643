//! Memory for a process that lives for a millisecond.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{hint, thread};

/// Blocks are a multiple of this many bytes, and begin at one.
const STEP: usize = 16;

/// The largest block of which there is a class for each [`STEP`]; larger ones are powers of two.
const SMALL: usize = 256;

/// The largest block; what is larger comes from the C library.
const LARGEST: usize = 64 << 10;

const SMALL_CLASSES: usize = SMALL / STEP;
const CLASSES: usize = SMALL_CLASSES + (LARGEST / SMALL).ilog2() as usize;

/// Bytes that are there from the start, and that are asked for when there are no more. The kernel finds a page for
/// those that are used.
const ARENA: usize = 256 << 10;

/// How often a thread looks whether it is its turn before it lets others run.
const PATIENCE: u32 = 100;

/// An allocator that asks the kernel for nothing at first, has one short way to and from each block, and never gives
/// anything back.
///
/// Freed blocks are kept by their size, the last one first: it is the one in the processor's cache.
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: linkspan_kernel::Allocator = linkspan_kernel::Allocator::new();
/// ```
// In this order: what is looked at each time is on one page with the first blocks.
#[repr(C)]
pub struct Allocator {
    is_taken: AtomicBool,
    blocks: UnsafeCell<Blocks>,
    arena: UnsafeCell<MaybeUninit<Arena>>,
}

// SAFETY: what the cells hold is touched by the thread that has set `is_taken` alone, see `with_blocks`; of the arena
// each block is given to one owner at a time.
unsafe impl Sync for Allocator {}

#[repr(align(16))]
struct Arena(#[expect(dead_code, reason = "used as bytes")] [u8; ARENA]);

struct Blocks {
    /// The free blocks of each class; each begins with the address of the next.
    free: [*mut u8; CLASSES],
    /// What has never been given to anybody.
    next: *mut u8,
    left: usize,
    has_begun: bool,
}

/// The class of the blocks for this layout; `None` when the C library serves it.
fn class(layout: Layout) -> Option<usize> {
    let size = layout.size();
    if layout.align() > STEP || size > LARGEST {
        None
    } else if size <= SMALL {
        Some(size.saturating_sub(1) / STEP)
    } else {
        Some(SMALL_CLASSES - 1 + (size.next_power_of_two() / SMALL).ilog2() as usize)
    }
}

/// Bytes of the blocks of a class.
fn size_of_class(class: usize) -> usize {
    match class.checked_sub(SMALL_CLASSES) {
        None => (class + 1) * STEP,
        Some(doubled) => (2 * SMALL) << doubled,
    }
}

impl Allocator {
    /// With all its memory before it.
    #[expect(clippy::new_without_default, reason = "made once, in a static")]
    pub const fn new() -> Self {
        Self {
            is_taken: AtomicBool::new(false),
            blocks: UnsafeCell::new(Blocks {
                free: [null_mut(); CLASSES],
                next: null_mut(),
                left: 0,
                has_begun: false,
            }),
            arena: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    fn with_blocks<T>(&self, work: impl FnOnce(&mut Blocks) -> T) -> T {
        let mut turns = 0;
        while self.is_taken.swap(true, Ordering::Acquire) {
            turns += 1;
            match turns % PATIENCE {
                0 => thread::yield_now(),
                _ => hint::spin_loop(),
            }
        }
        // SAFETY: this thread has taken the blocks, so no other has a reference to them; `work` gets no other way to
        // them, and does not call the allocator.
        let done = work(unsafe { &mut *self.blocks.get() });
        self.is_taken.store(false, Ordering::Release);
        done
    }

    fn take(&self, class: usize) -> *mut u8 {
        self.with_blocks(|blocks| {
            let freed = blocks.free[class];
            if !freed.is_null() {
                // SAFETY: a block in this list is aligned, nobody's, and begins with the address of the next one,
                // which `give` has written.
                blocks.free[class] = unsafe { *freed.cast() };
                return freed;
            }
            let size = size_of_class(class);
            if blocks.left < size {
                self.refill(blocks);
            }
            if blocks.left < size {
                return null_mut();
            }
            let block = blocks.next;
            blocks.left -= size;
            // SAFETY: at least `size` bytes follow in the same piece of memory.
            blocks.next = unsafe { block.add(size) };
            block
        })
    }

    fn give(&self, block: *mut u8, class: usize) {
        self.with_blocks(|blocks| {
            // SAFETY: the caller gives a block of this class, which is aligned and has room for an address.
            unsafe { *block.cast() = blocks.free[class] };
            blocks.free[class] = block;
        });
    }

    /// What is left of the last piece is forgotten.
    #[cold]
    fn refill(&self, blocks: &mut Blocks) {
        let piece = if blocks.has_begun {
            // SAFETY: the layout's size is not zero.
            unsafe { System.alloc(Layout::new::<Arena>()) }
        } else {
            blocks.has_begun = true;
            self.arena.get().cast()
        };
        blocks.next = piece;
        blocks.left = if piece.is_null() { 0 } else { ARENA };
    }
}

// SAFETY: blocks are at least as large and as aligned as the layout says (`class`, `size_of_class`), belong to one owner
// from `take` to `give`, and stay where they are; no method unwinds.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class(layout) {
            Some(class) => self.take(class),
            // SAFETY: the caller's promise.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match class(layout) {
            Some(class) => self.give(block, class),
            // SAFETY: the caller's promise; `alloc` has asked the C library for this layout, too.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: the alignment is one, and the size does not overflow when it is rounded up.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class(layout), class(wanted)) {
            (Some(class), Some(same)) if class == same => block,
            // SAFETY: the caller's promise; the C library has given the block.
            (None, None) => unsafe { System.realloc(block, layout, size) },
            _ => {
                // SAFETY: the caller's promise: the size is not zero.
                let moved = unsafe { self.alloc(wanted) };
                if !moved.is_null() {
                    let kept = layout.size().min(size);
                    // SAFETY: they are two blocks, each of which has the bytes that are copied.
                    unsafe { moved.copy_from_nonoverlapping(block, kept) };
                    // SAFETY: the caller's promise.
                    unsafe { self.dealloc(block, layout) };
                }
                moved
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ALLOCATOR: Allocator = Allocator::new();

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 1).unwrap()
    }

    #[test]
    fn a_block_is_as_large_as_asked_for_and_the_smallest_that_is() {
        for size in 1..=LARGEST {
            let class = class(layout(size)).unwrap();
            assert!(size_of_class(class) >= size, "{size}");
            assert!(class == 0 || size_of_class(class - 1) < size, "{size}");
        }
        assert_eq!(class(layout(LARGEST)), Some(CLASSES - 1));
        assert_eq!(class(layout(LARGEST + 1)), None);
        assert_eq!(class(Layout::from_size_align(8, 64).unwrap()), None);
    }

    /// Blocks of all sizes, each filled with its own byte, grown, shrunk and freed by several threads at once.
    #[test]
    fn blocks_do_not_overlap_and_keep_what_is_in_them() {
        const ROUNDS: usize = 3000;
        let is_filled = |block: *mut u8, size: usize, byte: u8| {
            // SAFETY: the block has so many bytes, all of them written.
            let bytes = unsafe { std::slice::from_raw_parts(block, size) };
            bytes.iter().all(|one| *one == byte)
        };
        let work = |seed: usize| {
            let mut random = seed;
            let mut next = |below: usize| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (random >> 33) % below
            };
            let mut held: Vec<(*mut u8, usize, u8)> = Vec::new();
            for round in 0..ROUNDS {
                let byte = round as u8;
                let magnitude = 1 + next(18);
                let size = 1 + next(1 << magnitude);
                match next(3) {
                    0 => {
                        // SAFETY: the layout's size is not zero, and the block is filled within its bounds.
                        let block = unsafe { ALLOCATOR.alloc(layout(size)) };
                        assert!(!block.is_null() && block.addr().is_multiple_of(STEP));
                        // SAFETY: as above.
                        unsafe { block.write_bytes(byte, size) };
                        held.push((block, size, byte));
                    }
                    _ if held.is_empty() => {}
                    1 => {
                        let position = next(held.len());
                        let (block, old, byte) = held[position];
                        // SAFETY: it was allocated with this layout; the new size is not zero.
                        let moved = unsafe { ALLOCATOR.realloc(block, layout(old), size) };
                        assert!(is_filled(moved, old.min(size), byte));
                        // SAFETY: the block has so many bytes.
                        unsafe { moved.write_bytes(byte, size) };
                        held[position] = (moved, size, byte);
                    }
                    _ => {
                        let (block, size, byte) = {
                            let position = next(held.len());
                            held.swap_remove(position)
                        };
                        assert!(is_filled(block, size, byte));
                        // SAFETY: it was allocated with this layout.
                        unsafe { ALLOCATOR.dealloc(block, layout(size)) };
                    }
                }
            }
            for (block, size, byte) in held {
                assert!(is_filled(block, size, byte));
                // SAFETY: it was allocated with this layout.
                unsafe { ALLOCATOR.dealloc(block, layout(size)) };
            }
        };
        thread::scope(|scope| {
            for seed in 1..=4 {
                scope.spawn(move || work(seed));
            }
        });
    }

    #[test]
    fn what_was_freed_is_used_again() {
        let allocator = Box::new(Allocator::new());
        for _ in 0..3 * ARENA / LARGEST {
            // SAFETY: the layout's size is not zero.
            let block = unsafe { allocator.alloc(layout(LARGEST)) };
            // SAFETY: it was allocated with this layout.
            unsafe { allocator.dealloc(block, layout(LARGEST)) };
        }
        assert_eq!(allocator.with_blocks(|blocks| blocks.left), ARENA - LARGEST);
    }
}
