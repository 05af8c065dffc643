//! Directories: who may write to them, and whether they have space.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};
use serde::Serialize;

use crate::{Host, Places};

/// What is kept in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Use {
    /// Plugins, which root runs.
    Plugins,
    /// Configurations, which say what root runs.
    Configurations,
    /// What is attached, and who has which address.
    State,
}

/// A directory, or a file in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Directory {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub purpose: Use,
    /// A link leads to it.
    #[serde(skip)]
    pub is_link: bool,
    /// Its permissions.
    pub mode: u32,
    /// Who owns it; `None` where that cannot be told, as in a user namespace.
    pub owner: Option<u32>,
    /// Its group.
    pub group: u32,
    /// Its file system cannot be written to.
    pub read_only: bool,
    /// How many bytes there is still room for; `None` where nobody counts.
    pub free_bytes: Option<u64>,
    /// How many files there is still room for; `None` where nobody counts.
    pub free_files: Option<u64>,
}

/// Where the state of this boot lies.
const RUN: &str = "/run/cni";

/// Those that matter and are there.
pub(super) fn read(host: &Host, places: &Places) -> Vec<Directory> {
    let plugins = places.plugin_dirs.iter().cloned();
    let files = host.networks.iter().map(|network| network.file.clone());
    let configurations = places.config_dirs.iter().cloned().chain(files);
    let results = places.cache_dirs.iter();
    let results = results.flat_map(|dir| [dir.clone(), dir.join("results")]);
    let pools = host.pools.iter().map(|pool| pool.directory.clone());
    let state = [PathBuf::from(RUN)].into_iter();
    let state = state
        .chain(results)
        .chain(places.pool_dirs.clone())
        .chain(pools);
    let mut found: Vec<Directory> = plugins
        .map(|path| (path, Use::Plugins))
        .chain(configurations.map(|path| (path, Use::Configurations)))
        .chain(state.map(|path| (path, Use::State)))
        .filter_map(|(path, purpose)| Directory::look(&path, purpose))
        .collect();
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found.dedup_by(|one, other| one.path == other.path);
    found
}

impl Directory {
    fn look(path: &Path, purpose: Use) -> Option<Self> {
        let meta = fs::metadata(path).ok()?;
        // A configuration is switched off by a link to /dev/null, which is for everybody to write to.
        if !meta.is_file() && !meta.is_dir() {
            return None;
        }
        let space = statvfs(path).ok();
        // What has no room for anything has no count of it, as /proc.
        let counted = |total: u64, free: u64| (total > 0).then_some(free);
        Some(Self {
            path: path.to_owned(),
            purpose,
            is_link: fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink()),
            mode: meta.mode() & 0o7777,
            owner: Some(meta.uid()).filter(|owner| *owner != unmapped()),
            group: meta.gid(),
            read_only: space
                .as_ref()
                .is_some_and(|space| space.f_flag.contains(StatVfsMountFlags::RDONLY)),
            free_bytes: space.as_ref().and_then(|space| {
                counted(
                    space.f_blocks,
                    space.f_bavail.saturating_mul(space.f_frsize),
                )
            }),
            free_files: space
                .as_ref()
                .and_then(|space| counted(space.f_files, space.f_favail)),
        })
    }
}

/// Whom a user namespace shows in the place of those that it does not know.
fn unmapped() -> u32 {
    const USUAL: u32 = 65534;
    let text = fs::read_to_string("/proc/sys/kernel/overflowuid");
    text.ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(USUAL)
}
