//! What comes back, whatever happened between an installation and its end.

use std::fs;

use super::{build, done, install_from, kept, reference, shell, uninstall, world};
use crate::world::{World, json};

/// What happens to the plugin `bridge` of a directory.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Somebody else's installer, or a package's upgrade, puts this there by renaming, as dpkg does.
    Other(&'static str),
    /// A build of this version is installed.
    Install(&'static str),
    /// The same, and what it replaces is not kept.
    InstallAlone(&'static str),
    Uninstall,
    /// Something broken is put there by renaming, and a build of this version is installed with --force.
    Broken(&'static str),
    /// The same, but that it is copied there, and so through a link.
    Copied(&'static str),
    /// Somebody removes a file.
    Remove(&'static str),
}

use Event::{Broken, Copied, Install, InstallAlone, Other, Remove, Uninstall};

impl Event {
    fn happen(self, world: &World) {
        match self {
            Other(version) => {
                world.script("out/new", &reference(version));
                fs::rename(world.path("out/new"), world.path("out/bridge")).unwrap();
            }
            Broken(version) | Copied(version) => {
                let how = if matches!(self, Broken(_)) {
                    "mv"
                } else {
                    "cp"
                };
                shell(
                    world,
                    &format!("echo broken > broken; {how} broken out/bridge"),
                );
                world.script("from", &build(version));
                done(&install_from(world, "from", &["--force"]));
            }
            Install(version) | InstallAlone(version) => {
                world.script("from", &build(version));
                let more: &[&str] = match self {
                    InstallAlone(_) => &["--no-backup"],
                    _ => &[],
                };
                done(&install_from(world, "from", more));
                let installed = fs::read_to_string(world.path("out/bridge")).unwrap();
                assert_eq!(installed, build(version));
            }
            Uninstall => {
                done(&uninstall(world, &[]));
            }
            Remove(name) => fs::remove_file(world.path("out").join(name)).unwrap(),
        }
    }
}

/// What happens before the end, what is there then, and whether an older file stays kept.
const HISTORIES: &[(&[Event], Option<&str>, bool)] = &[
    (&[Other("v1"), Install("7.1.0")], Some("v1"), false),
    // The original, and not the build before.
    (
        &[Other("v1"), Install("7.1.0"), Install("7.2.0")],
        Some("v1"),
        false,
    ),
    (
        &[Other("v1"), Install("7.2.0"), Install("7.1.0")],
        Some("v1"),
        false,
    ),
    (
        &[Other("v1"), Install("7.1.0"), Install("7.1.0")],
        Some("v1"),
        false,
    ),
    (&[Install("7.1.0")], None, false),
    (&[Install("7.1.0"), Install("7.2.0")], None, false),
    // A package's upgrade: what is there then is not Linkspan's. flannel#1471
    (
        &[Other("v1"), Install("7.1.0"), Other("v2")],
        Some("v2"),
        true,
    ),
    (
        &[Other("v1"), Install("7.1.0"), Other("v2"), Install("7.1.0")],
        Some("v2"),
        false,
    ),
    (
        &[Other("v1"), Install("7.1.0"), Other("v1")],
        Some("v1"),
        false,
    ),
    (&[Install("7.1.0"), Other("v2")], Some("v2"), false),
    // A package's removal: what is kept has no original.
    (
        &[Other("v1"), Install("7.1.0"), Remove("bridge")],
        Some("v1"),
        false,
    ),
    (
        &[
            Other("v1"),
            Install("7.1.0"),
            Remove("bridge"),
            Install("7.2.0"),
        ],
        Some("v1"),
        false,
    ),
    (
        &[Other("v1"), Install("7.1.0"), Remove("linkspan-plugins")],
        Some("v1"),
        false,
    ),
    (
        &[
            Other("v1"),
            Install("7.1.0"),
            Remove("linkspan-plugins"),
            Install("7.1.0"),
        ],
        Some("v1"),
        false,
    ),
    (
        &[
            Other("v1"),
            Install("7.1.0"),
            Remove(".linkspan-replaced/bridge"),
        ],
        None,
        false,
    ),
    (
        &[Other("v1"), Install("7.1.0"), Uninstall],
        Some("v1"),
        false,
    ),
    (
        &[Other("v1"), Install("7.1.0"), Uninstall, Install("7.2.0")],
        Some("v1"),
        false,
    ),
    // What does not work takes nobody's place.
    (
        &[Other("v1"), Install("7.1.0"), Broken("7.1.0")],
        Some("v1"),
        false,
    ),
    (
        &[Other("v1"), Install("7.1.0"), Copied("7.1.0")],
        Some("v1"),
        false,
    ),
    (&[Install("7.1.0"), Copied("7.1.0")], None, false),
    (&[Other("v1"), InstallAlone("7.1.0")], None, false),
    (
        &[
            Other("v1"),
            Install("7.1.0"),
            Other("v2"),
            InstallAlone("7.1.0"),
        ],
        Some("v1"),
        false,
    ),
];

#[test]
fn what_was_there_comes_back_through_any_history() {
    for (events, expected, stays) in HISTORIES {
        let world = world();
        fs::create_dir(world.path("out")).unwrap();
        for event in *events {
            event.happen(&world);
        }
        let output = uninstall(&world, &["--json"]);
        let told = json(output.success());
        let names: &[&str] = if *stays { &["bridge"] } else { &[] };
        assert_eq!(told["stillKept"], serde_json::json!(names), "{events:?}");
        let now = fs::read_to_string(world.path("out/bridge")).ok();
        assert_eq!(now, expected.map(reference), "{events:?}");
        let left = fs::read_dir(world.path("out")).unwrap().count();
        let is_there = usize::from(expected.is_some());
        assert_eq!(left, is_there + usize::from(*stays), "{events:?}");
    }
}

#[test]
fn a_second_uninstall_has_nothing_to_do() {
    let world = world();
    fs::create_dir(world.path("out")).unwrap();
    for event in [Other("v1"), Install("7.1.0")] {
        event.happen(&world);
    }
    let before = super::tree(&world, "out");
    let output = uninstall(&world, &["--dry-run"]);
    assert!(output.success().ends_with("\nNothing was changed.\n"));
    assert_eq!(super::tree(&world, "out"), before);
    let output = uninstall(&world, &[]);
    assert!(
        output.success().starts_with(
            "Put back in out, from out/.linkspan-replaced: bridge\nRemove from out: bandwidth, "
        ),
        "{output}"
    );
    for _ in 0..2 {
        let output = uninstall(&world, &[]);
        assert_eq!(
            output.success(),
            "Nothing of Linkspan's is in out.\nLeave alone in out, since it is not Linkspan's: bridge\n\
             Nothing was to be done.\n"
        );
    }
}

#[test]
fn what_is_kept_comes_back_as_it_was_also_where_there_are_no_hard_links() {
    let list = |world: &World| {
        let list = "cd out; stat -c '%n %f %u %g %Y' bridge vrf; stat -c '%n %f %u %g' ptp; readlink ptp; cksum bridge vrf";
        world
            .started_by(&["sh", "-c", list])
            .output()
            .success()
            .to_owned()
    };
    let without_links = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "--inject=link,linkat:error=EPERM",
        "--",
    ];
    for starter in [&[] as &[&str], &without_links] {
        let world = world();
        fs::create_dir(world.path("out")).unwrap();
        world.script("out/bridge", &reference("v1"));
        world.script("out/vrf", &reference("v1"));
        std::os::unix::fs::symlink("./bridge", world.path("out/ptp")).unwrap();
        shell(
            &world,
            "cd out; chmod 4710 vrf; touch -d 2001-02-03 vrf bridge",
        );
        let before = list(&world);
        let args = [
            "install",
            "--json",
            "--bin-dir",
            "out",
            "--from",
            "linkspan-plugins",
        ];
        let output = world.linkspan_by(starter, &args).output();
        assert_eq!(kept(&output), ["bridge", "ptp", "vrf"]);
        if !starter.is_empty() {
            // Relative, so that it holds in the container and on the host.
            let link = fs::read_link(world.path("out/bridge")).unwrap();
            assert_eq!(link.to_str(), Some("linkspan-plugins"));
            let again = world.linkspan(&args).output();
            assert_eq!(super::told(&again, "bridge")["action"], "leave");
        }
        done(&uninstall(&world, &[]));
        assert_eq!(list(&world), before, "{starter:?}");
    }
}
