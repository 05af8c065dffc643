//! Who reaches whom by `ptp`, and the state behind it.

use std::time::Duration;

use linkspan_testkit::{Family, Outside, with_prev_result};
use serde_json::json;

use crate::cases::leaves_nothing;
use crate::plugin::ptp;
use crate::world::{addresses, code, exchange_traffic, routes};

#[test]
fn two_containers_exchange_traffic_through_the_host() {
    ptp().test(|world| {
        let (a, b) = (world.attach("a"), world.attach("b"));
        exchange_traffic(&a, &b);
        for gateway in ["10.22.0.1", "fd00:22::1"] {
            a.netns.ping(gateway);
        }
        for family in [Family::V4, Family::V6] {
            world.host.ping(&a.address(family));
        }
        let hops = a.netns.run("ping -n -c 1 10.22.0.3");
        assert!(hops.contains("ttl=63"), "the host is between them: {hops}");
    });
}

#[test]
fn everything_goes_through_the_gateway_and_the_host_knows_each_address() {
    ptp().test(|world| {
        let a = world.attach("a");
        assert_eq!(
            a.routes("-4"),
            [
                "10.22.0.0/16 via 10.22.0.1 dev eth0 src 10.22.0.2",
                "10.22.0.1 dev eth0 scope link src 10.22.0.2",
                "default via 10.22.0.1 dev eth0",
            ]
        );
        assert_eq!(
            a.routes("-6"),
            [
                "default via fd00:22::1 dev eth0 metric 1024 pref medium",
                "fd00:22::/64 via fd00:22::1 dev eth0 src fd00:22::2 metric 1024 pref medium",
                "fd00:22::1 dev eth0 src fd00:22::2 metric 1024 pref medium",
            ]
        );
        let link = a.host_end();
        assert_eq!(
            routes(world.host, "-4"),
            [format!("10.22.0.2 dev {link} scope host")]
        );
        let ipv6 = format!("fd00:22::2 dev {link} metric 1024 pref medium");
        assert!(routes(world.host, "-6").contains(&ipv6));
        let addresses = world.host.run(&format!("ip -br addr show dev {link}"));
        assert!(
            addresses.contains("10.22.0.1/32") && addresses.contains("fd00:22::1/128"),
            "{addresses}"
        );
        let shown = world.host.ip_json(&format!("link show dev {link}"));
        assert_eq!(shown[0]["ifalias"], "mynet/a/eth0");
        for path in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            assert_eq!(
                world.host.run(&format!("cat /proc/sys/net/{path}")),
                "1",
                "{path}"
            );
        }
        let accept_ra = world
            .host
            .run(&format!("cat /proc/sys/net/ipv6/conf/{link}/accept_ra"));
        assert_eq!(
            accept_ra, "0",
            "nobody becomes the host's router (CVE-2020-10749)"
        );
    });
}

/// The reference leaves the host's address tentative for a second or two, and its container unreachable over IPv6.
// plugins#680
#[test]
fn ipv6_works_as_soon_as_add_has_returned() {
    ptp().test(|world| {
        let a = world.attach("a");
        for name in ["b", "c", "d"] {
            let netns = world.sandbox.netns(name);
            let added = world.add(&netns);
            added.success();
            assert!(
                added.output.elapsed < Duration::from_secs(1),
                "{:?}",
                added.output.elapsed
            );
            let address = netns.run("ip -6 -o addr show dev eth0 scope global");
            let address = address
                .split_whitespace()
                .nth(3)
                .unwrap()
                .split('/')
                .next()
                .unwrap();
            a.netns
                .cmd("ping")
                .args(["-n", "-c", "1", "-W", "1", address])
                .run();
            let tentative = world.host.run("ip -6 addr show tentative scope global");
            assert_eq!(tentative, "", "on the host");
            assert_eq!(
                netns.run("ip -6 addr show tentative scope global"),
                "",
                "in the container"
            );
        }
    });
}

#[test]
fn the_outside_sees_the_hosts_address() {
    ptp().test(|world| {
        let outside = world.sandbox.outside();
        for address in ["0.0.0.0:80", "[::]:81"] {
            outside.netns.serve_tcp(address);
        }
        for backend in [json!(null), json!("nftables"), json!("iptables")] {
            let world = world.with(json!({ "ipMasq": true, "ipMasqBackend": backend }));
            let name = format!("a-{}", backend.as_str().unwrap_or("none"));
            let (a, b) = (world.attach(&name), world.attach(&format!("{name}-b")));
            for (server, expected) in [
                (format!("{}:80", Outside::ROUTER_V4), Outside::HOST_V4),
                (format!("[{}]:81", Outside::ROUTER_V6), Outside::HOST_V6),
            ] {
                let seen = a.netns.talk_tcp(&server).unwrap();
                assert_eq!(seen.ip().to_string(), expected, "{backend}");
            }
            exchange_traffic(&a, &b);
            a.check().success();
            a.del();
            b.del();
            let left = world.host.run("nft list ruleset");
            assert!(!left.contains("10.22.0."), "{backend}: {left}");
        }
    });
}

