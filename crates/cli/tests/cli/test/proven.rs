//! Networks as they should be.

use linkspan_testkit::{Feature, needs, sandbox};
use serde_json::{Value, json};

use super::{LONG, NOTHING, Node, bridge, checks, failures, ipam, portmap, with_outcome};
use crate::demo::build_plugins;

#[test]
fn every_direction_is_proven_with_our_plugins() {
    build_plugins();
    sandbox(|host| {
        let node = Node::new(host);
        let bandwidth = json!({"type": "bandwidth", "capabilities": {"bandwidth": true}});
        node.network(&json!([bridge(), portmap(), {"type": "firewall"}, bandwidth]));
        // The first makes the bridge, which stays for the next container.
        node.report(&[]);
        // What comes through is what the plugins admit.
        host.run("iptables -P FORWARD DROP; ip6tables -P FORWARD DROP");
        let report = node.leaves_nothing(&[]);
        assert_eq!(failures(&report), NOTHING);
        let passed = with_outcome(&report, "passed");
        for wanted in [
            "attach c1 - - -",
            "check c2 - - -",
            "neighbour c1 c2 icmp v4",
            "neighbour c2 c1 icmp v6",
            "gateway c1 gateway icmp v4",
            "gateway c1 gateway icmp v6",
            "fromHost host c1 icmp v6",
            "toHost c1 host icmp v4",
            "outside c1 outside icmp v4",
            "outside c1 outside icmp v6",
            "published outside c1 tcp v4",
            "published outside c1 udp v6",
            "published host c1 tcp v4",
            "published c1 c1 tcp v4",
            "published c2 c1 udp v6",
            "mtu c1 c2 icmp v6",
            "limit host c1 tcp v4",
            "limit c1 host tcp v4",
            "detachAgain c1 - - -",
            "left c2 - - -",
        ] {
            assert!(
                passed.iter().any(|line| line == wanted),
                "{wanted}: {report:#}"
            );
        }
        let skipped = with_outcome(&report, "skipped");
        assert_eq!(
            skipped,
            ["published host c1 tcp v6", "published host c1 udp v6"],
            "from ::1"
        );
    });
}

#[test]
fn every_direction_is_proven_with_the_reference_plugins() {
    sandbox(|host| {
        let node = Node::with_reference(host);
        // The CHECK of its portmap fails with what its own ADD has made.
        node.network_with(&json!([bridge(), portmap(), {"type": "firewall"}]), true);
        node.report(&[]);
        let report = node.leaves_nothing(&[]);
        assert_eq!(failures(&report), NOTHING);
        assert_eq!(
            with_outcome(&report, "skipped"),
            [
                "check c1 - - -",
                "check c2 - - -",
                "published host c1 tcp v6",
                "published host c1 udp v6"
            ]
        );
        let outside = checks(&report)
            .iter()
            .find(|check| check["check"] == "outside")
            .unwrap();
        assert_ne!(outside["seenAs"], outside["address"]);
        assert!(
            report["passed"].as_u64().unwrap() >= 28,
            "{:#?}",
            failures(&report)
        );
    });
}

/// A network of another kind: its plugins, and what does not apply to it, a word of each.
struct Other {
    plugins: Value,
    /// How many directions its policy keeps apart.
    blocked: usize,
    skipped: &'static [&'static str],
}

const NO_GATEWAY: &[&str] = &["gateway", "fromHost", "toHost", "outside"];

fn other(plugins: Value, blocked: usize, skipped: &'static [&'static str]) -> Other {
    Other {
        plugins,
        blocked,
        skipped,
    }
}

fn ptp() -> Other {
    let plugins = json!([{"type": "ptp", "ipMasq": true, "ipam": ipam(true)}]);
    other(plugins, 0, &[])
}

fn macvlan() -> Other {
    let ipam = json!({"type": "host-local", "subnet": "10.9.0.0/24", "rangeStart": "10.9.0.10"});
    let plugins = json!([{"type": "macvlan", "master": "px0", "ipam": ipam}, {"type": "tuning", "mtu": 1300}]);
    other(plugins, 0, NO_GATEWAY)
}

fn isolated() -> Other {
    let bridge = json!({"type": "bridge", "bridge": "b1", "isGateway": true, "ipam": ipam(false)});
    let plugins = json!([bridge, {"type": "firewall", "ingressPolicy": "isolated"}]);
    other(plugins, 2, &[])
}

fn isolated_ports() -> Other {
    let plugins = json!([{"type": "bridge", "bridge": "b2", "isGateway": true, "portIsolation": true, "ipam": ipam(false)}]);
    other(plugins, 2, &[])
}

fn of_one_address() -> Other {
    let fixed =
        json!({"type": "static", "addresses": [{"address": "10.7.0.9/24", "gateway": "10.7.0.1"}]});
    let plugins =
        json!([{"type": "bridge", "bridge": "b3", "isDefaultGateway": true, "ipam": fixed}]);
    other(plugins, 0, &["neighbour"])
}

fn without_gateway() -> Other {
    let ipam = json!({"type": "host-local", "subnet": "10.5.0.0/24"});
    let plugins = json!([{"type": "bridge", "bridge": "b4", "ipam": ipam}]);
    other(plugins, 0, NO_GATEWAY)
}

linkspan_testkit::tests_for! {
    is_proven_by_what_it_promises: ptp macvlan isolated isolated_ports of_one_address without_gateway;
}

fn is_proven_by_what_it_promises(network: Other) {
    build_plugins();
    needs(&[Feature::Macvlan]).deadline(LONG).sandbox(|host| {
        host.run(
            "ip link add px0 type veth peer name px1
             ip link set px0 up; ip link set px1 up; ip addr add 10.9.0.1/24 dev px0",
        );
        let node = Node::new(host);
        node.network(&network.plugins);
        // The first makes the bridge, which stays.
        node.report(&[]);
        let report = node.leaves_nothing(&[]);
        assert_eq!(failures(&report), NOTHING);
        let told = checks(&report)
            .iter()
            .filter(|check| check["outcome"] == "skipped");
        let told: Vec<_> = told.map(|check| check["check"].as_str().unwrap()).collect();
        assert_eq!(told, network.skipped, "{report:#}");
        let kept_apart = checks(&report)
            .iter()
            .filter(|check| check["expected"] == "blocked");
        assert_eq!(kept_apart.count(), network.blocked, "{report:#}");
    });
}
