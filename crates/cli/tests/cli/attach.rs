//! `add`, `check` and `del`.

use std::fs;

use linkspan_testkit::sandbox;
use serde_json::json;

use crate::world::{World, json, status};

const RESULT: &str = r#"{
    "cniVersion": "1.0.0",
    "ips": [
        {
            "address": "10.22.0.2/16",
            "gateway": "10.22.0.1"
        }
    ],
    "dns": {}
}
"#;

#[test]
fn add_prints_the_result_and_nothing_else() {
    let world = World::new();
    let output = world.run(&["add", "mynet", "/var/run/netns/testing"]);
    assert_eq!(output.success(), RESULT);
    assert_eq!(output.stderr, "");
    assert_eq!(world.cached(), 1);
}

#[test]
fn the_variables_are_those_of_cnitool() {
    let world = World::new();
    let bin = format!("/no/such/dir:{}", world.text("bin"));
    let output = world
        .linkspan(&[
            "add",
            "mynet",
            "/var/run/netns/testing",
            "--cache-dir",
            &world.text("cache"),
        ])
        .env("CNI_PATH", &bin)
        .env("CNI_ARGS", "IP=10.22.0.9;A=b")
        .env("CAP_ARGS", r#"{"mac":"02:00:00:00:00:01","bandwidth":{}}"#)
        .env("CNI_IFNAME", "net1")
        .output();
    assert_eq!(output.success(), RESULT);
    for (name, value) in [
        ("CNI_CONTAINERID", "cnitool-77383ca0a0715733ca6f"),
        ("CNI_NETNS", "/var/run/netns/testing"),
        ("CNI_IFNAME", "net1"),
        ("CNI_ARGS", "IP=10.22.0.9;A=b"),
        ("CNI_PATH", bin.as_str()),
    ] {
        assert_eq!(world.env("ADD", name), value);
    }
    assert_eq!(
        world.stdin("ADD")["runtimeConfig"],
        json!({"mac": "02:00:00:00:00:01"})
    );
}

#[test]
fn variables_that_are_empty_are_as_good_as_none() {
    let world = World::new();
    let output = world
        .linkspan(&[
            "add",
            "mynet",
            "/run/netns/c1",
            "--cache-dir",
            &world.text("cache"),
        ])
        .env("CNI_ARGS", "")
        .env("CAP_ARGS", "")
        .env("CNI_IFNAME", "")
        .output();
    assert_eq!(output.success(), RESULT);
    assert_eq!(world.env("ADD", "CNI_IFNAME"), "eth0");
    assert_eq!(world.env("ADD", "CNI_ARGS"), "");
}

#[test]
fn variables_that_are_no_text_are_not_taken_for_unset() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::new();
    let broken = std::ffi::OsStr::from_bytes(b"\xff=1");
    for name in ["CNI_ARGS", "CAP_ARGS", "CNI_IFNAME"] {
        let output = world
            .linkspan(&["add", "mynet", "/run/netns/c1"])
            .env(name, broken)
            .output();
        assert_eq!(status(&output), 2, "{output}");
        let words = format!("the variable {name} is not UTF-8");
        assert!(output.stderr.contains(&words), "{output}");
    }
    // A path may have any bytes.
    let folder = world
        .path("x")
        .with_file_name(std::ffi::OsStr::from_bytes(b"\xff"));
    fs::rename(world.path("net.d"), &folder).unwrap();
    let cache = world.text("cache");
    let output = world
        .linkspan(&["add", "mynet", "/run/netns/c1", "--cache-dir", &cache])
        .env("NETCONFPATH", &folder)
        .output();
    assert!(output.ok(), "{output}");
}

