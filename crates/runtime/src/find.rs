//! Where a plugin's file is.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use linkspan_spec::PluginType;

use crate::{Error, file};

/// Searches a plugin's file in directories, in their order. As in the reference's runtime it need
/// only be a file: one that cannot be executed hides those of later directories.
///
/// An empty path is no directory, and the result of a relative one begins with `./`: a bare name would
/// be executed from wherever `PATH` leads to.
///
/// # Errors
/// [`Error::PluginNotFound`] when no directory holds it.
pub fn find_plugin(plugin: &PluginType, directories: &[PathBuf]) -> Result<PathBuf, Error> {
    let candidates = || {
        let directories = directories.iter().filter(|path| is_directory(path));
        directories.map(|path| Path::new(".").join(path).join(plugin.as_str()))
    };
    candidates()
        .find(|path| fs::metadata(path).is_ok_and(|meta| meta.is_file()))
        .ok_or_else(|| Error::PluginNotFound {
            plugin: plugin.clone(),
            directories: directories.to_vec(),
            present: plugins_in(directories),
            obstacle: candidates().find_map(|path| obstacle(&path)),
        })
}

/// Whether a path of a directory is one, which an empty one is not.
pub(crate) fn is_directory(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

/// Why there may be a plugin at a path all the same; nothing when there is none.
fn obstacle(path: &Path) -> Option<String> {
    let shown = path.display();
    match (fs::metadata(path), fs::symlink_metadata(path)) {
        (Ok(_), _) => Some(format!("{shown} is there, but is no file")),
        (Err(error), Err(_)) if error.kind() == io::ErrorKind::NotFound => None,
        (Err(error), Ok(_)) if error.kind() == io::ErrorKind::NotFound => {
            Some(format!("{shown} is a link that leads nowhere"))
        }
        (Err(error), _) => Some(format!("{shown} cannot be looked at: {error}")),
    }
}

/// The names of the files in directories, in alphabetical order.
fn plugins_in(directories: &[PathBuf]) -> Vec<String> {
    let names: BTreeSet<_> = directories
        .iter()
        .filter(|directory| is_directory(directory))
        .flat_map(|directory| file::names(directory).unwrap_or_default())
        .collect();
    names.into_iter().collect()
}
