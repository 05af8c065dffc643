//! The tarball of the plugins, `cni-plugins-linux-…-v….tgz`, as the reference's releases have it.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

mod copies;
mod stub;

use std::path::{Path, PathBuf};

use linkspan_packaging as packaging;
use linkspan_testkit::{Cmd, PLUGIN_NAMES};
use tempfile::TempDir;

fn tarball() -> PathBuf {
    packaging::artefact("cni-plugins-linux-", ".tgz")
}

/// A folder with the tarball unpacked into it, as most do it.
fn unpacked() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    unpack(dir.path());
    dir
}

fn unpack(dir: &Path) {
    let tar = Cmd::new("tar").arg("-xzf").arg(tarball());
    tar.arg("-C").arg(dir).run();
}

/// As upstream's (listed by `tar -tvzf` of its releases): a flat folder, root's, everything of the mode that it needs.
#[test]
fn it_is_laid_out_as_the_references() {
    let list = Cmd::new("tar").arg("-tvzf").arg(tarball()).run();
    let mut names = Vec::new();
    for line in list.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let (mode, owner, name) = (words[0], words[1], words[5]);
        assert_eq!(owner, "root/root", "{line}");
        let expected = match name {
            "./" => "drwxr-xr-x",
            "./LICENSE" | "./README.md" | "./THIRD-PARTY-LICENSES" => "-rw-r--r--",
            _ => "-rwxr-xr-x",
        };
        assert_eq!(mode, expected, "{line}");
        names.push(name.trim_start_matches("./").to_owned());
    }
    let mut expected: Vec<_> = PLUGIN_NAMES.to_vec();
    expected.extend(["", "LICENSE", "README.md", "THIRD-PARTY-LICENSES"]);
    names.sort();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn every_name_is_its_plugin() {
    let dir = unpacked();
    for name in PLUGIN_NAMES {
        let about = Cmd::new(dir.path().join(name)).env_remove("CNI_COMMAND");
        let told = about.output();
        assert!(
            told.stderr.contains(&format!("CNI {name} plugin")),
            "{told}"
        );
    }
}

/// Seventeen of them are as good as nothing.
#[test]
fn a_stub_is_small() {
    let dir = unpacked();
    let size = |name: &str| dir.path().join(name).metadata().unwrap().len();
    let sizes = PLUGIN_NAMES.map(size);
    let large = sizes.iter().filter(|size| **size > 12 << 10).count();
    assert_eq!(large, 1, "{sizes:?}");
}
