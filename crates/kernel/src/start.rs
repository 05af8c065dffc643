//! The start of a process that lives for a millisecond.

use std::fs::File;
use std::io;
use std::os::fd::IntoRawFd;

/// Makes `$run`, a function without arguments that returns the exit status (`u8`), the program of a crate
/// that says `#![no_main]`.
///
/// Otherwise the standard library asks the kernel for the bounds of the stack (`/proc/self/maps`) and gives
/// signal handlers a stack of their own, in order to tell of a stack that overflowed: 50 µs, which is a
/// tenth of a plugin's life. What else it does at the start, [`prepare`] does.
#[macro_export]
macro_rules! program {
    ($run:path) => {
        // SAFETY: it is called once, by the C library, with these arguments; in a crate with `no_main`
        // nothing else has this name.
        #[unsafe(no_mangle)]
        extern "C" fn main(
            _: ::core::ffi::c_int,
            _: *const *const ::core::ffi::c_char,
        ) -> ::core::ffi::c_int {
            $crate::start::prepare();
            ::core::ffi::c_int::from($run())
        }
    };
}

/// Sees to it that descriptors 0 to 2 are open, so that nothing that is opened later is taken for standard
/// output, and that writing to a closed pipe is an error and not the end.
///
/// To be called before there is a second thread. Without `/dev/null` for a descriptor that is closed the
/// process aborts.
pub fn prepare() {
    if open_standard_descriptors().is_err() {
        std::process::abort();
    }
    // SAFETY: no handler is installed; SIG_IGN is a disposition that any signal but two may have.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

fn open_standard_descriptors() -> io::Result<()> {
    let mut standard = [0, 1, 2].map(|fd| libc::pollfd {
        fd,
        events: 0,
        revents: 0,
    });
    // SAFETY: the pointer is that of three `pollfd`, which the kernel reads and writes during the call.
    let ready = unsafe { libc::poll(standard.as_mut_ptr(), 3, 0) };
    if ready < 0 {
        return Err(io::Error::last_os_error());
    }
    for _ in standard
        .iter()
        .filter(|one| one.revents & libc::POLLNVAL != 0)
    {
        // It gets the lowest number that is free.
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let _stays_open = null.into_raw_fd();
    }
    Ok(())
}
