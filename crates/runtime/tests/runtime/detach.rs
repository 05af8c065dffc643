//! Detaching with what is kept: one attachment, or all of a container.

use linkspan_runtime::{CachedAttachment, Error};
use serde_json::json;

use crate::world::{World, endpoint, list, named, network, words};

/// multus#1449, multus#755: a DEL without the whole configuration leaks the address.
#[test]
fn del_gets_exactly_what_add_got() {
    let world = World::new(&["one", "two"]);
    let network = list(&json!({"cniVersion": "1.1.0", "name": "net", "plugins": [
        {"type": "one", "ipam": {"type": "host-local", "dataDir": "/elsewhere"}, "zeta": {"a": null}},
        {"type": "two", "capabilities": {"portMappings": true}}
    ]}));
    let given = endpoint("c1")
        .with_arg("K8S_POD_NAME", "p")
        .unwrap()
        .with_capability_arg("portMappings", json!([{"hostPort": 1}]));
    let runtime = world.runtime();
    runtime.add(&network, &given).unwrap();
    let kept = runtime
        .cached(&network.name, &endpoint("c1"))
        .unwrap()
        .unwrap();
    runtime.detach(&kept).unwrap();
    for plugin in ["one", "two"] {
        let mut added = world.stdin(plugin, "ADD");
        let deleted = world.stdin(plugin, "DEL");
        // The result of the whole chain, which ADD did not have.
        added["prevResult"] = deleted["prevResult"].clone();
        assert_eq!(added, deleted, "{plugin}");
        for name in [
            "CNI_CONTAINERID",
            "CNI_NETNS",
            "CNI_IFNAME",
            "CNI_ARGS",
            "CNI_PATH",
        ] {
            let [added, deleted] = ["ADD", "DEL"].map(|command| world.env(plugin, command, name));
            assert_eq!(added, deleted, "{plugin} {name}");
        }
    }
    assert_eq!(world.cached(), [""; 0]);
    // Once more is no failure.
    runtime.detach(&kept).unwrap();
}

#[test]
fn what_was_kept_without_its_configuration_is_told() {
    let world = World::new(&["one"]);
    world.write("cache/results/net-c1-eth0", r#"{"cniVersion":"0.3.1"}"#);
    let runtime = world.runtime();
    let cached = runtime.cached(&"net".parse().unwrap(), &endpoint("c1"));
    let kept: CachedAttachment = cached.unwrap().unwrap();
    let error = runtime.detach(&kept).unwrap_err();
    assert!(
        words(&error).contains("net-c1-eth0 cannot be used"),
        "{error}"
    );
    assert_eq!(world.calls(), [""; 0]);
}

#[test]
fn a_container_is_detached_from_everything_the_latest_first() {
    let world = World::new(&["one", "two", "three"]);
    let runtime = world.runtime();
    runtime
        .add(&named("n1", "1.1.0", &["one"]), &endpoint("c1"))
        .unwrap();
    runtime
        .add(&named("n2", "1.1.0", &["two"]), &endpoint("c1"))
        .unwrap();
    runtime
        .add(&named("n2", "1.1.0", &["two"]), &endpoint("c2"))
        .unwrap();
    world.fail("one", "ADD", "no room");
    let half = named("n0", "1.1.0", &["three", "one"]);
    runtime.add(&half, &endpoint("c1")).unwrap_err();
    world.calls();
    runtime.detach_all(&"c1".parse().unwrap()).unwrap();
    let expected = ["DEL one c1", "DEL three c1", "DEL two c1", "DEL one c1"];
    assert_eq!(world.calls(), expected);
    assert_eq!(world.cached(), ["n2-c2-eth0"]);
    assert_eq!(world.pending(), [""; 0]);
    runtime.detach_all(&"nobody".parse().unwrap()).unwrap();
    assert_eq!(world.calls(), [""; 0]);
}

/// cni#924, containerd#12130: one that fails keeps the others from nothing, and stays known.
#[test]
fn what_fails_is_told_and_the_rest_is_done() {
    let world = World::new(&["one", "two"]);
    let runtime = world.runtime();
    for (name, plugin) in [("n1", "one"), ("n2", "two"), ("n3", "one")] {
        let network = named(name, "1.1.0", &[plugin]);
        runtime.add(&network, &endpoint("c1")).unwrap();
    }
    // cni#1055: whose they are, their names tell.
    for broken in ["n4-c1-eth0", "n4-c2-eth0", "n4-c10-eth0"] {
        world.write(&format!("cache/results/{broken}"), "");
    }
    world.fail("one", "DEL", "busy");
    world.calls();
    let error = runtime.detach_all(&"c1".parse().unwrap()).unwrap_err();
    let errors = error.errors();
    assert_eq!(errors.len(), 3, "{error}");
    let of_plugins = errors
        .iter()
        .filter(|error| matches!(error, Error::Plugin(_)));
    assert_eq!(of_plugins.count(), 2);
    let told = error.to_string();
    assert!(told.contains("n4-c1-eth0 cannot be used"), "{told}");
    assert!(
        !told.contains("n4-c2") && !told.contains("n4-c10"),
        "{told}"
    );
    assert_eq!(world.calls(), ["DEL one c1", "DEL two c1", "DEL one c1"]);
    world.mend("one", "DEL");
    runtime.detach_all(&"c1".parse().unwrap()).unwrap_err();
    assert_eq!(world.calls(), ["DEL one c1", "DEL one c1"]);
    assert_eq!(world.cached(), ["n4-c1-eth0", "n4-c10-eth0", "n4-c2-eth0"]);
    // DEL of the network mends what cannot be read.
    let network = network("1.1.0", &["one"]);
    world.write("cache/results/net-c1-eth0", "");
    runtime.del(&network, &endpoint("c1")).unwrap();
    assert!(!world.cached().contains(&"net-c1-eth0".to_owned()));
}
