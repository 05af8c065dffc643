//! Who reaches whom.

use linkspan_testkit::sandbox;
use serde_json::json;

use super::world;
use crate::wire::Peer;
use crate::world::{Family, addresses, code, exchange_traffic};

#[test]
fn containers_and_a_peer_of_the_master_exchange_traffic() {
    sandbox(|sandbox| {
        let (world, peer) = world(sandbox);
        let links = world.host.run("ip -o link").lines().count();
        let (a, b) = (world.attach("a"), world.attach("b"));
        assert_eq!(
            world.host.run("ip -o link").lines().count(),
            links,
            "nothing is on the host"
        );
        exchange_traffic(&a, &b);
        for address in [Peer::V4, Peer::V6] {
            a.netns.ping(address);
        }
        for family in [Family::V4, Family::V6] {
            assert_eq!(peer.knows(&a.address(family)), a.eth0("address"));
        }
        assert_eq!(
            a.routes("-4"),
            [
                "10.22.0.0/16 dev eth0 proto kernel scope link src 10.22.0.2",
                "default via 10.22.0.1 dev eth0"
            ]
        );
    });
}

#[test]
fn the_mode_says_who_reaches_whom() {
    sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        for mode in ["private", "vepa"] {
            let world = world.with(json!({ "mode": mode }));
            let (a, b) = (
                world.attach(&format!("{mode}-a")),
                world.attach(&format!("{mode}-b")),
            );
            a.netns.ping(Peer::V4);
            b.netns.ping(Peer::V6);
            a.netns.ping_fails(&b.address(Family::V4));
            a.check().success();
            a.del();
            b.del();
        }
        let passthru = world.with(json!({ "mode": "passthru" }));
        let a = passthru.attach("passthru");
        let master = world.host.ip_json("link show dev ens1");
        assert_eq!(a.eth0("address"), master[0]["address"], "the master's own");
        assert_eq!(a.result["interfaces"][0]["mac"], master[0]["address"]);
        a.netns.ping(Peer::V4);
        a.check().success();
    });
}

/// An address that another container had: who remembers its MAC address is told of the new one.
// cni#84, plugins#858, netavark#1114
#[test]
fn the_peer_learns_who_has_an_address_now() {
    sandbox(|sandbox| {
        let (world, peer) = world(sandbox);
        let ipam = addresses(&[("10.22.0.5/16", None), ("fd00:22::5/64", None)]);
        let world = world.with(json!({ "ipam": ipam }));
        let a = world.attach("a");
        let before = ["10.22.0.5", "fd00:22::5"].map(|address| peer.knows(address));
        a.del();
        let b = world.attach("b");
        for (address, before) in ["10.22.0.5", "fd00:22::5"].iter().zip(before) {
            let known = peer.netns.ip_json(&format!("neigh show {address}"));
            assert_eq!(
                known[0]["lladdr"],
                b.eth0("address"),
                "{address} was {before}"
            );
            peer.netns
                .cmd("ping")
                .args(["-n", "-c", "1", "-W", "1", address])
                .run();
        }
    });
}

#[test]
fn a_master_in_the_container_is_used_when_that_is_said() {
    sandbox(|sandbox| {
        let peer = sandbox.netns("peer");
        let netns = sandbox.netns("a");
        netns.connect("net0", &peer, "eth0");
        Peer { netns: peer }.has_addresses_on("eth0");
        let config = json!({
            "cniVersion": "1.1.0", "name": "mynet", "type": "macvlan", "master": "net0", "linkInContainer": true,
            "mode": "bridge", "ipam": crate::world::dual_stack()
        });
        let world = crate::world::World::new(sandbox, config);
        let before = world.snapshot(&netns);
        let result = world.add(&netns).success();
        netns.ping(Peer::V4);
        let link = netns.ip_json("link show dev eth0");
        assert_eq!(link[0]["link"], "net0");
        let checked = linkspan_testkit::with_prev_result(&world.config, &result);
        world.plugins.check(&checked, "a", &netns, "eth0").success();
        world.call("DEL", &netns).run().success();
        before.assert_same(&world.snapshot(&netns), "after DEL");
        world.plugins.status(&world.config).success();

        // The default route decides, inside as well.
        netns.run("ip addr add 10.22.0.100/16 dev net0; ip route add default via 10.22.0.1");
        let own = world.with(json!({ "master": null }));
        own.add(&netns).success();
        assert_eq!(netns.ip_json("link show dev eth0")[0]["link"], "net0");
    });
}

/// Nothing but layer 2: the container gets its addresses by other means.
#[test]
fn without_ipam_it_is_a_link_alone() {
    sandbox(|sandbox| {
        let (world, peer) = world(sandbox);
        let world = world.with(json!({ "ipam": null }));
        let a = world.attach("a");
        assert_eq!(a.result["ips"], json!(null), "{}", a.result);
        a.check().success();
        a.netns.address("eth0", "10.22.0.7/16");
        a.netns.ping(Peer::V4);
        peer.netns.ping("10.22.0.7");
        a.notices(
            "ip link set eth0 down",
            "ip link set eth0 up",
            &["eth0", "switched off"],
        );
        a.del();
        assert!(!a.netns.try_run("ip link show eth0").ok());
        // Old versions have no way to say this.
        for version in ["0.1.0", "0.2.0"] {
            let old = world.with(json!({ "cniVersion": version }));
            old.refuses(version, code::VERSION, &[version, "0.3.0 or later"]);
        }
    });
}
