//! One at a time in a namespace.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::Netns;
use crate::Error;
pub use crate::lock::Lock;
use crate::lock::Mode;

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
        self.take(Mode::Alone, deadline)
    }

    /// The same lock, which any number can hold like this at the same time, and nobody alone meanwhile.
    ///
    /// # Errors
    /// `ETIMEDOUT` when somebody has held it alone all the time.
    pub fn share_lock(&self, deadline: Duration) -> Result<Lock, Error> {
        self.take(Mode::Shared, deadline)
    }

    fn take(&self, mode: Mode, deadline: Duration) -> Result<Lock, Error> {
        let failed = |error| Error::new("lock", "the network namespace", error);
        // A lock belongs to an open file, and copies of a descriptor share it; opened anew, it keeps out
        // other threads too.
        let path = format!("/proc/thread-self/fd/{}", self.fd.as_raw_fd());
        let file = File::open(path).map_err(failed)?;
        Lock::take(file, mode, deadline).map_err(failed)
    }
}
