//! Where the reference has words for a fault, they are the whole message of ours: runtimes and scripts know them.

use linkspan_testkit::{Plugins, sandbox};
use serde_json::{Value, json};

use crate::case::ours;
use crate::expected::Era;

/// A plugin, what its configuration has, `CNI_ARGS`, and the command.
type Row = (&'static str, Value, &'static str, &'static str);

/// Calls of plugins that come after another, which fail in a container without an interface.
fn rows_of_chained() -> Vec<Row> {
    let sysctl =
        |name: &str, value: &str| json!({ "sysctl": { name: value }, "prevResult": prev_result() });
    let after = |keys: Value| {
        let mut keys = keys;
        keys["prevResult"] = prev_result();
        keys
    };
    vec![
        ("tuning", after(json!({ "mtu": 1300 })), "", "ADD"),
        (
            "tuning",
            after(json!({ "mac": "02:00:00:00:00:05" })),
            "",
            "ADD",
        ),
        ("tuning", after(json!({ "promisc": true })), "", "ADD"),
        ("tuning", after(json!({ "mtu": 1300 })), "", "CHECK"),
        ("tuning", sysctl("net.ipv4.nosuch", "1"), "", "ADD"),
        ("tuning", sysctl("net.ipv4.ip_forward", "x"), "", "ADD"),
        ("tuning", sysctl("kernel.x", "1"), "", "ADD"),
        ("sbr", after(json!({})), "", "ADD"),
        ("sbr", json!({}), "", "ADD"),
        (
            "bandwidth",
            after(json!({ "ingressRate": 8, "ingressBurst": 8 })),
            "",
            "ADD",
        ),
        ("bandwidth", after(json!({ "ingressBurst": 8 })), "", "ADD"),
        (
            "bandwidth",
            json!({ "ingressRate": 8, "ingressBurst": 8 }),
            "",
            "ADD",
        ),
        ("firewall", json!({}), "", "ADD"),
        ("vrf", after(json!({})), "", "ADD"),
        ("vrf", json!({ "vrfname": "red" }), "", "ADD"),
        ("vrf", json!({ "vrfname": "red" }), "", "CHECK"),
        (
            "firewall",
            after(json!({ "ingressPolicy": "closed" })),
            "",
            "ADD",
        ),
    ]
}

/// Calls of the others, on a host that has `m0` alone.
fn rows() -> Vec<Row> {
    let subnet = |keys: Value| {
        let mut ipam = json!({ "type": "host-local", "subnet": "10.1.0.0/24" });
        if let (Some(ipam), Some(keys)) = (ipam.as_object_mut(), keys.as_object()) {
            ipam.extend(keys.clone());
        }
        json!({ "ipam": ipam })
    };
    let fixed = |address: &str| json!({ "ipam": { "type": "static", "addresses": [{ "address": address }] } });
    vec![
        ("host-local", json!({}), "", "ADD"),
        (
            "host-local",
            subnet(json!({ "resolvConf": "/nonesuch" })),
            "",
            "ADD",
        ),
        (
            "host-local",
            subnet(json!({ "resolvConf": "/proc" })),
            "",
            "ADD",
        ),
        (
            "host-local",
            subnet(json!({ "rangeStart": "10.2.0.1" })),
            "",
            "ADD",
        ),
        ("host-local", subnet(json!({})), "IP=10.1.0.1", "ADD"),
        ("host-local", subnet(json!({})), "", "CHECK"),
        ("static", json!({}), "", "ADD"),
        ("static", fixed("10.1.0.2"), "", "ADD"),
        ("static", fixed("10.1.0.2/24"), "", "CHECK"),
        ("host-device", json!({}), "", "ADD"),
        ("host-device", json!({ "device": "nonesuch" }), "", "ADD"),
        (
            "host-device",
            json!({ "hwaddr": "02:00:00:00:00:77" }),
            "",
            "ADD",
        ),
        ("bridge", json!({ "vlan": 5000, "ipam": {} }), "", "ADD"),
    ]
}

fn prev_result() -> Value {
    json!({
        "cniVersion": "1.0.0",
        "interfaces": [{ "name": "eth0", "sandbox": "/run/netns/container" }],
        "ips": [{ "interface": 0, "address": "10.1.0.2/24", "gateway": "10.1.0.1" }]
    })
}

/// Of keys that Debian's reference does not have: the plugin, the keys, and the words of a newer one.
fn newer_rows() -> Vec<(&'static str, Value, &'static str)> {
    let backend = |key: &str| json!({ key: "bogus", "ipMasq": true, "prevResult": prev_result() });
    let masquerade = "unknown ipmasq backend \"bogus\"";
    let port = |key: &str, value: Value| {
        let mut mapping = json!({ "hostPort": 80, "containerPort": 80, "protocol": "tcp" });
        mapping[key] = value;
        json!({ "prevResult": prev_result(), "runtimeConfig": { "portMappings": [mapping] } })
    };
    vec![
        (
            "portmap",
            backend("backend"),
            "failed to parse config: unrecognized backend \"bogus\"",
        ),
        ("bridge", backend("ipMasqBackend"), masquerade),
        ("ptp", backend("ipMasqBackend"), masquerade),
        (
            "portmap",
            port("hostPort", json!(0)),
            "failed to parse config: Invalid host port number: 0",
        ),
    ]
}

#[test]
fn messages_are_those_of_a_newer_reference() {
    sandbox(|host| {
        let container = host.netns("container");
        let is_of_debian = Era::of(&Plugins::reference()) == Era::Debian;
        for (plugin, keys, words) in newer_rows() {
            let mut config = json!({
                "cniVersion": "1.0.0", "name": "mynet", "type": plugin,
                "ipam": { "type": "host-local", "subnet": "10.1.0.0/24" }
            });
            if let (Some(config), Some(keys)) = (config.as_object_mut(), keys.as_object()) {
                config.extend(keys.clone());
            }
            for (plugins, is_concerned) in [(ours(), true), (Plugins::reference(), !is_of_debian)] {
                let call = plugins
                    .call("ADD", &config)
                    .container("c")
                    .netns(container.path());
                let outcome = call.ifname("eth0").run();
                let json = outcome.json.unwrap_or_default();
                assert!(!is_concerned || json["msg"] == words, "{config}: {json}");
            }
        }
    });
}

#[test]
fn messages_are_those_of_the_reference() {
    let mut differences = Vec::new();
    sandbox(|host| {
        let (reference, ours) = (Plugins::reference(), ours());
        let container = host.netns("container");
        for (plugin, keys, args, verb) in rows_of_chained().into_iter().chain(rows()) {
            let mut config = json!({ "cniVersion": "1.0.0", "name": "mynet", "type": plugin });
            if let (Some(config), Some(keys)) = (config.as_object_mut(), keys.as_object()) {
                config.extend(keys.clone());
            }
            let [expected, found] = [&reference, &ours].map(|plugins| {
                let call = plugins
                    .call(verb, &config)
                    .container("c")
                    .netns(container.path())
                    .ifname("eth0")
                    .args(args);
                let json = call.run().json.unwrap_or_default();
                json["msg"].as_str().unwrap_or_default().to_owned()
            });
            if expected.is_empty() || expected != found {
                differences.push(format!("{verb} of {config}\n- {expected}\n+ {found}"));
            }
        }
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    });
}
