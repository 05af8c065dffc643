//! Names as they occur, and links.

use std::os::unix::fs::symlink;

use super::*;
use crate::Invocation;
use linkspan_spec::Success;

struct Named(&'static str);

impl Handler for Named {
    fn name(&self) -> &'static str {
        self.0
    }

    fn about(&self) -> &'static str {
        ""
    }

    fn keys(&self) -> &'static [crate::config::Key] {
        &[]
    }

    fn role(&self) -> crate::Role {
        crate::Role::Independent
    }

    fn handle(&self, _: &Invocation<'_>) -> Result<Option<Success>, Error> {
        Ok(None)
    }
}

const TABLE: &Table = &[
    &Named("bridge"),
    &Named("host-device"),
    &Named("host-local"),
    &Named("local"),
    &Named("sbr"),
    &Named("static"),
    &Named("tap"),
    &Named("tuning"),
];

fn called(arguments: &[&str], started: &Path) -> Option<&'static str> {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    plugin(TABLE, &arguments, started).map(|(handler, _)| handler.name())
}

#[test]
fn what_stands_behind_a_plugins_name_are_words_for_it() {
    for (arguments, expected) in [
        (&["tap"][..], &[][..]),
        (&["/opt/cni/bin/tap", "daemon", "-x"], &["daemon", "-x"]),
        (&["linkspan-plugins", "tap", "daemon"], &["daemon"]),
        (&["my-tap", "daemon"], &["daemon"]),
        // Its own name says which it is: the next is a word.
        (&["tap", "bridge"], &["bridge"]),
    ] {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let (_, words) = plugin(TABLE, &arguments, Path::new("/nowhere")).unwrap();
        assert_eq!(words, expected, "{arguments:?}");
    }
}

// moby/buildkit ships buildkit-cni-bridge; kubevirt's installer cnv-bridge and cnv-tuning; multi-networkpolicy sbr-custom.
#[test]
fn a_name_is_the_plugin_that_it_ends_in_or_begins_with() {
    for (name, expected) in [
        ("bridge", Some("bridge")),
        ("buildkit-cni-bridge", Some("bridge")),
        ("cnv-tuning", Some("tuning")),
        ("my_bridge", Some("bridge")),
        ("my-host-local", Some("host-local")),
        ("my-local", Some("local")),
        ("host-local-test", Some("host-local")),
        ("host-local", Some("host-local")),
        ("sbr-custom", Some("sbr")),
        ("bridge-v1.2.3", Some("bridge")),
        ("bridge-of-the-bridge", Some("bridge")),
        ("sbr-static", None),
        ("bridge.old", None),
        ("mybridge", None),
        ("bridges", None),
        ("-", None),
        ("", None),
    ] {
        let path = format!("/nowhere/{name}");
        assert_eq!(called(&[&path], Path::new(&path)), expected, "{name:?}");
    }
}

#[test]
fn a_file_of_one_plugin_is_that_plugin_by_any_name() {
    const ALONE: &Table = &[&Named("bridge")];
    for arguments in [
        &["/opt/cni/bin/anything"][..],
        &["sbr"],
        &["bridge"],
        &[""],
        &[],
    ] {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let found = plugin(ALONE, &arguments, Path::new("/nowhere"));
        assert_eq!(found.map(|(one, _)| one.name()), Some("bridge"));
    }
    // What stands behind is for it.
    let arguments = ["anything", "daemon"].map(OsString::from);
    let (_, words) = plugin(ALONE, &arguments, Path::new("/nowhere")).unwrap();
    assert_eq!(words, ["daemon"]);
}

#[test]
fn the_first_argument_is_a_whole_name() {
    let path = "/nowhere/linkspan-plugins";
    let called = |argument| called(&[path, argument], Path::new(path));
    assert_eq!(called("tap"), Some("tap"));
    assert_eq!(called("my-tap"), None);
}

#[test]
fn a_link_is_the_plugin_that_it_leads_to() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("linkspan-plugins"), "").unwrap();
    for (target, link) in [
        ("linkspan-plugins", "bridge"),
        ("linkspan-plugins", "cnv-tap"),
        ("bridge", "net0"),
        ("net0", "net1"),
        ("cnv-tap", "net2"),
        ("bridge", "sbr-static"),
        ("bridge", "my-tap"),
        ("linkspan-plugins", "net3"),
        ("net4", "net4"),
    ] {
        symlink(target, path(link)).unwrap();
    }
    for (link, expected) in [
        ("net0", Some("bridge")),
        ("net1", Some("bridge")),
        ("net2", Some("tap")),
        ("sbr-static", Some("bridge")),
        ("my-tap", Some("bridge")),
        ("net3", None),
        ("net4", None),
    ] {
        assert_eq!(called(&[link], &path(link)), expected, "{link}");
    }
}
