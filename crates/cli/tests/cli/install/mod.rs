//! `install`, and what `uninstall` makes of it.

mod foresight;
mod history;
mod killed;
mod trouble;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use linkspan_testkit::{Output, PLUGIN_NAMES};
use serde_json::{Value, json};

use crate::world::{World, json, status};

/// Answers VERSION under the name of a plugin, as the multi-call binary does, and has its marks.
const MULTI_CALL: &str = r#"#!/bin/sh
# CNI plugins in one file.
# Linkspan 7.2.0
case ${0##*/} in linkspan-plugins) exit 2 ;; esac
echo '{"cniVersion":"1.1.0","supportedVersions":["0.1.0","1.1.0"]}'
"#;

/// Another build of it.
fn build(version: &str) -> String {
    MULTI_CALL.replace("7.2.0", version)
}

/// Answers as a plugin of the reference does, of a version.
fn reference(version: &str) -> String {
    format!(
        r#"#!/bin/sh
case $CNI_COMMAND in
VERSION) echo '{{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}}' ;;
'') echo "CNI ${{0##*/}} plugin {version}" >&2; echo "CNI protocol versions supported: 0.4.0, 1.0.0" >&2 ;;
esac
"#
    )
}

fn world() -> World {
    let world = World::new();
    world.script("linkspan-plugins", MULTI_CALL);
    world
}

/// It succeeded.
#[track_caller]
fn done(output: &Output) {
    let _ = output.success();
}

/// Runs lines of shell that succeed.
#[track_caller]
fn shell(world: &World, script: &str) {
    done(&world.started_by(&["sh", "-ec", script]).output());
}

fn install(world: &World, more: &[&str]) -> Output {
    install_from(world, "linkspan-plugins", more)
}

fn install_from(world: &World, from: &str, more: &[&str]) -> Output {
    world
        .linkspan(&["install", "--bin-dir", "out", "--from", from])
        .args(more)
        .output()
}

fn uninstall(world: &World, more: &[&str]) -> Output {
    world
        .linkspan(&["uninstall", "--bin-dir", "out", "--files-only"])
        .args(more)
        .output()
}

/// The cells of a name's row in the table.
fn row<'a>(output: &'a Output, name: &str) -> Vec<&'a str> {
    let rows = output.stdout.lines().map(|line| {
        let cells = line.split("  ").map(str::trim);
        cells.filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    });
    let mut rows = rows.filter(|cells| cells.get(1) == Some(&name));
    rows.next().unwrap_or_else(|| panic!("{name}: {output}"))
}

/// What was told of a name.
fn told(output: &Output, name: &str) -> Value {
    let value = json(output.success());
    let plugins = value["plugins"].as_array().unwrap();
    let one = plugins.iter().find(|one| one["name"] == name);
    one.unwrap_or_else(|| panic!("{name}: {value}")).clone()
}

