//! Who reaches a published port, from where to where, and as whom the container sees it.

use std::io;
use std::net::SocketAddr;

use linkspan_testkit::{Netns, Outside, sandbox};
use serde_json::json;

use super::world::{
    BRIDGE_V4, BRIDGE_V6, Container, HOST_V4, HOST_V6, World, publish, publish_with,
};

type Talk = fn(&Netns, &str) -> io::Result<SocketAddr>;

/// TCP and UDP, as a client talks them.
const TRANSPORTS: [(&str, Talk); 2] = [
    ("tcp", |netns, address| netns.talk_tcp(address)),
    ("udp", |netns, address| netns.talk_udp(address)),
];

/// What is asked from where, and the address that the container sees; empty for whichever.
fn directions<'w>(
    world: &'w World<'_>,
    server: &'w Container,
    neighbour: &'w Container,
) -> Vec<(&'static str, &'w Netns, String, &'static str)> {
    let host = world.host.host();
    let v4 = |address: &str| format!("{address}:8080");
    let v6 = |address: &str| format!("[{address}]:8080");
    vec![
        ("outside", &world.outside, v4(HOST_V4), Outside::ROUTER_V4),
        (
            "outside, IPv6",
            &world.outside,
            v6(HOST_V6),
            Outside::ROUTER_V6,
        ),
        ("host by its address", host, v4(HOST_V4), ""),
        ("host by the bridge's address", host, v4(BRIDGE_V4), ""),
        ("host by 127.0.0.1", host, v4("127.0.0.1"), BRIDGE_V4),
        (
            "host by another loopback address",
            host,
            v4("127.3.2.1"),
            BRIDGE_V4,
        ),
        ("host by its address, IPv6", host, v6(HOST_V6), ""),
        (
            "host by the bridge's address, IPv6",
            host,
            v6(BRIDGE_V6),
            "",
        ),
        ("neighbour", &neighbour.netns, v4(HOST_V4), BRIDGE_V4),
        (
            "neighbour by the gateway",
            &neighbour.netns,
            v4(BRIDGE_V4),
            BRIDGE_V4,
        ),
        ("neighbour, IPv6", &neighbour.netns, v6(HOST_V6), BRIDGE_V6),
        (
            "neighbour by the gateway, IPv6",
            &neighbour.netns,
            v6(BRIDGE_V6),
            BRIDGE_V6,
        ),
        ("itself", &server.netns, v4(HOST_V4), BRIDGE_V4),
        (
            "itself by the gateway",
            &server.netns,
            v4(BRIDGE_V4),
            BRIDGE_V4,
        ),
        ("itself, IPv6", &server.netns, v6(HOST_V6), BRIDGE_V6),
    ]
}

#[track_caller]
pub(crate) fn everybody_reaches(world: &World<'_>, server: &Container, neighbour: &Container) {
    for (who, from, to, as_whom) in directions(world, server, neighbour) {
        for (transport, talk) in TRANSPORTS {
            let seen = talk(from, &to).unwrap_or_else(|error| {
                panic!(
                    "{who} does not reach {to} by {transport}: {error}\n{}",
                    world.ruleset()
                )
            });
            if !as_whom.is_empty() {
                assert_eq!(
                    seen.ip().to_string(),
                    as_whom,
                    "{who} to {to} by {transport}"
                );
            }
        }
    }
}

#[track_caller]
pub(crate) fn nobody_reaches(world: &World<'_>, server: &Container, neighbour: &Container) {
    for (who, from, to, _) in directions(world, server, neighbour) {
        assert!(from.talk_tcp(&to).is_err(), "{who} still reaches {to}");
    }
}

/// plugins#68, plugins#81: a container reaches itself by its published port.
#[test]
fn everybody_reaches_a_published_port() {
    sandbox(|host| {
        let world = World::new(host);
        let (server, neighbour) = (world.server("server"), world.container("neighbour"));
        let ports = publish(&["8080:80/tcp", "8080:80/udp"]);
        let passed_on = world.add(&server, &ports).success();
        assert_eq!(passed_on["ips"][0]["address"], format!("{}/16", server.v4));
        everybody_reaches(&world, &server, &neighbour);
        host.run("conntrack -F 2>&1");
        everybody_reaches(&world, &server, &neighbour);
        world.check(&server, &ports).success();
        world.del(&server, &ports).success();
        nobody_reaches(&world, &server, &neighbour);
    });
}

