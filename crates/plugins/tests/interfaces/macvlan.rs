//! What `macvlan` alone has.

use std::time::{Duration, Instant};

use linkspan_testkit::{Family, Outside, address, rows};
use serde_json::{Value, json};

use crate::plugin::macvlan;
use crate::wire::Peer;
use crate::world::{LONG, World, addresses, code, dual_stack};

#[test]
fn the_mode_says_who_reaches_whom() {
    macvlan().test(|world| {
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
    macvlan().test(|world| {
        let ipam = addresses(&[("10.22.0.5/16", None), ("fd00:22::5/64", None)]);
        let world = world.with(json!({ "ipam": ipam }));
        let a = world.attach("a");
        let before = ["10.22.0.5", "fd00:22::5"].map(|address| world.peer().knows(address));
        a.del();
        let b = world.attach("b");
        for (address, before) in ["10.22.0.5", "fd00:22::5"].iter().zip(before) {
            let known = world.peer().netns.ip_json(&format!("neigh show {address}"));
            assert_eq!(
                known[0]["lladdr"],
                b.eth0("address"),
                "{address} was {before}"
            );
            world
                .peer()
                .netns
                .cmd("ping")
                .args(["-n", "-c", "1", "-W", "1", address])
                .run();
        }
    });
}

/// Nothing but layer 2: the container gets its addresses by other means.
#[test]
fn without_ipam_it_is_a_link_alone() {
    macvlan().test(|world| {
        let world = world.with(json!({ "ipam": null }));
        let a = world.attach("a");
        assert_eq!(a.result["ips"], json!(null), "{}", a.result);
        a.check().success();
        a.netns.address("eth0", "10.22.0.7/16");
        a.netns.ping(Peer::V4);
        world.peer().netns.ping("10.22.0.7");
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

#[test]
fn without_a_master_it_is_the_link_of_the_default_route() {
    macvlan().test(|world| {
        let world = world.with(json!({ "master": null }));
        let outside = world.sandbox.outside();
        let ipam = addresses(&[("198.51.100.7/24", Some(Outside::ROUTER_V4))]);
        let world = world.with(json!({ "ipam": ipam }));
        let a = world.attach("a");
        a.netns.ping(Outside::ROUTER_V4);
        outside.netns.ping("198.51.100.7");
        // The reference's CHECK fails once the default route is another's.
        world
            .host
            .run("ip route del default; ip route add default via 10.1.0.1 dev ens1 onlink");
        a.check().success();
    });
}

#[test]
fn the_mac_address_is_taken_from_whoever_is_strongest() {
    macvlan().test(|world| {
        let mac = |last: u8| format!("02:00:00:00:00:0{last}");
        let (key, runtime, author) = (
            json!({ "mac": mac(1) }),
            json!({ "mac": mac(1), "runtimeConfig": { "mac": mac(3) }, "args": { "cni": { "mac": mac(4) } } }),
            json!({ "mac": mac(1), "args": { "cni": { "mac": mac(4) } } }),
        );
        let cases: [(Value, &str, u8); 5] = [
            (key.clone(), "", 1),
            (key, "IgnoreUnknown=1;MAC=02:00:00:00:00:02;K8S_POD=x", 2),
            (runtime, "IgnoreUnknown=1;MAC=02:00:00:00:00:02", 3),
            (author, "IgnoreUnknown=1;MAC=02:00:00:00:00:02", 4),
            (json!({}), "IgnoreUnknown=1;MAC=02:00:00:00:00:02", 2),
        ];
        for (number, (keys, args, expected)) in cases.into_iter().enumerate() {
            let world = world.with(keys);
            let netns = world.sandbox.netns(&format!("c{number}"));
            let result = world.call("ADD", &netns).args(args).run().success();
            assert_eq!(result["interfaces"][0]["mac"], mac(expected), "{number}");
            let address = address(&result, Family::V4);
            assert_eq!(world.peer().knows(&address), mac(expected));
            world.call("DEL", &netns).run().success();
        }
        let netns = world.sandbox.netns("unknown");
        let unknown = world.call("ADD", &netns).args("COLOUR=blue").run();
        unknown.fails(code::ENVIRONMENT, &["COLOUR=blue"]);
    });
}

#[test]
fn the_queue_of_broadcasts_has_its_length() {
    macvlan().test(|world| {
        let length = |keys: Value, name: &str| {
            let world = world.with(keys);
            let a = world.attach(name);
            a.eth0("linkinfo")["info_data"]["bcqueuelen"].clone()
        };
        assert_eq!(length(json!({ "bcqueuelen": 2000 }), "a"), 2000);
        assert_eq!(length(json!({}), "b"), 1000, "the kernel's");
    });
}

#[test]
fn duplicates_are_looked_for_when_that_is_said() {
    macvlan().test(|world| {
        let taken = addresses(&[("fd00:22::200/64", None)]);
        let world = world.with(json!({ "ipam": taken, "enabledad": true }));
        world.refuses("a", code::TRY_AGAIN, &["fd00:22::200", "duplicate"]);
        let free = addresses(&[("fd00:22::5/64", None)]);
        let world = world.with(json!({ "ipam": free }));
        let b = world.attach("b");
        assert_eq!(
            b.netns
                .run("ip -6 addr show dev eth0 tentative scope global"),
            ""
        );
        b.check().success();

        // plugins#680: otherwise nobody waits.
        let world = world.with(json!({ "enabledad": null, "ipam": addresses(&[("fd00:22::6/64", Some("fd00:22::1"))]) }));
        let start = Instant::now();
        let c = world.attach("c");
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(
            c.netns
                .run("ip -6 addr show dev eth0 tentative scope global"),
            ""
        );
    });
}

#[test]
fn the_dns_is_that_of_the_configuration_alone() {
    macvlan().test(|world| {
        let mut ipam = dual_stack();
        std::fs::write("/run/resolv.conf", "nameserver 10.1.1.1\n").unwrap();
        ipam["resolvConf"] = "/run/resolv.conf".into();
        let world = world.with(json!({ "ipam": ipam }));
        assert_eq!(world.attach("a").result["dns"], json!({}));
        let own = world.with(json!({ "dns": { "nameservers": ["10.2.2.2"] } }));
        assert_eq!(
            own.attach("b").result["dns"],
            json!({ "nameservers": ["10.2.2.2"] })
        );
    });
}

#[test]
fn a_link_that_is_on_another_master_is_named() {
    macvlan().test(|world| {
        let a = world.attach("a");
        a.netns.run("ip link del eth0");
        world.host.run("ip link add other type veth peer name other2; ip link add link other name x netns a type macvlan mode bridge");
        a.netns.run("ip link set x name eth0");
        let words = "the master of \"eth0\" in the container: expected \"ens1\", found another";
        a.check().fails(code::INTERNAL, &[words]);
        a.del();
    });
}

#[test]
fn another_mode_is_named() {
    macvlan().test(|world| {
        world.attach("a").notices(
            "ip link set eth0 type macvlan mode vepa",
            "ip link set eth0 type macvlan mode bridge",
            &["the mode of \"eth0\" in the container: expected bridge, found vepa"],
        );
    });
}

/// An ADD that is refused because the name is taken is followed by a DEL, which must not take what another
/// attachment has under that name.
#[test]
fn the_interface_of_another_attachment_is_left_alone() {
    macvlan().test(|world| {
        let other = world.with(json!({ "name": "other" }));
        let a = world.attach("a");
        other
            .add(&a.netns)
            .fails(code::ENVIRONMENT, &["eth0", "already exists", "macvlan"]);
        other.call("DEL", &a.netns).run().success();
        a.check().success();
        a.del();
        assert!(!a.netns.try_run("ip link show eth0").ok());
    });
}

// plugins#830: STATUS says that ADD would fail, and why.
#[test]
fn status_tells_what_add_would_meet() {
    macvlan().test(|world| {
        world.plugins.status(&world.config).success();
        world
            .with(json!({ "master": null }))
            .is_not_available(&["default route"]);
        let nowhere = world.with(json!({ "ipam": { "type": "nonesuch" } }));
        nowhere.is_not_available(&["nonesuch"]);
    });
}

// multus#1339
#[test]
fn who_has_the_master_is_named() {
    macvlan().setup().deadline(LONG).sandbox(|sandbox| {
        let world = &World::new(sandbox, &macvlan());
        world
            .host
            .run("ip link add br7 type bridge; ip link set ens1 master br7");
        world.refuses(
            "a",
            code::INTERNAL,
            &["ens1", "\"br7\", a bridge", "use \"br7\" as the master"],
        );
        world.host.run("ip link set ens1 nomaster");

        let passthru = world.with(json!({ "mode": "passthru" }));
        let b = world.attach("b");
        passthru.refuses(
            "c",
            code::INTERNAL,
            &["passthru", "\"eth0\" in /run/netns/b, a macvlan"],
        );
        b.del();
        let d = passthru.attach("d");
        world.refuses(
            "e",
            code::INTERNAL,
            &[
                "\"eth0\" in /run/netns/d, a macvlan, in mode passthru",
                "ens1",
            ],
        );
        d.del();
        world
            .host
            .run("ip link add link ens1 name own type macvlan mode bridge");
        passthru.refuses("f", code::INTERNAL, &["\"own\" on the host, a macvlan"]);
        let lo = world.with(json!({ "master": "lo" }));
        lo.refuses("g", code::INTERNAL, &["\"lo\" is no Ethernet link"]);
    });
}

#[test]
fn what_cannot_be_is_refused() {
    macvlan().test(|world| {
        let one = world.with(json!({ "mac": "02:00:00:00:00:01" }));
        one.attach("one");
        one.refuses("two", code::INTERNAL, &["eth0", "MAC address"]);
        world.refuses_each(&rows! {
            (json!({ "master": null }), code::CONFIG, &["default route"]),
            (json!({ "mac": "02:00" }), code::CONFIG, &["02:00", "MAC"]),
            (json!({ "mode": "public" }), code::CONFIG, &["unknown macvlan mode: \"public\"", "passthru"]),
            (json!({ "bcqueuelen": "long" }), 6, &["bcqueuelen", "a whole number"]),
        });
    });
}

/// The default route decides which is the master, inside as well.
#[test]
fn without_a_master_in_the_container_it_is_the_link_of_the_default_route() {
    macvlan().setup().sandbox(|sandbox| {
        let netns = sandbox.netns("a");
        macvlan().lay(sandbox, &netns, "net0");
        netns.run("ip addr add 10.22.0.100/16 dev net0; ip route add default via 10.22.0.1");
        let world = World::without_master(sandbox, &macvlan())
            .with(json!({ "master": null, "linkInContainer": true }));
        world.add(&netns).success();
        assert_eq!(netns.ip_json("link show dev eth0")[0]["link"], "net0");
    });
}

/// More than fit into the usual answer of the kernel, given by root in the container.
#[test]
fn an_interface_with_hundreds_of_names_is_detached() {
    macvlan().test(|world| {
        let a = world.attach("a");
        a.netns.run(
            "for n in $(seq 330); do printf 'link property add dev eth0 altname %0127d\\n' $n; done \
             | ip -batch -",
        );
        a.check().success();
        a.del();
        assert!(!a.netns.try_run("ip link show eth0").ok());
    });
}