/// Names of which a file is kept by an installation.
fn kept(output: &Output) -> Vec<String> {
    let value = json(output.success());
    let plugins = value["plugins"].as_array().unwrap().iter();
    let kept = plugins.filter(|one| one["kept"] == true);
    kept.map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

/// All that is below a directory: names, kinds, modes, times, links and contents.
fn tree(world: &World, name: &str) -> String {
    let listing = world
        .started_by(&["sh", "-c", &format!(
            "cd {name} 2>/dev/null || exit 0; find . -printf '%p %y %m %u %g %n %i %T@ %l\\n' | sort; \
             find . -type f | sort | xargs -r cksum"
        )])
        .output();
    listing.success().to_owned()
}

#[test]
fn a_link_for_each_plugin_to_one_file() {
    let world = world();
    let output = install(&world, &[]);
    done(&output);
    let cells = ["create", "linkspan-plugins", "nothing", "Linkspan 7.2.0"];
    assert_eq!(row(&output, "linkspan-plugins"), cells);
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
    for name in ["bridge", "ptp"] {
        assert_eq!(told(&output, name)["before"], "another, CNI 0.4.0 to 1.0.0");
    }
    let before = tree(&world, "out");
    let output = install(&world, &[]);
    let words = "Already there: 18 plugins of Linkspan 7.2.0 in out.\nNothing was changed.\n";
    assert_eq!(output.success(), words);
    assert_eq!(
        tree(&world, "out"),
        before,
        "a DaemonSet runs it at each boot"
    );
    assert_eq!(
        fs::metadata(world.path("out/ptp")).unwrap().ino(),
        fs::metadata(world.path("out/linkspan-plugins"))
            .unwrap()
            .ino()
    );
}

#[test]
fn versions_are_told_before_and_after() {
    let world = world();
    fs::create_dir(world.path("out")).unwrap();
    world.script("out/bridge", &reference("v1.1.1"));
    world.script("out/ptp", &reference("version unknown"));
    let output = install(&world, &[]);
    let rows = [
        [
            "replace",
            "bridge",
            "reference v1.1.1, kept",
            "Linkspan 7.2.0",
        ],
        [
            "replace",
            "ptp",
            "reference, CNI 0.4.0 to 1.0.0, kept",
            "Linkspan 7.2.0",
        ],
        ["create", "vrf", "nothing", "Linkspan 7.2.0"],
    ];
    for cells in rows {
        assert_eq!(row(&output, cells[1]), cells, "{output}");
    }
    for (version, action, is_step_back) in [
        ("7.10.0", "upgrade", false),
        ("7.9.1", "downgrade", true),
        ("7.9.1", "leave", false),
    ] {
        world.script("other", &build(version));
        let before = install_from(&world, "other", &["--json", "--dry-run"]);
        assert_eq!(told(&before, "bridge")["action"], action);
        let words = "This is a step back, from Linkspan 7.10.0 to Linkspan 7.9.1.\n";
        let output = install_from(&world, "other", &[]);
        assert_eq!(output.success().contains(words), is_step_back, "{output}");
    }
    // Another build of the same version.
    world.script("other", &format!("{}\n", build("7.9.1")));
    let output = install_from(&world, "other", &["--json"]);
    let told = told(&output, "linkspan-plugins");
    assert_eq!(
        told,
        json!({ "name": "linkspan-plugins", "action": "replace", "before": "Linkspan 7.9.1", "after": "Linkspan 7.9.1", "kept": false })
    );
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
    world.script("foreign", "\x7fELF of another processor");
    let output = install(&world, &["--from", "broken"]);
    assert_eq!(status(&output), 2, "--from twice: {output}");
    for (from, words) in [
        ("broken", "Nothing was installed"),
        ("foreign", "compare `file foreign` with"),
        ("bin", "no file in it holds Linkspan's plugins"),
        ("/dev/null", "it is no file"),
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
    for expected in [vec!["bridge", "ptp"], vec![]] {
        assert_eq!(
            super::install::kept(&install(&world, &["--json"])),
            expected
        );
        assert_eq!(kept("bridge").as_ref(), Some(&others));
    }
    // A package's upgrade writes its own again.
    place("tap");
    let output = install(&world, &["--json"]);
    assert_eq!(super::install::kept(&output), ["tap"]);
    place("vrf");
    let output = install(&world, &["--json", "--backup", "--no-backup"]);
    assert!(super::install::kept(&output).is_empty(), "{output}");
    assert_eq!(kept("vrf"), None);
    place("vrf");
    let output = install(&world, &["--json", "--no-backup", "--backup"]);
    assert_eq!(super::install::kept(&output), ["vrf"]);
}

#[test]
fn the_file_may_have_any_name_in_its_directory() {
    let world = world();
    fs::create_dir(world.path("tarball")).unwrap();
    world.script("tarball/loopback", MULTI_CALL);
    // Linkspan's, and not the whole of it.
    let stub = MULTI_CALL.replace("# Linkspan 7.2.0", "# Linkspan is elsewhere");
    world.script("tarball/bridge", &stub);
    for from in ["tarball", "tarball/loopback", "tarball/bridge"] {
        let output = install_from(&world, from, &[]);
        assert!(output.ok(), "{from}: {output}");
        let installed = fs::read_to_string(world.path("out/bridge")).unwrap();
        assert_eq!(installed, MULTI_CALL, "{from}");
        fs::remove_dir_all(world.path("out")).unwrap();
    }
    // Over an unpacked tarball: what is Linkspan's becomes a link, and is not kept.
    let output = world
        .linkspan(&[
            "install",
            "--json",
            "--bin-dir",
            "tarball",
            "--from",
            "tarball/loopback",
        ])
        .output();
    assert!(kept(&output).is_empty(), "{output}");
    assert_eq!(told(&output, "bridge")["before"], "Linkspan");
    let inode = |name: &str| {
        fs::metadata(world.path("tarball").join(name))
            .unwrap()
            .ino()
    };
    assert_eq!(inode("bridge"), inode("linkspan-plugins"));
    assert_eq!(inode("loopback"), inode("linkspan-plugins"));
    let output = install_from(&world, "bin", &[]);
    assert!(
        output
            .stderr
            .contains("no file in it holds Linkspan's plugins"),
        "{output}"
    );
}

#[test]
fn who_may_read_it_does_not_depend_on_who_installs_it() {
    let world = world();
    fs::create_dir(world.path("out")).unwrap();
    world.script("out/bridge", &reference("v1.1.1"));
    fs::set_permissions(
        world.path("linkspan-plugins"),
        fs::Permissions::from_mode(0o700),
    )
    .unwrap();
    let args = ["install", "--bin-dir", "out", "--from", "linkspan-plugins"];
    let starter = ["sh", "-c", "umask 077; exec \"$@\"", "sh"];
    done(&world.linkspan_by(&starter, &args).output());
    let args = [
        "install",
        "--bin-dir",
        "new/dir",
        "--from",
        "linkspan-plugins",
    ];
    done(&world.linkspan_by(&starter, &args).output());
    for name in [
        "out/bridge",
        "out/linkspan-plugins",
        "out/.linkspan-replaced",
        "new",
        "new/dir",
        "new/dir/bridge",
    ] {
        let mode = fs::metadata(world.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755, "{name}");
    }
}
