//! Whose a plugin is that a runtime would run.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use linkspan_inspect::is_linkspan;
use linkspan_plugin::find_in_path;
use linkspan_plugin::spec::PluginType;

/// Whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Linkspan's, in this file.
    Linkspan(PathBuf),
    /// Linkspan has one of this name, and there is none in the directories.
    NotInstalled,
    /// Linkspan has one of this name, and this file is another's.
    Replaced(PathBuf),
    /// Linkspan has none of this name.
    Others(Option<PathBuf>),
}

/// Files that were looked into: a file of all plugins has many names.
#[derive(Debug, Default)]
pub(super) struct Files(BTreeMap<(u64, u64), bool>);

impl Files {
    fn is_linkspan(&mut self, path: &Path) -> bool {
        let Ok(found) = fs::metadata(path) else {
            return false;
        };
        let identity = (found.dev(), found.ino());
        *self.0.entry(identity).or_insert_with(|| is_linkspan(path))
    }
}

impl Whose {
    pub(super) fn of(
        plugin: &PluginType,
        is_known: bool,
        plugin_dirs: &[PathBuf],
        files: &mut Files,
    ) -> Self {
        let file = find_in_path(plugin, plugin_dirs).ok();
        let file = file.map(|file| file.strip_prefix(".").map(Path::to_owned).unwrap_or(file));
        match file {
            file if !is_known => Self::Others(file),
            None => Self::NotInstalled,
            Some(file) if files.is_linkspan(&file) => Self::Linkspan(file),
            Some(file) => Self::Replaced(file),
        }
    }
}
