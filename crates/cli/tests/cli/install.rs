//! `install`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use linkspan_testkit::{Output, PLUGIN_NAMES};
use serde_json::json;

use crate::world::{World, json, status};

/// Answers VERSION under the name of a plugin, as the multi-call binary does.
const MULTI_CALL: &str = r#"#!/bin/sh
case ${0##*/} in linkspan-plugins) exit 2 ;; esac
echo '{"cniVersion":"1.1.0","supportedVersions":["0.1.0","1.1.0"]}'
"#;

fn world() -> World {
    let world = World::new();
    world.script("linkspan-plugins", MULTI_CALL);
    world
}

fn install(world: &World, more: &[&str]) -> Output {
    world
        .linkspan(&["install", "--bin-dir", "out", "--from", "linkspan-plugins"])
        .args(more)
        .output()
}

#[test]
fn a_link_for_each_plugin_to_one_file() {
    let world = world();
    let output = install(&world, &[]);
    assert!(
        output.success().contains("linkspan-plugins  nothing\n"),
        "{output}"
    );
    let inode = fs::metadata(world.path("out/linkspan-plugins"))
        .unwrap()
        .ino();
    for name in PLUGIN_NAMES {
        let meta = fs::metadata(world.path("out").join(name)).unwrap();
        assert_eq!(meta.ino(), inode, "{name}");
        assert_eq!(meta.permissions().mode() & 0o777, 0o755);
    }
    assert_eq!(
        fs::read_dir(world.path("out")).unwrap().count(),
        1 + PLUGIN_NAMES.len()
    );
}

#[test]
fn what_the_file_does_not_hold_is_left_alone() {
    let world = world();
    let some = MULTI_CALL.replace("linkspan-plugins)", "linkspan-plugins | dhcp | vrf)");
    world.script("linkspan-plugins", &some);
    fs::create_dir(world.path("out")).unwrap();
    fs::copy(world.path("bin/rec"), world.path("out/dhcp")).unwrap();
    let output = install(&world, &[]);
    let words = "\nNot in that file, and left as they are: dhcp, vrf.\n";
    assert!(output.success().ends_with(words), "{output}");
    assert_eq!(
        fs::read(world.path("out/dhcp")).unwrap(),
        fs::read(world.path("bin/rec")).unwrap()
    );
    assert!(!world.path("out/vrf").exists());
    assert!(world.path("out/tap").exists());
    let output = install(&world, &["--json"]);
    assert_eq!(json(output.success())["notInIt"], json!(["dhcp", "vrf"]));
}

#[test]
fn plugins_are_replaced_also_twice() {
    let world = world();
    fs::create_dir(world.path("out")).unwrap();
    fs::copy(world.path("bin/rec"), world.path("out/bridge")).unwrap();
    symlink("bridge", world.path("out/ptp")).unwrap();
    let output = install(&world, &["--json"]);
    let installed = &json(output.success())["installed"];
    assert_eq!(installed["bridge"], "a plugin of CNI 0.4.0 to 1.0.0");
    assert_eq!(installed["ptp"], "a plugin of CNI 0.4.0 to 1.0.0");
    let before = fs::metadata(world.path("out/bridge")).unwrap().ino();
    let output = install(&world, &["--json"]);
    let installed = &json(output.success())["installed"];
    for name in ["linkspan-plugins", "bridge", "vrf"] {
        assert_eq!(installed[name], "a plugin of CNI 0.1.0 to 1.1.0", "{name}");
    }
    let after = fs::metadata(world.path("out/bridge")).unwrap().ino();
    assert_ne!(before, after, "written anew");
    assert_eq!(fs::metadata(world.path("out/ptp")).unwrap().ino(), after);
}

#[test]
fn what_is_not_a_plugin_is_not_overwritten() {
    let world = world();
    fs::create_dir(world.path("out")).unwrap();
    world.script("out/bridge", "#!/bin/sh\necho a tool for bridges\n");
    world.script("out/vrf", "#!/bin/sh\nexit 7\n");
    fs::write(world.path("out/tap"), "notes").unwrap();
    symlink("nowhere", world.path("out/dummy")).unwrap();
    let output = install(&world, &[]);
    assert_eq!(status(&output), 1);
    for words in [
        "bridge: ",
        "vrf: ",
        "exit status: 7",
        "tap: ",
        "dummy: ",
        "--force",
    ] {
        assert!(output.stderr.contains(words), "{words}: {output}");
    }
    assert_eq!(
        fs::read_dir(world.path("out")).unwrap().count(),
        4,
        "nothing was changed"
    );
    assert_eq!(fs::read_to_string(world.path("out/tap")).unwrap(), "notes");
    assert!(install(&world, &["--force"]).ok());
    assert_eq!(
        fs::read_to_string(world.path("out/tap")).unwrap(),
        MULTI_CALL
    );
}

#[test]
fn a_directory_is_never_replaced() {
    let world = world();
    fs::create_dir_all(world.path("out/bridge")).unwrap();
    let output = install(&world, &["--force"]);
    assert_eq!(status(&output), 1);
    assert!(output.stderr.contains("bridge: a directory"), "{output}");
    assert_eq!(fs::read_dir(world.path("out")).unwrap().count(), 1);
}

#[test]
fn a_program_that_does_not_answer_is_not_waited_for_for_ever() {
    let world = world();
    fs::create_dir(world.path("out")).unwrap();
    world.script("out/bridge", "#!/bin/sh\nsleep 600\n");
    let output = install(&world, &[]);
    assert_eq!(status(&output), 1);
    assert!(output.stderr.contains("did not end in time"), "{output}");
}

#[test]
fn what_is_installed_works() {
    let world = world();
    world.script("broken", "#!/bin/sh\nexit 1\n");
    let output = install(&world, &["--from", "broken"]);
    assert_eq!(status(&output), 2, "--from twice: {output}");
    for (from, words) in [
        ("broken", "Nothing was installed"),
        ("bin", "it is no file"),
        ("bin/rec", "is one plugin, not a file of many"),
        ("missing", "Name it with --from"),
    ] {
        let output = world
            .linkspan(&["install", "--bin-dir", "out", "--from", from])
            .output();
        assert_eq!(status(&output), 1, "{output}");
        assert!(output.stderr.contains(words), "{output}");
        let left = fs::read_dir(world.path("out"))
            .into_iter()
            .flatten()
            .count();
        assert_eq!(left, 0, "{from}");
    }
}

#[test]
fn what_keeps_plugins_from_being_run_is_told() {
    let world = world();
    fs::create_dir(world.path("out")).unwrap();
    let install = |script: &str| {
        let starter = ["unshare", "-m", "sh", "-ec", script, "sh"];
        let args = ["install", "--bin-dir", "out", "--from", "linkspan-plugins"];
        let output = world.linkspan_by(&starter, &args).output();
        assert_eq!(status(&output), 1, "{output}");
        assert!(output.stderr.contains("Nothing was installed."), "{output}");
        output.stderr
    };
    let noexec = install("mount -t tmpfs -o noexec none out; exec \"$@\"");
    assert!(
        noexec.contains("must not be mounted with noexec"),
        "{noexec}"
    );
    // Enough for the program itself.
    let few = install("ulimit -n 9; exec \"$@\"");
    assert!(few.contains("too few file descriptors"), "{few}");
    assert_eq!(fs::read_dir(world.path("out")).unwrap().count(), 0);
}

#[test]
fn what_a_killed_installation_has_left_is_removed_and_what_another_works_in_is_not() {
    let world = world();
    for name in [
        ".linkspan-a1B2c3",
        ".linkspan-d4E5f6",
        ".linkspan-other-one",
    ] {
        fs::create_dir_all(world.path("out").join(name)).unwrap();
        fs::write(world.path("out").join(name).join("bridge"), "").unwrap();
    }
    let busy = fs::File::open(world.path("out/.linkspan-d4E5f6")).unwrap();
    busy.lock_shared().unwrap();
    assert!(install(&world, &[]).ok());
    assert!(!world.path("out/.linkspan-a1B2c3").exists());
    assert!(world.path("out/.linkspan-d4E5f6/bridge").exists());
    assert!(world.path("out/.linkspan-other-one/bridge").exists());
}

#[test]
fn running_plugins_go_on() {
    // multus#1221: "text file busy" when a plugin runs while it is replaced.
    let world = world();
    fs::create_dir(world.path("out")).unwrap();
    fs::copy("/bin/sleep", world.path("out/bridge")).unwrap();
    let running = linkspan_testkit::Cmd::new(world.path("out/bridge"))
        .arg("30")
        .start();
    assert!(install(&world, &["--force"]).ok());
    assert_eq!(
        fs::read_to_string(world.path("out/bridge")).unwrap(),
        MULTI_CALL
    );
    assert!(!running.kill().ok());
}

#[test]
fn what_is_not_linkspans_is_kept_unless_it_is_not_to_be() {
    let world = world();
    fs::create_dir(world.path("out")).unwrap();
    let others = fs::read(world.path("bin/rec")).unwrap();
    let place = |name: &str| {
        // What is there may be a link to the file of all plugins, which a copy would be written into.
        let _ = fs::remove_file(world.path("out").join(name));
        fs::copy(world.path("bin/rec"), world.path("out").join(name)).unwrap()
    };
    let kept = |name: &str| fs::read(world.path("out/.linkspan-replaced").join(name)).ok();
    place("bridge");
    symlink("bridge", world.path("out/ptp")).unwrap();
    for expected in [json!(["bridge", "ptp"]), json!([])] {
        let output = install(&world, &["--json"]);
        assert_eq!(json(output.success())["kept"], expected);
        assert_eq!(kept("bridge").as_ref(), Some(&others));
    }
    // A package's upgrade writes its own again.
    place("tap");
    let output = install(&world, &["--json"]);
    assert_eq!(json(output.success())["kept"], json!(["tap"]));
    place("vrf");
    assert_eq!(
        json(install(&world, &["--json", "--no-backup"]).success())["kept"],
        json!([])
    );
    assert_eq!(kept("vrf"), None);
}
