//! A namespace looked up by its numbers.

use std::fs;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::thread::{CapabilitySet, capabilities};

use super::{Identity, Netns};

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

/// What the kernel itself knows of a namespace.
#[derive(Debug)]
pub enum Known {
    /// There it is.
    There(Netns),
    /// It is certainly gone.
    Gone,
    /// It cannot be told: before Linux 6.18, and without the rights over all namespaces, since the kernel says of those of
    /// others that they do not exist, too.
    Untold,
}

/// Looks a network namespace up, wherever it is kept: in a mount or a process that is not seen from here, too.
pub fn look_up(wanted: Identity) -> Known {
    let Some(cookie) = wanted.cookie else {
        return Known::Untold;
    };
    match open(wanted.inode, cookie).map(|fd| Netns::from_opened(Ok(fd))) {
        Ok(Ok(netns)) => Known::There(netns),
        Err(error) if is_stale(&error) && sees_all() => Known::Gone,
        Ok(Err(_)) | Err(_) => Known::Untold,
    }
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
    use super::*;

    #[test]
    fn the_own_namespace_is_found_and_one_that_never_was_is_gone() {
        let own = Identity::current().unwrap();
        let never = Identity {
            cookie: Some(u64::MAX),
            ..own
        };
        match look_up(own) {
            Known::There(netns) => {
                assert_eq!(Identity::of(&netns).unwrap(), own);
                match sees_all() {
                    true => assert!(matches!(look_up(never), Known::Gone)),
                    false => assert!(matches!(look_up(never), Known::Untold)),
                }
            }
            Known::Gone => panic!("it is the own one"),
            // Before Linux 6.18 nothing can be told.
            Known::Untold => assert!(matches!(look_up(never), Known::Untold)),
        }
    }
}
