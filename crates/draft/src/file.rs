//! Where a configuration is written: behind all others, so that no runtime takes it for its default unasked.

use std::path::{Path, PathBuf};

/// The file of a new network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlace {
    /// The file.
    pub path: PathBuf,
    /// The file that comes first by its name, and whose network runtimes take that know one alone; `None` where the new one does.
    pub first: Option<String>,
}

/// The lowest number that a file gets.
const LOWEST: u32 = 10;
/// The highest: `100-` would come before `11-`.
const HIGHEST: u32 = 99;
/// What takes the place of a number where none is behind all others.
const BEHIND_NUMBERS: &str = "zz";

/// The file of a network in a directory whose files have these names.
pub fn place(directory: &Path, names: &[String], network: &str) -> FilePlace {
    let is_read = |name: &&String| {
        let (_, extension) = name.rsplit_once('.').unwrap_or_default();
        ["conf", "conflist", "json"].contains(&extension)
    };
    let read: Vec<&String> = names.iter().filter(is_read).collect();
    let is_last = |name: &String| read.iter().all(|other| *other < name);
    let numbered = (LOWEST..=HIGHEST).map(|number| format!("{number}-{network}.conflist"));
    // Behind 99 and behind names that begin with a letter there are letters alone.
    let behind_all = || format!("{BEHIND_NUMBERS}-{network}.conflist");
    let name = numbered
        .into_iter()
        .find(is_last)
        .unwrap_or_else(behind_all);
    let first = read
        .into_iter()
        .min()
        .filter(|first| **first < name)
        .cloned();
    FilePlace {
        path: directory.join(name),
        first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_behind_all_others() {
        let cases: [(&[&str], &str, Option<&str>); 8] = [
            (&[], "10-n.conflist", None),
            (&["10-a.conflist"], "10-n.conflist", Some("10-a.conflist")),
            (&["10-z.conflist"], "11-n.conflist", Some("10-z.conflist")),
            (
                &["87-podman-bridge.conflist", "10-a.conf"],
                "88-n.conflist",
                Some("10-a.conf"),
            ),
            (
                &["99-loopback.conf", "10-a.conflist"],
                "99-n.conflist",
                Some("10-a.conflist"),
            ),
            (&["99-z.conf", "README"], "zz-n.conflist", Some("99-z.conf")),
            (&["mynet.conflist"], "zz-n.conflist", Some("mynet.conflist")),
            (
                &["zz.txt", "100-crio.conflist"],
                "11-n.conflist",
                Some("100-crio.conflist"),
            ),
        ];
        for (names, expected, first) in cases {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let place = place(Path::new("/d"), &names, "n");
            assert_eq!(place.path, Path::new("/d").join(expected), "{names:?}");
            assert_eq!(place.first.as_deref(), first, "{names:?}");
        }
    }
}
