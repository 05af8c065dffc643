//! Where folders lie.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use linkspan_kernel::netns::Identity;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::Folder;
use super::trust::{
    OF_OTHERS, PRIVATE, WRITTEN_BY_OTHERS, is_ours_alone, size_if_ours_alone, trust,
};
use crate::origin::Boot;

/// Where folders lie: a directory of root's that others may look into, and ours in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) root: &'static str,
    pub(super) own: String,
}

/// In memory.
pub(super) const RUN: &str = "/run/cni";

/// Where /run cannot be written.
pub(super) const LIB: &str = "/var/lib/cni";

/// Ours in it.
pub(super) const OWN: &str = "linkspan";

/// Of which the folder of each network namespace bears the identity.
pub(super) const NETNS: &str = "netns-";

pub(super) fn of_host(name: &str) -> io::Result<PathBuf> {
    Ok(of(Identity::current()?, name))
}

pub(super) fn of(host: Identity, name: &str) -> PathBuf {
    Path::new(&format!("{NETNS}{host}")).join(name)
}

impl Base {
    /// Where what is kept lies on this host, unless /run cannot be written.
    pub(super) fn run() -> Self {
        Self {
            root: RUN,
            own: OWN.to_owned(),
        }
    }

    /// Of this boot alone: what an earlier one left is as gone as if it had been in memory.
    pub(super) fn lib() -> io::Result<Self> {
        Ok(Self {
            root: LIB,
            own: format!("{OWN}/{}", Boot::current()?.id()),
        })
    }

    pub(super) fn path(&self, name: &Path) -> PathBuf {
        Path::new(self.root).join(&self.own).join(name)
    }

    /// Opens a folder, from the root on, and puts right what on the way others could write to; makes it, if `make`.
    pub(super) fn walk(&self, name: &Path, make: bool) -> io::Result<Folder> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || rustix::fs::open(self.root, flags, Mode::empty());
        let mut fd = match open() {
            Err(Errno::NOENT) if make => {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o755)
                    .create(self.root)?;
                open()?
            }
            opened => opened?,
        };
        let mut path = PathBuf::from(self.root);
        trust(fd.as_fd(), WRITTEN_BY_OTHERS, &path)?;
        for part in Path::new(&self.own).join(name).components() {
            fd = enter(fd.as_fd(), part, make)?;
            path.push(part);
            trust(fd.as_fd(), OF_OTHERS, &path)?;
        }
        Ok(Folder { fd, path })
    }

    /// Opens a folder that is there: in one call, where nothing is to be put right.
    pub(super) fn open(&self, name: &Path) -> io::Result<Option<Folder>> {
        let path = self.path(name);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = match rustix::fs::openat2(
            CWD,
            &path,
            flags,
            Mode::empty(),
            ResolveFlags::NO_SYMLINKS,
        ) {
            // Else those above it may be wrong as well.
            Ok(fd) if is_ours_alone(fd.as_fd()) => Ok(Folder { fd, path }),
            Err(Errno::NOENT) => return Ok(None),
            // No such call before Linux 5.6 and in some sandboxes; and /run itself may be a link.
            Ok(_) | Err(_) => self.walk(name, false),
        };
        match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }
}

pub(super) fn find(name: &Path) -> io::Result<Option<Folder>> {
    match Base::run().open(name)? {
        Some(folder) => Ok(Some(folder)),
        None if !Path::new(LIB).join(OWN).try_exists()? => Ok(None),
        None => Base::lib()?.open(name),
    }
}

pub(super) fn find_in_memory(name: &Path) -> io::Result<Option<Folder>> {
    Base::run().open(name)
}

/// Opens a file in a folder of a host to be appended to, in one call, with its size; `None` unless it is there and root's alone.
pub(super) fn append_in_memory(host: Identity, name: &str) -> Option<(File, u64)> {
    let path = Base::run().path(&of(host, name));
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS;
    let fd = rustix::fs::openat2(CWD, &path, flags, Mode::empty(), resolve).ok()?;
    let size = size_if_ours_alone(fd.as_fd())?;
    Some((fd.into(), size))
}

pub(super) fn make_in_memory(name: &Path) -> io::Result<Folder> {
    match find_in_memory(name)? {
        Some(folder) => Ok(folder),
        None => Base::run().walk(name, true),
    }
}

pub(super) fn make(name: &Path) -> io::Result<Folder> {
    match make_in_memory(name) {
        Err(error) if is_read_only(&error) => {
            let lib = Base::lib()?;
            // What others tell of /run is what the host's owner has to know.
            lib.walk(name, true)
                .map_err(|other| if is_read_only(&other) { error } else { other })
        }
        made => made,
    }
}

pub(super) fn is_read_only(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ROFS.raw_os_error())
}

/// Opens a directory in another, made if `make`, unless a link has its name.
pub(super) fn enter(
    from: BorrowedFd<'_>,
    name: impl rustix::path::Arg + Copy,
    make: bool,
) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(from, name, flags, Mode::empty());
    match open() {
        Err(Errno::NOENT) if make => {
            match rustix::fs::mkdirat(from, name, PRIVATE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            open()
        }
        opened => opened,
    }
}