#[test]
fn flags_go_before_variables() {
    let world = World::new();
    let output = world
        .linkspan(&["add", "mynet", "ns/../ns/c1", "-i", "net2"])
        .args(["--container-id", "c1", "--args", "IP=10.22.0.7"])
        .args(["--cap-args", r#"{"mac":"02:00:00:00:00:02"}"#])
        .args(["--cni-path", &world.text("bin"), "--conf-dir", "net.d"])
        .args(["--cache-dir", &world.text("cache"), "--timeout", "10s"])
        .env("CNI_PATH", "/no/such/dir")
        .env("NETCONFPATH", "/no/such/dir")
        .env("CNI_ARGS", "IP=10.22.0.9")
        .env("CAP_ARGS", "not JSON")
        .env("CNI_IFNAME", "net1")
        .output();
    assert_eq!(output.success(), RESULT);
    for (name, value) in [
        ("CNI_CONTAINERID", "c1".to_owned()),
        ("CNI_NETNS", world.text("ns/c1")),
        ("CNI_IFNAME", "net2".to_owned()),
        ("CNI_ARGS", "IP=10.22.0.7".to_owned()),
    ] {
        assert_eq!(world.env("ADD", name), value);
    }
    assert_eq!(
        world.stdin("ADD")["runtimeConfig"],
        json!({"mac": "02:00:00:00:00:02"})
    );
}

#[test]
fn an_attachment_is_checked_and_removed() {
    let world = World::new();
    world.ok(&["add", "mynet", "/run/netns/c1"]);
    let output = world.run(&["check", "mynet", "/run/netns/c1"]);
    assert_eq!(output.success(), "");
    assert_eq!(
        world.stdin("CHECK")["prevResult"]["ips"][0]["address"],
        "10.22.0.2/16"
    );
    let output = world.run(&["del", "mynet", "/run/netns/c1"]);
    assert_eq!(output.success(), "");
    assert_eq!(
        world.stdin("DEL")["prevResult"]["ips"][0]["address"],
        "10.22.0.2/16"
    );
    assert_eq!(world.cached(), 0);
    assert_eq!(
        world.run(&["del", "mynet", "/run/netns/c1"]).success(),
        "",
        "once more"
    );
}

#[test]
fn errors_say_what_to_do() {
    let world = World::new();
    world.script(
        "bin/rec",
        "#!/bin/sh\necho trying >&2\necho '{\"code\":7,\"msg\":\"no subnet\",\"details\":\"add one\"}'\nexit 1\n",
    );
    let output = world.run(&["add", "mynet", "/run/netns/c1", "--container-id", "c1"]);
    assert_eq!(status(&output), 1);
    assert_eq!(output.stdout, "");
    assert_eq!(
        output.stderr,
        "error: plugin type=\"rec\" failed (add), 1 of 1 in network \"mynet\", container \"c1\", interface \"eth0\"\n  \
           cause: no subnet\n    log: trying\n   next: add one\n"
    );
    let output = world.run(&[
        "add",
        "mynet",
        "/run/netns/c1",
        "--container-id",
        "c1",
        "--json",
    ]);
    assert_eq!(status(&output), 1);
    assert_eq!(
        json(&output.stderr),
        json!({
            "cniVersion": "1.1.0", "code": 7, "details": "no subnet", "next": "add one", "log": "trying",
            "msg": "plugin type=\"rec\" failed (add), 1 of 1 in network \"mynet\", container \"c1\", interface \"eth0\""
        })
    );
}

#[test]
fn a_failed_add_is_cleaned_up_when_asked_for() {
    let world = World::new();
    world.script(
        "bin/rec",
        "#!/bin/sh\ncat > /dev/null\nenv > ${0%/bin/*}/log/$CNI_COMMAND.env\n[ $CNI_COMMAND = DEL ]\n",
    );
    assert_eq!(status(&world.run(&["add", "mynet", "/run/netns/c1"])), 1);
    assert!(!world.called("DEL"));
    assert_eq!(
        status(&world.run(&["add", "mynet", "/run/netns/c1", "--cleanup"])),
        1
    );
    assert!(world.called("DEL"));
}

#[test]
fn what_cannot_be_detached_again_is_told_beside_the_failure() {
    let world = World::new();
    let failing = |add: &str| {
        let del = r#"echo '{"code":11,"msg":"busy"}'; exit 1"#;
        let script =
            format!("#!/bin/sh\ncat > /dev/null\n[ $CNI_COMMAND = DEL ] || {{ {add}; }}\n{del}\n");
        world.script("bin/rec", &script);
    };
    failing("exit 7");
    let args = ["add", "mynet", "/run/netns/c1", "--cleanup"];
    let output = world.run(&args);
    assert_eq!(status(&output), 1, "{output}");
    for words in [
        "failed (add)",
        "next: It could not be detached again. `linkspan del mynet /run/netns/c1 --cache-dir",
        "failed (delete)",
        "cause: busy",
    ] {
        assert!(output.stderr.contains(words), "{words}: {output}");
    }
    // Another runtime may have made what the first plugin refuses to make again.
    failing(r#"echo '{"code":4,"msg":"eth0 already exists"}'; exit 1"#);
    let output = world.run(&args);
    assert!(output.stderr.contains("already exists"), "{output}");
    assert!(!output.stderr.contains("(delete)"), "{output}");
}

#[test]
fn what_is_attached_though_add_fails_is_told() {
    let world = World::new();
    let next = "The container is attached; `linkspan del mynet /run/netns/c1 --cache-dir";
    let cache = world.text("cache");
    let full = ["sh", "-c", "exec \"$@\" > /dev/full", "sh"];
    let args = ["add", "mynet", "/run/netns/c1", "--cache-dir", &cache];
    let output = world.linkspan_by(&full, &args).output();
    assert_eq!(status(&output), 1, "{output}");
    assert!(
        output.stderr.contains("cannot print the result"),
        "{output}"
    );
    assert!(output.stderr.contains(next), "{output}");
    assert_eq!(world.cached(), 1);
    fs::remove_dir_all(world.path("cache/results")).unwrap();
    fs::write(world.path("cache/results"), "").unwrap();
    let output = world.run(&["add", "mynet", "/run/netns/c1"]);
    assert_eq!(status(&output), 1, "{output}");
    assert!(output.stderr.contains("cannot keep the cached"), "{output}");
    assert!(output.stderr.contains(next), "{output}");
}

#[test]
fn every_kind_of_failure_has_its_status_and_its_words() {
    let world = World::new();
    fs::write(
        world.path("net.d/20-broken.conf"),
        r#"{"name":"broken","type":7}"#,
    )
    .unwrap();
    world.script("bin/slow", "#!/bin/sh\nsleep 60\n");
    let slow = r#"{"cniVersion":"1.0.0","name":"slow","type":"slow"}"#;
    fs::write(world.path("net.d/30-slow.conf"), slow).unwrap();
    for (args, expected, words) in [
        (vec![], 2, "Usage: linkspan"),
        (vec!["add", "mynet"], 2, "<NETNS>"),
        (
            vec!["add", "mynet", "/c1", "--ifname", "much-too-long-for-one"],
            2,
            "invalid interface name",
        ),
        (
            vec!["add", "mynet", "/c1", "-i", ""],
            2,
            "invalid interface name",
        ),
        (
            vec!["add", "mynet", "/c1", "--container-id", "-"],
            2,
            "invalid container ID",
        ),
        (
            vec!["add", "mynet", "/c1", "--args", "IP"],
            2,
            "invalid CNI_ARGS pair \"IP\"",
        ),
        (
            vec!["add", "mynet", "/c1", "--cap-args", "[]"],
            2,
            "expected an object, found a list",
        ),
        (
            vec!["add", "mynet", "/c1", "--timeout", "soon"],
            2,
            "unknown unit",
        ),
        (
            vec!["add", "other", "/c1"],
            3,
            "The networks there are: mynet, broken, slow.",
        ),
        (
            vec!["add", "broken", "/c1"],
            3,
            "\"type\": expected a string, found 7",
        ),
        (
            vec!["add", "mynet", "/c1", "--cni-path", "/no/such/dir"],
            1,
            "failed to find plugin \"rec\"",
        ),
        (
            vec!["add", "slow", "/c1", "--timeout", "300ms"],
            4,
            "did not end in time",
        ),
    ] {
        let output = world.linkspan(&args).output();
        assert_eq!(status(&output), expected, "{output}");
        assert!(output.stderr.contains(words), "{output}");
        assert_eq!(output.stdout, "");
    }
}

#[test]
fn what_a_plugin_logs_is_passed_on() {
    let world = World::new();
    world.script("bin/rec", "#!/bin/sh\necho one >&2\necho '{}'\n");
    let output = world.run(&["add", "mynet", "/run/netns/c1"]);
    assert!(output.ok());
    assert_eq!(output.stderr, "one\n");
}

#[test]
fn a_version_without_check_says_so() {
    let world = World::new();
    world.network("0.3.1");
    let output = world.run(&["check", "mynet", "/run/netns/c1"]);
    assert_eq!(status(&output), 1);
    assert!(
        output.stderr.contains("does not support the CHECK command"),
        "{output}"
    );
}

#[test]
fn a_namespace_that_is_not_there_is_pointed_out() {
    sandbox(|host| {
        let world = World::new();
        let failing = "#!/bin/sh\necho '{\"code\":4,\"msg\":\"no netns\"}'\nexit 1\n";
        world.script("bin/rec", failing);
        host.run("ip netns add c1");
        fs::write("/run/netns/c2", "").unwrap();
        std::os::unix::fs::symlink("loop", "/run/loop").unwrap();
        for (given, advice) in [
            ("c3", "c3, /run/netns/c3. Name one by its path, by its name"),
            (
                "/run/netns/c2",
                // `ip netns add` alone fails: the file exists.
                "/run/netns/c2 is no network namespace, perhaps what a restart has left of one. `ip netns \
                 del c2; ip netns add c2` makes",
            ),
            (
                "/run/netns/c3",
                "/run/netns/c3 does not exist. `ip netns add c3` makes",
            ),
            ("/srv/c3", "/srv/c3 does not exist. Name the path of"),
            (
                "/proc/4194305/ns/net",
                "does not exist: the process has ended",
            ),
            ("/run/loop", "/run/loop cannot be looked at: "),
        ] {
            for command in ["add", "check"] {
                let output = world.run(&[command, "mynet", given]);
                assert_eq!(status(&output), 1);
                assert!(output.stderr.contains(advice), "{output}");
            }
        }
        let output = world.run(&["add", "mynet", "/run/netns/c1"]);
        assert!(!output.stderr.contains("next:"), "{output}");
        // A plugin's advice on the namespace is for who runs plugins; what it says of other things stays.
        for (code, advice) in [(8, "/run/netns/c3 does not exist."), (7, "own advice")] {
            let details =
                format!("echo '{{\"code\":{code},\"msg\":\"x\",\"details\":\"own advice\"}}'");
            world.script("bin/rec", &format!("#!/bin/sh\n{details}\nexit 1\n"));
            let output = world.run(&["add", "mynet", "/run/netns/c3"]);
            assert!(
                output.stderr.contains(&format!("next: {advice}")),
                "{output}"
            );
        }
    });
}

/// What is found is what is executed, whatever PATH leads to.
#[test]
fn an_empty_element_of_cni_path_is_no_directory() {
    let world = World::new();
    for (folder, word) in [(".", "here"), ("path", "path")] {
        fs::create_dir_all(world.path(folder)).unwrap();
        world.script(
            &format!("{folder}/rec"),
            &format!("#!/bin/sh\necho {word} >&2\necho '{{}}'\n"),
        );
    }
    let path = format!("{}:/usr/bin:/bin", world.text("path"));
    for (cni_path, expected) in [
        (":", "failed to find plugin"),
        (":bin", ""),
        (".", "here\n"),
        ("./path", "path\n"),
    ] {
        let cache = world.text("cache");
        let output = world
            .linkspan(&["add", "mynet", "/run/netns/c1", "--cache-dir", &cache])
            .env("CNI_PATH", cni_path)
            .env("PATH", &path)
            .output();
        assert!(output.stderr.contains(expected), "{cni_path}: {output}");
        assert_eq!(output.ok(), cni_path != ":", "{cni_path}: {output}");
    }
}

#[test]
fn a_plugin_that_is_hidden_is_told_from_one_that_is_not_there() {
    let world = World::new();
    fs::remove_file(world.path("bin/rec")).unwrap();
    std::os::unix::fs::symlink("/no/such/file", world.path("bin/rec")).unwrap();
    let output = world.run(&["add", "mynet", "/run/netns/c1"]);
    assert!(
        output
            .stderr
            .contains("bin/rec is a link that leads nowhere."),
        "{output}"
    );
    fs::remove_file(world.path("bin/rec")).unwrap();
    fs::create_dir(world.path("bin/rec")).unwrap();
    let output = world.run(&["add", "mynet", "/run/netns/c1"]);
    assert!(
        output.stderr.contains("bin/rec is there, but is no file."),
        "{output}"
    );
}

/// multus PR#387: ports that nobody publishes.
#[test]
fn what_reaches_no_plugin_is_told() {
    let world = World::new();
    let add = |cap_args: &str| {
        let cache = world.text("cache");
        let words = ["add", "mynet", "/run/netns/c1", "--cache-dir", &cache];
        let output = world.linkspan(&words).env("CAP_ARGS", cap_args).output();
        assert_eq!(output.success(), RESULT);
        output.stderr
    };
    let told = add(r#"{"mac":"02:00:00:00:00:01","portMappings":[{"hostPort":80}],"dns":{}}"#);
    let words =
        "no plugin of network mynet declares portMappings: what was given for it reaches nobody";
    assert!(told.contains(words), "{told}");
    assert!(!add(r#"{"mac":"02:00:00:00:00:01"}"#).contains("reaches nobody"));
}