/// No IPAM plugin: the pair of links is there, up, and without addresses.
// plugins#987
#[test]
fn without_ipam_it_is_a_cable() {
    ptp().test(|world| {
        let world = world.with(json!({ "ipam": null, "mtu": 1400 }));
        let a = world.attach("a");
        assert_eq!(a.result["ips"], json!(null), "{}", a.result);
        let link = a.host_end();
        world.host.address(link, "10.9.0.1/24");
        a.netns.address("eth0", "10.9.0.2/24");
        a.netns.ping("10.9.0.1");
        a.check().success();
        a.notices(
            "ip link set eth0 down",
            "ip link set eth0 up",
            &["eth0", "switched off"],
        );
        a.del();
        leaves_nothing(&world);
        let empty = world.with(json!({ "ipam": {} }));
        empty.attach("b").check().success();
        let old = world.with(json!({ "cniVersion": "0.2.0" }));
        old.refuses("c", code::VERSION, &["0.2.0", "0.3.0 or later"]);
    });
}

/// A subnet of one address, whose gateway lies outside it.
// plugins#150
#[test]
fn an_address_alone_reaches_a_gateway_outside_its_subnet() {
    ptp().test(|world| {
        let mut attached = Vec::new();
        for (name, v4, v6) in [
            ("a", "10.150.1.2/32", "fd00:150::2/128"),
            ("b", "10.150.1.3/32", "fd00:150::3/128"),
        ] {
            let mut ipam = addresses(&[(v4, Some("169.254.1.1")), (v6, Some("fe80::1"))]);
            ipam["routes"] = json!([{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }]);
            let world = world.with(json!({ "ipam": ipam }));
            let netns = world.sandbox.netns(name);
            let result = world.add(&netns).success();
            attached.push((world, netns, result));
        }
        let [a, b] = attached.as_slice() else {
            panic!("two")
        };
        a.1.ping("10.150.1.3");
        a.1.ping("fd00:150::3");
        b.1.ping("169.254.1.1");
        let routes = routes(&a.1, "-4");
        assert_eq!(
            routes,
            [
                "169.254.1.1 dev eth0 scope link src 10.150.1.2",
                "default via 169.254.1.1 dev eth0"
            ]
        );
        for (world, netns, result) in [a, b] {
            let config = with_prev_result(&world.config, result);
            world
                .plugins
                .check(&config, netns.name(), netns, "eth0")
                .success();
        }
    });
}

/// Routes that lie within the subnet, or go by others in it, which is reached through the gateway alone.
#[test]
fn routes_of_the_own_subnet_are_there() {
    ptp().test(|world| {
        let mut ipam = addresses(&[
            ("10.150.1.2/24", Some("10.150.1.1")),
            ("fd00:150::2/64", Some("fd00:150::1")),
        ]);
        ipam["routes"] = json!([
            { "dst": "10.150.1.0/24" }, { "dst": "fd00:150::/64" },
            { "dst": "192.0.2.0/24", "gw": "10.150.1.9" }, { "dst": "fd00:99::/64", "gw": "fd00:150::9" },
            { "dst": "0.0.0.0/0" }, { "dst": "::/0" }
        ]);
        let world = world.with(json!({ "ipam": ipam }));
        let a = world.attach("a");
        for address in ["10.150.1.1", "fd00:150::1"] {
            a.netns.ping(address);
        }
        for (family, by_other) in [
            ("-4", "192.0.2.0/24 via 10.150.1.9 dev eth0"),
            ("-6", "fd00:99::/64 via fd00:150::9 dev eth0"),
        ] {
            let routes = a.routes(family);
            assert!(routes.iter().any(|route| route.starts_with(by_other)), "{routes:?}");
            let on_link = |route: &&String| route.contains("/") && !route.contains(" via ");
            assert_eq!(routes.iter().find(on_link), None, "{routes:?}");
        }
        a.check().success();
        a.del();
    });
}

#[test]
fn both_ends_have_the_mtu() {
    ptp().test(|world| {
        let _outside = world.sandbox.outside();
        world.sandbox.host().run("ip link set uplink mtu 1420");
        // moby#22028, podman#20009: a number need not be kept in step with the uplink's.
        for (name, mtu, expected) in [
            ("none", json!(0), 1500),
            ("number", json!(1400), 1400),
            ("auto", json!("auto"), 1420),
        ] {
            let world = world.with(json!({ "mtu": mtu }));
            let a = world.attach(name);
            assert_eq!(a.eth0("mtu"), expected);
            let link = a.host_end();
            assert_eq!(
                world.host.ip_json(&format!("link show dev {link}"))[0]["mtu"],
                expected
            );
            assert_eq!(a.result["interfaces"][1]["mtu"], expected);
            a.check().success();
        }
    });
}
