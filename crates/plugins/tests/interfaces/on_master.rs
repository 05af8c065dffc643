//! What holds of every plugin whose interface is made on a master: traffic through it, its MTU, and a master that is missing,
//! off, gone or elsewhere.

use linkspan_testkit::{Family, tests_for, with_prev_result};
use serde_json::json;

use crate::plugin::{Plugin, ipvlan, macvlan, vlan};
use crate::wire::Peer;
use crate::world::{World, code, exchange_traffic};

tests_for! {
    containers_and_a_peer_of_the_master_exchange_traffic: ipvlan macvlan;
    the_mtu_may_be_the_masters_whatever_that_is: ipvlan macvlan vlan;
    an_mtu_above_the_masters_is_refused: ipvlan macvlan vlan;
    a_master_that_is_not_there_is_named_with_what_to_do: ipvlan macvlan vlan;
    a_master_that_is_off_is_named_with_what_to_do: vlan;
    a_master_that_is_off_is_told_of_and_used: ipvlan macvlan;
    a_master_that_vanishes_does_not_keep_a_container_from_being_detached: ipvlan macvlan vlan;
    a_master_may_be_called_by_another_of_its_names: ipvlan macvlan vlan;
    a_master_in_the_container_is_used_when_that_is_said: ipvlan macvlan vlan;
}

fn containers_and_a_peer_of_the_master_exchange_traffic(plugin: Plugin) {
    plugin.test(|world| {
        let links = || world.host.run("ip -o link").lines().count();
        let before = links();
        let (a, b) = (world.attach("a"), world.attach("b"));
        assert_eq!(links(), before, "nothing is on the host");
        exchange_traffic(&a, &b);
        for address in [Peer::V4, Peer::V6] {
            a.netns.ping(address);
        }
        for family in [Family::V4, Family::V6] {
            assert_eq!(world.peer().knows(&a.address(family)), a.eth0("address"));
        }
        let master = world.host.ip_json("link show dev ens1")[0]["address"].clone();
        assert_eq!(a.interface()["mac"], a.eth0("address"));
        assert_eq!(a.interface()["mac"] == master, plugin.has_mac_of_master);
        assert_eq!(
            a.routes("-4"),
            [
                "10.22.0.0/16 dev eth0 proto kernel scope link src 10.22.0.2",
                "default via 10.22.0.1 dev eth0"
            ]
        );
        a.check().success();
        a.del();
        b.netns.ping(Peer::V4);
    });
}

// moby#22028, podman#20009
fn the_mtu_may_be_the_masters_whatever_that_is(plugin: Plugin) {
    plugin.test(|world| {
        world.host.run("ip link set ens1 mtu 1450");
        for (name, mtu, expected) in [
            ("none", json!(null), 1450),
            ("zero", json!(0), 1450),
            ("auto", json!("auto"), 1450),
            ("less", json!(1400), 1400),
            ("same", json!(1450), 1450),
        ] {
            let attached = world.with(json!({ "mtu": mtu }));
            let attached = attached.attach(name);
            assert_eq!(attached.eth0("mtu"), expected, "{mtu}");
            assert_eq!(attached.interface()["mtu"], expected);
            attached.check().success();
            attached.del();
        }
    });
}

fn an_mtu_above_the_masters_is_refused(plugin: Plugin) {
    plugin.test(|world| {
        for (masters, mtu) in [(1500, 9000), (1450, 1500)] {
            world.host.run(&format!("ip link set ens1 mtu {masters}"));
            let large = world.with(json!({ "mtu": mtu }));
            let words = [
                format!("invalid MTU {mtu}"),
                format!("master MTU({masters})"),
            ];
            let words = [&words[0], &words[1], "ens1", "auto"];
            large.refuses(&format!("mtu{mtu}"), code::CONFIG, &words);
            large.is_not_available(&words);
        }
    });
}

fn a_master_may_be_called_by_another_of_its_names(plugin: Plugin) {
    plugin.test(|world| {
        world
            .host
            .run("ip link property add dev ens1 altname uplink-of-rack-17");
        let attached = world.with(json!({ "master": "uplink-of-rack-17" }));
        let attached = attached.attach("a");
        attached.check().success();
        attached.del();
    });
}

