//! What an interface has, in the vrf and back outside.

use linkspan_testkit::Snapshot;
use serde_json::json;

use super::vrf;

/// The routes of an interface, of all kinds that get lost when it is switched off.
const ROUTES: &[&str] = &[
    "default via 10.1.0.1 dev net1",
    "default via 10.1.0.9 dev net1 metric 500",
    "10.50.0.0/16 via 192.0.2.7 dev net1 onlink",
    "10.51.0.0/16 dev net1 scope link",
    "10.52.0.0/16 via 10.1.0.1 dev net1 src 10.1.0.2 mtu lock 1400 advmss 1300",
    "10.53.0.0/16 nexthop via 10.1.0.1 dev net1 weight 3 nexthop via 10.1.0.9 dev net1 weight 1",
    "10.54.0.0/16 via 10.1.0.1 dev net1 table 77",
    "10.55.0.0/16 via 10.1.0.1 dev net1 proto static",
    "10.56.0.0/16 via inet6 fd01::9 dev net1",
    "-6 default via fd01::1 dev net1",
    "-6 2001:db8:50::/48 via fe80::77 dev net1 metric 7",
    "-6 2001:db8:51::/48 dev net1",
    "-6 2001:db8:52::/48 via fd01::1 dev net1 mtu 1400 pref high",
    "-6 2001:db8:53::/48 nexthop via fd01::1 dev net1 nexthop via fd01::9 dev net1",
    "-6 2001:db8:54::/48 via fd01::1 dev net1 table 77",
    "-6 2001:db8:55::/48 via fd01::1 dev net1 proto static",
];

/// plugins#866, #1223, #1253, PR#1151: multipath, metric, table, onlink and what else a route has, and IPv6
/// addresses, survive the way into the vrf and back.
#[test]
fn everything_survives_the_move_into_the_vrf_and_back() {
    vrf(|world| {
        for route in ROUTES {
            let (family, route) = match route.strip_prefix("-6 ") {
                Some(route) => ("-6", route),
                None => ("-4", *route),
            };
            world
                .netns
                .run(&format!("ip {family} route append {route}"));
        }
        world
            .netns
            .run("ip addr add fd01:0:0:1::2/64 dev net1 valid_lft 9999 preferred_lft 8888 nodad");
        world
            .netns
            .run("ip addr add fd01:0:0:2::2/64 dev net1 noprefixroute nodad");
        let look = || Snapshot::of(&[&world.netns], &[]);
        let (before, main, other) = (look(), world.table("main"), world.table("77"));
        assert!(main.len() == 14 && other.len() == 2, "{main:#?} {other:#?}");

        let config = super::config(world, 1, json!({ "vrfname": "red", "table": 10 }));
        assert_eq!(world.add(1, &config).success(), config["prevResult"]);
        assert_eq!(world.vrfs(), [("red".to_owned(), 10)]);
        assert_eq!(world.master(1), "red");
        assert_eq!(world.table("10"), main);
        assert_eq!(world.table("77"), other);
        assert_eq!(world.table("main"), Vec::<String>::new());
        let addresses = world.netns.run("ip -6 addr show dev net1 scope global");
        for words in ["fd01::2/64", "fd01:0:0:1::2/64", "noprefixroute"] {
            assert!(addresses.contains(words), "{words}: {addresses}");
        }
        assert!(
            addresses.contains("valid_lft 99") && addresses.contains("preferred_lft 88"),
            "{addresses}"
        );
        assert!(!addresses.contains("tentative"), "{addresses}");
        world.check(1, &config).success();
        assert_eq!(world.answers(1), [true, true]);
        let accept_dad = world
            .netns
            .run("cat /proc/sys/net/ipv6/conf/net1/accept_dad");
        assert_eq!(accept_dad.trim(), "0");

        world.del(1, &config).success();
        // The kernel makes this rule with the first vrf, and keeps it.
        before.assert_same(&look().without(&["l3mdev"]), "after DEL");
        assert_eq!(world.table("main"), main);
        assert_eq!(world.vrfs(), []);
        world.del(1, &config).success();
    });
}

/// Of IPv6, two default routes by two interfaces are one route for the kernel (plugins#1253).
#[test]
fn the_own_part_of_a_route_by_several_interfaces_moves() {
    vrf(|world| {
        world.make_routes(1);
        world.make_routes(2);
        let both = "nexthop via 10.1.0.1 dev net1 nexthop via 10.2.0.1 dev net2";
        world
            .netns
            .run(&format!("ip route replace 10.60.0.0/16 {both}"));
        let config = super::config(world, 2, json!({ "vrfname": "red", "table": 10 }));
        world.add(2, &config).success();
        world.check(2, &config).success();
        assert_eq!(world.answers(2), [true, true]);
        assert_eq!(world.answers(1), [true, true]);
        let own = world.table("10").join("\n");
        for words in [
            "default via 10.2.0.1",
            "default via fd02::1",
            "10.60.0.0/16 via 10.2.0.1",
        ] {
            assert!(own.contains(words), "{words}: {own}");
        }
        let main = world.table("main").join("\n");
        for words in [
            "default via 10.1.0.1",
            "default via fd01::1",
            "10.60.0.0/16 via 10.1.0.1",
        ] {
            assert!(main.contains(words), "{words}: {main}");
        }
        assert!(
            !main.contains("net2") && !own.contains("net1"),
            "{main} {own}"
        );
    });
}

/// The duplicates of addresses were looked for before; what is in use is not out of use for a second.
#[test]
fn addresses_are_usable_at_once() {
    vrf(|world| {
        world.make_routes(1);
        world
            .netns
            .run("echo 1 > /proc/sys/net/ipv6/conf/net1/accept_dad");
        let config = super::config(world, 1, json!({ "vrfname": "red" }));
        world.add(1, &config).success();
        let addresses = world.netns.run("ip -6 addr show dev net1");
        assert!(
            addresses.contains("fe80") && !addresses.contains("tentative"),
            "{addresses}"
        );
        assert_eq!(world.answers(1), [true, true]);
        let accept_dad = world
            .netns
            .run("cat /proc/sys/net/ipv6/conf/net1/accept_dad");
        assert_eq!(accept_dad.trim(), "1");
    });
}

/// A route that cannot be in the vrf, since its source address is outside.
#[test]
fn a_failed_add_leaves_everything_as_it_was() {
    vrf(|world| {
        world.make_routes(1);
        world
            .netns
            .run("ip -6 route add 2001:db8:70::/48 via fd01::1 dev net1 src fd02::2");
        let look = || Snapshot::of(&[&world.netns], &[]).without(&["l3mdev"]);
        let before = look();
        let config = super::config(world, 1, json!({ "vrfname": "red", "table": 10 }));
        let (_, message) = world.add(1, &config).failure();
        assert!(message.contains("2001:db8:70::/48"), "{message}");
        before.assert_same(&look(), &message);
        assert_eq!(world.answers(1), [true, true]);
    });
}
