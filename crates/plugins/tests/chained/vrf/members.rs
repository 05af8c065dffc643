//! A vrf that several share, conflicts, and DEL whatever is missing.

use linkspan_testkit::rows;
use std::thread;

use serde_json::json;

use super::vrf;

#[test]
fn the_last_member_removes_the_vrf() {
    vrf(|world| {
        for number in 1..=3 {
            world.make_routes(number);
        }
        let red = |number| super::config(world, number, json!({ "vrfname": "red", "table": 10 }));
        // All at once: one of them makes it.
        thread::scope(|scope| {
            for number in 1..=3 {
                let config = red(number);
                scope.spawn(move || world.add(number, &config).success());
            }
        });
        assert_eq!(world.vrfs(), [("red".to_owned(), 10)]);
        for number in 1..=3 {
            world.check(number, &red(number)).success();
            assert_eq!(world.master(number), "red");
        }
        for number in [2, 1] {
            world.del(number, &red(number)).success();
            assert_eq!(world.master(number), json!(null));
            assert_eq!(world.vrfs().len(), 1);
        }
        // A plain interface of the namespace is a member like others.
        world
            .netns
            .run("ip link add other type dummy; ip link set other master red");
        world.del(3, &red(3)).success();
        assert_eq!(world.vrfs().len(), 1);
        world.netns.run("ip link delete other");
        world.del(3, &red(3)).success();
        assert_eq!(world.vrfs(), []);
    });
}

#[test]
fn tables_are_chosen_and_conflicts_refused() {
    vrf(|world| {
        world
            .netns
            .run("ip route add 10.80.0.0/16 dev net3 table 1; ip rule add from 192.0.2.1 lookup 2");
        let config = |number, name| super::config(world, number, json!({ "vrfname": name }));
        world.make_routes(1);
        world.make_routes(2);
        world.add(1, &config(1, "red")).success();
        world.add(2, &config(2, "blue")).success();
        let mut vrfs = world.vrfs();
        vrfs.sort();
        assert_eq!(vrfs, [("blue".to_owned(), 4), ("red".to_owned(), 3)]);
        assert_eq!((world.answers(1), world.answers(2)), ([true; 2], [true; 2]));
        for (number, keys, words) in rows! {
            (1, json!({ "vrfname": "blue" }), "interface net1 has already a master set: red"),
            (1, json!({ "vrfname": "red" }), "interface net1 has already a master set: red"),
            (3, json!({ "vrfname": "red", "table": 9 }), "VRF red already exist with different routing table 3"),
            (3, json!({ "vrfname": "green", "table": 4 }), "the routing table 4 is that of the vrf \"blue\""),
            (3, json!({ "vrfname": "green", "table": 254 }), "every namespace has it"),
            (3, json!({ "vrfname": "net2" }), "cmdAdd failed: Netlink net2 is not a VRF"),
            (3, json!({}), "valid vrf name"),
        } {
            world
                .add(number, &super::config(world, number, keys))
                .fails(7, &[words]);
        }
        assert_eq!(world.vrfs().len(), 2);
        world
            .add(
                3,
                &super::config(world, 3, json!({ "vrfname": "red", "table": 3 })),
            )
            .success();
    });
}

#[test]
fn check_looks_at_the_kernel() {
    vrf(|world| {
        world.make_routes(1);
        let config = super::config(world, 1, json!({ "vrfname": "red", "table": 10 }));
        world.add(1, &config).success();
        world.check(1, &config).success();
        // ocicni#74: an address that does not move is for the plugin before to look at.
        let mut moved = config.clone();
        moved["prevResult"]["ips"][0]["address"] = json!("10.1.0.9/24");
        world.check(1, &moved).success();
        for (damage, repair, words) in rows! {
            ("ip route del default table 10", "ip route add default via 10.1.0.1 table 10", "the route 0.0.0.0/0 via 10.1.0.1"),
            ("ip addr del fd01::2/64 dev net1", "ip addr add fd01::2/64 dev net1 nodad", "the addresses of \"net1\""),
            ("ip link set red down", "ip link set red up", "the vrf \"red\": expected switched on"),
            ("ip link set net1 nomaster", "true", "the vrf of \"net1\" in the container: expected red, found none"),
        } {
            world.netns.run(damage);
            world.check(1, &config).fails(None, &[words]);
            world.netns.run(repair);
        }
        world.netns.run("ip link delete red");
        world.check(1, &config).fails(
            None,
            &["the vrf \"red\": expected one with the table 10, found nothing"],
        );
    });
}

/// plugins PR#1282: DEL failed when anything was missing, and namespaces leaked.
#[test]
fn del_tolerates_everything_that_is_missing() {
    vrf(|world| {
        let config = super::config(world, 1, json!({ "vrfname": "red" }));
        world.del(1, &config).success();
        for damage in [
            "ip link set net1 nomaster",
            "ip link delete red",
            "ip link set net1 down",
            "ip link set red down",
        ] {
            world.add(1, &config).success();
            world.netns.run(damage);
            world.del(1, &config).success();
            assert_eq!(
                (world.vrfs(), world.master(1)),
                (vec![], json!(null)),
                "{damage}"
            );
            world.netns.run("ip link set net1 up");
            world.del(1, &config).success();
        }
        // Another vrf is none of ours.
        world
            .netns
            .run("ip link add blue type vrf table 20; ip link set net1 master blue");
        world.del(1, &config).success();
        assert_eq!(world.master(1), "blue");
        world.netns.run("ip link delete blue");
        // A configuration that is wrong by now.
        world.add(1, &config).success();
        world
            .del(1, &super::config(world, 1, json!({ "vrfname": 7 })))
            .success();
        assert_eq!(world.vrfs(), []);
        world.add(1, &config).success();
        world.netns.run("ip link delete net1");
        world.del(1, &config).success();
        assert_eq!(world.vrfs(), []);
        world.netns.delete();
        world.del(1, &config).success();
        let call = world.ours.call("DEL", &config).container("c1");
        call.netns("").ifname("net1").run().success();
    });
}
