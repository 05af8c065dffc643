//! Copies of memory, for programs that are linked against musl (`ARCHITECTURE.md`, "The start of the process"). musl's begin
//! with an instruction (`rep movs`) that takes longer to start than most copies of a plugin take, which are of a few dozen
//! bytes.
//!
//! The loops are written out in words, since the compiler makes a call of `memcpy` of a loop over bytes.

use std::ffi::c_void;

/// Bytes that are copied at a time.
const WORD: usize = size_of::<u128>();

/// # Safety
/// There are as many bytes as `T` has, a number.
unsafe fn read<T>(from: *const u8) -> T {
    // SAFETY: the caller's promise.
    unsafe { from.cast::<T>().read_unaligned() }
}

/// # Safety
/// That of [`read`].
unsafe fn write<T>(to: *mut u8, number: T) {
    // SAFETY: the caller's promise.
    unsafe { to.cast::<T>().write_unaligned(number) }
}

/// Copies the first and the last bytes, which may be the same; all are read before any is written.
///
/// # Safety
/// That of [`memmove`]; `count` is at least the size of `T`, a number, and at most twice that.
unsafe fn copy_ends<T>(to: *mut u8, from: *const u8, count: usize) {
    let last = count - size_of::<T>();
    // SAFETY: it is within the `count` bytes, as are the others.
    let begin: T = unsafe { read(from) };
    // SAFETY: as above.
    let end: T = unsafe { read(from.wrapping_add(last)) };
    // SAFETY: as above.
    unsafe { write(to, begin) };
    // SAFETY: as above.
    unsafe { write(to.wrapping_add(last), end) };
}

/// # Safety
/// That of [`memmove`]; `count` is at most two words.
unsafe fn copy_few(to: *mut u8, from: *const u8, count: usize) {
    let copy = match count {
        0 => return,
        1 => copy_ends::<u8>,
        2..4 => copy_ends::<u16>,
        4..8 => copy_ends::<u32>,
        8..16 => copy_ends::<u64>,
        _ => copy_ends::<u128>,
    };
    // SAFETY: the caller's promise; it is the one for so many bytes.
    unsafe { copy(to, from, count) };
}

/// Copies from the first byte to the last.
///
/// # Safety
/// That of [`memmove`]; `count` is more than two words, and `to` does not lie within the bytes at `from`.
unsafe fn copy_forwards(to: *mut u8, from: *const u8, count: usize) {
    let last = count - WORD;
    // SAFETY: it is within the bytes. It is read first, since some of it may be written before the end.
    let end: u128 = unsafe { read(from.wrapping_add(last)) };
    let mut done = 0;
    while done < last {
        // SAFETY: more than a word is left.
        let word: u128 = unsafe { read(from.wrapping_add(done)) };
        // SAFETY: as above.
        unsafe { write(to.wrapping_add(done), word) };
        done += WORD;
    }
    // SAFETY: as above.
    unsafe { write(to.wrapping_add(last), end) };
}

/// Copies from the last byte to the first.
///
/// # Safety
/// That of [`memmove`]; `count` is more than two words.
unsafe fn copy_backwards(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: it is within the bytes. It is read first, since some of it may be written before the end.
    let begin: u128 = unsafe { read(from) };
    let mut left = count;
    while left > WORD {
        left -= WORD;
        // SAFETY: there is a word behind `left`.
        let word: u128 = unsafe { read(from.wrapping_add(left)) };
        // SAFETY: as above.
        unsafe { write(to.wrapping_add(left), word) };
    }
    // SAFETY: as above.
    unsafe { write(to, begin) };
}

/// `memcpy(3)`.
///
/// # Safety
/// There are `count` bytes at each, none of them at both.
#[cfg_attr(linkspan_musl, unsafe(no_mangle))]
unsafe extern "C" fn memcpy(to: *mut c_void, from: *const c_void, count: usize) -> *mut c_void {
    let copy = if count <= 2 * WORD {
        copy_few
    } else {
        copy_forwards
    };
    // SAFETY: the caller's promise.
    unsafe { copy(to.cast(), from.cast(), count) };
    to
}

/// `memmove(3)`.
///
/// # Safety
/// There are `count` bytes at each.
#[cfg_attr(linkspan_musl, unsafe(no_mangle))]
unsafe extern "C" fn memmove(to: *mut c_void, from: *const c_void, count: usize) -> *mut c_void {
    let copy = if count <= 2 * WORD {
        copy_few
    } else if to.addr().wrapping_sub(from.addr()) >= count {
        copy_forwards
    } else {
        copy_backwards
    };
    // SAFETY: the caller's promise.
    unsafe { copy(to.cast(), from.cast(), count) };
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes 0, 1, 2, … of which `count` were copied from one place to another.
    fn after(
        copy: unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> *mut c_void,
        (to, from, count): (usize, usize, usize),
    ) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..=u8::MAX).cycle().take(1024).collect();
        let start = bytes.as_mut_ptr();
        let (to, from) = (start.wrapping_add(to), start.wrapping_add(from));
        // SAFETY: both places have `count` bytes within the vector.
        let answer = unsafe { copy(to.cast(), from.cast(), count) };
        assert_eq!(answer, to.cast());
        bytes
    }

    fn expected((to, from, count): (usize, usize, usize)) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..=u8::MAX).cycle().take(1024).collect();
        bytes.copy_within(from..from + count, to);
        bytes
    }

    #[test]
    fn as_many_bytes_are_copied_as_were_asked_for() {
        for count in 0..300 {
            for shift in 0..17 {
                let places = (500 + shift, 100, count);
                assert_eq!(after(memcpy, places), expected(places), "{places:?}");
            }
        }
    }

    #[test]
    fn what_overlaps_is_copied_as_it_was() {
        for count in 0..150 {
            for to in 300..500 {
                let places = (to, 400, count);
                assert_eq!(after(memmove, places), expected(places), "{places:?}");
            }
        }
    }
}
