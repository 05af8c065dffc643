//! One at a time in a namespace.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::{Netns, own};
use crate::Error;
pub use crate::lock::{Lock, Mode};

/// Takes the lock of the calling thread's namespace as [`Netns::lock`] does, alone or with others who share it.
///
/// # Errors
/// `ETIMEDOUT` when somebody else has held it in another way all the time.
pub fn lock_current(mode: Mode, deadline: Duration) -> Result<Lock, Error> {
    take(own::open().map(File::from), mode, deadline)
}

fn take(namespace: io::Result<File>, mode: Mode, deadline: Duration) -> Result<Lock, Error> {
    namespace
        .and_then(|file| Lock::take(file, mode, deadline))
        .map_err(|error| Error::new("lock", "the network namespace", error))
}

impl Netns {
    /// Waits until nobody else holds the lock of this namespace, and takes it: for work in several
    /// steps that must not be mixed with another's, such as choosing a routing table and filling it.
    ///
    /// It is a `flock(2)` of the namespace's own file. So there is nothing to be left behind, it is the
    /// same lock by whatever path the namespace was opened, and the reference's sbr plugin takes the
    /// same. Any process inside can take it as well; hence the deadline.
    ///
    /// # Errors
    /// `ETIMEDOUT` when somebody else has held it all the time.
    pub fn lock(&self, deadline: Duration) -> Result<Lock, Error> {
        // A lock belongs to an open file, and copies of a descriptor share it; opened anew, it keeps out
        // other threads too.
        let path = format!("/proc/thread-self/fd/{}", self.fd.as_raw_fd());
        take(File::open(path), Mode::Alone, deadline)
    }
}
