//! Networks that are broken on purpose: each is told on the line that it breaks.

use std::fs;

use linkspan_testkit::{Output, Setup, rows, sandbox};
use serde_json::json;

use super::{
    BRIDGES_ALONE, LONG, NOTHING, Node, bridge, checks, failures, ipam, line, with_outcome,
};
use crate::demo::build_plugins;
use crate::world::status;

#[test]
fn what_is_broken_is_told_on_the_line_that_it_breaks() {
    build_plugins();
    Setup::default().deadline(LONG).sandbox(|host| {
        host.run(BRIDGES_ALONE);
        let node = Node::new(host);
        node.network(&json!([bridge(), {"type": "breaker"}]));
        fs::write(node.bin.join("break"), "").unwrap();
        assert_eq!(failures(&node.report(&[])), NOTHING);
        // What is broken, and how it is mended; the lines that fail, and a word of why each does.
        let (v4, v6) = ("outside c1 outside icmp v4", "outside c1 outside icmp v6");
        for (breaks, mends, lines, why, next) in rows![
            ("iptables -P FORWARD DROP", "iptables -P FORWARD ACCEPT", vec![v4],
                "the chain ip filter FORWARD drops", "the plugin firewall"),
            ("sysctl -qw net.ipv4.ip_forward=0", "sysctl -qw net.ipv4.ip_forward=1", vec![v4],
                "net.ipv4.ip_forward is 0", "sysctl -w net.ipv4.ip_forward=1"),
            ("sysctl -qw net.ipv6.conf.all.forwarding=0", "sysctl -qw net.ipv6.conf.all.forwarding=1", vec![v6],
                "net.ipv6.conf.all.forwarding is 0", "sysctl -w"),
            ("nft flush chain inet linkspan postrouting", "true", vec![v4, v6],
                "it is not masqueraded", "linkspan reconcile"),
            ("ip addr del 10.22.0.1/24 dev cni0", "ip addr add 10.22.0.1/24 dev cni0",
                vec!["gateway c1 gateway icmp v4", "fromHost host c1 icmp v4", "toHost c1 host icmp v4", v4],
                "", ""),
            ("nft add table inet mine
                nft add chain inet mine in '{ type filter hook input priority 0; policy drop; }'
                nft add rule inet mine in meta l4proto ipv6-icmp accept", "nft delete table inet mine",
                vec!["gateway c1 gateway icmp v4", "fromHost host c1 icmp v4", "toHost c1 host icmp v4"],
                "the chain inet mine in drops what is for the host", "nft list chain inet mine in"),
            ("nft add table bridge mine
                nft add chain bridge mine f '{ type filter hook forward priority 0; policy drop; }'",
                "nft delete table bridge mine",
                vec!["neighbour c1 c2 icmp v4", "neighbour c2 c1 icmp v4", "neighbour c1 c2 icmp v6",
                    "neighbour c2 c1 icmp v6", "mtu c1 c2 icmp v4", "mtu c1 c2 icmp v6"],
                "the chain bridge mine f drops", "nft list chain bridge mine f"),
        ] {
            fs::write(node.bin.join("break"), breaks).unwrap();
            let report = node.report(&[]);
            host.run(mends);
            // CHECK may tell as well; here it is about packets.
            let failed: Vec<_> = checks(&report).iter().filter(|check| check["outcome"] == "failed" && check["check"] != "check").collect();
            let found: Vec<_> = failed.iter().map(|check| line(check)).collect();
            assert_eq!(found, lines, "{breaks}: {:#?}", failures(&report));
            for check in failed {
                let told = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
                assert!(told("why").contains(why), "{breaks}: {check:#}");
                assert!(told("next").contains(next), "{breaks}: {check:#}");
            }
        }
    });
}

