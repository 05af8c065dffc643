//! What rules may know of the host, gathered in one place, as data.

use std::collections::BTreeSet;
use std::path::PathBuf;

use linkspan_inspect::Places;
use linkspan_inspect::link::Links;
use linkspan_kernel::rtnl::Rtnl;
use linkspan_plugins::tuning::allowlist;

use crate::document::Document;
use crate::input;

/// What the host has. Tests write it down; [`Facts::gather`] looks.
#[derive(Debug, Default)]
pub struct Facts {
    /// The directories in which runtimes look for plugins.
    pub plugin_dirs: Vec<PathBuf>,
    /// The names of the files in them; `None` where there is no such directory, so that nothing is known.
    pub plugins: Option<BTreeSet<String>>,
    /// The links of the host with their addresses, and its routes; `None` where they cannot be seen.
    pub links: Option<Links>,
    /// The kernel parameters that its administrator allows `tuning` to set; `None` where there is no such list.
    pub allowlist: Option<String>,
    /// The networks on the host's disk, without those that are linted.
    pub networks: Vec<Document>,
}

impl Facts {
    /// Looks at this host. What cannot be seen is not known, and nothing is concluded from that.
    pub fn gather(places: &Places, linted: &[Document]) -> Self {
        Self {
            plugins: plugins(&places.plugin_dirs),
            plugin_dirs: places.plugin_dirs.clone(),
            links: Rtnl::open().ok().and_then(|rtnl| Links::read(&rtnl).ok()),
            allowlist: allowlist::read().ok(),
            networks: networks(places, linted),
        }
    }
}

fn plugins(directories: &[PathBuf]) -> Option<BTreeSet<String>> {
    let read = directories
        .iter()
        .filter_map(|path| std::fs::read_dir(path).ok());
    let mut found = None;
    for entries in read {
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        found.get_or_insert_with(BTreeSet::new).extend(names);
    }
    found
}

fn networks(places: &Places, linted: &[Document]) -> Vec<Document> {
    let real = |path: &PathBuf| std::fs::canonicalize(path).ok();
    let linted: BTreeSet<PathBuf> = linted
        .iter()
        .filter_map(|document| document.path.as_ref().and_then(real))
        .collect();
    let directories = places.config_dirs.iter();
    let documents = directories.flat_map(|path| input::directory(path).unwrap_or_default());
    documents
        .filter(|document| {
            let path = document.path.as_ref().and_then(real);
            path.is_none_or(|path| !linted.contains(&path))
        })
        .collect()
}
