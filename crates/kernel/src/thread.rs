//! Threads for what must not be left behind on the calling one.

use std::io;
use std::thread::{Builder, scope};

/// Runs `work` on a thread of its own, which ends afterwards. A panic goes on in the calling thread.
pub(crate) fn apart<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    scope(|scope| {
        Builder::new()
            .spawn_scoped(scope, work)?
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
