//! `ipvlan`.

use linkspan_testkit::{Feature, Sandbox, needs, with_prev_result};
use serde_json::json;

use crate::wire::{MASTER, Peer};
use crate::world::{Family, World, addresses, code, dual_stack, exchange_traffic, fails};

/// A host with a master, a peer behind it, and a network of both families on it.
fn world(sandbox: &Sandbox) -> (World<'_>, Peer) {
    let peer = Peer::behind(sandbox, MASTER);
    let config = json!({
        "cniVersion": "1.1.0", "name": "mynet", "type": "ipvlan", "master": MASTER, "ipam": dual_stack()
    });
    (World::new(sandbox, config), peer)
}

#[test]
fn containers_and_a_peer_of_the_master_exchange_traffic() {
    needs(&[Feature::Ipvlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let (a, b) = (world.attach("a"), world.attach("b"));
        exchange_traffic(&a, &b);
        for address in [Peer::V4, Peer::V6] {
            a.netns.ping(address);
        }
        let master = world.host.ip_json("link show dev ens1");
        assert_eq!(a.result["interfaces"][0]["mac"], master[0]["address"]);
        a.check().success();
        a.del();
        b.netns.ping(Peer::V4);
    });
}

#[test]
fn every_mode_is_made_and_checked() {
    needs(&[Feature::Ipvlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        for mode in ["l2", "l3", "l3s"] {
            let world = world.with(json!({ "mode": mode }));
            let (a, b) = (
                world.attach(&format!("a{mode}")),
                world.attach(&format!("b{mode}")),
            );
            a.netns.ping(&b.address(Family::V4));
            let data = &a.netns.ip_json("link show dev eth0")[0]["linkinfo"]["info_data"];
            assert_eq!(data["mode"], mode);
            a.check().success();
            b.del();
            // The mode is that of all on the master.
            let other = if mode == "l2" { "l3" } else { "l2" };
            a.netns
                .run(&format!("ip link set eth0 type ipvlan mode {other}"));
            fails(&a.check(), code::INTERNAL, &["the mode", mode, other]);
            a.del();
        }
    });
}

#[test]
fn what_was_changed_is_named() {
    needs(&[Feature::Ipvlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let a = world.attach("a");
        a.notices("ip route del default", "ip route add default via 10.22.0.1", &["the route to 0.0.0.0/0"]);
        a.notices(
            "ip addr del 10.22.0.2/16 dev eth0; ip addr add 10.22.0.9/16 dev eth0",
            "ip addr del 10.22.0.9/16 dev eth0; ip addr add 10.22.0.2/16 dev eth0; ip route replace default via 10.22.0.1",
            &["10.22.0.2/16"],
        );
        a.netns.run("ip link del eth0");
        fails(&a.check(), code::INTERNAL, &["eth0", "nothing"]);
    });
}

#[test]
fn nothing_is_left_in_any_version() {
    needs(&[Feature::Ipvlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        world.leaves_nothing();
        world.works_in_every_version();
    });
}

/// In a chain the interface and the addresses of the plugin before are taken.
#[test]
fn the_master_and_the_addresses_can_be_those_of_the_plugin_before() {
    needs(&[Feature::Ipvlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let chained = world.with(json!({ "master": null, "ipam": null }));
        let before = json!({
            "cniVersion": "1.1.0", "interfaces": [{ "name": MASTER }],
            "ips": [{ "address": "10.22.0.77/16", "gateway": "10.22.0.200" }], "dns": {}
        });
        let netns = sandbox.netns("a");
        let config = with_prev_result(&chained.config, &before);
        let chained = chained.with(config);
        let result = chained.add(&netns).success();
        assert_eq!(result["ips"][0]["address"], "10.22.0.77/16");
        assert_eq!(result["interfaces"][0]["name"], "eth0");
        netns.ping(Peer::V4);
        chained.call("DEL", &netns).run().success();

        let two = json!({
            "cniVersion": "1.1.0", "interfaces": [{ "name": MASTER }, { "name": "lo" }],
            "ips": [{ "address": "10.22.0.77/16" }], "dns": {}
        });
        let config = with_prev_result(
            &world.with(json!({ "master": null, "ipam": null })).config,
            &two,
        );
        world
            .with(config)
            .with(json!({ "master": null, "ipam": null }))
            .refuses(
                "b",
                code::CONFIG,
                &["PrevResult lacks a single named interface"],
            );
    });
}

// multus#1339: a macvlan is on the master.
#[test]
fn who_holds_the_master_is_named() {
    needs(&[Feature::Ipvlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let macvlan = world.with(json!({ "type": "macvlan" }));
        let _a = macvlan.attach("a");
        world.refuses("b", code::INTERNAL, &["macvlan", "ens1", "another master"]);
    });
}

#[test]
fn what_cannot_be_is_refused() {
    needs(&[Feature::Ipvlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let rows = [
            (json!({ "master": null }), code::CONFIG, "default route"),
            (json!({ "master": "nonesuch" }), code::CONFIG, "nonesuch"),
            (json!({ "mode": "l4" }), code::CONFIG, "l4"),
            (json!({ "mtu": 9000 }), code::CONFIG, "ens1"),
            (json!({ "ipam": null }), code::CONFIG, "IPAM"),
            (json!({ "ipam": addresses(&[]) }), code::INTERNAL, ""),
        ];
        for (number, (keys, code, word)) in rows.into_iter().enumerate() {
            if code == code::INTERNAL {
                continue;
            }
            world
                .with(keys)
                .refuses(&format!("c{number}"), code, &[word]);
        }
        world
            .with(json!({ "master": "nonesuch" }))
            .is_not_available(&["nonesuch"]);
    });
}
