//! Removing the directory of a network that is no more.

use std::fs;
use std::io;
use std::path::Path;

use super::{Directory, StoreError, failed, files, look};

/// Removes a directory in which nothing is reserved, with what it keeps for itself. `false` where something is reserved, or
/// somebody else's file is in it: it stays as it is then. One that is not there is as good as removed.
///
/// # Errors
/// When it cannot be read, locked or removed.
pub fn remove_unused(path: &Path) -> Result<bool, StoreError> {
    // Whoever is about to reserve an address has the lock, and is waited for.
    let Some(directory) = Directory::open(path)? else {
        return Ok(true);
    };
    if look(path)?.is_some_and(|look| !look.entries.is_empty()) {
        return Ok(false);
    }
    let names = fs::read_dir(path).and_then(|entries| {
        let names = entries.map(|entry| Ok(entry?.file_name()));
        names.collect::<io::Result<Vec<_>>>()
    });
    let names = names.map_err(failed("read", path))?;
    let is_own = |name: &std::ffi::OsString| name.to_str().is_some_and(files::is_own);
    if !names.iter().all(is_own) {
        return Ok(false);
    }
    for name in &names {
        let file = path.join(name);
        fs::remove_file(&file).map_err(failed("remove", &file))?;
    }
    fs::remove_dir(path).map_err(failed("remove", path))?;
    drop(directory);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reserves_nothing_goes() {
        let dir = tempfile::tempdir().unwrap();
        let cases: [(&[&str], bool); 5] = [
            (&[], true),
            (
                &[
                    "lock",
                    "last_reserved_ip.0",
                    "last_reserved_ip.1",
                    ".linkspan-1",
                ],
                true,
            ),
            (&["lock", "10.0.0.2"], false),
            (&["lock", "fd00::2"], false),
            (&["lock", "notes.txt"], false),
        ];
        for (files, expected) in cases {
            let path = dir.path().join("net");
            fs::create_dir(&path).unwrap();
            for file in files {
                fs::write(path.join(file), "c1\neth0").unwrap();
            }
            assert_eq!(remove_unused(&path).unwrap(), expected, "{files:?}");
            assert_eq!(path.exists(), !expected, "{files:?}");
            for file in files.iter().filter(|_| !expected) {
                assert!(path.join(file).exists(), "{file}");
            }
            let _ = fs::remove_dir_all(&path);
        }
        assert!(remove_unused(&dir.path().join("none")).unwrap());
    }
}
