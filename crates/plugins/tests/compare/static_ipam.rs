//! `static`, by itself and below `bridge`.

use serde_json::{Value, json};

use crate::case::{Case, Step::*};

fn alone(ipam: Value, keys: Value) -> Case {
    let (mut config, mut ipam) = (keys, ipam);
    ipam["type"] = "static".into();
    config["type"] = "static".into();
    config["ipam"] = ipam;
    Case::new(config)
}

fn below_bridge(ipam: Value) -> Case {
    let mut ipam = ipam;
    ipam["type"] = "static".into();
    Case::new(json!({ "type": "bridge", "isGateway": true, "ipam": ipam }))
}

fn one() -> Value {
    json!({ "addresses": [{ "address": "10.10.0.2/24", "gateway": "10.10.0.254" }] })
}

cases! {
    in_all_versions: alone(one(), json!({})).in_all_versions();
    dual_stack_in_all_versions: alone(json!({ "addresses": [{ "address": "10.10.0.2/24", "gateway": "10.10.0.254" },
        { "address": "fd00:10::2/64", "gateway": "fd00:10::1" }], "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
        "dns": { "nameservers": ["10.1.1.1"], "domain": "example.com", "search": ["example.com"], "options": ["ndots:5"] } }),
        json!({})).in_all_versions();
    address_by_cni_args: alone(json!({}), json!({})).args("IP=10.10.0.7/24;GATEWAY=10.10.0.1");
    two_addresses_by_cni_args: alone(json!({}), json!({})).args("IP=10.10.0.7/24,fd00::7/64;GATEWAY=10.10.0.1,fd00::1");
    address_by_the_runtime: alone(json!({}), json!({ "runtimeConfig": { "ips": ["10.10.0.8/24"] } }));
    address_by_the_author: alone(json!({}), json!({ "args": { "cni": { "ips": ["10.10.0.9/24"] } } }));
    address_without_a_prefix: alone(json!({ "addresses": [{ "address": "10.10.0.2" }] }), json!({})).fails(7, "10.10.0.2");
    address_malformed: alone(json!({ "addresses": [{ "address": "ten/24" }] }), json!({})).fails(7, "ten");
    bridge: below_bridge(one()).and_traffic();
    bridge_in_all_versions: below_bridge(json!({ "addresses": [{ "address": "10.10.0.2/24" }],
        "routes": [{ "dst": "0.0.0.0/0", "gw": "10.10.0.1" }] })).in_all_versions();
    bridge_twice: below_bridge(one()).steps(&[Add("a"), Again("a"), Check("a"), Talk("a"), Del("a")]).fails(4, "eth0");
}
