//! Installations that are killed, that fail half-way, and that are not alone.

use std::fs;
use std::path::Path;
use std::thread;

use linkspan_testkit::{Cmd, PLUGIN_NAMES, fail_at_syscall, kill_at_syscall};

use super::{MULTI_CALL, build, done, install, reference, tree, uninstall, world};
use crate::world::World;

/// The calls by which an installation changes something.
const CHANGES: [&str; 9] = [
    "mkdir", "link", "linkat", "symlink", "rename", "unlink", "unlinkat", "rmdir", "fchmod",
];

/// Names at which a plugin of others is, of which the last is none that Linkspan has.
const OTHERS: [&str; 3] = ["bridge", "portmap", "flannel"];

/// A build of four plugins, so that there are fewer moments to be killed at.
fn few() -> String {
    MULTI_CALL.replace(
        "linkspan-plugins)",
        "linkspan-plugins | [!blpv]* | bandwidth | ptp | vlan)",
    )
}

fn with_others() -> World {
    let world = world();
    world.script("linkspan-plugins", &few());
    fs::create_dir(world.path("out")).unwrap();
    for name in OTHERS {
        world.script(&format!("out/{name}"), &reference("v1.1.1"));
    }
    world
}

/// Every name of the directory is a plugin that answers, the old one or the new one.
#[track_caller]
fn works(world: &World, when: &dyn std::fmt::Debug) {
    for name in PLUGIN_NAMES.iter().copied().chain(["flannel"]) {
        let path = world.path("out").join(name);
        let is_other = OTHERS.contains(&name);
        if !path.exists() {
            assert!(
                !is_other && fs::symlink_metadata(&path).is_err(),
                "{when:?}: {name} is gone"
            );
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let is_old = is_other && text == reference("v1.1.1");
        assert!(
            is_old || text == few() || text == build("7.1.0"),
            "{when:?}: {name}"
        );
    }
}

fn arguments(world: &World) -> Cmd {
    world.linkspan(&["install", "--bin-dir", "out", "--from", "linkspan-plugins"])
}

#[test]
fn whenever_it_is_killed_every_plugin_works_and_it_can_be_completed_or_undone() {
    let mut kills = 0;
    for name in CHANGES {
        for occurrence in 1.. {
            let world = with_others();
            let before = tree(&world, "out");
            let Some(kill) = kill_at_syscall(arguments(&world), name, occurrence) else {
                break;
            };
            kills += 1;
            works(&world, &kill);
            // Both ways lead out of it: by turns.
            if occurrence % 2 == 0 {
                done(&install(&world, &[]));
                let done = install(&world, &["--check"]);
                assert!(done.ok(), "{kill:?}: {done}");
            }
            done(&uninstall(&world, &[]));
            // Its own directory changes whenever something is made in it.
            let of_files = |tree: &str| {
                let lines = tree
                    .lines()
                    .filter(|line| line.contains("bridge") || line.contains("portmap"));
                lines.map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(
                of_files(&tree(&world, "out")),
                of_files(&before),
                "{kill:?}"
            );
            let left = tree(&world, "out").matches("./.linkspan-").count();
            assert_eq!(left, 0, "{kill:?}");
        }
    }
    assert!(kills > PLUGIN_NAMES.len(), "{kills}");
}

#[test]
fn a_full_disk_or_a_broken_one_at_any_moment_leaves_plugins_that_work() {
    let mut failures = 0;
    for (name, error) in [
        ("mkdir", "ENOSPC"),
        ("copy_file_range", "ENOSPC"),
        ("fchmod", "EIO"),
        ("fsync", "EIO"),
        ("link", "ENOSPC"),
        ("linkat", "ENOSPC"),
        ("rename", "ENOSPC"),
        ("rename", "EPERM"),
    ] {
        for occurrence in 1.. {
            let world = with_others();
            let Some(output) = fail_at_syscall(arguments(&world), name, error, occurrence) else {
                break;
            };
            failures += u32::from(!output.ok());
            works(&world, &output);
            let left = fs::read_dir(world.path("out")).unwrap().flatten();
            let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
            if output.stderr.contains("Nothing was") {
                assert_eq!(
                    left.len(),
                    OTHERS.len(),
                    "{name} {occurrence}: {left:?} {output}"
                );
            }
            let again = install(&world, &[]);
            assert!(again.ok(), "{name} {occurrence}: {again}");
        }
    }
    assert!(failures > 10, "{failures}");
}

#[test]
fn what_a_killed_installation_has_left_is_removed() {
    let world = world();
    for name in [
        ".linkspan-stage-a1B2c3",
        ".linkspan-backup",
        ".linkspan-stage-other-one",
    ] {
        fs::create_dir_all(world.path("out").join(name)).unwrap();
        fs::write(world.path("out").join(name).join("bridge"), "").unwrap();
    }
    assert!(install(&world, &[]).ok());
    assert!(!world.path("out/.linkspan-stage-a1B2c3").exists());
    // Also where it was killed when all was done.
    fs::create_dir(world.path("out/.linkspan-stage-a1B2c3")).unwrap();
    assert!(install(&world, &[]).ok());
    assert!(!world.path("out/.linkspan-stage-a1B2c3").exists());
    // Whoever has a copy of his own there keeps it.
    for name in [".linkspan-backup", ".linkspan-stage-other-one"] {
        assert!(world.path("out").join(name).join("bridge").exists());
    }
}

#[test]
fn many_at_once_take_turns() {
    let world = with_others();
    world.script("other", &build("7.1.0"));
    let run = |words: &[&str]| world.linkspan(words).output();
    let from = |file: &'static str| ["install", "--bin-dir", "out", "--from", file];
    thread::scope(|scope| {
        for number in 0..9 {
            let run = &run;
            scope.spawn(move || {
                let output = match number % 3 {
                    0 => run(&from("linkspan-plugins")),
                    1 => run(&from("other")),
                    _ => run(&["uninstall", "--bin-dir", "out", "--files-only"]),
                };
                assert!(output.ok(), "{output}");
            });
        }
    });
    works(&world, &"after all");
    done(&install(&world, &[]));
    done(&uninstall(&world, &[]));
    let mut left: Vec<_> = fs::read_dir(world.path("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["bridge", "flannel", "portmap"]);
    let others = fs::read_to_string(Path::new(&world.path("out/bridge"))).unwrap();
    assert_eq!(others, reference("v1.1.1"));
}
