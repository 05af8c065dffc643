//! `vlan`.

use linkspan_testkit::{Feature, Sandbox, needs};
use serde_json::json;

use crate::wire::{MASTER, Peer};
use crate::world::{Family, World, code, dual_stack, fails};

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
        // Tagged on the wire: the peer's link counts what comes in by its VLAN.
        let data = &a.netns.ip_json("link show dev eth0")[0]["linkinfo"]["info_data"];
        assert_eq!(data["id"], 100);
        a.check().success();
        a.del();

        let other = world.with(json!({ "vlanId": 200 }));
        let b = other.attach("b");
        b.netns.ping_fails(Peer::V4);
        a.netns.run("true");
    });
}

#[test]
fn what_was_changed_is_named() {
    needs(&[Feature::Vlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let world = world.with(json!({ "mtu": 1400 }));
        let a = world.attach("a");
        a.notices("ip link set eth0 mtu 1300", "ip link set eth0 mtu 1400", &["expected 1400, found 1300"]);
        a.notices(
            "ip route del default",
            "ip route add default via 10.22.0.1",
            &["the route to 0.0.0.0/0"],
        );
        a.notices(
            "ip addr del 10.22.0.2/16 dev eth0; ip addr add 10.22.0.9/16 dev eth0",
            "ip addr del 10.22.0.9/16 dev eth0; ip addr add 10.22.0.2/16 dev eth0; ip route replace default via 10.22.0.1",
            &["10.22.0.2/16"],
        );
        a.netns.run("ip link del eth0");
        fails(&a.check(), code::INTERNAL, &["eth0", "nothing"]);
        a.del();
    });
}

#[test]
fn nothing_is_left_in_any_version() {
    needs(&[Feature::Vlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        world.works_in_every_version();
        for (number, name) in ["one", "two"].iter().enumerate() {
            let world = world.with(json!({ "vlanId": 300 + number }));
            let a = world.attach(name);
            let before = a.netns.path().exists();
            assert!(before);
            a.netns.delete();
            world.call("DEL", &a.netns).run().success();
            world.call("DEL", &a.netns).run().success();
        }
        let leases = std::fs::read_dir("/var/lib/cni/networks/mynet").unwrap();
        let held = leases.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
            name != "lock" && !name.starts_with("last_reserved_ip")
        });
        assert_eq!(held.count(), 0);
    });
}

// plugins#243: the second pod in a VLAN.
#[test]
fn a_second_container_in_the_vlan_is_told_who_has_it() {
    needs(&[Feature::Vlan]).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let a = world.attach("a");
        world.refuses(
            "b",
            code::INTERNAL,
            &["VLAN 100", "ens1", "one for each VLAN", "bridge"],
        );
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
            (json!({ "mtu": 9000 }), code::CONFIG, "ens1"),
            (json!({ "ipam": null }), code::CONFIG, "IPAM"),
        ];
        for (number, (keys, code, word)) in rows.into_iter().enumerate() {
            world
                .with(keys)
                .refuses(&format!("c{number}"), code, &[word]);
        }
        world.host.run("ip link set ens1 down");
        world.refuses("down", code::TRY_AGAIN, &["ens1", "switched off"]);
        world.is_not_available(&["ens1", "switched off"]);
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
