//! Files that the user names: read and replaced as root, perhaps where others may write.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use tempfile::NamedTempFile;

/// Reads a text, of one that is larger than a limit in bytes so much. What is no file, such as a pipe whose writer may never come, is
/// not waited for.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<String> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(no_file());
    }
    let mut text = String::new();
    file.take(limit).read_to_string(&mut text)?;
    Ok(text)
}

/// Puts a file with a mode in the place of the one that is there: whoever reads it meets the old one or the new one whole. What is no
/// file stays: in the place of /dev/null nobody wants one.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err(no_file());
    }
    written_beside(path, bytes, mode)?.persist(path)?;
    Ok(())
}

/// Makes a file with a mode, which must not be there: it appears whole.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    written_beside(path, bytes, mode)?.persist_noclobber(path)?;
    Ok(())
}

/// A file that is whole, and has no name yet, in the folder of the path that it is to have.
fn written_beside(path: &Path, bytes: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_data()?;
    Ok(file)
}

fn no_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

    use super::*;

    #[test]
    fn only_files_are_read_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), "old").unwrap();
        symlink(path("file"), path("link")).unwrap();
        symlink("/dev/null", path("null")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path("pipe"),
            rustix::fs::FileType::Fifo,
            0o666.into(),
            0,
        )
        .unwrap();
        for name in ["file", "link", "new"] {
            replace(&path(name), b"new", 0o640).unwrap();
            assert_eq!(read(&path(name), 2).unwrap(), "ne");
            let meta = fs::symlink_metadata(path(name)).unwrap();
            assert_eq!((meta.is_file(), meta.mode() & 0o777), (true, 0o640));
        }
        for name in ["null", "pipe", "."] {
            let refused = replace(&path(name), b"new", 0o640).unwrap_err();
            assert!(refused.to_string().contains("no regular file"), "{name}");
            let refused = read(&path(name), 2).unwrap_err();
            assert!(refused.to_string().contains("no regular file"), "{name}");
        }
        assert!(
            fs::metadata(path("null"))
                .unwrap()
                .file_type()
                .is_char_device()
        );
        assert!(read(&path("none"), 2).is_err());
    }
}
