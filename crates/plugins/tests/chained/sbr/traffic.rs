//! Where packets go.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use linkspan_testkit::sandbox;
use serde_json::json;

use super::world;
use crate::world::FAR;

#[test]
fn what_came_in_by_an_interface_is_answered_by_it() {
    sandbox(|sandbox| {
        let world = world(sandbox, 2);
        assert_eq!(world.answers(1), [true, true]);
        assert_eq!(world.answers(2), [false, false], "by the wrong router");
        let config = world.config(2, json!({}));
        assert_eq!(world.add(2, &config).success(), config["prevResult"]);
        world.check(2, &config).success();
        assert_eq!(world.answers(1), [true, true]);
        assert_eq!(world.answers(2), [true, true]);
        // TCP from its address goes there as well, and from none to the first.
        for (address, port) in [("10.1.0.2", 81), ("10.2.0.2", 82)] {
            world.router(port - 80).serve_tcp(&format!("{FAR}:{port}"));
            let bound = format!("ip route get {FAR} from {address}");
            let route = world.netns.run(&bound);
            let link = format!("dev net{}", port - 80);
            assert!(route.contains(&link), "{route}");
        }
        let seen = world.netns.talk_tcp(&format!("{FAR}:81")).unwrap();
        assert_eq!(seen.ip().to_string(), "10.1.0.2");
        world.del(2, &config).success();
        assert_eq!(world.rules(), Vec::<String>::new());
    });
}

/// plugins#478: the rule was about the whole /64, so what other interfaces sent took the same way.
#[test]
fn a_rule_is_about_one_address() {
    sandbox(|sandbox| {
        let world = world(sandbox, 2);
        // An address of the second subnet on the first interface.
        world.netns.address("net1", "fd02::1:2/128");
        let config = world.config(2, json!({}));
        world.add(2, &config).success();
        assert_eq!(world.rules(), ["10.2.0.2 lookup 100", "fd02::2 lookup 101"]);
        let route = world.netns.run(&format!(
            "ip route get {} from fd02::1:2",
            crate::world::FAR_V6
        ));
        assert!(route.contains("dev net1"), "{route}");
    });
}

#[test]
fn configured_gateways_are_used_instead_of_the_addresses_own() {
    sandbox(|sandbox| {
        let world = world(sandbox, 2);
        let router = world.router(2);
        router.address("eth0", "10.2.0.9/24");
        router.address("eth0", "fd02::9/64");
        world
            .netns
            .run("ip route add default via 10.2.0.1 metric 500");
        let config = world.config(2, json!({ "gateways": ["10.2.0.9", "fd02::9"] }));
        world.add(2, &config).success();
        world.check(2, &config).success();
        assert_eq!(world.answers(2), [true, true]);
        let defaults = [
            world.routes_of_table("", "100"),
            world.routes_of_table("-6", "101"),
        ];
        for (table, gateway) in defaults.iter().zip(["10.2.0.9", "fd02::9"]) {
            assert!(table.contains(&format!("default via {gateway}")), "{table}");
        }
    });
}

/// With hints, what has no source address yet finds the subnets, and gets the address that is there.
#[test]
fn source_hints_keep_neighbours_in_reach() {
    sandbox(|sandbox| {
        let world = world(sandbox, 2);
        let plain = world.config(2, json!({}));
        let reach = |port: u16| {
            world.router(2).serve_tcp(&format!("10.2.0.1:{port}"));
            world.router(2).serve_tcp(&format!("[fd02::1]:{port}"));
            ["10.2.0.1", "[fd02::1]"].map(|host| {
                let seen = world.netns.talk_tcp(&format!("{host}:{port}"));
                seen.ok().map(|address| address.ip().to_string())
            })
        };
        world
            .netns
            .run("ip route del default; ip -6 route del default");
        world.add(2, &plain).success();
        // Of IPv6, the kernel looks for a source address that a rule is about.
        assert_eq!(reach(80)[0], None, "the subnet is in a table of its own");
        world.del(2, &plain).success();
        world.netns.run("ip addr flush dev net2 scope global");
        world.netns.address("net2", "10.2.0.2/24");
        world.netns.address("net2", "fd02::2/64");

        let hints = world.config(2, json!({ "addSourceHints": true }));
        world.add(2, &hints).success();
        world.check(2, &hints).success();
        let expected = ["10.2.0.2", "fd02::2"].map(|address| Some(address.to_owned()));
        assert_eq!(reach(81), expected);
        assert_eq!(world.answers(2), [true, true]);
    });
}

