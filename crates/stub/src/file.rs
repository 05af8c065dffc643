//! Marks of files.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{BEGINNING, HOLDER, Mark};

impl Mark {
    /// The mark of an open file, if it has one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(file: &File) -> io::Result<Option<Self>> {
        let mut bytes = [0; BEGINNING];
        // The first bytes of a regular file come at once.
        let length = file.read_at(&mut bytes, 0)?;
        Ok(bytes.get(..length).and_then(Self::read))
    }
}

/// The file that the stub at `path` executes, whether it is there or not: beside the stub itself, wherever links to it are.
///
/// # Errors
/// When the stub is not there.
pub fn holder(stub: &Path) -> io::Result<PathBuf> {
    Ok(fs::canonicalize(stub)?.with_file_name(HOLDER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Note};

    #[test]
    fn the_holder_is_beside_the_stub_itself() {
        let dir = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(dir.path()).unwrap();
        let (stub, link) = (top.join("bridge"), top.join("link"));
        fs::write(&stub, Note::new(Kind::Stub, "0.1.0").as_bytes()).unwrap();
        fs::create_dir(top.join("lib")).unwrap();
        std::os::unix::fs::symlink("../bridge", top.join("lib/bridge")).unwrap();
        std::os::unix::fs::symlink("lib/bridge", &link).unwrap();
        assert_eq!(holder(&link).unwrap(), top.join(HOLDER));
        let mark = Mark::of(&File::open(&link).unwrap()).unwrap().unwrap();
        assert_eq!(mark.kind, Kind::Stub);
        let other = File::open("/proc/self/exe").unwrap();
        assert_eq!(Mark::of(&other).unwrap(), None);
    }
}
