//! One at a time in a namespace.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::Netns;
use crate::Error;

/// The lock of a namespace; released when dropped, and when its holder dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
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
        let failed = |error| Error::new("lock", "the network namespace", error);
        // A lock belongs to an open file, and copies of a descriptor share it; opened anew, it keeps out
        // other threads too.
        let path = format!("/proc/thread-self/fd/{}", self.fd.as_raw_fd());
        let file = File::open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => wait(file, deadline).map_err(failed),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// flock has no deadline of its own: a thread waits for it. When it gets the lock too late, nobody
/// takes the file from it any more, and the lock is released with the file.
fn wait(file: File, deadline: Duration) -> io::Result<Lock> {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().spawn(move || {
        let outcome = file.lock().map(|()| file);
        sender.send(outcome).is_ok()
    })?;
    match receiver.recv_timeout(deadline) {
        Ok(outcome) => outcome.map(|file| Lock { _file: file }),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            Err(io::Error::from_raw_os_error(libc::ETIMEDOUT))
        }
    }
}
