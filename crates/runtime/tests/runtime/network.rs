//! GC, STATUS, VERSION and the check of a network's plugins.

use linkspan_runtime::Outcome;
use linkspan_spec::Attachment;
use serde_json::json;

use crate::world::{World, endpoint, list, network, words};

fn attachment(container: &str) -> Attachment {
    endpoint(container).attachment()
}

#[test]
fn gc_detaches_what_is_not_in_use_and_tells_the_plugins_what_is() {
    let world = World::new(&["one", "two"]);
    let network = network("1.1.0", &["one", "two"]);
    let runtime = world.runtime();
    for container in ["c1", "c2", "c3"] {
        runtime
            .add(
                &network,
                &endpoint(container).with_arg("A", container).unwrap(),
            )
            .unwrap();
    }
    world.calls();
    let in_use = [attachment("c2")];
    assert_eq!(runtime.gc(&network, &in_use).unwrap(), Outcome::Done);
    assert_eq!(
        world.calls(),
        [
            "DEL two c1",
            "DEL one c1",
            "DEL two c3",
            "DEL one c3",
            "GC one",
            "GC two"
        ]
    );
    assert_eq!(world.cached(), ["net-c2-eth0"]);
    assert_eq!(world.env("one", "DEL", "CNI_ARGS").as_deref(), Some("A=c3"));
    assert_eq!(
        world.env("one", "DEL", "CNI_NETNS").as_deref(),
        Some("/run/netns/c1")
    );
    let list = json!([{"containerID": "c2", "ifname": "eth0"}]);
    for plugin in ["one", "two"] {
        assert_eq!(
            world.stdin(plugin, "GC"),
            json!({"type": plugin, "cniVersion": "1.1.0", "name": "net",
                "cni.dev/valid-attachments": list, "cni.dev/attachments": list})
        );
    }
    assert_eq!(
        world.env("one", "GC", "CNI_CONTAINERID").as_deref(),
        Some("")
    );
    assert_eq!(world.env("one", "GC", "CNI_IFNAME").as_deref(), Some(""));
}

#[test]
fn gc_tells_that_nothing_is_in_use() {
    // An empty list is a list: without one, plugins would have to guess.
    let world = World::new(&["one"]);
    let network = network("1.1.0", &["one"]);
    let runtime = world.runtime();
    runtime.add(&network, &endpoint("c1")).unwrap();
    runtime.gc(&network, &[]).unwrap();
    assert_eq!(world.cached(), [""; 0]);
    for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
        assert_eq!(world.stdin("one", "GC")[key], json!([]));
    }
}

#[test]
fn gc_names_what_it_cannot_read_once_all_else_is_done() {
    let world = World::new(&["one"]);
    let network = network("1.1.0", &["one"]);
    let runtime = world.runtime();
    for container in ["c1", "c2", "c3"] {
        runtime.add(&network, &endpoint(container)).unwrap();
    }
    world.calls();
    for broken in ["c1", "c2"] {
        world.write(&format!("cache/results/net-{broken}-eth0"), "");
    }
    let error = runtime.gc(&network, &[attachment("c1")]).unwrap_err();
    assert!(
        words(&error).contains("net-c2-eth0 cannot be used"),
        "{error}"
    );
    assert_eq!(world.calls(), ["DEL one c3", "GC one"]);
    assert_eq!(world.cached(), ["net-c1-eth0", "net-c2-eth0"]);
}

#[test]
fn gc_of_an_older_version_only_detaches() {
    let world = World::new(&["one"]);
    let network = network("1.0.0", &["one"]);
    let runtime = world.runtime();
    runtime.add(&network, &endpoint("c1")).unwrap();
    world.calls();
    runtime.gc(&network, &[]).unwrap();
    assert_eq!(world.calls(), ["DEL one c1"]);
}

#[test]
fn gc_detaches_with_the_configuration_of_add() {
    let world = World::new(&["one", "two"]);
    let runtime = world.runtime();
    runtime
        .add(&network("1.1.0", &["one"]), &endpoint("c1"))
        .unwrap();
    world.calls();
    runtime.gc(&network("1.1.0", &["two"]), &[]).unwrap();
    assert_eq!(world.calls(), ["DEL one c1", "GC two"]);
    // The reference's runtime does not keep the plugins of the network's folder.
    runtime
        .add(&network("1.1.0", &["one"]), &endpoint("c1"))
        .unwrap();
    world.calls();
    let now = network("1.1.0", &["one", "two"]);
    runtime.gc(&now, &[]).unwrap();
    assert_eq!(world.calls()[..2], ["DEL two c1", "DEL one c1"]);
}

#[test]
fn gc_leaves_other_networks_alone() {
    let world = World::new(&["one"]);
    let runtime = world.runtime();
    let other =
        list(&json!({"cniVersion": "1.1.0", "name": "other", "plugins": [{"type": "one"}]}));
    runtime.add(&other, &endpoint("c1")).unwrap();
    runtime.gc(&network("1.1.0", &["one"]), &[]).unwrap();
    assert_eq!(world.cached(), ["other-c1-eth0"]);
}

