//! Giving an operation up.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

/// Gives operations of a runtime up, from any thread and at any time: for a program that is told to end.
///
/// Clones give up the same operations; see [`Builder::cancel`](crate::Builder::cancel).
#[derive(Clone, Debug)]
pub struct Cancel {
    /// A counter: as many operations are to be given up.
    event: Arc<OwnedFd>,
}

impl Cancel {
    /// One that gives up nothing yet.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK | EventfdFlags::SEMAPHORE;
        Ok(Self {
            event: Arc::new(eventfd(0, flags)?),
        })
    }

    /// Gives up the operation that runs, or else the next. Called again, the one after it: the DEL, for
    /// example, that follows an ADD that was given up.
    pub fn cancel(&self) {
        // It fails for a counter that is full: then enough is to be given up.
        let _ = rustix::io::write(&*self.event, &1_u64.to_ne_bytes());
    }

    /// Whether an operation is to be given up, which is asked once for each.
    pub fn take(&self) -> bool {
        rustix::io::read(&*self.event, &mut [0; 8]).is_ok()
    }
}

/// Readable while [`take`](Cancel::take) would answer yes.
impl AsFd for Cancel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
