//! `ipvlan`.

use linkspan_testkit::{Feature, Sandbox, needs, with_prev_result};
use serde_json::json;

use crate::on_master;
use crate::wire::{MASTER, Peer};
use crate::world::{Family, LONG, World, code, dual_stack, exchange_traffic, fails};

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
        let world = world.with(json!({ "mtu": 1400 }));
        let a = world.attach("a");
        assert_eq!(
            (a.eth0("mtu"), &a.result["interfaces"][0]["mtu"]),
            (json!(1400), &json!(1400))
        );
        on_master::what_was_changed_is_named(&a);
    });
}

#[test]
fn nothing_is_left_in_any_version() {
    needs(&[Feature::Ipvlan]).deadline(LONG).sandbox(|sandbox| {
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
        world.refuses(
            "b",
            code::INTERNAL,
            &[
                "\"eth0\" in /run/netns/a, a macvlan",
                "ens1",
                "another master",
            ],
        );
    });
}

// multus#1339, the other way round.
#[test]
fn a_macvlan_is_told_of_the_ipvlan_that_has_the_master() {
    needs(&[Feature::Ipvlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let _a = world.attach("a");
        let macvlan = world.with(json!({ "type": "macvlan" }));
        macvlan.refuses(
            "b",
            code::INTERNAL,
            &[
                "\"eth0\" in /run/netns/a, an ipvlan",
                "ens1",
                "another master",
            ],
        );
        world.host.run(
            "ip link add br7 type bridge; ip link add other type veth peer name other2; \
            ip link set other master br7 up",
        );
        let port = world.with(json!({ "master": "other" }));
        port.refuses(
            "c",
            code::INTERNAL,
            &["\"br7\", a bridge", "use \"br7\" as the master"],
        );
    });
}

/// Before Linux 6.14 the kernel takes the name of a link of the host for that of the new link in the container.
#[test]
fn the_master_may_have_the_name_that_the_container_s_interface_gets() {
    needs(&[Feature::Ipvlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        world
            .host
            .run("ip link set ens1 down; ip link set ens1 name eth0; ip link set eth0 up");
        let world = world.with(json!({ "master": "eth0" }));
        let (a, b) = (world.attach("a"), world.attach("b"));
        a.netns.ping(&b.address(Family::V4));
        a.check().success();
        let macvlan = world.with(json!({ "type": "macvlan" }));
        macvlan.refuses("c", code::INTERNAL, &["an ipvlan"]);
        a.del();
        b.del();
        let c = macvlan.attach("d");
        c.netns.ping(Peer::V4);
        c.check().success();
    });
}

#[test]
fn a_master_in_the_container_is_used_when_that_is_said() {
    needs(&[Feature::Ipvlan]).sandbox(|sandbox| {
        let (world, peer) = world(sandbox);
        let world = world.with(json!({ "linkInContainer": true, "master": "net0" }));
        let netns = sandbox.netns("a");
        netns.connect("net0", &peer.netns, "eth1");
        peer.netns.run("ip link set eth0 down");
        peer.has_addresses_on("eth1");
        let before = world.snapshot(&netns);
        let result = world.add(&netns).success();
        netns.ping(Peer::V4);
        let config = with_prev_result(&world.config, &result);
        world.plugins.check(&config, "a", &netns, "eth0").success();
        world.call("DEL", &netns).run().success();
        before.assert_same(&world.snapshot(&netns), "after DEL");
    });
}

#[test]
fn what_fails_later_is_undone() {
    needs(&[Feature::Ipvlan]).deadline(LONG).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        world.undoes_what_fails_later();
        on_master::a_name_that_is_taken_is_refused(&world);
        on_master::a_master_that_is_off_is_told_of_and_used(&world);
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
            (json!({ "ipam": null }), code::CONFIG, "IPAM"),
        ];
        for (number, (keys, code, word)) in rows.into_iter().enumerate() {
            world
                .with(keys)
                .refuses(&format!("c{number}"), code, &[word]);
        }
        on_master::an_mtu_above_the_masters_is_refused(&world);
        world
            .with(json!({ "master": "nonesuch" }))
            .is_not_available(&["nonesuch"]);
    });
}

// moby#22028, podman#20009
#[test]
fn the_mtu_may_be_the_masters_whatever_that_is() {
    needs(&[Feature::Ipvlan]).sandbox(|sandbox| {
        on_master::the_mtu_may_be_the_masters_whatever_that_is(&world(sandbox).0);
    });
}

#[test]
fn a_master_that_vanishes_does_not_keep_a_container_from_being_detached() {
    needs(&[Feature::Ipvlan]).sandbox(|sandbox| {
        on_master::a_master_that_vanishes_does_not_keep_a_container_from_being_detached(
            &world(sandbox).0,
        );
    });
}

#[test]
fn a_master_in_another_namespace_is_named_with_what_to_do() {
    needs(&[Feature::Ipvlan]).sandbox(|sandbox| {
        on_master::a_master_in_another_namespace_is_named_with_what_to_do(&world(sandbox).0);
    });
}