/// Frames that cross a bridge pass the rules for packets too; then the container's port must send back what it
/// was sent by, as with the reference.
#[test]
fn everybody_reaches_a_published_port_where_bridges_call_iptables() {
    sandbox(|host| {
        let mut world = World::new(host);
        let on =
            "sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1";
        if !host.host().try_run(on).ok() {
            // Without br_netfilter they do not.
            return;
        }
        world.bridge = json!({ "hairpinMode": true });
        let (server, neighbour) = (world.server("server"), world.container("neighbour"));
        world
            .add(&server, &publish(&["8080:80/tcp", "8080:80/udp"]))
            .success();
        everybody_reaches(&world, &server, &neighbour);
    });
}

/// cri-tools#165: ::1 cannot lead to a container, so a client must be told so at once, and what the host itself
/// serves there must stay reachable.
#[test]
fn the_loopback_of_ipv6_is_left_to_the_host() {
    sandbox(|host| {
        let world = World::new(host);
        let server = world.server("server");
        world
            .add(&server, &publish(&["8080:80/tcp", "8080:80/udp"]))
            .success();
        let error = host.host().talk_tcp("[::1]:8080").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        host.host().serve_tcp("[::1]:8080");
        let seen = host.host().talk_tcp("[::1]:8080").unwrap();
        assert_eq!(seen.ip().to_string(), "::1");
        host.host().talk_tcp(&format!("[{HOST_V6}]:8080")).unwrap();
    });
}

#[test]
fn a_port_of_one_address_is_a_port_of_no_other() {
    sandbox(|host| {
        let world = World::new(host);
        let (server, other) = (world.server("server"), world.server("other"));
        let v4 = format!("{HOST_V4}:8080:80");
        let v6 = format!("[{HOST_V6}]:8080:80");
        let ports = publish(&[
            &format!("{v4}/tcp"),
            &format!("{v4}/udp"),
            &format!("{v6}/tcp"),
            &format!("{v6}/udp"),
        ]);
        world.add(&server, &ports).success();
        world
            .add(&other, &publish(&["127.0.0.1:8080:80/tcp"]))
            .success();
        let (host, outside) = (host.host(), &world.outside);
        for (_, talk) in TRANSPORTS {
            for from in [host, outside, &server.netns, &other.netns] {
                talk(from, &format!("{HOST_V4}:8080")).unwrap();
                talk(from, &format!("[{HOST_V6}]:8080")).unwrap();
            }
            assert!(talk(host, &format!("{BRIDGE_V4}:8080")).is_err());
            assert!(talk(host, &format!("[{BRIDGE_V6}]:8080")).is_err());
        }
        // The same port of another address leads to the other container.
        let before = count(&other);
        host.talk_tcp("127.0.0.1:8080").unwrap();
        assert_eq!(count(&other), before + 1);
        assert!(host.talk_udp("127.0.0.1:8080").is_err());
        world.check(&server, &ports).success();
        world.del(&server, &ports).success();
        assert!(outside.talk_tcp(&format!("{HOST_V4}:8080")).is_err());
        host.talk_tcp("127.0.0.1:8080").unwrap();
    });
}

#[test]
fn the_unspecified_address_is_every_address_of_its_version() {
    sandbox(|host| {
        let world = World::new(host);
        let server = world.server("server");
        world
            .add(
                &server,
                &publish(&["0.0.0.0:8080:80/tcp", "[::]:8081:80/tcp"]),
            )
            .success();
        let reaches = |address: String| world.outside.talk_tcp(&address).is_ok();
        assert!(reaches(format!("{HOST_V4}:8080")) && !reaches(format!("[{HOST_V6}]:8080")));
        assert!(reaches(format!("[{HOST_V6}]:8081")) && !reaches(format!("{HOST_V4}:8081")));
    });
}

