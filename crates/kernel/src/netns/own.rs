//! The namespace that the calling thread is in.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

/// Opens it.
pub(super) fn open() -> io::Result<OwnedFd> {
    UnixDatagram::unbound()
        .and_then(|socket| by_socket(&socket))
        .or_else(|_| by_path())
}

/// The same by a socket of the calling thread's namespace.
pub(super) fn open_by(socket: &UnixDatagram) -> io::Result<OwnedFd> {
    by_socket(socket).or_else(|_| by_path())
}

fn by_path() -> io::Result<OwnedFd> {
    Ok(File::open(path())?.into())
}

/// By a socket, which is in the namespace of whoever made it. Before a path below /proc can be walked the kernel makes all
/// that the process has there, and takes it away when the process ends: that costs five times as much.
///
/// Fails without rights over the namespace.
fn by_socket(socket: &UnixDatagram) -> io::Result<OwnedFd> {
    // SIOCGSKNS, linux/sockios.h.
    const GET_NAMESPACE: libc::Ioctl = 0x894c;
    // SAFETY: the descriptor is open; this ioctl takes no argument. rustix has no wrapper for it.
    let fd = unsafe { libc::ioctl(socket.as_raw_fd(), GET_NAMESPACE) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has opened it (closed by exec), and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Where it is. For the process's first thread there is a path that costs less to walk.
fn path() -> &'static str {
    if rustix::thread::gettid() == rustix::process::getpid() {
        "/proc/self/ns/net"
    } else {
        "/proc/thread-self/ns/net"
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::io::{FdFlags, fcntl_getfd};

    use super::super::Id;
    use super::*;

    #[test]
    fn both_ways_lead_to_the_same() {
        let by_path = OwnedFd::from(File::open(path()).unwrap());
        let by_path = Id::of(by_path.as_fd()).unwrap();
        assert_eq!(Id::of(open().unwrap().as_fd()).unwrap(), by_path);
        match by_socket(&UnixDatagram::unbound().unwrap()) {
            Ok(fd) => {
                assert_eq!(Id::of(fd.as_fd()).unwrap(), by_path);
                assert!(fcntl_getfd(&fd).unwrap().contains(FdFlags::CLOEXEC));
            }
            // An ordinary user.
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EPERM)),
        }
    }
}
