//! The machine around a container that this program runs in.

use std::path::Path;

use crate::failure::{Failure, Kind};

/// Makes a directory the root of all paths from now on. What is run is then the machine's, with its libraries: an image has no
/// iptables, and one that it had might write rules in another form than the machine's.
///
/// # Errors
/// When it cannot be entered, or holds no machine: each of those would be taken for one that has nothing of Linkspan.
pub(super) fn enter(root: &Path) -> Result<(), Failure> {
    let entered = rustix::process::chroot(root).and_then(|()| rustix::process::chdir("/"));
    entered.map_err(|error| {
        let words = format!("cannot make {} the root of all paths", root.display());
        Failure::new(Kind::Failed, words)
            .because(error)
            .advise("Nothing was changed. It takes the directory that the machine's / is mounted at, and CAP_SYS_CHROOT.")
    })?;
    if Path::new("/proc/self").exists() {
        return Ok(());
    }
    let words = format!("{} holds no running machine", root.display());
    Err(Failure::new(Kind::Failed, words)
        .because("/proc is not mounted in it")
        .advise(
            "Nothing was changed. Mount the machine's / there, with all that is mounted below it.",
        ))
}
