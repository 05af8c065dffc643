//! `--dry-run` and `--check`: what would be done, before anything is.

use std::fs;

use linkspan_testkit::Output;

use super::{
    MULTI_CALL, build, done, install, install_from, reference, row, shell, told, tree, world,
};
use crate::world::{World, status};

#[test]
fn what_is_told_before_is_what_is_done() {
    let world = world();
    fs::create_dir(world.path("out")).unwrap();
    world.script("out/bridge", &reference("v1.1.1"));
    world.script("out/vrf", &build("7.1.0"));
    let before = tree(&world, "out");
    let foreseen = install(&world, &["--dry-run"]);
    assert_eq!(tree(&world, "out"), before);
    let words = foreseen.success().strip_suffix("Nothing was changed.\n");
    let words = words.unwrap_or_else(|| panic!("{foreseen}"));
    let foreseen = install(&world, &["--dry-run", "--json"]);
    let as_json = foreseen
        .success()
        .replace("\"dryRun\": true", "\"dryRun\": false");
    assert_eq!(told(&foreseen, "vrf")["action"], "upgrade");
    // Programs are told the same.
    let saved = world.path("saved");
    fs::rename(world.path("out"), &saved).unwrap();
    copy(&world, "saved", "out");
    assert_eq!(install(&world, &[]).success(), words);
    fs::remove_dir_all(world.path("out")).unwrap();
    fs::rename(&saved, world.path("out")).unwrap();
    assert_eq!(install(&world, &["--json"]).success(), as_json);
}

fn copy(world: &World, from: &str, to: &str) {
    shell(world, &format!("cp -a {from} {to}"));
}

#[test]
fn what_is_not_there_yet_is_not_made() {
    let world = world();
    let output = install(&world, &["--dry-run"]);
    done(&output);
    let cells = ["create", "bridge", "nothing", "Linkspan 7.2.0"];
    assert_eq!(row(&output, "bridge"), cells);
    assert!(!world.path("out").exists());
}

#[test]
fn a_check_fails_where_something_would_be_done() {
    let world = world();
    let check = || install(&world, &["--check"]);
    assert_eq!(status(&check()), 1, "nothing is there");
    done(&install(&world, &[]));
    assert_eq!(
        check().success(),
        "Already there: 18 plugins of Linkspan 7.2.0 in out.\nNothing was changed.\n"
    );
    // kubernetes-cni's upgrade, a restored backup, a copy that was cut short, a cleared disk.
    let damages: [(&str, &str); 6] = [
        ("rm out/bridge", "bridge"),
        (
            "rm out/linkspan-plugins; ln -s nowhere out/linkspan-plugins",
            "linkspan-plugins",
        ),
        ("cp linkspan-plugins out/new; mv out/new out/vrf", "vrf"),
        ("chmod 700 out/linkspan-plugins", "linkspan-plugins"),
        ("echo >> out/linkspan-plugins", "linkspan-plugins"),
        ("cp bin/rec out/new; mv out/new out/tap", "tap"),
    ];
    for (damage, name) in damages {
        shell(&world, damage);
        let output = check();
        assert_eq!(status(&output), 1, "{damage}");
        assert!(output.stderr.contains(name), "{damage}: {output}");
        let forced = install(&world, &["--force"]);
        assert!(forced.ok(), "{damage}: {forced}");
        done(&check());
    }
}

/// Starts the program where `out` is another file system.
fn mounted(world: &World, mount: &str, args: &[&str]) -> Output {
    let script = format!("{mount}\nexec \"$@\"");
    let starter = ["unshare", "-m", "sh", "-ec", &script, "sh"];
    let words = ["install", "--bin-dir", "out", "--from", "linkspan-plugins"];
    world.linkspan_by(&starter, &words).args(args).output()
}

#[test]
fn what_stands_in_the_way_is_told_and_nothing_is_changed() {
    let world = world();
    fs::create_dir(world.path("out")).unwrap();
    // 100 KB, for a file system of 64.
    let large = format!("{MULTI_CALL}exit 0\n{}\n", "#".repeat(100_000));
    let cases = [
        ("mount -t tmpfs -o noexec none out", "mounted with noexec"),
        (
            "mount -t tmpfs none out; mount -o remount,ro out",
            "mounted read-only",
        ),
        (
            "mount -t tmpfs -o size=64k none out; cp -r bin/rec out/bridge",
            "bytes are needed",
        ),
        ("rmdir out; echo > out", "out is no directory"),
        (
            "rmdir out; ln -s nowhere out",
            "out is a link that leads nowhere",
        ),
    ];
    for (mount, words) in cases {
        world.script("linkspan-plugins", &large);
        for more in [&["--dry-run"] as &[&str], &[]] {
            let output = mounted(&world, mount, more);
            assert_eq!(status(&output), 1, "{mount} {more:?}: {output}");
            assert!(output.stderr.contains(words), "{mount} {more:?}: {output}");
            if !world.path("out").is_dir() {
                fs::remove_file(world.path("out")).unwrap();
                fs::create_dir(world.path("out")).unwrap();
            }
        }
        assert_eq!(fs::read_dir(world.path("out")).unwrap().count(), 0);
    }
}

/// What is installed is a copy, so the file itself need not be one that can be run.
#[test]
fn a_file_that_cannot_be_run_where_it_is_can_be_installed_and_that_is_told() {
    for script in [
        "chmod 644 linkspan-plugins",
        "mkdir p; mount -t tmpfs -o noexec none p; cp linkspan-plugins p; mount --bind p/linkspan-plugins linkspan-plugins",
    ] {
        let world = world();
        let foreseen = mounted(&world, script, &["--dry-run"]);
        assert!(!world.path("out").exists());
        shell(&world, "rm -rf p");
        done(&mounted(&world, script, &[]));
        assert_eq!(row(&foreseen, "bridge")[0], "create", "{script}");
        assert!(foreseen.ok(), "{script}: {foreseen}");
    }
}

#[test]
fn what_keeps_plugins_from_being_run_is_told() {
    let world = world();
    fs::create_dir(world.path("out")).unwrap();
    // Enough for the program itself.
    let output = mounted(&world, "ulimit -n 9", &[]);
    assert_eq!(status(&output), 1, "{output}");
    for words in ["too few file descriptors", "Nothing was installed."] {
        assert!(output.stderr.contains(words), "{output}");
    }
    assert_eq!(fs::read_dir(world.path("out")).unwrap().count(), 0);
}

#[test]
fn what_is_refused_is_refused_before() {
    let world = world();
    fs::create_dir(world.path("out")).unwrap();
    fs::write(world.path("out/tap"), "notes").unwrap();
    let before = tree(&world, "out");
    let output = install(&world, &["--dry-run"]);
    assert_eq!(status(&output), 1);
    assert_eq!(row(&output, "tap")[0], "refuse");
    assert_eq!(tree(&world, "out"), before);
    assert_eq!(install(&world, &[]).stderr, output.stderr);
    // The time of the directory itself tells that something was prepared there.
    let below = |tree: &str| tree.split_once('\n').map(|(_, rest)| rest.to_owned());
    assert_eq!(below(&tree(&world, "out")), below(&before));
    done(&install_from(
        &world,
        "linkspan-plugins",
        &["--dry-run", "--force"],
    ));
}
