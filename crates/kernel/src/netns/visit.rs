//! Work inside a namespace.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::own;
use crate::thread::apart;

/// Runs `work` in the namespace behind `there`: on the calling thread, which is back afterwards, or on one
/// of its own where that is not certain.
pub(super) fn visit<T: Send>(
    there: BorrowedFd<'_>,
    work: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    let inside = || {
        enter(there)?;
        Ok(work())
    };
    match Home::of_this_thread() {
        Some(_home) => inside(),
        None => apart(inside),
    }
}

/// The namespace that a thread goes back to when this is dropped, by a panic too.
struct Home(OwnedFd);

impl Home {
    /// `None` when the thread could not come back, since it has no rights over the namespace that it is in
    /// (only over those of its own user namespace). Whoever may enter it now may do so later.
    fn of_this_thread() -> Option<Self> {
        let home = own::open().ok()?;
        enter(home.as_fd()).ok()?;
        Some(Self(home))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if enter(self.0.as_fd()).is_err() {
            // Everything after this would happen in the wrong network.
            std::process::abort();
        }
    }
}

fn enter(namespace: BorrowedFd<'_>) -> io::Result<()> {
    Ok(move_into_link_name_space(
        namespace,
        Some(LinkNameSpaceType::Network),
    )?)
}
