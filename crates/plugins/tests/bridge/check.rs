//! CHECK: right after ADD it never fails, and later only for what is the attachment's own.

use std::collections::BTreeSet;

use linkspan_testkit::{Netns, Sandbox, rows, sandbox, with_prev_result};
use serde_json::{Value, json};

use super::host::{Attached, Host, dual_stack, network};

/// Configurations of every kind that works on every kernel.
fn configurations() -> Vec<Value> {
    let dual = dual_stack();
    let keys = [
        json!({}),
        json!({ "isGateway": null }),
        json!({ "isDefaultGateway": true }),
        json!({ "ipMasq": true }),
        json!({ "ipMasq": true, "ipMasqBackend": "iptables", "ipam": dual }),
        json!({ "macspoofchk": true }),
        json!({ "hairpinMode": true, "mtu": 1400 }),
        json!({ "portIsolation": true }),
        json!({ "promiscMode": true, "bridge": "promiscuous" }),
        json!({ "ipam": dual }),
        json!({ "ipam": dual, "enabledad": true }),
        json!({ "ipam": dual, "ipMasq": true, "macspoofchk": true, "isDefaultGateway": true }),
        json!({ "ipam": null }),
        json!({ "ipam": null, "isGateway": null, "disableContainerInterface": true }),
        json!({ "runtimeConfig": { "mac": "02:00:00:00:00:0A" } }),
        json!({ "cniVersion": "0.4.0", "ipam": dual }),
        json!({ "cniVersion": "1.0.0", "ipam": dual }),
        json!({ "ipam": {
            "type": "static", "addresses": [{ "address": "10.22.0.77/16" }],
            "routes": [{ "dst": "192.0.2.0/24", "gw": "10.22.0.1" }]
        } }),
        // Two routers, which the kernel makes one route of.
        json!({ "ipam": {
            "type": "static", "addresses": [{ "address": "fd00:22::77/64", "gateway": "fd00:22::1" }],
            "routes": [{ "dst": "::/0", "gw": "fd00:22::1" }, { "dst": "::/0", "gw": "fd00:22::9" }]
        } }),
    ];
    keys.into_iter().map(network).collect()
}

fn check(host: &Host<'_>, config: &Value, attached: &Attached) -> linkspan_testkit::Outcome {
    let config = with_prev_result(config, &attached.result);
    host.call("CHECK", &config, &attached.netns).run()
}

/// ocicni#74, plugins#805, hashicorp/nomad#25510.
#[test]
fn right_after_add_it_never_fails() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        for (number, config) in configurations().iter().enumerate() {
            let attached = host.attach(config, &format!("c{number}"));
            check(&host, config, &attached).success();
            // What udev and administrators change of what is not the attachment's.
            let port = attached.host_end();
            let bridge = config["bridge"].as_str().unwrap();
            sandbox.run(&format!(
                "ip link set {port} txqueuelen 100 group 7 alias web-{number}
                 ip link property add dev {port} altname alt{number}
                 ip link set {bridge} type bridge ageing_time 100 stp_state 0
                 ip link set {bridge} txqueuelen 10; ip addr add 192.0.2.{number}/32 dev {bridge}
                 sysctl -qw net.ipv6.conf.{port}.accept_ra=1 net.ipv4.ip_forward=1"
            ));
            attached.netns.run(
                "ip link set eth0 txqueuelen 50 mtu 1300; ip link add more type veth peer name more1
                 ip addr add 198.51.100.9/32 dev eth0; sysctl -qw net.ipv4.conf.eth0.arp_notify=0",
            );
            check(&host, config, &attached).success();
            check(&host, config, &attached).success();
            host.del(config, &attached.netns).success();
        }
    });
}

/// Where something of the attachment's own is spoiled.
type Place = fn(&Sandbox, &Attached) -> Netns;
const IN_CONTAINER: Place = |_, attached| attached.netns.clone();
const ON_HOST: Place = |sandbox, _| sandbox.host().clone();

/// Where it is spoiled, how, and the words that say what was expected and what was found.
const SPOILT: [(Place, &str, &[&str]); 17] = rows! {
    (IN_CONTAINER, "ip addr del 10.22.0.2/16 dev eth0", &["the addresses of \"eth0\"", "expected 10.22.0.2/16", "found"]),
    (IN_CONTAINER, "ip addr del fd00:22::2/64 dev eth0", &["expected fd00:22::2/64", "found 10.22.0.2/16"]),
    (IN_CONTAINER, "ip route del default", &["the route to 0.0.0.0/0", "expected via 10.22.0.1", "found none"]),
    (IN_CONTAINER, "ip route replace default via 10.22.0.9", &["expected via 10.22.0.1", "found via 10.22.0.9"]),
    (IN_CONTAINER, "ip link set eth0 down", &["the link \"eth0\"", "expected switched on", "found switched off"]),
    (IN_CONTAINER, "ip link set eth0 address 02:00:00:00:00:99", &["the MAC address of \"eth0\"", "expected", "found 02:00:00:00:00:99"]),
    (IN_CONTAINER, "ip link del eth0", &["the link \"eth0\"", "found nothing"]),
    (ON_HOST, "ip link set PORT nomaster", &["the bridge of", "expected cni0", "found none"]),
    (ON_HOST, "ip link set PORT down", &["the link \"veth", "expected switched on", "found switched off"]),
    (ON_HOST, "ip link set PORT address 02:00:00:00:00:98", &["the MAC address of \"veth", "found 02:00:00:00:00:98"]),
    (ON_HOST, "ip link set cni0 address 02:00:00:00:00:97", &["the MAC address of \"cni0\"", "found 02:00:00:00:00:97"]),
    (ON_HOST, "ip link set cni0 down", &["the bridge \"cni0\"", "expected switched on", "found switched off"]),
    (ON_HOST, "ip link del cni0", &["the bridge \"cni0\"", "found nothing"]),
    (ON_HOST, "nft flush ruleset", &["netfilter", "expected the element", "found none"]),
    (ON_HOST, "nft flush chain inet linkspan postrouting", &["expected the rule \"from a container, IPv4\"", "found none"]),
    (ON_HOST, "nft flush set bridge linkspan genuine", &["set bridge linkspan genuine", "found none"]),
    (ON_HOST, "rm /var/lib/cni/networks/mynet/10.22.0.2 /var/lib/cni/networks/mynet/fd00:22::2", &["Failed to find address", "c"]),
};

