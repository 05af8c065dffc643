//! Files below a directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Snapshot;

/// Longer contents are told by their length and beginning.
const SHOWN_BYTES: usize = 4096;

/// Whether it is the folder in which Linkspan's plugins tell of their calls, whatever comes of them: no state of the network, so
/// a comparison leaves it out.
#[must_use]
pub fn tells_of_calls(path: &Path) -> bool {
    path.starts_with("/run/cni/linkspan") && path.ends_with("events")
}

/// Whether it is a directory that is there for that folder alone.
fn leads_to_calls_alone(path: &Path) -> bool {
    let mut entries = fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .peekable();
    let is_about_calls = |path: &Path| tells_of_calls(path) || leads_to_calls_alone(path);
    path.starts_with("/run/cni")
        && entries.peek().is_some()
        && entries.all(|entry| is_about_calls(&entry.path()))
}

pub(super) fn look(path: &Path, snapshot: &mut Snapshot) {
    if tells_of_calls(path) || leads_to_calls_alone(path) {
        return;
    }
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return;
    };
    let what = format!("file {}", path.display());
    let mode = metadata.permissions().mode() & 0o7777;
    if metadata.is_dir() {
        snapshot.add(what, format!("directory {mode:o}"));
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            look(&entry.path(), snapshot);
        }
    } else if metadata.is_symlink() {
        let target = fs::read_link(path).unwrap_or_default();
        snapshot.add(what, format!("-> {}", target.display()));
    } else if metadata.is_file() {
        snapshot.add(what, format!("{mode:o} {}", contents(path)));
    } else {
        snapshot.add(what, "special file");
    }
}

fn contents(path: &Path) -> String {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return format!("({error})"),
    };
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let text = format!("{:?}", String::from_utf8_lossy(shown));
    if shown.len() < bytes.len() {
        format!("{text}… {} bytes", bytes.len())
    } else {
        text
    }
}
