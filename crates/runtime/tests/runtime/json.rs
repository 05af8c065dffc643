//! What a runtime keeps or sends of this crate's types, as JSON.

use std::fmt::Debug;

use linkspan_runtime::{
    Bandwidth, CachedAttachment, Endpoint, IpRange, Outcome, PodAttachment, PortMapping, Protocol,
    RateLimit, ResolverConfig, TraceContext, Value,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::world::{World, endpoint, network};

/// There and back, and what it is in between.
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, expected: &Value) {
    let json = serde_json::to_value(value).unwrap();
    assert_eq!(json, *expected);
    let back: T = serde_json::from_value(json).unwrap();
    assert_eq!(back, *value);
}

#[test]
fn capabilities_are_what_plugins_get() {
    let port = PortMapping::new(8080, 80, Protocol::Udp).unwrap();
    check(
        &port,
        &json!({"hostPort": 8080, "containerPort": 80, "protocol": "udp"}),
    );
    let limit = RateLimit::new(1000, 10).unwrap();
    let bandwidth = Bandwidth::default().with_ingress(limit);
    check(
        &bandwidth,
        &json!({"ingressRate": 1000, "ingressBurst": 10}),
    );
    check(
        &IpRange::new("10.1.0.0/16".parse().unwrap()),
        &json!({"subnet": "10.1.0.0/16"}),
    );
    let dns = ResolverConfig::new(["10.0.0.53".parse().unwrap()]);
    check(&dns, &json!({"servers": ["10.0.0.53"]}));
    let wrong = serde_json::from_value::<PortMapping>(json!({"hostPort": 0, "containerPort": 80}));
    assert!(wrong.unwrap_err().to_string().contains("hostPort"));
}

#[test]
fn an_endpoint_has_the_keys_of_the_reference_s_cache() {
    let bare = Endpoint::new("c1".parse().unwrap(), "eth0".parse().unwrap());
    check(&bare, &json!({"containerId": "c1", "ifName": "eth0"}));
    let full = endpoint("c1")
        .with_arg("A", "b")
        .unwrap()
        .with_aliases(["web"]);
    let expected = json!({
        "containerId": "c1", "ifName": "eth0", "netns": "/run/netns/c1",
        "cniArgs": [["A", "b"]], "capabilityArgs": {"aliases": ["web"]},
    });
    check(&full, &expected);
    assert!(
        serde_json::from_value::<Endpoint>(json!({"containerId": "a/b", "ifName": "eth0"}))
            .is_err()
    );
}

#[test]
fn what_is_kept_of_an_attachment_comes_back() {
    let world = World::new(&["one"]);
    let network = network("1.0.0", &["one"]);
    world.runtime().add(&network, &endpoint("c1")).unwrap();
    let kept = world
        .runtime()
        .cached(&network.name, &endpoint("c1"))
        .unwrap()
        .unwrap();
    let json = serde_json::to_value(&kept).unwrap();
    assert_eq!(
        (&json["networkName"], &json["containerId"]),
        (&json!("net"), &json!("c1"))
    );
    assert_eq!(json["isComplete"], true);
    // As in the file, but for the kind of the file.
    let file = crate::world::read(&world.path("cache/results/net-c1-eth0"));
    assert_eq!(json["config"], file["config"]);
    let back: CachedAttachment = serde_json::from_value(json).unwrap();
    assert_eq!(back, kept);
    let pod = linkspan_runtime::Pod::new("c2".parse().unwrap());
    let pod = pod.with_network(network, |eth0| eth0).unwrap();
    let made = world.runtime().add_pod(&pod, Default::default()).unwrap();
    let json = serde_json::to_value(&made).unwrap();
    assert_eq!(json[0]["ifname"], "eth0");
    let back: Vec<PodAttachment> = serde_json::from_value(json).unwrap();
    assert_eq!(back, made);
}

/// What a constructor refuses is not let in by what is read, and what is normal for it is normal here.
#[test]
fn what_is_read_holds_what_constructors_hold() {
    let range = |json: Value| serde_json::from_value::<IpRange>(json).map_err(|e| e.to_string());
    for (json, wrong) in [
        (
            json!({"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.2", "rangeEnd": "10.0.0.2", "gateway": "10.0.0.1"}),
            None,
        ),
        (
            json!({"subnet": "10.0.0.0/24", "rangeEnd": "10.0.0.9"}),
            None,
        ),
        (
            json!({"subnet": "10.0.0.0/24", "rangeStart": "10.0.1.2"}),
            Some("\"rangeStart\": expected an address in 10.0.0.0/24"),
        ),
        (
            json!({"subnet": "10.0.0.0/24", "rangeEnd": "fd00::1"}),
            Some("\"rangeEnd\": expected an address in 10.0.0.0/24"),
        ),
        (
            json!({"subnet": "10.0.0.0/24", "gateway": "10.9.9.9"}),
            Some("\"gateway\": expected an address in 10.0.0.0/24"),
        ),
        (
            json!({"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.9", "rangeEnd": "10.0.0.2"}),
            Some("\"rangeEnd\": expected an address from 10.0.0.9 on"),
        ),
    ] {
        let found = range(json.clone()).err();
        let holds = match (&found, wrong) {
            (Some(found), Some(wrong)) => found.contains(wrong),
            (found, wrong) => found.is_none() && wrong.is_none(),
        };
        assert!(holds, "{json}: {found:?}");
    }
    let all = IpRange::new("10.0.0.7/24".parse().unwrap());
    assert_eq!(range(json!({"subnet": "10.0.0.7/24"})), Ok(all));
    let largest = u64::from(u32::MAX) * 8 - 1;
    for (burst, is_possible) in [
        (0, true),
        (largest, true),
        (largest + 1, false),
        (u64::MAX, false),
    ] {
        assert_eq!(RateLimit::new(1, burst).is_ok(), is_possible, "{burst}");
        let json = json!({"ingressRate": 1, "ingressBurst": burst});
        let read = serde_json::from_value::<Bandwidth>(json);
        assert_eq!(read.is_ok(), is_possible, "{burst}: {read:?}");
    }
    // The file of another runtime, which knows no isComplete.
    let file = json!({"kind": "cniCacheV1", "containerId": "c1", "ifName": "eth0", "networkName": "net", "config": "e30=", "result": {}});
    let kept: CachedAttachment = serde_json::from_value(file).unwrap();
    assert!(kept.is_complete);
}

#[test]
fn small_things_are_words() {
    check(&Outcome::NotInVersion, &json!("notInVersion"));
    check(
        &TraceContext::default(),
        &json!({"parent": "", "state": "", "baggage": ""}),
    );
}
