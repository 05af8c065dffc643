//! `status`, `list` and `version`.

use std::fs;
use std::time::Duration;

use linkspan_testkit::Cmd;
use serde_json::json;

use crate::world::{World, json, status};

#[test]
fn status_is_that_of_the_plugins() {
    let world = World::new();
    assert_eq!(world.run(&["status", "mynet", "/c1"]).success(), "");
    assert!(!world.called("STATUS"), "1.0.0 has none");
    let output = world.run(&["status", "mynet", "--cni-path", "/no/such/dir"]);
    assert_eq!(status(&output), 1, "{output}");
    assert!(
        output.stderr.contains("failed to find plugin \"rec\""),
        "{output}"
    );
    world.network("0.3.1");
    let output = world.run(&["status", "mynet"]);
    assert_eq!(status(&output), 1, "{output}");
    assert!(
        output
            .stderr
            .contains("does not support config version 0.3.1"),
        "{output}"
    );
    world.network("1.1.0");
    world.ok(&["status", "mynet"]);
    assert!(world.called("STATUS"));
    world.script(
        "bin/rec",
        "#!/bin/sh\necho '{\"code\":50,\"msg\":\"no daemon\"}'\nexit 1\n",
    );
    let output = world.run(&["status", "mynet", "--json"]);
    assert_eq!(status(&output), 1);
    assert_eq!(json(&output.stderr)["code"], 50);
}

#[test]
fn list_tells_networks_and_attachments() {
    let world = World::new();
    let output = world.run(&["list", "--conf-dir", "/no/such/dir"]);
    assert_eq!(
        output.success(),
        "No networks in /no/such/dir.\n\nNo attachments.\n"
    );
    world.ok(&["add", "mynet", "/run/netns/no-such", "--container-id", "c1"]);
    fs::write(world.path("net.d/20-broken.conflist"), "{").unwrap();
    let output = world.run(&["list"]);
    let text = output.success().replace(&world.text(""), "");
    let broken = text.lines().nth(3).unwrap();
    assert!(
        broken.starts_with("error: net.d/20-broken.conflist is not a usable"),
        "{text}"
    );
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "NETWORK  VERSION  PLUGINS  FILE",
            "mynet    1.0.0    rec      net.d/10-mynet.conflist",
            "?        ?        ?        net.d/20-broken.conflist",
        ]
    );
    assert_eq!(
        lines[7..],
        [
            "NETWORK  CONTAINER  INTERFACE  ADDRESSES     NAMESPACE",
            "mynet    c1         eth0       10.22.0.2/16  /run/netns/no-such (not seen)",
        ]
    );
    let output = world.run(&["list", "mynet", "--json"]);
    let told = json(output.success());
    assert_eq!(told["networks"][0]["plugins"], json!(["rec"]));
    assert_eq!(
        told["attachments"],
        json!([{"network": "mynet", "containerID": "c1", "ifname": "eth0", "complete": true,
            "addresses": ["10.22.0.2/16"], "netns": "/run/netns/no-such", "alive": null}])
    );
    // An attachment may outlive its network's configuration; what is nowhere is a mistake.
    fs::remove_file(world.path("net.d/20-broken.conflist")).unwrap();
    fs::rename(
        world.path("net.d/10-mynet.conflist"),
        world.path("net.d/off"),
    )
    .unwrap();
    let output = world.run(&["list", "mynet"]);
    assert!(output.success().contains("mynet    c1 "), "{output}");
    for args in [
        &["list", "nosuch"][..],
        &["list", "nosuch", "--json"],
        &["list", "no/such"],
    ] {
        let output = world.run(args);
        assert_eq!(status(&output), 3, "{output}");
        assert!(
            output.stderr.contains("no net configuration with name"),
            "{output}"
        );
        assert_eq!(output.stdout, "");
    }
}

/// A pipe whose writer never comes is not waited for.
#[test]
fn only_files_are_read() {
    let world = World::new();
    let fifo = |name: &str| {
        let made = Cmd::new("mkfifo").arg(world.path(name)).output();
        assert!(made.ok(), "{made}");
    };
    world.ok(&["add", "mynet", "/run/netns/c1", "--container-id", "c1"]);
    fs::remove_file(world.path("cache/results/mynet-c1-eth0")).unwrap();
    fifo("cache/results/mynet-c1-eth0");
    fifo("net.d/00-pipe.conflist");
    let list = world.linkspan(&["list", "--cache-dir", &world.text("cache")]);
    let output = list.deadline(Duration::from_secs(20)).output();
    let told = format!("{}{}", output.stdout, output.stderr);
    assert!(!output.timed_out, "{output}");
    assert_eq!(told.matches("it is no regular file").count(), 2, "{output}");
}

