//! The start of a process that lives for a millisecond: a `main` of its own ([`program!`]), memory for which the kernel is asked
//! once or twice ([`Allocator`]), and what musl lacks where it is linked below the standard library for glibc.
//!
//! For binaries alone: a library that decides how its program starts takes that from whoever uses it.
#![deny(missing_docs)]

#[cfg(linkspan_musl)]
mod musl;

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::slice;

/// Memory from one place for all threads, by few requests to the kernel: the allocator of musl makes a hundred for an ADD.
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: linkspan_start::Allocator = linkspan_start::Allocator;
/// ```
pub use dlmalloc::GlobalDlmalloc as Allocator;

/// Makes `$run`, a function of the program's arguments that returns the exit status (`u8`), the program of
/// a crate that says `#![no_main]`.
///
/// Otherwise the standard library looks for the bounds of the stack and gives signal handlers a stack of
/// their own, in order to tell of a stack that overflowed: 45 system calls. What else it does at the start,
/// [`prepare`] does. The arguments are handed on because `std::env::args` has none with musl.
#[macro_export]
macro_rules! program {
    ($run:path) => {
        // SAFETY: it is called once, by the C library, with these arguments; in a crate with `no_main`
        // nothing else has this name.
        #[unsafe(no_mangle)]
        extern "C" fn main(
            count: ::core::ffi::c_int,
            arguments: *const *const ::core::ffi::c_char,
        ) -> ::core::ffi::c_int {
            $crate::prepare();
            // SAFETY: they are those that the C library was given.
            let arguments = unsafe { $crate::arguments(count, arguments) };
            $crate::end($run(&arguments))
        }
    };
}

/// Sees to it that descriptors 0 to 2 are open, so that nothing that is opened later is taken for standard
/// output, that writing to a closed pipe or beyond a limit on the size of files is an error and not the end, and that the kernel
/// keeps how a child has ended until that is asked for: whoever started this process may have had it ignored, which programs inherit.
///
/// To be called before there is a second thread. Where a descriptor is closed and the process may have no more of them, it aborts.
pub fn prepare() {
    if open_standard_descriptors().is_err() {
        std::process::abort();
    }
    for (signal, disposition) in [
        (libc::SIGPIPE, libc::SIG_IGN),
        (libc::SIGXFSZ, libc::SIG_IGN),
        (libc::SIGCHLD, libc::SIG_DFL),
    ] {
        // SAFETY: no handler is installed; these are dispositions that any signal but two may have.
        unsafe { libc::signal(signal, disposition) };
    }
}

/// Ends the process with this status, at once: what the C library does at the end is for those who registered something
/// with it, and costs the pages that it is on.
pub fn end(status: u8) -> ! {
    // SAFETY: it takes any number, and nothing comes after it.
    unsafe { libc::_exit(status.into()) }
}

/// The program's arguments.
///
/// # Safety
/// `count` and `arguments` are those of `main`: so many texts that end with a zero and live as long as the
/// process.
#[must_use]
pub unsafe fn arguments(count: c_int, arguments: *const *const c_char) -> Vec<OsString> {
    // SAFETY: the caller's promise: there are so many.
    let arguments =
        unsafe { slice::from_raw_parts(arguments, usize::try_from(count).unwrap_or(0)) };
    let text = |argument: &*const c_char| {
        // SAFETY: the caller's promise: it ends with a zero.
        let argument = unsafe { CStr::from_ptr(*argument) };
        OsStr::from_bytes(argument.to_bytes()).to_owned()
    };
    arguments.iter().map(text).collect()
}

fn open_standard_descriptors() -> io::Result<()> {
    for (fd, is_open) in (0..).zip(are_open()) {
        if is_open {
            continue;
        }
        // It gets the lowest number that is free. A program that is started later has it as well: what that opened first
        // would be its standard error otherwise.
        // Standard output is for reading alone: an answer that nobody can take is not told.
        let access = match fd {
            1 => libc::O_RDONLY,
            _ => libc::O_RDWR,
        };
        // Without /dev a directory stands there, from which nothing can be read, and to which nothing can be written.
        let places = [
            (c"/dev/null", access),
            (c"/", libc::O_RDONLY | libc::O_DIRECTORY),
        ];
        // SAFETY: the paths end with a zero.
        let open =
            |(path, access): &(&CStr, c_int)| unsafe { libc::open(path.as_ptr(), *access) >= 0 };
        if !places.iter().any(open) {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Whether descriptors 0 to 2 are open: by one system call, where the kernel has the memory for it and the process may have three.
fn are_open() -> [bool; 3] {
    const STANDARD: [c_int; 3] = [0, 1, 2];
    let mut standard = STANDARD.map(|fd| libc::pollfd {
        fd,
        events: 0,
        revents: 0,
    });
    // SAFETY: the pointer is that of three `pollfd`, which the kernel reads and writes during the call.
    while unsafe { libc::poll(standard.as_mut_ptr(), 3, 0) } < 0 {
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            // SAFETY: it asks for the flags of a descriptor, and takes any number.
            return STANDARD.map(|fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0);
        }
    }
    standard.map(|one| one.revents & libc::POLLNVAL == 0)
}

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
