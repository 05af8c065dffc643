//! What passes, and with which address: masquerading, gateways, packets of 9000 bytes.

use linkspan_testkit::{Feature, Netns, Outside, needs, sandbox};
use serde_json::json;

use super::host::{Family, Host, dual_stack, network, reaches_none};

/// From which address a server outside sees a connection and a datagram come.
fn seen_outside(from: &Netns, address: &str) -> [String; 2] {
    let tcp = from.talk_tcp(address).unwrap().ip().to_string();
    let udp = from.talk_udp(address).unwrap().ip().to_string();
    [tcp, udp]
}

#[test]
fn what_goes_outside_has_the_hosts_address() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let outside = sandbox.outside();
        for address in ["0.0.0.0:80", "[::]:81"] {
            outside.netns.serve_tcp(address);
            outside.netns.serve_udp(address);
        }
        let plain = network(json!({ "ipam": dual_stack() }));
        let a = host.attach(&plain, "plain");
        // The outside knows no way back.
        reaches_none(&a.netns, &[Outside::ROUTER_V4, Outside::ROUTER_V6]);
        for backend in ["nftables", "iptables"] {
            let config = network(json!({
                "ipMasq": true, "ipMasqBackend": backend, "ipam": dual_stack()
            }));
            let b = host.attach(&config, backend);
            let v4 = seen_outside(&b.netns, &format!("{}:80", Outside::ROUTER_V4));
            assert_eq!(v4, [Outside::HOST_V4; 2], "{backend}");
            let v6 = seen_outside(&b.netns, &format!("[{}]:81", Outside::ROUTER_V6));
            assert_eq!(v6, [Outside::HOST_V6; 2], "{backend}");
            b.netns.ping(Outside::ROUTER_V4);
            b.netns.ping(Outside::ROUTER_V6);
            let result = linkspan_testkit::with_prev_result(&config, &b.result);
            host.call("CHECK", &result, &b.netns).run().success();
            host.del(&config, &b.netns).success();
        }
    });
}

/// Part of the subnet lies behind the host and not on the bridge: packets there are routed, and stay as they are.
#[test]
fn what_stays_within_the_subnet_keeps_its_address() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipMasq": true, "ipam": dual_stack() }));
        let a = host.attach(&config, "a");
        let b = host.attach(&config, "b");
        let annex = sandbox.netns("annex");
        sandbox.host().connect("annex", &annex, "eth0");
        annex.run(
            "ip addr add 10.22.200.2/32 dev eth0; ip route add 10.22.0.0/16 dev eth0
             ip addr add fd00:22::200/128 dev eth0 nodad; ip route add fd00:22::/64 dev eth0",
        );
        sandbox.run(
            "ip route add 10.22.200.2 dev annex; ip route add fd00:22::200 dev annex
             sysctl -qw net.ipv4.conf.all.proxy_arp=1 net.ipv6.conf.all.proxy_ndp=1
             ip neigh add proxy fd00:22::200 dev cni0; ip neigh add proxy fd00:22::2 dev annex",
        );
        for place in [&annex, &b.netns] {
            place.serve_tcp("0.0.0.0:80");
            place.serve_tcp("[::]:81");
        }
        for (server, family) in [
            ("10.22.200.2:80", Family::V4),
            ("[fd00:22::200]:81", Family::V6),
            ("10.22.0.3:80", Family::V4),
            ("[fd00:22::3]:81", Family::V6),
        ] {
            let seen = a.netns.talk_tcp(server).unwrap();
            assert_eq!(seen.ip().to_string(), a.address(family), "{server}");
        }
    });
}