#[test]
fn what_others_have_spoilt_is_told_with_what_was_expected_and_what_was_found() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipMasq": true, "macspoofchk": true, "ipam": dual_stack() }));
        for (number, (place, spoil, words)) in SPOILT.into_iter().enumerate() {
            let attached = host.attach(&config, &format!("c{number}"));
            check(&host, &config, &attached).success();
            place(sandbox, &attached).run(&spoil.replace("PORT", &attached.host_end()));
            check(&host, &config, &attached).fails(None, words);
            host.del(&config, &attached.netns).success();
            sandbox.run(
                "ip link del cni0 2>/dev/null || true; nft flush ruleset; rm -rf /var/lib/cni/networks",
            );
        }
    });
}

/// DEL and ADD make it anew, as the message says.
#[test]
fn it_tells_all_differences_at_once() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipMasq": true }));
        let a = host.attach(&config, "a");
        a.netns.run("ip addr flush dev eth0 scope global");
        sandbox.run("nft flush ruleset");
        check(&host, &config, &a).fails(
            None,
            &[
                "the addresses of",
                "the route to",
                "masquerade4",
                "DEL and ADD make it anew",
            ],
        );
        host.del(&config, &a.netns).success();
        let result = host.add(&config, &a.netns).success();
        check(&host, &config, &Attached { result, ..a }).success();
    });
}

#[test]
fn a_result_that_names_another_bridge_or_another_address_of_it_is_told() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({}));
        let a = host.attach(&config, "a");
        let rows: [(usize, &str, &str, &[&str]); 3] = rows! {
            (0, "name", "cni7", &["prevResult does not have", "\"cni0\""]),
            (0, "mac", "02:00:00:00:00:97", &["the MAC address of \"cni0\"", "expected 02:00:00:00:00:97"]),
            (1, "mac", "02:00:00:00:00:98", &["the MAC address of \"veth", "expected 02:00:00:00:00:98"]),
        };
        for (interface, key, value, words) in rows {
            let mut result = a.result.clone();
            result["interfaces"][interface][key] = value.into();
            let netns = a.netns.clone();
            check(&host, &config, &Attached { netns, result }).fails(None, words);
        }
    });
}

/// A bridge that somebody made without an address has that of one of its ports, and a machine without an identity gives
/// another one at each time.
#[test]
fn a_bridge_whose_address_was_not_chosen_is_as_it_was() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        sandbox.run(
            "ip link add cni0 type bridge; ip link add low type veth peer name low1
             ip link set low address 02:00:00:00:00:01",
        );
        let config = network(json!({ "isGateway": null }));
        let a = host.attach(&config, "a");
        sandbox.run("ip link set low master cni0");
        let mac = sandbox.host().ip_json("link show dev cni0")[0]["address"].clone();
        assert_eq!(mac, "02:00:00:00:00:01");
        check(&host, &config, &a).success();

        sandbox.run(
            "touch /run/none; test ! -e /etc/machine-id || mount --bind /run/none /etc/machine-id",
        );
        let config = network(json!({ "bridge": "cni1" }));
        let mut macs = BTreeSet::new();
        for name in ["b", "c"] {
            let attached = host.attach(&config, name);
            macs.insert(attached.result["interfaces"][0]["mac"].to_string());
            check(&host, &config, &attached).success();
            host.del(&config, &attached.netns).success();
            sandbox.run("ip link del cni1");
        }
        assert_eq!(macs.len(), 2, "{macs:?}");
    });
}

/// Two networks of a container that both give a default route, which the kernel makes one route of.
#[test]
fn the_default_routes_of_two_networks_are_found() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let netns = sandbox.netns("a");
        let checks = [("mynet", "cni0", "22"), ("other", "cni1", "23")].map(|(name, bridge, net)| {
            let ipam = json!({
                "type": "host-local", "subnet": format!("fd00:{net}::/64"), "routes": [{ "dst": "::/0" }]
            });
            let config = network(json!({ "name": name, "bridge": bridge, "ipam": ipam }));
            let call = |verb, config: &Value| {
                let call = host.call(verb, config, &netns);
                call.ifname(&format!("net{net}"))
            };
            let result = call("ADD", &config).run().success();
            call("CHECK", &with_prev_result(&config, &result))
        });
        let routes = netns.run("ip -6 route show default");
        assert_eq!(routes.matches("nexthop").count(), 2, "{routes}");
        for check in checks {
            check.run().success();
        }
    });
}
