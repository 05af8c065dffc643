//! What a user of cnitool does, with `linkspan` in its place: its commands, its arguments, its variables and nothing else.
//! <https://github.com/containernetworking/cni/blob/main/cnitool/README.md>

use linkspan_testkit::{Cmd, Output};
use serde_json::{Value, json};

use crate::world::World;

/// The container that cnitool makes of this namespace.
const NETNS: &str = "/var/run/netns/testing";
const CONTAINER: &str = "cnitool-77383ca0a0715733ca6f";

/// A world whose plugin speaks 1.1.0, as GC and STATUS want it.
fn world() -> World {
    let world = World::new();
    let newest = std::fs::read_to_string(world.path("bin/rec")).unwrap();
    world.script(
        "bin/rec",
        &newest.replace(r#"["0.4.0","1.0.0"]"#, r#"["0.4.0","1.0.0","1.1.0"]"#),
    );
    world.network("1.1.0");
    world
}

/// cnitool has no option but this one for what its variables say; the cache is below `/var/lib/cni`, for a test elsewhere.
fn cnitool(world: &World, arguments: &[&str]) -> Cmd {
    let cache = world.text("cache");
    world
        .linkspan(&[arguments, &["--cache-dir", &cache]].concat())
        .env("CNI_ARGS", "IP=10.22.0.9;A=b")
        .env("CAP_ARGS", r#"{"mac":"02:00:00:00:00:01"}"#)
        .env("CNI_IFNAME", "net1")
}

fn ok(world: &World, arguments: &[&str]) -> Output {
    let output = cnitool(world, arguments).output();
    assert!(output.ok(), "{arguments:?}: {output}");
    output
}

#[test]
fn every_command_of_cnitool_reaches_the_plugin_with_all_that_its_variables_say() {
    let world = world();
    // In the order of its README; each with the command that the plugin is to get.
    for (command, called) in [
        ("status", "STATUS"),
        ("add", "ADD"),
        ("check", "CHECK"),
        ("del", "DEL"),
    ] {
        ok(&world, &[command, "mynet", NETNS]);
        let stdin = world.stdin(called);
        assert_eq!(stdin["name"], "mynet", "{called}");
        assert_eq!(stdin["cniVersion"], "1.1.0", "{called}");
        assert_eq!(world.env(called, "CNI_PATH"), world.text("bin"), "{called}");
        if called == "STATUS" {
            continue;
        }
        for (name, value) in [
            ("CNI_CONTAINERID", CONTAINER),
            ("CNI_NETNS", NETNS),
            ("CNI_IFNAME", "net1"),
            ("CNI_ARGS", "IP=10.22.0.9;A=b"),
        ] {
            assert_eq!(world.env(called, name), value, "{called}");
        }
        let mac = json!({"mac": "02:00:00:00:00:01"});
        assert_eq!(stdin["runtimeConfig"], mac, "{called}");
    }
    for called in ["CHECK", "DEL"] {
        let previous = &world.stdin(called)["prevResult"];
        assert_eq!(previous["ips"][0]["address"], "10.22.0.2/16", "{called}");
    }
    assert_eq!(world.cached(), 0);
}

/// cnitool's `gc` removes every attachment of the network; here that has to be said.
#[test]
fn gc_removes_every_attachment_when_that_is_said() {
    let world = world();
    ok(&world, &["add", "mynet", NETNS]);
    ok(&world, &["gc", "mynet", NETNS, "--all"]);
    assert!(world.called("DEL") && world.called("GC"));
    assert_eq!(world.stdin("GC")["cni.dev/valid-attachments"], json!([]));
    assert_eq!(world.cached(), 0);
}

/// `cnitool -i`, before the variable; `eth0` where neither says anything.
#[test]
fn the_interface_is_that_of_the_option_then_of_the_variable() {
    let world = world();
    for option in ["-i", "--ifname"] {
        ok(&world, &["add", "mynet", NETNS, option, "net7"]);
        assert_eq!(world.env("ADD", "CNI_IFNAME"), "net7", "{option}");
        ok(&world, &["del", "mynet", NETNS, option, "net7"]);
    }
    let unsaid = cnitool(&world, &["add", "mynet", NETNS]).env_remove("CNI_IFNAME");
    assert!(unsaid.output().ok());
    assert_eq!(world.env("ADD", "CNI_IFNAME"), "eth0");
}

/// The result as cnitool prints it, alone on standard output.
#[test]
fn add_prints_the_result_as_cnitool_does() {
    let world = world();
    let output = ok(&world, &["add", "mynet", NETNS]);
    let result: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(result["cniVersion"], "1.1.0");
    let begin = "{\n    \"cniVersion\": \"1.1.0\",\n    \"ips\": [\n        {\n            \"address\": \"10.22.0.2/16\"";
    assert!(output.stdout.starts_with(begin), "{output}");
    assert_eq!(output.stderr, "");
}

/// What cnitool refuses, before a plugin is run: pairs that are none, JSON that is none, a network that is not there.
#[test]
fn what_cnitool_refuses_is_refused() {
    let world = world();
    for (name, value, words) in [
        ("CNI_ARGS", "IP", "CNI_ARGS"),
        ("CNI_ARGS", "IP=", "CNI_ARGS"),
        ("CAP_ARGS", "{", "CAP_ARGS"),
        ("CAP_ARGS", "[]", "CAP_ARGS"),
        ("NETCONFPATH", "/no/such/directory", "/no/such/directory"),
    ] {
        let output = cnitool(&world, &["add", "mynet", NETNS])
            .env(name, value)
            .output();
        assert!(!output.ok(), "{name}={value}: {output}");
        assert!(output.stderr.contains(words), "{name}={value}: {output}");
    }
    assert!(!cnitool(&world, &["add", "mynet"]).output().ok());
    assert!(!cnitool(&world, &["add", "othernet", NETNS]).output().ok());
    assert!(!world.called("ADD"));
}