#[test]
fn with_a_table_its_routes_are_left_alone() {
    sandbox(|sandbox| {
        let world = world(sandbox, 2);
        world
            .netns
            .run("ip route add default via 10.2.0.1 table 77");
        world.netns.run("ip route add default via fd02::1 table 77");
        let routes = [
            world.routes_of_table("", "77"),
            world.routes_of_table("", "main"),
        ];
        let config = world.config(2, json!({ "table": 77 }));
        world.add(2, &config).success();
        world.check(2, &config).success();
        assert_eq!(world.answers(2), [true, true]);
        assert_eq!(world.rules(), ["10.2.0.2 lookup 77", "fd02::2 lookup 77"]);
        assert_eq!(
            [
                world.routes_of_table("", "77"),
                world.routes_of_table("", "main")
            ],
            routes
        );
        // A rule of somebody else to another table stays.
        world.netns.run("ip rule add from 10.2.0.2 lookup 78");
        world.del(2, &config).success();
        assert_eq!(world.rules(), ["10.2.0.2 lookup 78"]);
        assert_eq!(world.routes_of_table("", "77"), routes[0]);
    });
}

/// Link-local addresses reach neighbours as before: no rule is about them.
#[test]
fn neighbours_are_reached_by_link_local_addresses() {
    sandbox(|sandbox| {
        let world = world(sandbox, 2);
        let line = "ip -6 -brief addr show dev eth0 scope link";
        let text = world.router(2).run(line);
        let address = text.split_whitespace().nth(2).unwrap();
        let address = address.split('/').next().unwrap();
        world.add(2, &world.config(2, json!({}))).success();
        let ping =
            format!("for i in 1 2 3; do ping -n -c 1 -W 1 {address}%net2 && exit 0; done; exit 1");
        world.netns.run(&ping);
    });
}

/// A route that goes by two interfaces at once: the part of ours moves, the other stays.
#[test]
fn of_a_route_by_several_interfaces_the_own_part_moves() {
    sandbox(|sandbox| {
        let world = world(sandbox, 2);
        world.netns.run(
            "ip route replace default nexthop via 10.1.0.1 dev net1 nexthop via 10.2.0.1 dev net2",
        );
        world
            .netns
            .run("ip -6 route append default via fd02::1 dev net2");
        let before = world.routes_of_table("-6", "main");
        assert!(before.contains("nexthop via fd02::1"), "{before}");
        let config = world.config(2, json!({}));
        world.add(2, &config).success();
        assert_eq!(world.answers(2), [true, true]);
        assert_eq!(world.answers(1), [true, true]);
        for (family, gateway, table) in [("", "10.1.0.1", "100"), ("-6", "fd01::1", "101")] {
            let main = world.routes_of_table(family, "main");
            assert!(
                main.contains(&format!("default via {gateway} dev net1")),
                "{main}"
            );
            let is_left = |line: &&str| line.contains("net2 ") && !line.starts_with("fe80");
            assert_eq!(main.lines().find(is_left), None);
            let own = world.routes_of_table(family, table);
            assert!(
                own.contains("default via") && !own.contains("net1"),
                "{own}"
            );
        }
    });
}

#[test]
fn a_port_without_a_server_refuses_at_once() {
    // That the tests above tell silence from an answer.
    sandbox(|sandbox| {
        let world = world(sandbox, 1);
        let address: SocketAddr = "10.1.0.1:9".parse().unwrap();
        let error = world
            .netns
            .enter(|| TcpStream::connect_timeout(&address, Duration::from_secs(2)))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}