/// With br_netfilter, as on nodes of Kubernetes, bridged frames pass the rules for routed packets, too.
#[test]
fn bridged_frames_keep_their_address_where_the_bridge_calls_netfilter() {
    needs(&[Feature::BridgeNetfilter]).sandbox(|sandbox| {
        let host = Host::new(sandbox);
        sandbox.run(
            "sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1",
        );
        let config = network(json!({ "ipMasq": true, "macspoofchk": true, "ipam": dual_stack() }));
        let a = host.attach(&config, "a");
        let b = host.attach(&config, "b");
        b.netns.serve_tcp("0.0.0.0:80");
        b.netns.serve_tcp("[::]:81");
        for (server, family) in [
            ("10.22.0.3:80", Family::V4),
            ("[fd00:22::3]:81", Family::V6),
        ] {
            let seen = a.netns.talk_tcp(server).unwrap();
            assert_eq!(seen.ip().to_string(), a.address(family), "{server}");
        }
        // A group is in nobody's subnet. The rule would change the source if it looked no further than that.
        let rules = "nft 'add table ip t; add chain ip t c { type filter hook input priority 0; }
                     add set ip t from { type ipv4_addr; flags dynamic; }
                     add rule ip t c ip daddr 239.1.2.3 add @from { ip saddr }'";
        b.netns.run(rules);
        b.netns.run("ip addr add 239.1.2.3/32 dev eth0 autojoin");
        a.netns
            .run("ip route add 239.0.0.0/8 dev eth0; ping -c 1 -W 1 239.1.2.3 || true");
        let from = b.netns.run("nft list set ip t from");
        assert!(from.contains("elements = { 10.22.0.2 }"), "{from}");
    });
}

#[test]
fn the_gateway_and_the_host_are_reached_and_reach() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipam": dual_stack() }));
        let a = host.attach(&config, "a");
        for address in ["10.22.0.1", "fd00:22::1"] {
            a.netns.ping(address);
        }
        for family in [Family::V4, Family::V6] {
            sandbox.host().ping(&a.address(family));
        }
        sandbox.host().serve_tcp("0.0.0.0:80");
        let seen = a.netns.talk_tcp("10.22.0.1:80").unwrap();
        assert_eq!(seen.ip().to_string(), a.address(Family::V4));
    });
}

/// plugins#352: the MTU is that of both ends; cni#356.
#[test]
fn packets_of_9000_bytes_pass_whole() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "mtu": 9000, "ipam": dual_stack() }));
        let a = host.attach(&config, "a");
        let b = host.attach(&config, "b");
        for end in [1, 2] {
            assert_eq!(a.result["interfaces"][end]["mtu"], 9000, "{}", a.result);
        }
        for (address, payload) in [
            ("10.22.0.1".to_owned(), 8972),
            ("fd00:22::1".to_owned(), 8952),
            (b.address(Family::V4), 8972),
            (b.address(Family::V6), 8952),
        ] {
            a.netns
                .run(&format!("ping -M do -c 1 -W 3 -s {payload} {address}"));
        }
        let larger = a.netns.try_run("ping -M do -c 1 -W 1 -s 8973 10.22.0.1");
        assert!(!larger.ok(), "{larger}");
        // A version that cannot say so does not.
        let mut older = config;
        older["cniVersion"] = "1.0.0".into();
        let c = host.attach(&older, "c");
        assert_eq!(c.result["interfaces"][2].get("mtu"), None);
    });
}

/// moby#22028, podman#20009: instead of a number that has to be kept in step with the uplink's.
#[test]
fn the_mtu_can_be_that_of_the_uplink() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let outside = sandbox.outside();
        sandbox.run(&format!("ip link set {} mtu 1400", Outside::UPLINK));
        outside.netns.run("ip link set eth0 mtu 1400");
        let config = network(json!({ "mtu": "auto", "ipMasq": true }));
        let a = host.attach(&config, "a");
        a.netns.run(&format!(
            "ping -M do -c 1 -W 3 -s 1372 {}",
            Outside::ROUTER_V4
        ));
        let larger = a.netns.try_run(&format!(
            "ping -M do -c 1 -W 1 -s 1373 {}",
            Outside::ROUTER_V4
        ));
        assert!(!larger.ok(), "{larger}");
    });
}
