//! How much is on disk.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use linkspan_benches::data::{Figure, Side, Unit};
use linkspan_benches::rounds::Rounds;
use linkspan_benches::spread::Spread;
use linkspan_testkit::{Plugins, Sandbox};

use crate::contestant::ours;

/// All plugins, as `linkspan install` and Debian's package put them there.
pub(crate) fn installed(_: &Sandbox, _: &mut Rounds) -> Vec<Figure> {
    let (names, ours) = folder(&ours());
    let (their_names, theirs) = folder(Plugins::reference().dir());
    vec![
        Figure::new(
            format!("all plugins: {names} names, and {their_names} of the reference"),
            Unit::KiB,
        )
        .with(Side::Linkspan, ours)
        .with(Side::Reference, theirs)
        .compared(),
    ]
}

/// How many plugins are in a folder, and how many KiB, each file once, whatever leads to it.
fn folder(dir: &Path) -> (usize, Spread) {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let names: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    let mut files = BTreeMap::new();
    for metadata in names.iter().filter_map(|path| fs::metadata(path).ok()) {
        files.insert((metadata.dev(), metadata.ino()), metadata.len());
    }
    let bytes: u64 = files.values().sum();
    // The file that they lead to is not the name of a plugin.
    let plugins = names
        .iter()
        .filter(|path| !path.ends_with("linkspan-plugins"));
    (plugins.count(), kib(bytes))
}

/// The size of one file.
pub(crate) fn file(path: &Path) -> Spread {
    let metadata = fs::metadata(path);
    kib(metadata
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .len())
}

fn kib(bytes: u64) -> Spread {
    Spread::exactly(bytes as f64 / 1024.0)
}
