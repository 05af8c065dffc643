//! `vlan`.

use linkspan_testkit::{Feature, Sandbox, kill_at_every_change, needs};
use serde_json::json;

use crate::crash;
use crate::on_master;
use crate::wire::{MASTER, Peer};
use crate::world::{Family, LONG, World, addresses, code, dual_stack, fails};

/// A host with a master whose peer has its addresses in VLAN 100, and a network of that VLAN.
fn world(sandbox: &Sandbox) -> (World<'_>, Peer) {
    let netns = sandbox.netns("peer");
    sandbox.host().connect(MASTER, &netns, "eth0");
    netns.run("ip link add link eth0 name tagged type vlan id 100; ip link set tagged up");
    let peer = Peer { netns };
    peer.has_addresses_on("tagged");
    let config = json!({
        "cniVersion": "1.1.0", "name": "mynet", "type": "vlan", "master": MASTER, "vlanId": 100,
        "ipam": dual_stack()
    });
    (World::new(sandbox, config), peer)
}

#[test]
fn the_container_is_in_its_vlan_and_in_no_other() {
    needs(&[Feature::Vlan]).sandbox(|sandbox| {
        let (world, peer) = world(sandbox);
        let a = world.attach("a");
        for (family, address) in [(Family::V4, Peer::V4), (Family::V6, Peer::V6)] {
            a.netns.ping(address);
            peer.netns.ping(&a.address(family));
        }
        let data = &a.netns.ip_json("link show dev eth0")[0]["linkinfo"]["info_data"];
        assert_eq!(data["id"], 100);
        let wire = world
            .host
            .cmd("tcpdump")
            .args(["-l", "-n", "-e", "-c", "2", "-i", MASTER, "icmp or vlan"])
            .start();
        wire.wait_for("listening");
        a.netns.ping(Peer::V4);
        wire.wait_for("vlan 100");
        a.check().success();

        let other = world.with(json!({ "vlanId": 200 }));
        let b = other.attach("b");
        b.netns.ping_fails(Peer::V4);
        a.netns.ping(Peer::V4);
    });
}

#[test]
fn what_was_changed_is_named() {
    needs(&[Feature::Vlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let world = world.with(json!({ "mtu": 1400 }));
        let a = world.attach("a");
        let mac = a.result["interfaces"][0]["mac"].as_str().unwrap();
        a.notices(
            "ip link set eth0 address 02:00:00:00:00:09",
            &format!("ip link set eth0 address {mac}"),
            &["the MAC address of \"eth0\"", "02:00:00:00:00:09"],
        );
        on_master::what_was_changed_is_named(&a);
        world
            .host
            .run("ip link add link ens1 name x netns a type vlan id 101");
        a.netns.run("ip link set x name eth0");
        fails(
            &a.check(),
            code::INTERNAL,
            &["the VLAN ID of \"eth0\" in the container: expected 100, found 101"],
        );
        a.del();
    });
}

#[test]
fn every_version_has_its_result() {
    needs(&[Feature::Vlan])
        .deadline(LONG)
        .sandbox(|sandbox| world(sandbox).0.works_in_every_version());
}

/// A VLAN is free again some time after the namespace that had it has gone; so each step has its own.
#[test]
fn nothing_is_left() {
    needs(&[Feature::Vlan]).deadline(LONG).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let idle = sandbox.netns("idle");
        let before = world.snapshot(&idle);
        world.add(&idle).success();
        for again in ["DEL", "another DEL"] {
            world.call("DEL", &idle).run().success();
            before.assert_same(&world.snapshot(&idle), again);
        }
        let gone = sandbox.netns("gone");
        let world = world.with(json!({ "vlanId": 101 }));
        world.add(&gone).success();
        gone.delete();
        for netns in [gone.path().to_string_lossy().into_owned(), String::new()] {
            let call = world.call("DEL", &gone).env("CNI_NETNS", netns);
            call.run().success();
            before.assert_same(&world.snapshot(&idle), "DEL without the namespace");
        }

        let (lost, kept) = (sandbox.netns("lost"), sandbox.netns("kept"));
        world.with(json!({ "vlanId": 102 })).add(&kept).success();
        let before = world.snapshot(&kept);
        world.with(json!({ "vlanId": 103 })).add(&lost).success();
        lost.delete();
        world
            .plugins
            .gc(&world.config, &[("kept", "eth0")])
            .success();
        before.assert_same(&world.snapshot(&kept), "after GC");
    });
}