#[test]
fn without_snat_every_source_stays_as_it_is() {
    sandbox(|host| {
        let world = World::new(host);
        let (server, neighbour) = (world.server("server"), world.container("neighbour"));
        let ports = publish_with(&["8080:80/tcp", "8080:80/udp"], json!({ "snat": false }));
        world.add(&server, &ports).success();
        for (_, talk) in TRANSPORTS {
            for (from, to, as_whom) in [
                (&world.outside, HOST_V4, Outside::ROUTER_V4),
                (host.host(), HOST_V4, HOST_V4),
            ] {
                let seen = talk(from, &format!("{to}:8080")).unwrap();
                assert_eq!(seen.ip().to_string(), as_whom);
            }
            // The server answers its neighbour directly, who asked somebody else.
            assert!(talk(&neighbour.netns, &format!("{HOST_V4}:8080")).is_err());
        }
        assert_eq!(
            host.run("cat /proc/sys/net/ipv4/conf/cni0/route_localnet"),
            "0"
        );
        world.check(&server, &ports).success();
    });
}

#[test]
fn with_masq_all_everybody_comes_from_the_host() {
    sandbox(|host| {
        let world = World::new(host);
        let (server, neighbour) = (world.server("server"), world.container("neighbour"));
        let ports = publish_with(&["8080:80/tcp", "8080:80/udp"], json!({ "masqAll": true }));
        world.add(&server, &ports).success();
        for (who, from, to, _) in directions(&world, &server, &neighbour) {
            for (transport, talk) in TRANSPORTS {
                let seen =
                    talk(from, &to).unwrap_or_else(|error| panic!("{who}, {transport}: {error}"));
                let gateway = if seen.is_ipv4() { BRIDGE_V4 } else { BRIDGE_V6 };
                assert_eq!(seen.ip().to_string(), gateway, "{who} by {transport}");
            }
        }
        world.check(&server, &ports).success();
    });
}

#[test]
fn containers_with_different_bits_for_the_mark_live_side_by_side() {
    sandbox(|host| {
        let world = World::new(host);
        let (one, other) = (world.server("one"), world.server("other"));
        world.add(&one, &publish(&["8080:80/tcp"])).success();
        let ports = publish_with(&["8081:80/tcp"], json!({ "markMasqBit": 5 }));
        world.add(&other, &ports).success();
        for port in [8080, 8081] {
            for from in [host.host(), &one.netns, &other.netns] {
                let to = if from == host.host() {
                    "127.0.0.1"
                } else {
                    HOST_V4
                };
                let seen = from.talk_tcp(&format!("{to}:{port}")).unwrap();
                assert_eq!(seen.ip().to_string(), BRIDGE_V4);
            }
            let seen = world
                .outside
                .talk_tcp(&format!("{HOST_V4}:{port}"))
                .unwrap();
            assert_eq!(seen.ip().to_string(), Outside::ROUTER_V4);
        }
        world.check(&other, &ports).success();
    });
}

/// CVE-2025-67499 (golang/vulndb#4222, plugins#1210), kindnet#130: what only passes through the host is not taken.
#[test]
fn only_traffic_to_addresses_of_this_host_is_translated() {
    sandbox(|host| {
        let world = World::new(host);
        let (server, neighbour) = (world.server("server"), world.container("neighbour"));
        world
            .add(&server, &publish(&["8080:80/tcp", "8080:80/udp"]))
            .success();
        world
            .outside
            .run(&format!("ip route add 10.22.0.0/16 via {HOST_V4}"));
        for address in [Outside::ROUTER_V4, &neighbour.v4] {
            let server = if address == neighbour.v4 {
                &neighbour.netns
            } else {
                &world.outside
            };
            server.serve_tcp(&format!("{address}:8080"));
            server.serve_udp(&format!("{address}:8080"));
        }
        for (_, talk) in TRANSPORTS {
            let seen = talk(&neighbour.netns, &format!("{}:8080", Outside::ROUTER_V4)).unwrap();
            assert_eq!(seen.ip().to_string(), neighbour.v4);
            let seen = talk(&world.outside, &format!("{}:8080", neighbour.v4)).unwrap();
            assert_eq!(seen.ip().to_string(), Outside::ROUTER_V4);
            let seen = talk(host.host(), &format!("{}:8080", Outside::ROUTER_V4)).unwrap();
            assert_eq!(seen.ip().to_string(), HOST_V4);
        }
    });
}

