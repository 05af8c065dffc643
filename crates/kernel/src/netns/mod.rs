//! Network namespaces.

mod handle;
mod identity;
mod own;
mod visit;

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::fs::{OFlags, Stat};
use rustix::io::Errno;
use rustix::mount::mount_bind;
use rustix::thread::UnshareFlags;

use crate::Error;
use crate::sandbox::leave_namespaces;
use crate::thread::apart;

pub use handle::{Known, look_up};
pub use identity::Identity;

/// The filesystem that namespaces live in (`NSFS_MAGIC`, linux/magic.h).
const NSFS_MAGIC: u64 = 0x6e73_6673;

/// An open network namespace. It stays alive as long as this does.
#[derive(Debug)]
pub struct Netns {
    fd: OwnedFd,
    id: Id,
}

/// What tells a namespace from others: device and inode of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id {
    /// The device of the namespace filesystem.
    pub dev: u64,
    /// The namespace's inode.
    pub ino: u64,
}

impl Id {
    fn of(namespace: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self::from_status(rustix::fs::fstat(namespace)?))
    }

    fn from_status(status: Stat) -> Self {
        Self {
            dev: status.st_dev,
            ino: status.st_ino,
        }
    }
}

/// Why a path is no network namespace.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// There is nothing at the path.
    Missing,
    /// There is something else: a plain file, as a namespace's mount point is before and after.
    NotANamespace,
    /// It is a namespace of another kind.
    NotANetworkNamespace,
    /// It cannot be opened.
    Io(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it does not exist"),
            Self::NotANamespace => f.write_str("it is not a namespace"),
            Self::NotANetworkNamespace => {
                f.write_str("it is a namespace, but not a network namespace")
            }
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

impl Netns {
    /// The calling thread's namespace.
    ///
    /// # Errors
    /// When the caller has no rights over it and /proc is not mounted.
    pub fn current() -> Result<Self, Error> {
        let opened = own::open().and_then(|fd| {
            let id = Id::of(fd.as_fd())?;
            Ok(Self { fd, id })
        });
        opened.map_err(|error| Error::new("open", "the own network namespace", error))
    }

    /// The namespace at a path, such as `/run/netns/c1` or `/proc/123/ns/net`.
    ///
    /// # Errors
    /// What the path is instead.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        // Without waiting, should it be a pipe that nobody writes to.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path.as_ref(), flags, rustix::fs::Mode::empty());
        Self::from_opened(fd.map_err(io::Error::from))
    }

    /// The namespace that somebody has opened, or could not open.
    ///
    /// # Errors
    /// What was opened instead.
    pub fn from_opened(opened: io::Result<OwnedFd>) -> Result<Self, OpenError> {
        let fd = opened.map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::SRCH) => OpenError::Missing,
            _ => OpenError::Io(error),
        })?;
        if namespace_type(fd.as_fd()) != Some(libc::CLONE_NEWNET) {
            let filesystem =
                rustix::fs::fstatfs(&fd).map_err(|errno| OpenError::Io(errno.into()))?;
            return Err(match filesystem.f_type as u64 {
                NSFS_MAGIC => OpenError::NotANetworkNamespace,
                _ => OpenError::NotANamespace,
            });
        }
        let id = Id::of(fd.as_fd()).map_err(OpenError::Io)?;
        Ok(Self { fd, id })
    }

    /// Makes a new namespace and gives it the path, a file that must not exist yet, as `ip netns add`
    /// does. It stays until the file is unmounted and nobody is in it any more.
    ///
    /// # Errors
    /// When the file exists, or the caller may make no namespaces.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let object = format!("the network namespace {}", path.display());
        let failed = |error| Error::new("create", object.as_str(), error);
        File::create_new(path).map_err(failed)?;
        pin_new_namespace(path)
            .and_then(|()| Self::open(path).map_err(io::Error::other))
            .map_err(|error| {
                let _ = std::fs::remove_file(path);
                failed(error)
            })
    }

    /// Takes a namespace's name away, as `ip netns del` does: unmounts the file and removes it. The namespace ends once nobody
    /// is in it and nothing of it is open.
    ///
    /// # Errors
    /// When the file cannot be removed. One that is not there is none.
    pub fn remove(path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let _ = rustix::mount::unmount(path, rustix::mount::UnmountFlags::DETACH);
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let object = format!("the network namespace {}", path.display());
                Err(Error::new("remove", object, error))
            }
            _ => Ok(()),
        }
    }

    /// What tells it from others.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Whether both are the same namespace, by whatever paths they were opened.
    pub fn same_as(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// A number that no other network namespace has, had or will have in this boot, while inodes are
    /// given again; `None` before Linux 5.14.
    ///
    /// Two system calls since Linux 6.18; before that a thread enters the namespace to ask.
    ///
    /// # Errors
    /// When it cannot be asked just now, which says nothing of the number.
    pub fn cookie(&self) -> io::Result<Option<u64>> {
        match namespace_id(self.fd.as_fd()) {
            Some(id) => Ok(Some(id)),
            None => {
                let ask = || socket_cookie(&UnixDatagram::unbound()?);
                visit::visit(self.fd.as_fd(), ask)?
            }
        }
    }

    /// Runs `work` inside. The calling thread is back in its own namespace afterwards, whatever happens:
    /// that it may come back is proven before it leaves, and where it may not a thread of its own does
    /// the work and ends. Should the kernel not let it back all the same, the process aborts.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or no thread is to be had.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        visit::visit(self.fd.as_fd(), work)
            .map_err(|error| Error::new("enter", "the network namespace", error))
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether an open file is the calling thread's namespace.
///
/// # Errors
/// When that cannot be told, which is no reason to take it for another.
pub fn is_own(file: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(Id::of(file)? == Id::of(own::open()?.as_fd())?)
}

/// The same, with the [`Identity`] of the calling thread's namespace, which costs one system call more; `None` when that cannot be
/// told.
///
/// # Errors
/// As [`is_own`].
pub fn is_own_and_which(file: BorrowedFd<'_>) -> io::Result<(bool, Option<Identity>)> {
    let Ok(socket) = UnixDatagram::unbound() else {
        return Ok((is_own(file)?, None));
    };
    let own = Id::of(own::open_by(&socket)?.as_fd())?;
    let identity = socket_cookie(&socket).map(|cookie| Identity {
        inode: own.ino,
        cookie,
    });
    Ok((Id::of(file)? == own, identity.ok()))
}

/// Mounts a new network namespace on a file. It is made by a thread that ends in it; the calling thread
/// stays where it is.
fn pin_new_namespace(path: &Path) -> io::Result<()> {
    apart(|| {
        leave_namespaces(UnshareFlags::NEWNET)?;
        mount_bind("/proc/thread-self/ns/net", path)?;
        Ok(())
    })
}

/// The kind of a namespace as its `CLONE_NEW…` flag; unknown on kernels before 4.11.
fn namespace_type(fd: BorrowedFd<'_>) -> Option<i32> {
    use std::os::fd::AsRawFd;
    // NS_GET_NSTYPE, linux/nsfs.h: _IO(0xb7, 0x3)
    const NS_GET_NSTYPE: libc::Ioctl = 0xb703;
    // SAFETY: the descriptor is open; this ioctl takes no argument and returns the flag. rustix has no
    // wrapper for it.
    let kind = unsafe { libc::ioctl(fd.as_raw_fd(), NS_GET_NSTYPE) };
    (kind >= 0).then_some(kind)
}

/// The ID of a namespace, which for a network namespace is its cookie; unknown before Linux 6.18.
fn namespace_id(fd: BorrowedFd<'_>) -> Option<u64> {
    use std::os::fd::AsRawFd;
    // NS_GET_ID, linux/nsfs.h: _IOR(0xb7, 13, __u64); NS_GET_MNTNS_ID is _IOR(0xb7, 5, __u64).
    const NS_GET_ID: libc::Ioctl = libc::NS_GET_MNTNS_ID + 8;
    let mut id = 0u64;
    // SAFETY: the descriptor is open, and the ioctl writes 8 bytes to where the pointer says, which is
    // a u64 that outlives the call. rustix has no wrapper for it.
    let outcome = unsafe { libc::ioctl(fd.as_raw_fd(), NS_GET_ID, &raw mut id) };
    (outcome == 0).then_some(id)
}

/// The cookie of a socket's network namespace; `None` before Linux 5.14.
fn socket_cookie(socket: &UnixDatagram) -> io::Result<Option<u64>> {
    use std::os::fd::AsRawFd;
    let (mut cookie, mut size) = (0u64, size_of::<u64>() as libc::socklen_t);
    // SAFETY: the descriptor is open, and the kernel writes at most `size` bytes to `cookie`, which is
    // that large, and how many to `size`; both outlive the call. rustix has no wrapper for it.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut size,
        )
    };
    match (outcome, io::Error::last_os_error()) {
        (0, _) => Ok(Some(cookie)),
        (_, error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(None),
        (_, error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_the_same_however_it_is_asked_for() {
        let netns = Netns::current().unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        let cookie = socket_cookie(&socket).unwrap();
        assert!(cookie.is_some(), "since Linux 5.14");
        let id = namespace_id(netns.as_fd());
        assert_eq!(id.or(cookie), cookie);
    }
}
