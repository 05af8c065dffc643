//! One plugin at a time: for what `iptables-restore` cannot say, that a rule is to be there once.

use std::io;
use std::time::Duration;

use linkspan_spec::{Error, ErrorCode};
use linkspan_state::Folder;
use linkspan_state::lock::{Lock, Mode};
use rustix::io::Errno;

/// The folder that [`locked`] locks; nothing is in it.
const FOLDER: &str = "iptables";

/// As long as one who holds it may wait for the lock of iptables, for both address families.
const DEADLINE: Duration = Duration::from_secs(20);

/// What is done under this lock is not done by two plugins at the same time. Where there is no place for a lock, as on a
/// host whose file systems are all read-only, it is done without: DEL is to succeed there too.
pub(crate) fn locked<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let lock = || -> io::Result<Lock> {
        Lock::take(Folder::of_host(FOLDER)?.into(), Mode::Alone, DEADLINE)
    };
    let held = match lock() {
        Err(error) if error.raw_os_error() == Some(Errno::ROFS.raw_os_error()) => None,
        lock => Some(lock.map_err(|error| {
            let msg = format!("cannot lock the rules of iptables for other plugins: {error}");
            Error::new(ErrorCode::IO_FAILURE, msg).with_details(
                "when it timed out, another plugin changes the rules all the time; the call can be repeated",
            )
        })?),
    };
    let outcome = work();
    drop(held);
    outcome
}