#[test]
fn gc_does_all_that_it_can_and_tells_every_failure() {
    let world = World::new(&["one", "two"]);
    let network = network("1.1.0", &["one", "two"]);
    let runtime = world.runtime();
    runtime.add(&network, &endpoint("c1")).unwrap();
    world.calls();
    world.fail("two", "DEL", "busy");
    world.fail("one", "GC", "cannot");
    let error = runtime.gc(&network, &[]).unwrap_err();
    let errors = error.errors();
    assert_eq!(world.calls(), ["DEL two c1", "GC one", "GC two"]);
    assert!(
        words(errors[0]).contains("container \"c1\""),
        "{}",
        errors[0]
    );
    assert!(words(errors[1]).ends_with("cannot"), "{}", errors[1]);
}

#[test]
fn gc_is_left_out_where_the_network_says_so() {
    let world = World::new(&["one"]);
    let network = list(
        &json!({"cniVersion": "1.1.0", "name": "net", "disableGC": true,
        "plugins": [{"type": "one"}]}),
    );
    let runtime = world.runtime();
    runtime.add(&network, &endpoint("c1")).unwrap();
    world.calls();
    assert_eq!(runtime.gc(&network, &[]).unwrap(), Outcome::Disabled);
    assert_eq!(world.calls(), [""; 0]);
    assert_eq!(world.cached(), ["net-c1-eth0"]);
}

#[test]
fn status_asks_every_plugin_until_one_is_not_ready() {
    let world = World::new(&["one", "two", "three"]);
    let chain = network("1.1.0", &["one", "two", "three"]);
    let runtime = world.runtime();
    assert_eq!(runtime.status(&chain).unwrap(), Outcome::Done);
    assert_eq!(world.calls(), ["STATUS one", "STATUS two", "STATUS three"]);
    world.answer(
        "two",
        "STATUS",
        r#"{"code":50,"msg":"the daemon does not answer"}"#,
    );
    world.write("log/two.STATUS.status", "1");
    let error = runtime.status(&chain).unwrap_err();
    assert_eq!(error.code(), linkspan_spec::ErrorCode::PLUGIN_NOT_AVAILABLE);
    assert_eq!(world.calls(), ["STATUS one", "STATUS two"]);
    let old = network("1.0.0", &["one"]);
    assert_eq!(runtime.status(&old).unwrap(), Outcome::NotInVersion);
}

#[test]
fn version_asks_as_old_plugins_want_it() {
    let world = World::new(&["one"]);
    let answer = r#"{"cniVersion":"1.1.0","supportedVersions":["0.4.0","1.0.0"]}"#;
    world.answer("one", "VERSION", answer);
    let info = world.runtime().version(&"one".parse().unwrap()).unwrap();
    assert_eq!(info.supported_versions, ["0.4.0", "1.0.0"]);
    assert_eq!(
        world.stdin("one", "VERSION"),
        json!({"cniVersion": "1.1.0"})
    );
    for (name, value) in [
        ("CNI_NETNS", "dummy"),
        ("CNI_IFNAME", "dummy"),
        ("CNI_PATH", "dummy"),
    ] {
        assert_eq!(world.env("one", "VERSION", name).as_deref(), Some(value));
    }
}

#[test]
fn a_plugin_that_knows_no_version_is_of_the_first() {
    let world = World::new(&["one"]);
    world.fail("one", "VERSION", "unknown CNI_COMMAND: VERSION");
    let info = world.runtime().version(&"one".parse().unwrap()).unwrap();
    assert_eq!(info.supported_versions, ["0.1.0"]);
}

#[test]
fn a_network_is_valid_when_its_plugins_support_its_version() {
    let world = World::new(&["old", "new"]);
    world.answer("old", "VERSION", r#"{"cniVersion":"0.2.0"}"#);
    world.answer(
        "new",
        "VERSION",
        r#"{"cniVersion":"1.0.0","supportedVersions":["0.2.0","1.0.0"]}"#,
    );
    let runtime = world.runtime();
    runtime
        .validate(&network("0.2.0", &["old", "new"]))
        .unwrap();
    let error = runtime
        .validate(&network("1.0.0", &["old", "new"]))
        .unwrap_err();
    assert_eq!(
        words(&error),
        r#"plugin "old" does not support config version 1.0.0"#
    );
    assert!(
        error
            .advice()
            .unwrap()
            .starts_with("It supports 0.1.0, 0.2.0.")
    );
    let error = runtime
        .validate(&network("1.0.0", &["old", "gone"]))
        .unwrap_err();
    let told = error.to_string();
    assert!(
        told.starts_with("2 steps failed: plugin \"old\" does not"),
        "{told}"
    );
    assert!(told.contains("; failed to find plugin \"gone\""), "{told}");
}
