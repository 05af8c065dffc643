//! `del`.

use std::fs;

use linkspan_testkit::sandbox;
use serde_json::json;

use crate::world::{World, json, status};

#[test]
fn del_has_the_arguments_and_the_configuration_of_add() {
    let world = World::new();
    world.ok(&[
        "add",
        "mynet",
        "/run/netns/c1",
        "--args",
        "A=b",
        "--cap-args",
        r#"{"mac":"x"}"#,
    ]);
    fs::remove_file(world.path("net.d/10-mynet.conflist")).unwrap();
    world.ok(&["del", "mynet", "/run/netns/c1"]);
    assert_eq!(world.env("DEL", "CNI_ARGS"), "A=b");
    assert_eq!(world.stdin("DEL")["runtimeConfig"], json!({"mac": "x"}));
    assert_eq!(world.cached(), 0);
    let output = world.run(&["del", "mynet", "/run/netns/c1"]);
    assert_eq!(
        status(&output),
        3,
        "without an attachment the network is missed: {output}"
    );
}

#[test]
fn del_is_with_the_configuration_of_add_also_when_it_was_edited() {
    let world = World::new();
    let note = "another than at `add`";
    world.ok(&["add", "mynet", "/run/netns/c1"]);
    let edited = r#"{"cniVersion":"1.0.0","name":"mynet","plugins":[{"type":"other"}]}"#;
    fs::write(world.path("net.d/10-mynet.conflist"), edited).unwrap();
    let output = world.run(&["del", "mynet", "/run/netns/c1"]);
    assert!(output.ok(), "{output}");
    assert!(output.stderr.contains(note), "{output}");
    assert_eq!(world.stdin("DEL")["type"], "rec");
    assert_eq!(world.cached(), 0);
    // The reference's runtime does not keep the plugins of the network's folder.
    world.network("1.0.0");
    world.ok(&["add", "mynet", "/run/netns/c1"]);
    fs::create_dir(world.path("net.d/mynet")).unwrap();
    let more = r#"{"type":"rec","more":true}"#;
    fs::write(world.path("net.d/mynet/20.conf"), more).unwrap();
    let output = world.run(&["del", "mynet", "/run/netns/c1"]);
    assert!(!output.stderr.contains(note), "{output}");
}

#[test]
fn del_tells_that_nothing_was_known() {
    sandbox(|host| {
        let world = World::new();
        host.run("ip netns add c1");
        world.ok(&["add", "mynet", "/run/netns/c1"]);
        let output = world.run(&["del", "mynet", "c2"]);
        assert!(output.ok(), "{output}");
        for words in ["nothing was known of cnitool-", "there is nothing at "] {
            assert!(output.stderr.contains(words), "{output}");
        }
        for detached in [true, false] {
            let output = world.run(&["del", "mynet", "/run/netns/c1", "--json"]);
            assert_eq!(json(output.success())["detached"], detached);
            assert_eq!(output.stderr, "");
        }
    });
}
