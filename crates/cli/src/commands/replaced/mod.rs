//! What `install` has replaced: kept beside the plugins, put back by `uninstall`.

mod files;

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown, lchown, symlink};
use std::path::{Path, PathBuf};

use linkspan_inspect::is_linkspan;

use super::bin_dir::{BINARY, NAMES, failed, identity, is_mounted, remove, settle};
use crate::failure::Failure;

pub(super) use files::Files;

/// The directory below that of the plugins.
const DIRECTORY: &str = ".linkspan-replaced";

/// What is kept and not yet whole.
const HALF: &str = ".new";

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

    /// Why these names cannot be kept there, or be put back from there.
    pub(super) fn obstacle(&self, names: &[&str]) -> Option<String> {
        let directory = self.directory();
        // Where nothing is, it is made.
        let meta = fs::symlink_metadata(&directory).ok()?;
        let device = fs::metadata(self.bin_dir).ok()?.dev();
        let is_directory = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
        let shown = directory.display();
        if names.is_empty() {
            None
        } else if !meta.is_dir() {
            Some(format!("{shown} is no directory"))
        } else if meta.dev() != device || is_mounted(&directory) {
            Some(format!(
                "{shown} is another file system, from which nothing can be renamed"
            ))
        } else {
            let paths = names.iter().chain([&HALF]).map(|name| directory.join(name));
            let mut obstacles = paths.filter(|path| is_directory(path));
            let path = obstacles.next()?;
            Some(format!("{} is a directory", path.display()))
        }
    }

    /// Keeps what is at a name. It stays in its place.
    pub(super) fn keep(&self, name: &str) -> Result<(), Failure> {
        let path = self.bin_dir.join(name);
        let directory = self.directory();
        create(&directory).map_err(failed("create", &directory))?;
        let (half, kept) = (directory.join(HALF), directory.join(name));
        remove(&half).map_err(failed("remove", &half))?;
        // A link, so that it comes back as it is with its owner, its label and all else, and needs no room; where there are none,
        // a copy.
        fs::hard_link(&path, &half)
            .or_else(|_| copy(&path, &half))
            .and_then(|()| fs::rename(&half, &kept))
            .map_err(failed("keep", &path))?;
        // A rename of one of two links to a file does nothing.
        remove(&half).map_err(failed("remove", &half))
    }

    /// Forgets what is kept though it is still in its place, as whoever was killed or failed before he replaced it leaves it. Best
    /// effort: it is in nobody's way.
    pub(super) fn forget_needless(&self) {
        for name in NAMES.iter().copied().chain([BINARY]) {
            let kept = self.directory().join(name);
            if is_alike(&kept, &self.bin_dir.join(name)) {
                let _ = remove(&kept);
            }
        }
        let _ = remove(&self.directory().join(HALF));
        // It stays where something is kept that has no place.
        let _ = fs::remove_dir(self.directory());
    }

    /// Names of which something is kept that is not in its place.
    pub(super) fn kept(&self) -> Vec<&'static str> {
        let names = NAMES.iter().copied().chain([BINARY]);
        let is_kept = |name: &&str| {
            let kept = self.directory().join(name);
            fs::symlink_metadata(&kept).is_ok() && !is_alike(&kept, &self.bin_dir.join(name))
        };
        names.filter(is_kept).collect()
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
        self.forget_needless();
        settle(self.bin_dir)
    }

    /// Whether a file is one of Linkspan's: the file of all plugins, a link to it, also where it is gone, or a copy of any build.
    fn is_ours(&self, path: &Path) -> bool {
        let target = fs::read_link(path).unwrap_or_default();
        let is_lost = target.file_name() == Some(BINARY.as_ref()) && identity(path).is_none();
        let binary = identity(&self.bin_dir.join(BINARY));
        is_lost || (binary.is_some() && identity(path) == binary) || is_linkspan(path)
    }
}

/// Creates the directory, for everybody to read whatever this process keeps from others.
fn create(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| fs::set_permissions(directory, Permissions::from_mode(0o755))),
    }
}

/// Copies a file, or a link as one, with its owner and its times where this process may set them.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(from)?;
    if meta.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
        let _ = lchown(to, Some(meta.uid()), Some(meta.gid()));
        return Ok(());
    }
    fs::copy(from, to)?;
    let file = File::open(to)?;
    let _ = fchown(&file, Some(meta.uid()), Some(meta.gid()));
    // Another owner takes away some of it.
    file.set_permissions(meta.permissions())?;
    if let Ok(modified) = meta.modified() {
        let _ = file.set_modified(modified);
    }
    file.sync_all()
}

/// Whether two paths lead to one file, or to two that are the same, or are links to the same place.
fn is_alike(one: &Path, other: &Path) -> bool {
    let (Ok(a), Ok(b)) = (fs::symlink_metadata(one), fs::symlink_metadata(other)) else {
        return false;
    };
    let entry = |meta: &Metadata| (meta.dev(), meta.ino());
    if entry(&a) == entry(&b) {
        return true;
    }
    if a.is_symlink() && b.is_symlink() {
        return matches!((fs::read_link(one), fs::read_link(other)), (Ok(a), Ok(b)) if a == b);
    }
    let is_worth_reading = a.is_file() && b.is_file() && a.len() == b.len();
    is_worth_reading && matches!((fs::read(one), fs::read(other)), (Ok(a), Ok(b)) if a == b)
}
