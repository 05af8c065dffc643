//! The directory of the plugins: what can be in it, who may change it, and that something could not be done there.

mod lock;
mod obstacles;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use linkspan_runtime::io_advice;

use crate::failure::{Failure, Kind};

pub(super) use lock::Lock;
pub(super) use obstacles::{Intent, is_mounted, obstacles};

/// The file that all plugins are in.
pub(super) const BINARY: &str = "linkspan-plugins";

/// The plugins that can be in it.
pub(super) use linkspan_inspect::system::PLUGINS as NAMES;

/// Something could not be done with a file there.
pub(super) fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Failure {
    move |error| {
        let failure = Failure::new(
            Kind::Failed,
            format!("cannot {operation} {}", path.display()),
        );
        let advice = io_advice(&error);
        let failure = failure.because(error);
        advice.into_iter().fold(failure, Failure::advise)
    }
}

/// Which file is at a path, behind links.
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Has the disk hold what was renamed in a directory.
pub(super) fn settle(directory: &Path) -> Result<(), Failure> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed("write", directory))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_plugins_are_those_of_the_reference() {
        assert_eq!(super::NAMES, linkspan_testkit::PLUGIN_NAMES);
    }
}