#[test]
fn networks_are_listed_though_the_cache_cannot_be_read() {
    let world = World::new();
    fs::write(world.path("cache/results"), "no directory").unwrap();
    let output = world.run(&["list"]);
    assert_eq!(status(&output), 1);
    assert!(output.stdout.contains("\nmynet "), "{output}");
    let words = "error: cannot list the cached result";
    assert!(output.stderr.contains(words), "{output}");
}

#[test]
fn version_tells_ours_and_those_of_plugins() {
    let world = World::new();
    let output = world.run(&["version"]);
    let words = format!("linkspan {}\nCNI 0.1.0 0.2.0 ", env!("CARGO_PKG_VERSION"));
    assert!(output.success().starts_with(&words), "{output}");
    let output = world.run(&["version", "rec"]);
    assert_eq!(
        output.success(),
        "PLUGIN  CNI VERSIONS\nrec     0.4.0 1.0.0\n"
    );
    let output = world.run(&["version", "rec", "--json"]);
    assert_eq!(
        json(output.success())["rec"]["supportedVersions"],
        json!(["0.4.0", "1.0.0"])
    );
    assert_eq!(status(&world.run(&["version", "none"])), 1);
    assert_eq!(status(&world.run(&["version", "../rec"])), 2);
}

/// Not after a minute of waiting for the kernel, and not by each plugin in its own words.
#[test]
fn who_may_not_change_networks_is_told_at_once() {
    let world = World::new();
    world.network("1.1.0");
    let ordinary = ["setpriv", "--bounding-set", "-net_admin"];
    for args in [
        &["add", "mynet", "/run/netns/c1"][..],
        &["check", "mynet", "/run/netns/c1"],
        &["del", "mynet", "/run/netns/c1"],
        &["gc", "mynet"],
        &["gc", "mynet", "--all"],
        &["reconcile"],
        &["reconcile", "--watch"],
    ] {
        let output = world
            .linkspan_by(&ordinary, args)
            .deadline(Duration::from_secs(10))
            .output();
        assert_eq!(status(&output), 5, "{output}");
        assert!(output.stderr.contains("only root may do"), "{output}");
        assert!(output.stderr.contains("next: Run it as root"), "{output}");
    }
    assert!(
        fs::read_dir(world.path("log")).unwrap().next().is_none(),
        "a plugin was run"
    );
    let cache = world.text("cache");
    for args in [
        &["list", "--cache-dir", &cache][..],
        &["status", "mynet"],
        &["version", "rec"],
        &["gc", "mynet", "--dry-run", "--cache-dir", &cache],
    ] {
        let output = world.linkspan_by(&ordinary, args).output();
        assert!(output.ok(), "{output}");
    }
}

#[test]
fn with_json_each_output_is_one_object_at_most() {
    let world = World::new();
    world.network("1.1.0");
    for args in [
        &["add", "mynet", "/run/netns/c1"][..],
        &["check", "mynet", "/run/netns/c1"],
        &["status", "mynet"],
        &["list"],
        &["gc", "mynet", "--dry-run"],
        &["del", "mynet", "/run/netns/c1"],
        &["gc", "mynet", "--all"],
    ] {
        let output = world.run(&[args, &["--json"]].concat());
        assert!(json(output.success()).is_object(), "{output}");
        assert_eq!(output.stderr, "", "{output}");
    }
    let told = json(&world.ok(&["del", "mynet", "/run/netns/c1", "--json"]));
    assert_eq!(
        (&told["network"], &told["detached"]),
        (&json!("mynet"), &json!(false)),
        "nothing was known of it"
    );
    let old = world.linkspan(&["--json", "version"]).output();
    assert!(json(old.success()).is_object());
    for (args, code) in [
        (&["--json"][..], 2),
        (&["--json", "fly"], 2),
        (&["--json", "add", "mynet"], 2),
        (&["--json", "add", "mynet", "/c1", "--timeout", "soon"], 2),
        (&["--json", "add", "mynet", "/c1", "--args", "IP"], 2),
        (&["--json", "list", "nosuch"], 3),
        (&["--json", "version", "none"], 1),
    ] {
        let output = world.linkspan(args).output();
        assert_eq!(status(&output), code, "{output}");
        let told = json(&output.stderr);
        assert!(told["code"].is_u64() && told["msg"].is_string(), "{output}");
        assert_eq!(output.stdout, "", "{output}");
    }
    // What plugins log is in it too.
    world.script(
        "bin/rec",
        "#!/bin/sh\necho one >&2\necho two >&2\necho '{}'\n",
    );
    let output = world.run(&["add", "mynet", "/run/netns/c1", "--json"]);
    assert!(json(output.success()).is_object());
    assert_eq!(json(&output.stderr), json!({"notes": ["one", "two"]}));
}
