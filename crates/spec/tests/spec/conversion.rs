//! Every version into every other: what survives, and what cannot be converted.

use linkspan_spec::{Success, Version};
use serde_json::{Value, json};

/// Versions whose results have the same shape.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// 0.1.0 and 0.2.0.
    OneOfEachFamily,
    /// 0.3.0, 0.3.1 and 0.4.0.
    Listed,
    /// 1.0.0 and 1.1.0.
    Complete,
}

use Shape::{Complete, Listed, OneOfEachFamily};

fn shape(version: Version) -> Shape {
    match version {
        Version::V0_1_0 | Version::V0_2_0 => OneOfEachFamily,
        Version::V0_3_0 | Version::V0_3_1 | Version::V0_4_0 => Listed,
        _ => Complete,
    }
}

/// A result that uses everything that its version has.
fn rich(shape: Shape) -> Value {
    match shape {
        OneOfEachFamily => old(),
        Listed => listed_from_complete(),
        Complete => complete(),
    }
}

/// What is left of [`rich`] when it is converted.
fn converted(from: Shape, to: Shape) -> Value {
    match (from, to) {
        (OneOfEachFamily, OneOfEachFamily) => old(),
        (OneOfEachFamily, Listed) => listed_from_old(),
        (OneOfEachFamily, Complete) => without_versions(listed_from_old()),
        (Listed | Complete, OneOfEachFamily) => old(),
        (Listed, Listed) | (Complete, Listed) => listed_from_complete(),
        (Listed, Complete) => without_versions(listed_from_complete()),
        (Complete, Complete) => complete(),
    }
}

fn old() -> Value {
    json!({
        "ip4": {
            "ip": "10.0.0.2/24", "gateway": "10.0.0.1",
            "routes": [
                {"dst": "0.0.0.0/0", "gw": "10.0.0.1"},
                {"dst": "192.168.0.0/16", "gw": "10.0.0.254"},
            ],
        },
        "ip6": {"ip": "fd00::2/64", "routes": [{"dst": "fd01::/64"}]},
        "dns": {"nameservers": ["10.0.0.53"], "domain": "d", "search": ["s"], "options": ["o"]},
    })
}

fn listed_from_old() -> Value {
    json!({
        "ips": [
            {"version": "4", "address": "10.0.0.2/24", "gateway": "10.0.0.1"},
            {"version": "6", "address": "fd00::2/64"},
        ],
        "routes": [
            {"dst": "0.0.0.0/0", "gw": "10.0.0.1"},
            {"dst": "192.168.0.0/16", "gw": "10.0.0.254"},
            {"dst": "fd01::/64"},
        ],
        "dns": {"nameservers": ["10.0.0.53"], "domain": "d", "search": ["s"], "options": ["o"]},
    })
}

fn listed_from_complete() -> Value {
    let mut listed = complete();
    for interface in listed["interfaces"].as_array_mut().unwrap() {
        let interface = interface.as_object_mut().unwrap();
        interface.retain(|key, _| ["name", "mac", "sandbox"].contains(&key.as_str()));
    }
    for (index, family) in [(0, "4"), (1, "6"), (2, "4"), (3, "6")] {
        listed["ips"][index]["version"] = family.into();
    }
    listed
}

fn complete() -> Value {
    json!({
        "interfaces": [
            {"name": "cni0", "mac": "02:00:00:00:00:01", "mtu": 1500},
            {"name": "eth0", "sandbox": "/run/netns/c1", "socketPath": "/run/s", "pciID": "p"},
        ],
        "ips": [
            {"interface": 1, "address": "10.0.0.2/24", "gateway": "10.0.0.1"},
            {"interface": 1, "address": "fd00::2/64"},
            {"interface": 1, "address": "10.1.0.2/24", "gateway": "10.1.0.1"},
            {"address": "fd00:1::2/64", "gateway": "fd00:1::1"},
        ],
        "routes": [
            {"dst": "0.0.0.0/0", "mtu": 1400, "advmss": 1360, "priority": 1, "table": 0, "scope": 0},
            {"dst": "fd01::/64", "table": 100},
            {"dst": "192.168.0.0/16", "gw": "10.0.0.254"},
        ],
        "dns": {"nameservers": ["10.0.0.53"], "domain": "d", "search": ["s"], "options": ["o"]},
    })
}

fn without_versions(mut listed: Value) -> Value {
    for ip in listed["ips"].as_array_mut().unwrap() {
        ip.as_object_mut().unwrap().remove("version");
    }
    listed
}

#[test]
fn every_version_converts_into_every_other() {
    for from in Version::ALL {
        let mut result = rich(shape(*from));
        result["cniVersion"] = from.as_str().into();
        let success = Success::from_json(&result).unwrap();
        for to in Version::ALL {
            let mut expected = converted(shape(*from), shape(*to));
            expected["cniVersion"] = to.as_str().into();
            assert_eq!(success.to_json(*to).unwrap(), expected, "{from} into {to}");
        }
    }
}

#[test]
fn a_route_of_a_family_without_an_address_is_dropped_from_old_versions() {
    let result = json!({
        "cniVersion": "1.0.0",
        "ips": [{"address": "10.0.0.2/24"}],
        "routes": [{"dst": "::/0"}],
    });
    let old = Success::from_json(&result)
        .unwrap()
        .to_json(Version::V0_2_0)
        .unwrap();
    assert_eq!(
        old,
        json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.0.0.2/24"}, "dns": {}})
    );
}

#[test]
fn without_an_address_there_is_no_old_result() {
    let result = json!({"cniVersion": "1.0.0", "interfaces": [{"name": "eth0"}]});
    let success = Success::from_json(&result).unwrap();
    for version in [Version::V0_1_0, Version::V0_2_0] {
        let error = linkspan_spec::Error::from(success.to_json(version).unwrap_err());
        assert_eq!(error.code, linkspan_spec::ErrorCode::INCOMPATIBLE_VERSION);
        assert_eq!(
            error.msg,
            format!(
                "a result without an IP address cannot be expressed in CNI version {version}; \
                 use a configuration of cniVersion 0.3.0 or later"
            )
        );
    }
}

#[test]
fn old_results_keep_what_their_routes_say_when_converted_up() {
    let result = json!({
        "cniVersion": "0.2.0",
        "ip4": {"ip": "10.0.0.2/24", "routes": [{"dst": "0.0.0.0/0", "mtu": 1400}]},
    });
    let new = Success::from_json(&result)
        .unwrap()
        .to_json(Version::V1_1_0)
        .unwrap();
    assert_eq!(new["routes"], json!([{"dst": "0.0.0.0/0", "mtu": 1400}]));
}
