//! Whose a plugin is that a runtime would run.

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

impl Whose {
    pub(super) fn of(plugin: &PluginType, is_known: bool, plugin_dirs: &[PathBuf]) -> Self {
        let file = find_in_path(plugin, plugin_dirs).ok();
        let file = file.map(|file| file.strip_prefix(".").map(Path::to_owned).unwrap_or(file));
        match file {
            file if !is_known => Self::Others(file),
            None => Self::NotInstalled,
            Some(file) if is_linkspan(&file) => Self::Linkspan(file),
            Some(file) => Self::Replaced(file),
        }
    }
}
