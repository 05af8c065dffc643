//! Kernel parameters under `/proc/sys`.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::Error;

/// The longest value that is read, in bytes.
const MAX_VALUE: usize = 64 << 10;

/// What to do on a host, or in a container of a runtime, without it.
const MOUNT_PROC: &str = "`mount -t proc proc /proc` mounts it";

/// Reads a parameter in the calling thread's namespace, without the newline at its end.
///
/// `path` is below `/proc/sys` and separated by slashes (`net/ipv6/conf/eth0.5/accept_ra`), since
/// names of links can hold dots.
///
/// # Errors
/// [`is_not_found`](Error::is_not_found) when there is no such parameter; `EINVAL` when the path leads
/// out of `/proc/sys`.
pub fn read(path: &str) -> Result<String, Error> {
    read_by(path, |flags| open_here(path, flags))
}

/// Writes a parameter in the calling thread's namespace.
///
/// # Errors
/// [`is_not_found`](Error::is_not_found) when there is no such parameter; `EINVAL` when the path leads
/// out of `/proc/sys`.
pub fn write(path: &str, value: &str) -> Result<(), Error> {
    write_by(path, value, |flags| open_here(path, flags))
}

/// The IPv6 parameters of a namespace's links, used from any other namespace. Those of IPv4 that plugins set are
/// changed by netlink.
///
/// # Kernel
/// Which namespace's parameters a path leads to is decided where it is walked past `/proc/sys/net`; the
/// directories below belong to one namespace, whoever has them open.
#[derive(Debug)]
pub struct LinkParameters(Directory);

#[derive(Debug)]
enum Directory {
    /// Wherever the caller is.
    Own,
    /// That of one namespace; none where there is no IPv6.
    Of(Option<OwnedFd>),
}

const IPV6: &str = "net/ipv6/conf/";

impl LinkParameters {
    /// Opens those of the calling thread's namespace. One without IPv6 has none of IPv6.
    ///
    /// # Errors
    /// When it cannot be told whether there are any: the process has no descriptors left.
    pub fn open() -> Result<Self, Error> {
        match open_here(IPV6, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(directory) => Ok(Self(Directory::Of(Some(directory)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self(Directory::Of(None))),
            Err(error) => Err(failed("open", IPV6, error)),
        }
    }

    /// Those of whatever namespace the calling thread is in when it reads or writes one; for the namespace
    /// that it never leaves for good.
    pub fn of_the_caller() -> Self {
        Self(Directory::Own)
    }

    /// Whether a parameter is one of them: it is then that of this namespace, whoever asks.
    pub fn include(path: &str) -> bool {
        path.starts_with(IPV6)
    }

    /// Reads a parameter; `path` begins with `net/ipv6/conf/`. Of what is elsewhere the calling
    /// thread's namespace is asked.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) when there is no such parameter.
    pub fn read(&self, path: &str) -> Result<String, Error> {
        read_by(path, |flags| self.open_parameter(path, flags))
    }

    /// Writes a parameter; see [`read`](Self::read).
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) when there is no such parameter.
    pub fn write(&self, path: &str, value: &str) -> Result<(), Error> {
        write_by(path, value, |flags| self.open_parameter(path, flags))
    }

    /// Writes a parameter unless it has the value, since what is set already is enough where `/proc/sys` is
    /// read-only. Returns what it replaced: nothing of one that can only be written. See [`read`](Self::read).
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) when there is no such parameter.
    pub fn replace(&self, path: &str, value: &str) -> Result<Option<String>, Error> {
        let Ok(parameter) = self.open_parameter(path, OFlags::RDWR) else {
            return match self.read(path) {
                Ok(before) if before == value => Ok(None),
                Err(error) if error.is_not_found() => Err(error),
                before => self.write(path, value).map(|()| before.ok()),
            };
        };
        match value_of(&parameter) {
            Ok(before) if before == value => Ok(None),
            before => rustix::io::pwrite(&parameter, value.as_bytes(), 0)
                .map(|_| before.ok())
                .map_err(|errno| not_written(path, value, errno.into())),
        }
    }

    fn open_parameter(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let (Directory::Of(directory), Some(name)) = (&self.0, path.strip_prefix(IPV6)) else {
            return open_here(path, flags);
        };
        let directory = directory.as_ref().ok_or(io::ErrorKind::NotFound)?;
        require_below(name)?;
        let flags = flags | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(directory, name, flags, Mode::empty())?)
    }
}

fn open_here(path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    require_below(path)?;
    let path = format!("/proc/sys/{}", path.trim_start_matches('/'));
    Ok(rustix::fs::open(
        path,
        flags | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// A path that leads out of the directory is none of a parameter.
fn require_below(path: &str) -> io::Result<()> {
    if path.split('/').any(|part| part == "..") {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    Ok(())
}

fn read_by(path: &str, open: impl FnOnce(OFlags) -> io::Result<OwnedFd>) -> Result<String, Error> {
    open(OFlags::RDONLY)
        .and_then(|parameter| value_of(&parameter))
        .map_err(|error| failed("read", path, error))
}

/// In one read, as the kernel gives it: what it would give from the middle on may belong to another value.
fn value_of(parameter: &OwnedFd) -> io::Result<String> {
    let mut room = 64;
    loop {
        let mut value = Vec::with_capacity(room);
        let length = rustix::io::pread(parameter, rustix::buffer::spare_capacity(&mut value), 0)?;
        if length < room || room >= MAX_VALUE {
            let value = str::from_utf8(&value)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            return Ok(value.trim_end().to_owned());
        }
        room = MAX_VALUE;
    }
}

fn write_by(
    path: &str,
    value: &str,
    open: impl FnOnce(OFlags) -> io::Result<OwnedFd>,
) -> Result<(), Error> {
    open(OFlags::WRONLY)
        .and_then(|fd| File::from(fd).write_all(value.as_bytes()))
        .map_err(|error| not_written(path, value, error))
}

fn not_written(path: &str, value: &str, error: io::Error) -> Error {
    failed(&format!("write {value:?} to"), path, error)
}

fn failed(operation: &str, path: &str, error: io::Error) -> Error {
    let object = format!("the kernel parameter {path}");
    // Not a parameter that is not there, nor one of a link that is gone: nobody knows. Looked at only behind an error.
    if error.kind() == io::ErrorKind::NotFound && !Path::new("/proc/sys").exists() {
        let error = io::Error::other("/proc is not mounted");
        return Error::new(operation, object, error).with_advice(Some(MOUNT_PROC));
    }
    // What is opened by a descriptor may have no number of the system's.
    let error = match (error.raw_os_error(), error.kind()) {
        (None, io::ErrorKind::NotFound) => io::Error::from_raw_os_error(libc::ENOENT),
        _ => error,
    };
    Error::new(operation, object, error)
}
