//! The tarball of the plugins, `cni-plugins-linux-…-v….tgz`, as the reference's releases have it.
#![forbid(unsafe_code)]

use linkspan_packaging as packaging;
use linkspan_testkit::{Cmd, PLUGIN_NAMES};

/// As upstream's (listed by `tar -tvzf` of its releases): a flat folder, root's, everything of the mode that it needs.
#[test]
fn it_is_laid_out_as_the_references() {
    let tarball = packaging::artefact("cni-plugins-linux-", ".tgz");
    let list = Cmd::new("tar").arg("-tvzf").arg(&tarball).run();
    let mut names = Vec::new();
    for line in list.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let (mode, owner, name) = (words[0], words[1], words[5]);
        assert_eq!(owner, "root/root", "{line}");
        let expected = match name {
            "./" => "drwxr-xr-x",
            "./LICENSE" | "./README.md" => "-rw-r--r--",
            _ => "-rwxr-xr-x",
        };
        assert_eq!(mode.replacen('h', "-", 1), expected, "{line}");
        names.push(name.trim_start_matches("./").to_owned());
    }
    let mut expected: Vec<_> = PLUGIN_NAMES.to_vec();
    expected.extend(["", "LICENSE", "README.md"]);
    names.sort();
    expected.sort_unstable();
    assert_eq!(names, expected);
}
