//! What reaches plugins of what a runtime gives, and what is refused before.

use linkspan_runtime::{Error, PortMapping, Protocol, Runtime};
use serde_json::json;

use crate::world::{World, endpoint, list, words};

#[test]
fn ports_that_nobody_would_publish_are_refused_where_that_is_wanted() {
    let world = World::new(&["one"]);
    let network =
        |plugin| list(&json!({"cniVersion": "1.0.0", "name": "net", "plugins": [plugin]}));
    let without = network(json!({"type": "one"}));
    let with = network(json!({"type": "one", "capabilities": {"portMappings": true}}));
    let port = PortMapping::new(8080, 80, Protocol::Tcp).unwrap();
    let endpoint = endpoint("c1").with_port_mappings([port]);
    let strict = world.builder().refuse_unused_capabilities(true).build();
    let error = strict.add(&without, &endpoint).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"no plugin of network "net" declares the capabilities portMappings"#
    );
    assert!(
        error
            .advice()
            .unwrap()
            .contains(r#""capabilities": { "portMappings": true }"#)
    );
    assert!(world.calls().is_empty() && world.cached().is_empty());
    // Without the option that is what libcni does, and the caller can ask.
    world.runtime().add(&without, &endpoint).unwrap();
    let unused = Runtime::unused_capabilities(&without, &endpoint).unwrap();
    assert_eq!(unused, ["portMappings"]);
    assert!(world.stdin("one", "ADD").get("runtimeConfig").is_none());
    // DEL is never refused.
    strict.del(&without, &endpoint).unwrap();
    strict.add(&with, &endpoint).unwrap();
    let told = &world.stdin("one", "ADD")["runtimeConfig"]["portMappings"];
    assert_eq!(
        told,
        &json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}])
    );
}

/// cni#351: what was set past the check is no other argument either, and DEL of what was attached in spite of it works.
#[test]
fn arguments_that_would_become_others_do_not_reach_an_add() {
    let world = World::new(&["one"]);
    let network = crate::world::network("1.0.0", &["one"]);
    let mut endpoint = endpoint("c1");
    endpoint
        .args
        .push(("K8S_POD_NAME".into(), "a;IP=10.0.0.1".into()));
    let error = world.runtime().add(&network, &endpoint).unwrap_err();
    assert!(matches!(error, Error::Argument(_)), "{}", words(&error));
    assert!(world.calls().is_empty());
    world.runtime().del(&network, &endpoint).unwrap();
    assert_eq!(world.calls(), ["DEL one c1"]);
}

#[test]
fn validation_tells_the_capabilities_or_every_fault() {
    let world = World::new(&["one", "old"]);
    world.answer(
        "one",
        "VERSION",
        r#"{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}"#,
    );
    world.answer(
        "old",
        "VERSION",
        r#"{"cniVersion":"0.2.0","supportedVersions":["0.2.0"]}"#,
    );
    let network =
        |plugins| list(&json!({"cniVersion": "1.0.0", "name": "net", "plugins": plugins}));
    let good = network(json!([
        {"type": "one", "capabilities": {"ips": true, "mac": false}},
        {"type": "one", "capabilities": {"portMappings": true, "ips": true}},
    ]));
    let capabilities = world.runtime().validate(&good).unwrap();
    assert_eq!(capabilities, ["ips", "portMappings"]);
    assert_eq!(world.calls(), ["VERSION one"], "each plugin is asked once");
    let bad = network(json!([{"type": "old"}, {"type": "one"}, {"type": "absent"}]));
    let error = world.runtime().validate(&bad).unwrap_err();
    let errors = error.errors();
    assert!(
        matches!(errors[0], Error::PluginVersion { .. }),
        "{errors:?}"
    );
    assert!(
        matches!(errors[1], Error::PluginNotFound { .. }),
        "{errors:?}"
    );
}
