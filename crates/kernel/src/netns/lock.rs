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

/// How a lock is held.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// By one.
    Alone,
    /// By any number.
    Shared,
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
        let taken = match mode {
            Mode::Alone => file.try_lock(),
            Mode::Shared => file.try_lock_shared(),
        };
        match taken {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => wait(file, mode, deadline).map_err(failed),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// flock has no deadline of its own: a thread waits for it. When it gets the lock too late, nobody
/// takes the file from it any more, and the lock is released with the file.
fn wait(file: File, mode: Mode, deadline: Duration) -> io::Result<Lock> {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().spawn(move || {
        let locked = match mode {
            Mode::Alone => file.lock(),
            Mode::Shared => file.lock_shared(),
        };
        let outcome = locked.map(|()| file);
        sender.send(outcome).is_ok()
    })?;
    match receiver.recv_timeout(deadline) {
        Ok(outcome) => outcome.map(|file| Lock { _file: file }),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            Err(io::Error::from_raw_os_error(libc::ETIMEDOUT))
        }
    }
}
