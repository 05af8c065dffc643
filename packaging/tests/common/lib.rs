//! What is shipped, as `make dist` has made it: where it is. For the tests beside it.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

pub mod machine;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of what is shipped: `LINKSPAN_DIST`, or `dist` at the top of the repository.
#[must_use]
pub fn dist() -> PathBuf {
    env::var_os("LINKSPAN_DIST").map_or_else(|| top().join("dist"), PathBuf::from)
}

/// The top of the repository.
#[must_use]
pub fn top() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// All artefacts, without their checksums, in the order of their names.
///
/// # Panics
/// When there is none.
#[must_use]
#[track_caller]
pub fn artefacts() -> Vec<PathBuf> {
    let dist = dist();
    let entries = fs::read_dir(&dist).into_iter().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| !is_sum(path) && !is_hidden(path));
    paths.sort();
    assert!(
        !paths.is_empty(),
        "nothing is in {}: run make dist first",
        dist.display()
    );
    paths
}

/// The artefact whose name begins and ends so.
///
/// # Panics
/// When there is none, or another.
#[must_use]
#[track_caller]
pub fn artefact(begin: &str, end: &str) -> PathBuf {
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(begin) && name.ends_with(end)
    };
    let found: Vec<_> = artefacts().into_iter().filter(is_it).collect();
    let [one] = &found[..] else {
        panic!(
            "{begin}…{end} in {}: {found:?}; run make dist first",
            dist().display()
        );
    };
    one.clone()
}

/// What scripts/dist has for itself: names of what it made, and what it was making when it was killed.
fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_sum(path: &Path) -> bool {
    path.extension()
        .is_some_and(|kind| kind == "sha256" || kind == "sha512")
}