/// CVE-2019-9946 (golang/vulndb#2261): a service's address is the service's, even when it is the host's too.
#[test]
fn what_others_translate_is_theirs_whoever_came_first() {
    sandbox(|host| {
        let world = World::new(host);
        let (server, service) = (world.server("server"), world.server("service"));
        host.run("ip addr add 203.0.113.1/32 dev uplink");
        world
            .outside
            .run(&format!("ip route add 203.0.113.0/24 via {HOST_V4}"));
        let services = format!(
            "table ip services {{ chain prerouting {{ type nat hook prerouting priority dstnat;
               ip daddr 203.0.113.1 tcp dport 8080 dnat to {}:80;
             }} ; }}",
            service.v4
        );
        std::fs::write("/run/services", services).unwrap();
        let answers = |container: &Container| {
            let before = count(container);
            world.outside.talk_tcp("203.0.113.1:8080").unwrap();
            count(container) > before
        };
        for services_first in [true, false] {
            if services_first {
                host.run("nft -f /run/services");
            }
            world.add(&server, &publish(&["8080:80/tcp"])).success();
            if !services_first {
                assert!(answers(&server), "the port is published");
                host.run("nft -f /run/services");
            }
            assert!(answers(&service), "services first: {services_first}");
            host.run("nft delete table ip services");
            world.del(&server, &publish(&["8080:80/tcp"])).success();
            world
                .ours
                .gc(
                    &world.config(&server, &json!({ "cniVersion": "1.1.0" })),
                    &[],
                )
                .success();
        }
    });
}

/// How many connections the kernel remembers that this container has answered.
fn count(container: &Container) -> usize {
    let listed = linkspan_testkit::Cmd::shell("conntrack -L 2>/dev/null").run();
    listed
        .matches(&format!(" src={} dst=", container.v4))
        .count()
}

/// Promise 35: route_localnet does not open the host's own 127.0.0.1 to its neighbours.
#[test]
fn nobody_on_a_wire_reaches_the_hosts_loopback() {
    sandbox(|host| {
        let world = World::new(host);
        let (server, neighbour) = (world.server("server"), world.container("neighbour"));
        world.add(&server, &publish(&["8080:80/tcp"])).success();
        assert_eq!(
            host.run("cat /proc/sys/net/ipv4/conf/cni0/route_localnet"),
            "1"
        );
        host.host().serve_tcp("127.0.0.1:9999");
        host.host().serve_udp("127.0.0.1:9999");
        // A neighbour that has given up its own 127.0.0.0/8 to get at the host's.
        neighbour.netns.run(&format!(
            "ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via {BRIDGE_V4} dev eth0
             sysctl -qw net.ipv4.conf.all.route_localnet=1"
        ));
        for (_, talk) in TRANSPORTS {
            assert!(talk(&neighbour.netns, "127.0.0.1:9999").is_err());
        }
        host.run("nft flush chain inet linkspan martians");
        for (_, talk) in TRANSPORTS {
            talk(&neighbour.netns, "127.0.0.1:9999").expect("it is the rule that keeps it out");
        }
    });
}

/// moby#14288, promise 35: a range costs what its ports cost in one transaction, and is recorded as a range.
#[test]
fn a_range_of_ports_is_as_good_as_one() {
    sandbox(|host| {
        let world = World::new(host);
        let server = world.container("server");
        let mappings: Vec<String> = (0..1000)
            .map(|n| format!("{}:{}/tcp", 20_000 + n, 1000 + n))
            .collect();
        let mappings: Vec<&str> = mappings.iter().map(String::as_str).collect();
        let ports = publish(&mappings);
        world.add(&server, &ports).success();
        for port in [1000, 1500, 1999] {
            server.netns.serve_tcp(&format!("{}:{port}", server.v4));
            world
                .outside
                .talk_tcp(&format!("{HOST_V4}:{}", port + 19_000))
                .unwrap();
        }
        world.check(&server, &ports).success();
        let record =
            host.run("cat /run/cni/linkspan/netns-*/netfilter/net:server:eth0:portmap.json");
        assert!(record.len() < 1000, "{record}");
        world.del(&server, &ports).success();
        assert!(!world.ruleset().contains("server"), "{}", world.ruleset());
    });
}
