//! CHECK: right after ADD it never fails, and later only for what is the attachment's own.

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
                "ip link set {port} address 02:00:00:00:01:{number:02x} txqueuelen 100 group 7
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
const SPOILT: [(Place, &str, &[&str]); 14] = rows! {
    (IN_CONTAINER, "ip addr del 10.22.0.2/16 dev eth0", &["the addresses of \"eth0\"", "expected 10.22.0.2/16", "found"]),
    (IN_CONTAINER, "ip addr del fd00:22::2/64 dev eth0", &["expected fd00:22::2/64", "found 10.22.0.2/16"]),
    (IN_CONTAINER, "ip route del default", &["the route to 0.0.0.0/0", "expected via 10.22.0.1", "found none"]),
    (IN_CONTAINER, "ip route replace default via 10.22.0.9", &["expected via 10.22.0.1", "found via 10.22.0.9"]),
    (IN_CONTAINER, "ip link set eth0 down", &["the link \"eth0\"", "expected switched on", "found switched off"]),
    (IN_CONTAINER, "ip link set eth0 address 02:00:00:00:00:99", &["the MAC address of \"eth0\"", "expected", "found 02:00:00:00:00:99"]),
    (IN_CONTAINER, "ip link del eth0", &["the link \"eth0\"", "found nothing"]),
    (ON_HOST, "ip link set PORT nomaster", &["the bridge of", "expected cni0", "found none"]),
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
