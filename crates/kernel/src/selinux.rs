//! The security contexts that SELinux gives to what is made.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use crate::Error;
use crate::thread::apart;

/// Where the kernel shows SELinux, when it is there.
const SELINUX: &str = "/sys/fs/selinux";
/// The context of programs that this thread starts.
const EXEC: &str = "/proc/thread-self/attr/exec";

/// Whether SELinux is at work.
pub fn is_enabled() -> bool {
    Path::new(SELINUX).join("enforce").exists()
}

/// Runs `work` on a thread of its own; the programs that it starts there have this context, when the
/// policy allows it.
///
/// A tap device has the context of the process that made it: the one for new sockets
/// (`/proc/thread-self/attr/sockcreate`) is not for tap devices (`selinux_tun_dev_create`), and a
/// process with several threads cannot change its own. So who wants another context for a device starts
/// a program that makes it.
///
/// # Errors
/// [`is_unsupported`](Error::is_unsupported) without SELinux, `EINVAL` when the policy does not know the
/// context, `EACCES` when it does not allow it.
pub fn with_exec_context<T: Send>(
    context: &str,
    work: impl FnOnce() -> T + Send,
) -> Result<T, Error> {
    apart(|| {
        set(context)?;
        Ok(work())
    })
    .map_err(|error| Error::new("set SELinux context", format!("{context:?}"), error))
}

fn set(context: &str) -> io::Result<()> {
    // Other security modules have the file as well, and other contexts.
    if !is_enabled() {
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    }
    let mut file = OpenOptions::new().write(true).open(EXEC)?;
    file.write_all(context.as_bytes())
}
