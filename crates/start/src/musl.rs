//! What the standard library for `*-linux-gnu` and GCC's unwinder ask of glibc and musl does not have, or
//! not unasked. Only in a program that is linked against musl (`ARCHITECTURE.md`, "The start of the
//! process"; `scripts/release` sets `linkspan_musl`).

use std::ffi::{c_char, c_int, c_void};
use std::{ptr, slice};

/// The version whose behaviour the standard library may count on: its `posix_spawn` says why an exec failed
/// (2.24), its resolver reads a changed `resolv.conf` (2.26).
#[unsafe(no_mangle)]
extern "C" fn gnu_get_libc_version() -> *const c_char {
    c"2.36".as_ptr()
}

/// Never called with that version.
#[unsafe(no_mangle)]
extern "C" fn __res_init() -> c_int {
    0
}

unsafe extern "C" {
    fn pthread_once();
    fn pthread_mutex_lock();
    fn pthread_mutex_unlock();
    fn pthread_key_create();
    fn pthread_getspecific();
    fn pthread_setspecific();
}

/// The unwinder refers to these weakly, which brings nothing in from a static library, and calls them all the same
/// where there are threads.
#[used]
static BROUGHT: [unsafe extern "C" fn(); 6] = [
    pthread_once,
    pthread_mutex_lock,
    pthread_mutex_unlock,
    pthread_key_create,
    pthread_getspecific,
    pthread_setspecific,
];

/// `struct dl_find_object` of `<dlfcn.h>`, 64 bits.
#[repr(C)]
struct Found {
    flags: u64,
    map_start: *const c_void,
    map_end: *const c_void,
    link_map: *const c_void,
    /// The header of the table of unwinding information.
    eh_frame: *const c_void,
    reserved: [u64; 7],
}

/// Where the unwinding information of the code at an address is: in a static program always in its own.
/// 0, or -1 when it has none.
///
/// # Safety
/// `found` is valid for a write.
#[unsafe(no_mangle)]
unsafe extern "C" fn _dl_find_object(_: *const c_void, found: *mut Found) -> c_int {
    let Some(header) = unwinding_header() else {
        return -1;
    };
    let answer = Found {
        flags: 0,
        map_start: ptr::null(),
        map_end: ptr::null(),
        link_map: ptr::null(),
        eh_frame: header,
        reserved: [0; 7],
    };
    // SAFETY: the caller's promise.
    unsafe { found.write(answer) };
    0
}

/// By the program's headers, which the kernel says where they are. A program with a fixed address is where
/// they say that it is.
fn unwinding_header() -> Option<*const c_void> {
    // SAFETY: it reads the auxiliary vector, which the kernel has written and nobody changes.
    let headers = unsafe { libc::getauxval(libc::AT_PHDR) };
    // SAFETY: as above.
    let count = unsafe { libc::getauxval(libc::AT_PHNUM) };
    let headers = ptr::with_exposed_provenance::<libc::Elf64_Phdr>(usize::try_from(headers).ok()?);
    if headers.is_null() {
        return None;
    }
    // SAFETY: that many headers are mapped there, read-only, for as long as the process lives.
    let headers = unsafe { slice::from_raw_parts(headers, usize::try_from(count).ok()?) };
    let header = headers
        .iter()
        .find(|header| header.p_type == libc::PT_GNU_EH_FRAME)?;
    Some(ptr::with_exposed_provenance(
        usize::try_from(header.p_vaddr).ok()?,
    ))
}
