//! Files that get their name when they are complete, so that a crash leaves all of one or nothing.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::path::Arg;

/// Makes a file without a name, open for writing, in a directory; `None` on a file system that has none such:
/// overlayfs before Linux 6.3, NFS, some of FUSE.
pub fn create(beside: impl AsFd, directory: impl Arg, mode: Mode) -> io::Result<Option<File>> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::openat(beside, directory, flags, mode) {
        Ok(fd) => Ok(Some(fd.into())),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives a file without a name its name.
///
/// By its descriptor, which before Linux 6.10 takes a capability; without it by the descriptor's path, which takes
/// longer, since a process that has not looked into `/proc/self` yet has nothing there.
pub fn link(file: &File, directory: impl AsFd, name: impl Arg + Copy) -> rustix::io::Result<()> {
    match rustix::fs::linkat(file, c"", &directory, name, AtFlags::EMPTY_PATH) {
        Err(Errno::NOENT) => {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            rustix::fs::linkat(CWD, path, directory, name, AtFlags::SYMLINK_FOLLOW)
        }
        outcome => outcome,
    }
}