// plugins#830: a panic in the reference.
fn a_master_that_is_not_there_is_named_with_what_to_do(plugin: Plugin) {
    plugin.test(|world| {
        let there = world.sandbox.netns("there");
        there.run("ip link add net0 type bridge");
        let missing = world.with(json!({ "master": "eth7" }));
        missing.refuses_in(
            &there,
            code::CONFIG,
            &["failed to lookup master \"eth7\"", "on the host", "ip link"],
        );
        missing.is_not_available(&["failed to lookup master \"eth7\"", "ip link"]);
        let inside = missing.with(json!({ "linkInContainer": true }));
        inside.refuses_in(&there, code::CONFIG, &["\"eth7\"", "in the container"]);
        let inside = world.with(json!({ "linkInContainer": true }));
        inside.refuses_in(
            &there,
            code::CONFIG,
            &["\"ens1\"", "in the container", "linkInContainer"],
        );
        let outside = world.with(json!({ "master": "net0" }));
        outside.refuses_in(
            &there,
            code::CONFIG,
            &["\"net0\"", "on the host", "linkInContainer"],
        );
        // It was given to a container.
        world.host.run("ip link set ens1 netns there");
        let words = [
            "failed to lookup master \"ens1\"",
            "on the host",
            "linkInContainer",
        ];
        world.refuses_in(&there, code::CONFIG, &words);
    });
}

/// By ADD and STATUS.
fn a_master_that_is_off_is_named_with_what_to_do(plugin: Plugin) {
    plugin.test(|world| {
        world.host.run("ip link set ens1 down");
        let words = ["the master \"ens1\" is switched off", "ip link set ens1 up"];
        world.refuses("down", code::TRY_AGAIN, &words);
        world.is_not_available(&words);
        world.host.run("ip link set ens1 up");
        world.plugins.status(&world.config).success();
    });
}

/// A node whose uplink comes late.
fn a_master_that_is_off_is_told_of_and_used(plugin: Plugin) {
    plugin.test(|world| {
        world.host.run("ip link set ens1 down");
        world.is_not_available(&["the master \"ens1\" is switched off", "ip link set ens1 up"]);
        let early = world.attach("early");
        early.check().success();
        world.host.run("ip link set ens1 up");
        world.plugins.status(&world.config).success();
        early.netns.ping(Peer::V4);
    });
}

/// The kernel takes the container's interface away with its master; the address is still to be given back.
// plugins#953: the reference's DEL failed for ever, and leaked the address.
fn a_master_that_vanishes_does_not_keep_a_container_from_being_detached(plugin: Plugin) {
    plugin.test(|world| {
        let a = world.attach("a");
        world.host.run("ip link del ens1");
        a.check()
            .fails(code::INTERNAL, &["the master \"ens1\"", "nothing"]);
        a.del();
        a.del();
        let reserved = "ls /var/lib/cni/networks/mynet | grep -c '^[1f]' || true";
        assert_eq!(world.sandbox.run(reserved), "0");
        let words = ["failed to lookup master \"ens1\""];
        world.refuses("b", code::CONFIG, &words);
        world.is_not_available(&words);
    });
}

fn a_master_in_the_container_is_used_when_that_is_said(plugin: Plugin) {
    plugin.setup().sandbox(|sandbox| {
        let netns = sandbox.netns("a");
        plugin.lay(sandbox, &netns, "net0");
        let world = World::without_master(sandbox, &plugin)
            .with(json!({ "master": "net0", "linkInContainer": true }));
        let before = world.snapshot(&netns);
        let result = world.add(&netns).success();
        netns.ping(Peer::V4);
        assert_eq!(netns.ip_json("link show dev eth0")[0]["link"], "net0");
        let checked = with_prev_result(&world.config, &result);
        world.plugins.check(&checked, "a", &netns, "eth0").success();
        world.call("DEL", &netns).run().success();
        before.assert_same(&world.snapshot(&netns), "after DEL");
        world.plugins.status(&world.config).success();
    });
}