#[test]
fn a_link_that_is_down_and_one_that_is_narrow_are_named() {
    build_plugins();
    sandbox(|host| {
        let node = Node::new(host);
        let mut bridge = bridge();
        bridge["ipam"] = ipam(false);
        node.network(&json!([bridge, {"type": "breaker"}]));
        let port = "port=$(ip -o link show master cni0 | head -n1 | sed 's/^[0-9]*: //; s/@.*//')";
        for (breaks, aspect, why) in [
            ("ip link set $port down", "neighbour", "is switched off"),
            (
                "ip link set $port nomaster",
                "neighbour",
                "is no port of the bridge cni0",
            ),
            (
                "ip link set $port mtu 1400",
                "mtu",
                "takes 1400 bytes at most",
            ),
        ] {
            fs::write(node.bin.join("break"), format!("{port}\n{breaks}\n")).unwrap();
            let report = node.report(&[]);
            let mut failed = checks(&report)
                .iter()
                .filter(|check| check["outcome"] == "failed");
            let first = failed
                .next()
                .unwrap_or_else(|| panic!("{breaks}: {:#?}", failures(&report)));
            assert_eq!(first["check"], aspect, "{breaks}: {:#?}", failures(&report));
            assert!(
                first["why"].as_str().unwrap().contains(why),
                "{breaks}: {first:#}"
            );
            assert!(
                first["next"].as_str().unwrap().contains("`ip link set "),
                "{first:#}"
            );
        }
    });
}

#[test]
fn a_limit_that_is_gone_is_told() {
    build_plugins();
    sandbox(|host| {
        let node = Node::new(host);
        let bandwidth =
            json!({"type": "bandwidth", "ingressRate": 20_000_000, "ingressBurst": 1_000_000});
        node.network(&json!([bridge(), bandwidth, {"type": "breaker"}]));
        fs::write(node.bin.join("break"), "").unwrap();
        assert_eq!(failures(&node.report(&[])), NOTHING);
        let breaks =
            "for l in $(ls /sys/class/net); do tc qdisc del dev $l root 2> /dev/null || true; done";
        fs::write(node.bin.join("break"), breaks).unwrap();
        let report = node.report(&[]);
        let failed = with_outcome(&report, "failed");
        // CHECK of the second, which was attached when it was removed, says so as well.
        assert_eq!(failed, ["check c2 - - -", "limit host c1 tcp v4"]);
    });
}

#[test]
fn a_pool_that_is_full_is_told() {
    build_plugins();
    sandbox(|host| {
        let node = Node::new(host);
        let ipam = json!({"type": "host-local", "subnet": "10.24.0.0/30"});
        node.network(
            &json!([{"type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "ipam": ipam}]),
        );
        let output = node.command(&[]).output();
        assert_eq!(status(&output), 1, "{output}");
        assert!(output.stdout.contains("✗ ADD c2"), "{output}");
        assert!(
            output
                .stdout
                .contains("every address of the network is taken"),
            "{output}"
        );
        // With the one that there was room for the rest was proven, and it is free again.
        assert!(output.stdout.contains("✓ c1 → gateway"), "{output}");
        let reserved = host.run("ls /var/lib/cni/networks/mynet");
        assert!(!reserved.contains("10.24.0."), "{reserved}");
    });
}

#[test]
fn what_cannot_be_tested_says_why() {
    sandbox(|host| {
        let node = Node::new(host);
        let output: Output = node.command(&[]).output();
        assert_eq!(status(&output), 3, "{output}");
        node.network(&json!([{"type": "nosuch"}]));
        let output = node.command(&[]).output();
        assert_eq!(status(&output), 1, "{output}");
        assert!(
            output.stdout.contains("✗ ADD c1") && output.stdout.contains("nosuch"),
            "{output}"
        );
        let output = node.command(&["--outside", "example.com"]).output();
        assert_eq!(status(&output), 2, "{output}");
        let namespaces = fs::read_dir("/run/netns").map_or(0, Iterator::count);
        assert_eq!(namespaces, 0);
    });
}
