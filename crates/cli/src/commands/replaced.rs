//! What `install` has replaced: kept beside the plugins, put back by `uninstall`.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use linkspan_inspect::is_linkspan;

use super::bin_dir::{BINARY, NAMES, failed};
use crate::failure::Failure;

/// The directory below that of the plugins.
const DIRECTORY: &str = ".linkspan-replaced";

/// The plugins of others, where Linkspan's are.
pub(super) struct Replaced<'a> {
    bin_dir: &'a Path,
}

/// What `uninstall` does about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// What was there before comes back.
    PutBack,
    /// Nothing was there before.
    Removed,
    /// It is not Linkspan's.
    LeftAlone,
}

impl<'a> Replaced<'a> {
    pub(super) fn of(bin_dir: &'a Path) -> Self {
        Self { bin_dir }
    }

    /// Where they are kept.
    pub(super) fn directory(&self) -> PathBuf {
        self.bin_dir.join(DIRECTORY)
    }

    /// Keeps what is at a name, unless it is Linkspan's; returns whether it did. It stays in its place.
    pub(super) fn keep(&self, name: &str) -> Result<bool, Failure> {
        let path = self.bin_dir.join(name);
        if self.is_ours(&path) {
            return Ok(false);
        }
        let directory = self.directory();
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&directory)
            .map_err(failed("create", &directory))?;
        let (half, kept) = (directory.join(".new"), directory.join(name));
        remove(&half).map_err(failed("remove", &half))?;
        // A link, so that the name is there at every moment; where there are none, a copy.
        fs::hard_link(&path, &half)
            .or_else(|_| fs::copy(&path, &half).map(drop))
            .and_then(|()| fs::rename(&half, &kept))
            .map_err(failed("keep", &path))?;
        // A rename of one of two links to a file does nothing.
        remove(&half).map_err(failed("remove", &half))?;
        Ok(true)
    }

    /// What `uninstall` does about each name at which there is something.
    pub(super) fn fates(&self) -> Vec<(&'static str, Fate)> {
        let fate = |name: &'static str| {
            let path = self.bin_dir.join(name);
            let is_kept = fs::symlink_metadata(self.directory().join(name)).is_ok();
            let is_there = fs::symlink_metadata(&path).is_ok();
            let fate = match (is_there && self.is_ours(&path), is_kept, is_there) {
                (true, true, _) | (_, true, false) => Fate::PutBack,
                (true, false, _) => Fate::Removed,
                (false, _, true) => Fate::LeftAlone,
                (false, false, false) => return None,
            };
            Some((name, fate))
        };
        // The file last: a link to a file that is not there would be of no use.
        NAMES
            .iter()
            .copied()
            .chain([BINARY])
            .filter_map(fate)
            .collect()
    }

    /// Does so.
    pub(super) fn undo(&self, fates: &[(&'static str, Fate)]) -> Result<(), Failure> {
        for (name, fate) in fates {
            let path = self.bin_dir.join(name);
            match fate {
                Fate::PutBack => fs::rename(self.directory().join(name), &path)
                    .map_err(failed("put back", &path))?,
                Fate::Removed => remove(&path).map_err(failed("remove", &path))?,
                Fate::LeftAlone => {}
            }
        }
        // It stays where something is kept that has no place.
        let _ = fs::remove_dir(self.directory());
        Ok(())
    }

    /// Whether a file is one of Linkspan's: the file of all plugins, a link to it, or a copy of any build.
    fn is_ours(&self, path: &Path) -> bool {
        let identity = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
        if let (Ok(one), Ok(other)) = (identity(path), identity(&self.bin_dir.join(BINARY)))
            && one == other
        {
            return true;
        }
        is_linkspan(path)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
