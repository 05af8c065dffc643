//! What `vlan` alone has.

use linkspan_testkit::{Family, kill_at_every_change};
use serde_json::json;

use crate::crash;
use crate::plugin::vlan;
use crate::wire::{MASTER, Peer};
use crate::world::{World, addresses, code};

#[test]
fn the_container_is_in_its_vlan_and_in_no_other() {
    vlan().test(|world| {
        let a = world.attach("a");
        for (family, address) in [(Family::V4, Peer::V4), (Family::V6, Peer::V6)] {
            a.netns.ping(address);
            world.peer().netns.ping(&a.address(family));
        }
        assert_eq!(a.eth0("linkinfo")["info_data"]["id"], 100);
        let wire = world
            .host
            .cmd("tcpdump")
            .args(["-l", "-n", "-e", "-c", "2", "-i", MASTER, "icmp or vlan"])
            .start();
        wire.wait_for("listening");
        a.netns.ping(Peer::V4);
        wire.wait_for("vlan 100");
        a.check().success();

        let b = world.with(json!({ "vlanId": 200 }));
        let b = b.attach("b");
        b.netns.ping_fails(Peer::V4);
        a.netns.ping(Peer::V4);
    });
}

#[test]
fn another_vlan_is_named() {
    vlan().test(|world| {
        let a = world.attach("a");
        a.netns.run("ip link del eth0");
        world
            .host
            .run("ip link add link ens1 name x netns a type vlan id 101");
        a.netns.run("ip link set x name eth0");
        let words = "the VLAN ID of \"eth0\" in the container: expected 100, found 101";
        a.check().fails(code::INTERNAL, &[words]);
        a.del();
    });
}

/// Before Linux 6.14 the kernel takes the name of a link of the host for that of the new link in the container.
#[test]
fn the_master_may_have_the_name_that_the_container_s_interface_gets() {
    vlan().test(|world| {
        let world = world.with_master_eth0();
        let a = world.attach("a");
        a.netns.ping(Peer::V4);
        a.check().success();
        world.refuses(
            "b",
            code::INTERNAL,
            &["VLAN 100", "\"eth0\" in /run/netns/a"],
        );
        let taken = world.sandbox.netns("taken");
        taken.run("ip link add eth0 type bridge");
        let other = world.with(json!({ "vlanId": 200 }));
        other.refuses_in(
            &taken,
            code::ENVIRONMENT,
            &["eth0", "already exists", "bridge"],
        );
        a.del();
        assert!(!a.netns.try_run("ip link show eth0").ok());
    });
}

#[test]
fn killed_anywhere_while_it_has_no_name_yet_it_is_undone_by_del() {
    crash::patient(vlan().setup()).sandbox(|sandbox| {
        let world = World::new(sandbox, &vlan()).with_master_eth0();
        let world = world.with(json!({ "ipam": addresses(&[("10.22.0.5/16", None)]) }));
        let netns = sandbox.netns("a");
        let links = || netns.run("ip -o link show | sort");
        let before = links();
        kill_at_every_change(
            || {
                let call = world.call("ADD", &netns);
                call.cmd().env_remove("LD_LIBRARY_PATH")
            },
            |kill| {
                world.call("DEL", &netns).run().success();
                assert_eq!(links(), before, "{kill:?}");
            },
        );
        world.add(&netns).success();
    });
}

// plugins#243: the second pod in a VLAN.
#[test]
fn a_second_container_in_the_vlan_is_told_who_has_it() {
    vlan().test(|world| {
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
    vlan().test(|world| {
        world.refuses_each(&[
            (json!({ "master": null }), code::CONFIG, &["master"]),
            (json!({ "vlanId": 4095 }), code::CONFIG, &["vlanId"]),
            (json!({ "ipam": null }), code::CONFIG, &["IPAM"]),
        ]);
    });
}