/// Before Linux 6.14 the kernel takes the name of a link of the host for that of the new link in the container.
#[test]
fn the_master_may_have_the_name_that_the_container_s_interface_gets() {
    needs(&[Feature::Vlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        world
            .host
            .run("ip link set ens1 down; ip link set ens1 name eth0; ip link set eth0 up");
        let world = world.with(json!({ "master": "eth0" }));
        let a = world.attach("a");
        a.netns.ping(Peer::V4);
        a.check().success();
        world.refuses(
            "b",
            code::INTERNAL,
            &["VLAN 100", "\"eth0\" in /run/netns/a"],
        );
        on_master::a_name_that_is_taken_is_refused(&world.with(json!({ "vlanId": 200 })));
        a.del();
        assert!(!a.netns.try_run("ip link show eth0").ok());
    });
}

#[test]
fn killed_anywhere_while_it_has_no_name_yet_it_is_undone_by_del() {
    crash::patient(needs(&[Feature::Vlan])).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        world
            .host
            .run("ip link set ens1 down; ip link set ens1 name eth0; ip link set eth0 up");
        let world =
            world.with(json!({ "master": "eth0", "ipam": addresses(&[("10.22.0.5/16", None)]) }));
        let netns = sandbox.netns("a");
        let links = || netns.run("ip -o link show | sort");
        let before = links();
        kill_at_every_change(
            || {
                world
                    .call("ADD", &netns)
                    .cmd()
                    .env_remove("LD_LIBRARY_PATH")
            },
            |kill| {
                world.call("DEL", &netns).run().success();
                assert_eq!(links(), before, "{kill:?}");
            },
        );
        world.add(&netns).success();
    });
}

/// The link is there by the time that these fail.
#[test]
fn what_fails_later_is_undone() {
    needs(&[Feature::Vlan]).deadline(LONG).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        world.undoes_what_fails_later();
        world
            .with(json!({ "mtu": 1000 }))
            .refuses("c", code::CONFIG, &["1000", "1280"]);
        world.attach("d").check().success();
    });
}

// plugins#243: the second pod in a VLAN.
#[test]
fn a_second_container_in_the_vlan_is_told_who_has_it() {
    needs(&[Feature::Vlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let a = world.attach("a");
        let words = [
            "VLAN 100",
            "ens1",
            "one for each VLAN",
            "\"eth0\" in /run/netns/a",
            "macvlan, ipvlan or bridge",
        ];
        world.refuses("b", code::INTERNAL, &words);
        a.netns.ping(Peer::V4);
    });
}

#[test]
fn what_cannot_be_is_refused() {
    needs(&[Feature::Vlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let rows = [
            (json!({ "master": null }), code::CONFIG, "master"),
            (json!({ "master": "nonesuch" }), code::CONFIG, "nonesuch"),
            (json!({ "vlanId": 4095 }), code::CONFIG, "vlanId"),
            (json!({ "ipam": null }), code::CONFIG, "IPAM"),
        ];
        for (number, (keys, code, word)) in rows.into_iter().enumerate() {
            world
                .with(keys)
                .refuses(&format!("c{number}"), code, &[word]);
        }
        on_master::an_mtu_above_the_masters_is_refused(&world);
        on_master::a_master_that_is_off_is_named(&world);
    });
}

#[test]
fn a_master_in_the_container_is_used_when_that_is_said() {
    needs(&[Feature::Vlan]).sandbox(|sandbox| {
        let (world, peer) = world(sandbox);
        let world = world.with(json!({ "linkInContainer": true, "master": "net0" }));
        let netns = sandbox.netns("a");
        netns.connect("net0", &peer.netns, "eth1");
        peer.netns.run(
            "ip link del tagged; ip link add link eth1 name tagged type vlan id 100; ip link set tagged up",
        );
        peer.has_addresses_on("tagged");
        world.add(&netns).success();
        netns.ping(Peer::V4);
        world.call("DEL", &netns).run().success();
        assert!(!netns.try_run("ip link show eth0").ok());
    });
}

// moby#22028, podman#20009
#[test]
fn the_mtu_may_be_the_masters_whatever_that_is() {
    needs(&[Feature::Vlan]).sandbox(|sandbox| {
        on_master::the_mtu_may_be_the_masters_whatever_that_is(&world(sandbox).0);
    });
}

#[test]
fn a_master_that_vanishes_does_not_keep_a_container_from_being_detached() {
    needs(&[Feature::Vlan]).sandbox(|sandbox| {
        on_master::a_master_that_vanishes_does_not_keep_a_container_from_being_detached(
            &world(sandbox).0,
        );
    });
}

#[test]
fn a_master_in_another_namespace_is_named_with_what_to_do() {
    needs(&[Feature::Vlan]).sandbox(|sandbox| {
        on_master::a_master_in_another_namespace_is_named_with_what_to_do(&world(sandbox).0);
    });
}
