//! One plugin at a time: for what `iptables-restore` cannot say, that a rule is to be there once.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use linkspan_kernel::lock::{Lock, Mode};
use linkspan_spec::{Error, ErrorCode};

/// What [`locked`] locks.
const LOCK: &str = "/run/cni/linkspan/iptables.lock";

/// As long as one who holds it may wait for the lock of iptables, for both address families.
const DEADLINE: Duration = Duration::from_secs(20);

/// What is done under this lock is not done by two plugins at the same time.
pub(crate) fn locked<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let path = Path::new(LOCK);
    let lock = || -> io::Result<Lock> {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        Lock::take(File::create(path)?, Mode::Alone, DEADLINE)
    };
    let held = lock().map_err(|error| {
        Error::new(
            ErrorCode::IO_FAILURE,
            format!("cannot lock {LOCK}: {error}"),
        )
        .with_details(
            "another plugin changes the rules of iptables all the time; the call can be repeated",
        )
    })?;
    let outcome = work();
    drop(held);
    outcome
}
