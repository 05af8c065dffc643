//! What each key does.

use std::time::{Duration, Instant};

use linkspan_testkit::{Outside, sandbox};
use serde_json::{Value, json};

use super::world;
use crate::on_master;
use crate::world::{addresses, code, fails};

#[test]
fn without_a_master_it_is_the_link_of_the_default_route() {
    sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let world = world.with(json!({ "master": null }));
        world.refuses("none", code::CONFIG, &["default route"]);
        let outside = sandbox.outside();
        let ipam = addresses(&[("198.51.100.7/24", Some(Outside::ROUTER_V4))]);
        let world = world.with(json!({ "ipam": ipam }));
        let a = world.attach("a");
        a.netns.ping(Outside::ROUTER_V4);
        outside.netns.ping("198.51.100.7");
        // The reference's CHECK fails once the default route is another's.
        world
            .host
            .run("ip route del default; ip route add default via 10.1.0.1 dev ens1 onlink");
        a.check().success();
    });
}

#[test]
fn the_mtu_is_the_masters_or_less() {
    sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        on_master::the_mtu_may_be_the_masters_whatever_that_is(&world);
        let large = world.with(json!({ "mtu": 1500 }));
        large.refuses(
            "large",
            code::CONFIG,
            &["invalid MTU 1500", "master MTU(1450)", "ens1", "auto"],
        );
        large.is_not_available(&["1500", "1450", "ens1"]);
    });
}

#[test]
fn the_mac_address_is_taken_from_whoever_is_strongest() {
    sandbox(|sandbox| {
        let (world, peer) = world(sandbox);
        let mac = |last: u8| format!("02:00:00:00:00:0{last}");
        let (key, runtime, author) = (
            json!({ "mac": mac(1) }),
            json!({ "mac": mac(1), "runtimeConfig": { "mac": mac(3) }, "args": { "cni": { "mac": mac(4) } } }),
            json!({ "mac": mac(1), "args": { "cni": { "mac": mac(4) } } }),
        );
        let cases: [(Value, &str, u8); 5] = [
            (key.clone(), "", 1),
            (key, "IgnoreUnknown=1;MAC=02:00:00:00:00:02;K8S_POD=x", 2),
            (runtime, "IgnoreUnknown=1;MAC=02:00:00:00:00:02", 3),
            (author, "IgnoreUnknown=1;MAC=02:00:00:00:00:02", 4),
            (json!({}), "IgnoreUnknown=1;MAC=02:00:00:00:00:02", 2),
        ];
        for (number, (keys, args, expected)) in cases.into_iter().enumerate() {
            let world = world.with(keys);
            let netns = sandbox.netns(&format!("c{number}"));
            let result = world.call("ADD", &netns).args(args).run().success();
            assert_eq!(result["interfaces"][0]["mac"], mac(expected), "{number}");
            let address = result["ips"][0]["address"]
                .as_str()
                .unwrap()
                .split('/')
                .next()
                .unwrap();
            assert_eq!(peer.knows(address), mac(expected));
            world.call("DEL", &netns).run().success();
        }
        let wrong = world.with(json!({ "mac": "02:00" }));
        wrong.refuses("wrong", code::CONFIG, &["02:00", "MAC"]);
        let netns = sandbox.netns("unknown");
        let unknown = world.call("ADD", &netns).args("COLOUR=blue").run();
        fails(&unknown, code::ENVIRONMENT, &["COLOUR=blue"]);
    });
}

#[test]
fn the_queue_of_broadcasts_has_its_length() {
    sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let length = |keys: Value, name: &str| {
            let world = world.with(keys);
            let a = world.attach(name);
            a.eth0("linkinfo")["info_data"]["bcqueuelen"].clone()
        };
        assert_eq!(length(json!({ "bcqueuelen": 2000 }), "a"), 2000);
        assert_eq!(length(json!({}), "b"), 1000, "the kernel's");
    });
}

#[test]
fn duplicates_are_looked_for_when_that_is_said() {
    sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let taken = addresses(&[("fd00:22::200/64", None)]);
        let world = world.with(json!({ "ipam": taken, "enabledad": true }));
        world.refuses("a", code::TRY_AGAIN, &["fd00:22::200", "duplicate"]);
        let free = addresses(&[("fd00:22::5/64", None)]);
        let world = world.with(json!({ "ipam": free }));
        let b = world.attach("b");
        assert_eq!(
            b.netns
                .run("ip -6 addr show dev eth0 tentative scope global"),
            ""
        );
        b.check().success();

        // plugins#680: otherwise nobody waits.
        let world = world.with(json!({ "enabledad": null, "ipam": addresses(&[("fd00:22::6/64", Some("fd00:22::1"))]) }));
        let start = Instant::now();
        let c = world.attach("c");
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(
            c.netns
                .run("ip -6 addr show dev eth0 tentative scope global"),
            ""
        );
    });
}

#[test]
fn the_dns_is_that_of_the_configuration_alone() {
    sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let mut ipam = crate::world::dual_stack();
        std::fs::write("/run/resolv.conf", "nameserver 10.1.1.1\n").unwrap();
        ipam["resolvConf"] = "/run/resolv.conf".into();
        let world = world.with(json!({ "ipam": ipam }));
        assert_eq!(world.attach("a").result["dns"], json!({}));
        let own = world.with(json!({ "dns": { "nameservers": ["10.2.2.2"] } }));
        assert_eq!(
            own.attach("b").result["dns"],
            json!({ "nameservers": ["10.2.2.2"] })
        );
    });
}
