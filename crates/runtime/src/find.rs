//! Where a plugin's file is.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use linkspan_spec::PluginType;

use crate::{Error, file};

/// Searches a plugin's file in directories, in their order. As in the reference's runtime it need
/// only be a file: one that cannot be executed hides those of later directories.
///
/// # Errors
/// [`Error::PluginNotFound`] when no directory holds it.
pub fn find_plugin(plugin: &PluginType, directories: &[PathBuf]) -> Result<PathBuf, Error> {
    directories
        .iter()
        .map(|directory| directory.join(plugin.as_str()))
        .find(|path| fs::metadata(path).is_ok_and(|meta| meta.is_file()))
        .ok_or_else(|| Error::PluginNotFound {
            plugin: plugin.clone(),
            directories: directories.to_vec(),
            present: plugins_in(directories),
        })
}

/// The names of the files in directories, in alphabetical order.
fn plugins_in(directories: &[PathBuf]) -> Vec<String> {
    let names: BTreeSet<_> = directories
        .iter()
        .flat_map(|directory| file::names(directory).unwrap_or_default())
        .collect();
    names.into_iter().collect()
}
