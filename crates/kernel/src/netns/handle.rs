//! A namespace looked up by its numbers.

use std::fs;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::thread::{CapabilitySet, capabilities};

/// The inode of the first user namespace (`USER_NS_INIT_INO`, linux/nsfs.h).
const FIRST_USER_NAMESPACE: u64 = 0xEFFF_FFFD;

/// A file handle of the namespace filesystem (`struct nsfs_file_handle` behind `struct file_handle`).
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    id: u64,
    namespace_kind: u32,
    inode: u32,
}

/// Whether there is certainly no network namespace with this inode and this cookie any more.
///
/// `false` means that there is one, or that it cannot be told: before Linux 6.18, and without the rights
/// over all namespaces, since the kernel says of those of others that they do not exist, too.
pub fn is_gone(inode: u64, cookie: u64) -> bool {
    sees_all() && matches!(open(inode, cookie), Err(error) if is_stale(&error))
}

fn is_stale(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ESTALE)
}

fn sees_all() -> bool {
    let first =
        fs::metadata("/proc/self/ns/user").is_ok_and(|user| user.ino() == FIRST_USER_NAMESPACE);
    first && capabilities(None).is_ok_and(|own| own.effective.contains(CapabilitySet::SYS_ADMIN))
}

fn open(inode: u64, cookie: u64) -> io::Result<OwnedFd> {
    // FD_NSFS_ROOT, linux/fcntl.h: the namespace filesystem, which is mounted nowhere.
    const NSFS_ROOT: i32 = -10003;
    // FILEID_NSFS, linux/exportfs.h.
    const NSFS: i32 = 0xf1;
    let mut handle = Handle {
        bytes: 16,
        kind: NSFS,
        id: cookie,
        namespace_kind: libc::CLONE_NEWNET as u32,
        inode: inode as u32,
    };
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: the pointer is that of a handle with as many bytes behind its head as the head says, which
    // the kernel only reads. rustix has no wrapper for it.
    let fd = unsafe { libc::open_by_handle_at(NSFS_ROOT, (&raw mut handle).cast(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just opened it, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::super::Netns;
    use super::*;

    #[test]
    fn the_own_namespace_is_not_gone_and_one_that_never_was_is() {
        let own = Netns::current().unwrap();
        let (inode, cookie) = (own.id().ino, own.cookie().unwrap().unwrap());
        assert!(!is_gone(inode, cookie));
        match open(inode, cookie) {
            Ok(_) => assert!(is_stale(&open(inode, u64::MAX).unwrap_err())),
            // Before Linux 6.18 nothing can be told.
            Err(_) => assert!(!is_gone(inode, u64::MAX)),
        }
    }
}
