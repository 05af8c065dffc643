//! Giving an operation up.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// A token that gives operations up, from any thread and at any time: of one operation ([`Runtime::with_cancel`]) or of all of a
/// runtime ([`Builder::cancel`]), beside their deadline. Clones are the same token.
///
/// The plugin that runs is told to end, with all that it has started (SIGTERM to its process group), and ended two seconds later
/// (SIGKILL); no other is run. What ADD had made then stays and is noted as not complete, unless
/// [`Builder::detach_cancelled`] or [`Builder::detach_failed`] has it detached.
///
/// [`Runtime::with_cancel`]: crate::Runtime::with_cancel
/// [`Builder::cancel`]: crate::Builder::cancel
/// [`Builder::detach_cancelled`]: crate::Builder::detach_cancelled
/// [`Builder::detach_failed`]: crate::Builder::detach_failed
#[derive(Clone, Debug)]
pub struct Cancel {
    /// Readable once something is to be given up; of one that works stepwise, as many things as its count.
    event: Arc<OwnedFd>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    All,
    Stepwise,
    /// Whoever gave it up is not there any more to hear how it ended.
    Future,
}

impl Cancel {
    /// One that gives up nothing yet, and then everything: each operation that has it, also those yet to come. It does not give up
    /// the DEL that detaches what an ADD had begun; that has a deadline of its own.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        Self::with(Kind::All)
    }

    /// One for a program that is told to end by signals: each call of [`cancel`](Self::cancel) gives up one thing, what runs or
    /// else what is next. So the first gives up an ADD, and the second the DEL that detaches what the ADD had begun, or the two
    /// seconds in which a plugin may end by itself.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn stepwise() -> io::Result<Self> {
        Self::with(Kind::Stepwise)
    }

    /// One for an operation that is a future, which gives it up when it is dropped.
    #[cfg(feature = "tokio")]
    pub(crate) fn of_future() -> io::Result<Self> {
        Self::with(Kind::Future)
    }

    fn with(kind: Kind) -> io::Result<Self> {
        let mut flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        flags.set(EventfdFlags::SEMAPHORE, kind == Kind::Stepwise);
        Ok(Self {
            event: Arc::new(eventfd(0, flags)?),
            kind,
        })
    }

    /// Gives up what runs.
    pub fn cancel(&self) {
        // It fails for a counter that is full: then enough is to be given up.
        let _ = rustix::io::write(&*self.event, &1_u64.to_ne_bytes());
    }

    /// Whether what runs is to be given up: what an implementation of [`Execute`](crate::Execute) asks once for each time that
    /// the token is readable. The answer of a [stepwise](Self::stepwise) one is yes as often as it was called.
    pub fn take(&self) -> bool {
        if self.is_stepwise() {
            return rustix::io::read(&*self.event, &mut [0; 8]).is_ok();
        }
        let mut events = [PollFd::new(&*self.event, PollFlags::IN)];
        poll(&mut events, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// Whether each call of [`cancel`](Self::cancel) gives up one thing.
    pub(crate) fn is_stepwise(&self) -> bool {
        self.kind == Kind::Stepwise
    }

    /// Whether nobody hears any more how the operation ends.
    pub(crate) fn is_unheard(&self) -> bool {
        self.kind == Kind::Future && self.take()
    }
}

/// Readable while [`take`](Cancel::take) would answer yes.
impl AsFd for Cancel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
