//! Whether two paths lead to the same file.

use std::fs::{self, Metadata};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What tells a file from others, by whatever path it was found: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    dev: u64,
    ino: u64,
}

impl Identity {
    /// That of the file which this was asked of.
    pub(crate) fn of(file: &Metadata) -> Self {
        Self {
            dev: file.dev(),
            ino: file.ino(),
        }
    }

    /// That of an open file.
    pub(crate) fn of_open(file: BorrowedFd<'_>) -> io::Result<Self> {
        let file = rustix::fs::fstat(file)?;
        Ok(Self {
            dev: file.st_dev,
            ino: file.st_ino,
        })
    }

    /// That of the file at a path, if there is one.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|file| Self::of(&file))
    }
}
