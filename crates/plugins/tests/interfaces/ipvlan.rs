//! What `ipvlan` alone has.

use linkspan_testkit::{Family, with_prev_result};
use serde_json::json;

use crate::plugin::ipvlan;
use crate::wire::{MASTER, Peer};
use crate::world::code;

#[test]
fn every_mode_is_made_and_checked() {
    ipvlan().test(|world| {
        for mode in ["l2", "l3", "l3s"] {
            let world = world.with(json!({ "mode": mode }));
            let [a, b] = ["a", "b"].map(|name| world.attach(&format!("{name}{mode}")));
            a.netns.ping(&b.address(Family::V4));
            assert_eq!(a.eth0("linkinfo")["info_data"]["mode"], mode);
            a.check().success();
            b.del();
            // The mode is that of all on the master.
            let other = if mode == "l2" { "l3" } else { "l2" };
            a.netns
                .run(&format!("ip link set eth0 type ipvlan mode {other}"));
            a.check().fails(code::INTERNAL, &["the mode", mode, other]);
            a.del();
        }
    });
}

/// In a chain the interface and the addresses of the plugin before are taken.
#[test]
fn the_master_and_the_addresses_can_be_those_of_the_plugin_before() {
    ipvlan().test(|world| {
        let chained = world.with(json!({ "master": null, "ipam": null }));
        let after = |result| chained.with(with_prev_result(&chained.config, &result));
        let one = after(json!({
            "cniVersion": "1.1.0", "interfaces": [{ "name": MASTER }],
            "ips": [{ "address": "10.22.0.77/16", "gateway": "10.22.0.200" }], "dns": {}
        }));
        let a = one.attach("a");
        assert_eq!(a.result["ips"][0]["address"], "10.22.0.77/16");
        assert_eq!(a.result["interfaces"][0]["name"], "eth0");
        a.netns.ping(Peer::V4);
        a.del();
        let two = after(json!({
            "cniVersion": "1.1.0", "interfaces": [{ "name": MASTER }, { "name": "lo" }],
            "ips": [{ "address": "10.22.0.77/16" }], "dns": {}
        }));
        two.refuses(
            "b",
            code::CONFIG,
            &["PrevResult lacks a single named interface"],
        );
    });
}

// multus#1339: a macvlan is on the master.
#[test]
fn who_holds_the_master_is_named() {
    ipvlan().test(|world| {
        let _a = world
            .with(json!({ "type": "macvlan" }))
            .add(&world.sandbox.netns("a"))
            .success();
        let words = [
            "\"eth0\" in /run/netns/a, a macvlan",
            "ens1",
            "another master",
        ];
        world.refuses("b", code::INTERNAL, &words);
    });
}

// multus#1339, the other way round.
#[test]
fn a_macvlan_is_told_of_the_ipvlan_that_has_the_master() {
    ipvlan().test(|world| {
        let _a = world.attach("a");
        let macvlan = world.with(json!({ "type": "macvlan" }));
        let words = [
            "\"eth0\" in /run/netns/a, an ipvlan",
            "ens1",
            "another master",
        ];
        macvlan.refuses("b", code::INTERNAL, &words);
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
    ipvlan().test(|world| {
        let world = world.with_master_eth0();
        let (a, b) = (world.attach("a"), world.attach("b"));
        a.netns.ping(&b.address(Family::V4));
        a.check().success();
        let macvlan = world.with(json!({ "type": "macvlan" }));
        macvlan.refuses("c", code::INTERNAL, &["an ipvlan"]);
        a.del();
        b.del();
        let d = macvlan.attach("d");
        d.netns.ping(Peer::V4);
        d.check().success();
    });
}

#[test]
fn what_cannot_be_is_refused() {
    ipvlan().test(|world| {
        world.refuses_each(&[
            (json!({ "master": null }), code::CONFIG, &["default route"]),
            (json!({ "mode": "l4" }), code::CONFIG, &["l4"]),
            (json!({ "ipam": null }), code::CONFIG, &["IPAM"]),
        ]);
    });
}
