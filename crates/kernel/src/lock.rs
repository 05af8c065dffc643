//! One at a time: file locks that are waited for no longer than a deadline.

use std::fs::{File, TryLockError};
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// A lock; released when dropped, and when its holder dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By one.
    Alone,
    /// By any number.
    Shared,
}

impl Lock {
    /// Waits until nobody holds the lock (`flock(2)`) of this open file in another way, and takes it. A file that is
    /// opened anew keeps out other threads too, copies of a descriptor do not.
    ///
    /// # Errors
    /// `ETIMEDOUT` when somebody else has held it all the time.
    pub fn take(file: File, mode: Mode, deadline: Duration) -> io::Result<Self> {
        let taken = match mode {
            Mode::Alone => file.try_lock(),
            Mode::Shared => file.try_lock_shared(),
        };
        match taken {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => wait(file, mode, deadline),
            Err(TryLockError::Error(error)) => Err(error),
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
