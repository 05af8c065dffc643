//! Whether two paths lead to the same file.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whether there is something at both, and the same: by device and inode.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    identity(one).is_some_and(|one| Some(one) == identity(other))
}
