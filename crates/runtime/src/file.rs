//! Files that are read and written whole.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use tempfile::NamedTempFile;

/// Reads a file, of one that is larger than a limit as much as makes whoever parses it say so. What is no file, such as a pipe
/// whose writer may never come, is not waited for.
pub(crate) fn read(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let meta = file.metadata()?;
    if meta.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !meta.is_file() {
        let words = "it is no regular file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
    }
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether an error is about the machine as it is just now, and not about the file.
pub(crate) fn is_for_now(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::IO)
    )
}

/// What a file that was written outlasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Lasting {
    /// The end of this process.
    Process,
    /// A power failure as well, which takes the time that the disk takes.
    PowerFailure,
}

/// Writes a file that only its owner may read, so that a reader sees the old file or the whole new
/// one. It is prepared in `workshop`, a directory of the same file system.
pub(crate) fn write(
    path: &Path,
    workshop: &Path,
    bytes: &[u8],
    lasting: Lasting,
) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(workshop)?;
    file.write_all(bytes)?;
    if lasting == Lasting::PowerFailure {
        file.as_file().sync_data()?;
    }
    file.persist(path)?;
    Ok(())
}

/// Creates a directory, and those above it, that only their owner may enter.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The names of what a directory holds besides directories, in alphabetical order; none when the
/// directory does not exist. Names that are not UTF-8 are nobody's.
pub(crate) fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort_unstable();
    Ok(names)
}
