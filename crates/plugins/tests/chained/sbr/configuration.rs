//! Results, CHECK, mistakes, and several at once.

use std::collections::BTreeSet;
use std::thread;

use linkspan_testkit::{Snapshot, needs, rows, sandbox};
use serde_json::json;

use super::world;

#[test]
fn an_address_without_an_interface_counts() {
    sandbox(|sandbox| {
        let world = world(sandbox, 1);
        let mut config = world.config(1, json!({}));
        config["cniVersion"] = "0.2.0".into();
        config["prevResult"] = json!({
            "cniVersion": "0.2.0", "ip4": { "ip": "10.1.0.2/24", "gateway": "10.1.0.1" }, "dns": {}
        });
        assert_eq!(world.add(1, &config).success(), config["prevResult"]);
        assert_eq!(world.rules(), ["10.1.0.2 lookup 100"]);
    });
}

#[test]
fn addresses_of_other_interfaces_are_left_out() {
    sandbox(|sandbox| {
        let world = world(sandbox, 2);
        let mut config = world.config(2, json!({ "table": 7 }));
        let result = &mut config["prevResult"];
        result["interfaces"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "name": "net1", "sandbox": world.netns.path() }));
        result["ips"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "address": "10.1.0.2/24", "interface": 1 }));
        world.add(2, &config).success();
        assert_eq!(world.rules(), ["10.2.0.2 lookup 7", "fd02::2 lookup 7"]);
    });
}

#[test]
fn check_looks_at_rules_and_routes() {
    sandbox(|sandbox| {
        let world = world(sandbox, 2);
        world.netns.run("ip route add 10.77.0.0/16 via 10.2.0.1");
        let mut config = world.config(2, json!({}));
        config["prevResult"]["routes"] = json!([{ "dst": "10.77.0.0/16", "gw": "10.2.0.1" }]);
        world.add(2, &config).success();
        world.check(2, &config).success();
        for (damage, repair, words) in rows! {
            (
                "ip rule del from 10.2.0.2",
                "ip rule add from 10.2.0.2 lookup 100",
                "the rules from 10.2.0.2: expected one to look up a table of its own",
            ),
            ("ip -6 rule del from fd02::2", "ip -6 rule add from fd02::2 lookup 101", "the rules from fd02::2"),
            ("ip route del default table 100", "ip route add default via 10.2.0.1 table 100", "the route 0.0.0.0/0 via 10.2.0.1"),
            ("ip route del 10.77.0.0/16 table 100", "ip route add 10.77.0.0/16 via 10.2.0.1 table 100", "the route 10.77.0.0/16"),
            ("ip -6 route del default table 101", "ip -6 route add default via fd02::1 table 101", "the route ::/0 via fd02::1"),
        } {
            world.netns.run(damage);
            world.check(2, &config).fails(None, &[words]);
            world.netns.run(repair);
            world.check(2, &config).success();
        }
        let hints = world.config(2, json!({ "addSourceHints": true }));
        world
            .check(2, &hints)
            .fails(None, &["the route 10.2.0.0/24"]);
        let other = world.config(2, json!({ "table": 7 }));
        world
            .check(2, &other)
            .fails(None, &["expected one to look up 7"]);
    });
}

#[test]
fn mistakes_are_explained_and_leave_nothing() {
    sandbox(|sandbox| {
        let world = world(sandbox, 2);
        let look = || Snapshot::of(&[&world.netns], &[]);
        let before = look();
        for (keys, code, words) in rows! {
            (json!({ "table": 0 }), 7, "it must be from 1"),
            (json!({ "table": "main" }), 6, "a whole number"),
            (json!({ "gateways": ["10.2.0.1", "10.2.0.9"] }), 7, "multiple IPv4 addresses"),
            (json!({ "gateways": ["10.99.0.1"] }), 999, "os error 101"),
            // What was made for IPv4 goes again.
            (json!({ "gateways": ["10.2.0.1", "fd99::1"] }), 999, "os error 113"),
        } {
            world.add(2, &world.config(2, keys)).fails(code, &[words]);
            before.assert_same(&look(), words);
        }
        let mut config = world.config(2, json!({}));
        config["prevResult"]["ips"] = json!([]);
        world
            .add(2, &config)
            .fails(7, &["No IP addresses supplied on interface: net2"]);
    });
}

/// Tables are neither those of rules, of routes, nor of others that are chosen at the same time.
#[test]
fn several_at_once_have_tables_of_their_own() {
    sandbox(|sandbox| {
        let world = world(sandbox, 6);
        world.netns.run(
            "ip rule add from 192.0.2.1 lookup 100; ip route add 192.0.2.0/24 dev net1 table 102",
        );
        for round in 0..3 {
            thread::scope(|scope| {
                for number in 2..=6 {
                    let world = &world;
                    scope.spawn(move || {
                        let config = world.config(number, json!({}));
                        world.add(number, &config).success();
                    });
                }
            });
            let rules = world.rules();
            let tables: BTreeSet<&str> = rules
                .iter()
                .filter_map(|rule| rule.rsplit(' ').next())
                .collect();
            // Two for each interface, and that of somebody else.
            assert_eq!((rules.len(), tables.len()), (11, 11), "{round}: {rules:?}");
            assert!(!tables.contains("102"), "{rules:?}");
            for number in 2..=6 {
                assert_eq!(world.answers(number), [true, true], "{number}");
            }
            for number in 2..=6 {
                let config = world.config(number, json!({}));
                world.del(number, &config).success();
                for (family, net) in [
                    ("", format!("10.{number}.0.0/24")),
                    ("-6", format!("fd0{number}::/64")),
                ] {
                    world
                        .netns
                        .run(&format!("ip {family} route replace {net} dev net{number}"));
                }
            }
            assert_eq!(world.rules().len(), 1);
        }
    });
}

/// Nor the table of a vrf that has no routes yet.
#[test]
fn the_table_of_a_vrf_is_not_taken() {
    needs(&[linkspan_testkit::Feature::Vrf]).sandbox(|sandbox| {
        let world = world(sandbox, 1);
        world.netns.run("ip link add red type vrf table 100");
        world.add(1, &world.config(1, json!({}))).success();
        assert_eq!(world.rules(), ["10.1.0.2 lookup 101", "fd01::2 lookup 102"]);
    });
}
