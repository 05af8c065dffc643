//! Whose a directory is, and what others may do in it.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

pub(super) const PRIVATE: Mode = Mode::RWXU;
pub(super) const OF_OTHERS: Mode = Mode::RWXG.union(Mode::RWXO);
pub(super) const WRITTEN_BY_OTHERS: Mode = Mode::WGRP.union(Mode::WOTH);
pub(super) const FILE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Refuses what a user has put there; takes from others what they are not to have.
pub(super) fn trust(fd: BorrowedFd<'_>, withheld: Mode, path: &Path) -> io::Result<()> {
    let status = rustix::fs::fstat(fd)?;
    if !is_owner_trusted(status.st_uid) {
        let words = format!(
            "{} belongs to the user {}, not to root: look at what it is, and remove it",
            path.display(),
            status.st_uid
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
    }
    withdraw(fd, Mode::from_raw_mode(status.st_mode), withheld)
}

pub(super) fn mode_of(fd: BorrowedFd<'_>) -> io::Result<Mode> {
    Ok(Mode::from_raw_mode(rustix::fs::fstat(fd)?.st_mode))
}

/// Makes a directory with this mode, and those above it that are not there with 0755, whatever the umask lets others
/// have.
///
/// # Errors
/// When it cannot be made.
pub fn create_directory(path: &Path, mode: u32) -> io::Result<()> {
    if let Some(above) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(above)?;
    }
    DirBuilder::new().recursive(true).mode(mode).create(path)
}

/// Takes from others that they may write to a directory and to those above it, as earlier versions made them where the
/// umask was 0: up to the first that is as it should be. What is a user's stays as that one made it.
pub fn withdraw_above(path: &Path) {
    for path in path.ancestors() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(fd) = rustix::fs::open(path, flags, Mode::empty()) else {
            return;
        };
        let open = |mode: &Mode| mode.contains(Mode::WOTH) && !mode.contains(Mode::SVTX);
        match mode_of(fd.as_fd()).ok().filter(open) {
            Some(mode) if withdraw(fd.as_fd(), mode, WRITTEN_BY_OTHERS).is_ok() => {}
            _ => return,
        }
    }
}

pub(super) fn withdraw(fd: BorrowedFd<'_>, mode: Mode, withheld: Mode) -> io::Result<()> {
    if !mode.intersects(withheld) {
        return Ok(());
    }
    match rustix::fs::fchmod(fd, mode.difference(withheld)) {
        // What cannot be put right any more cannot be written to either.
        Ok(()) | Err(Errno::ROFS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn is_ours_alone(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|status| {
        is_owner_trusted(status.st_uid)
            && !Mode::from_raw_mode(status.st_mode).intersects(OF_OTHERS)
    })
}

/// The size of a file that is a plain one of this name alone, which nobody else may read or write.
pub(super) fn size_if_ours_alone(fd: BorrowedFd<'_>) -> Option<u64> {
    let status = rustix::fs::fstat(fd).ok()?;
    let is_ours = is_owner_trusted(status.st_uid)
        && FileType::from_raw_mode(status.st_mode) == FileType::RegularFile
        && status.st_nlink == 1
        && !Mode::from_raw_mode(status.st_mode).intersects(OF_OTHERS);
    is_ours.then(|| u64::try_from(status.st_size).unwrap_or_default())
}

/// Root, or whoever this process is for want of root.
pub(super) fn is_owner_trusted(user: u32) -> bool {
    user == 0 || user == rustix::process::geteuid().as_raw()
}
