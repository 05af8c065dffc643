//! What holds of every plugin that makes an interface.

use linkspan_testkit::{VERSIONS, rows, tests_for, with_prev_result};
use serde_json::json;

use crate::crash;
use crate::plugin::{Plugin, dummy, ipvlan, macvlan, ptp, ptp_with_masquerading, vlan};
use crate::world::{Attached, LONG, World, code, dual_stack};

tests_for! {
    every_version_has_its_result: dummy ipvlan macvlan ptp vlan;
    nothing_is_left: dummy ipvlan macvlan ptp_with_masquerading vlan;
    a_path_that_leads_to_another_container_changes_nothing_there: dummy ipvlan macvlan ptp vlan;
    an_alias_of_others_keeps_no_link: dummy ipvlan macvlan ptp vlan;
    whatever_names_the_container_gives_it_is_detached: dummy ipvlan macvlan ptp vlan;
    killed_anywhere_it_is_undone_by_del: macvlan ptp_with_masquerading;
    killed_anywhere_it_is_collected: macvlan ptp_with_masquerading;
    a_lost_answer_leaves_nothing: macvlan ptp_with_masquerading;
    a_lost_answer_is_no_difference: macvlan ptp_with_masquerading;
    what_was_changed_is_named: ipvlan macvlan ptp_with_masquerading vlan;
    a_link_that_is_gone_or_another_is_named: dummy ipvlan macvlan vlan;
    a_name_that_is_taken_is_refused: dummy ipvlan macvlan ptp_with_masquerading vlan;
    what_fails_later_is_undone: dummy ipvlan macvlan ptp_with_masquerading vlan;
    an_mtu_too_small_for_ipv6_is_refused: ipvlan macvlan ptp vlan;
}

/// ADD, CHECK and DEL in every version.
fn every_version_has_its_result(plugin: Plugin) {
    plugin.setup().deadline(LONG).sandbox(|sandbox| {
        let world = World::new(sandbox, &plugin);
        for version in VERSIONS {
            let world = world.with(json!({ "cniVersion": version }));
            let netns = sandbox.netns(&format!("v{version}"));
            let before = world.snapshot(&netns);
            let result = world.add(&netns).success();
            assert_eq!(result["cniVersion"], version, "{result}");
            let addresses = if version < "0.3" {
                &result["ip4"]["ip"]
            } else {
                &result["ips"][0]["address"]
            };
            assert!(addresses.is_string(), "{result}");
            let tells_mtu = result.to_string().contains("\"mtu\"");
            assert_eq!(tells_mtu, version == "1.1.0", "{result}");
            let attached = Attached {
                world: &world,
                netns,
                result,
            };
            if version >= "0.4" {
                attached.check().success();
            }
            attached.del();
            before.assert_same(&world.snapshot(&attached.netns), version);
        }
    });
}

/// DEL leaves nothing, can be called again, and does its work when the namespace is gone; GC does it for a container that
/// nobody has detached, and leaves others alone.
fn nothing_is_left(plugin: Plugin) {
    plugin
        .setup()
        .deadline(LONG)
        .sandbox(|sandbox| leaves_nothing(&World::new(sandbox, &plugin)));
}

#[track_caller]
pub(crate) fn leaves_nothing(world: &World<'_>) {
    let (sandbox, first) = (world.sandbox, world.number(0));
    let idle = sandbox.netns("idle");
    let before = world.snapshot(&idle);
    first.add(&idle).success();
    assert_ne!(
        before,
        world.snapshot(&idle),
        "ADD changes nothing that is seen"
    );
    for again in ["after DEL", "after another DEL"] {
        first.call("DEL", &idle).run().success();
        before.assert_same(&world.snapshot(&idle), again);
    }

    for (number, path) in [(1, Some("/run/netns/gone1")), (2, None)] {
        let (world, name) = (world.number(number), format!("gone{number}"));
        let gone = sandbox.netns(&name);
        world.add(&gone).success();
        gone.delete();
        let call = world
            .plugins
            .call("DEL", &world.config)
            .container(&name)
            .ifname("eth0");
        path.map_or(call.clone(), |path| call.netns(path))
            .run()
            .success();
        before.assert_same(
            &world.snapshot(&idle),
            "after DEL of a container whose namespace is gone",
        );
    }

    let (lost, kept) = (sandbox.netns("lost"), sandbox.netns("kept"));
    world.number(3).add(&kept).success();
    let before = world.snapshot(&kept);
    world.number(4).add(&lost).success();
    lost.delete();
    world
        .plugins
        .gc(&world.config, &[("kept", "eth0")])
        .success();
    before.assert_same(&world.snapshot(&kept), "after GC");
    world.call("DEL", &kept).run().success();
}

fn killed_anywhere_it_is_undone_by_del(plugin: Plugin) {
    crash::patient(plugin.setup())
        .sandbox(|sandbox| crash::del_undoes(&World::new(sandbox, &plugin)));
}

fn killed_anywhere_it_is_collected(plugin: Plugin) {
    crash::patient(plugin.setup())
        .sandbox(|sandbox| crash::gc_collects(&World::new(sandbox, &plugin)));
}

/// By CHECK.
fn what_was_changed_is_named(plugin: Plugin) {
    plugin.setup().deadline(LONG).sandbox(|sandbox| {
        let world = World::new(sandbox, &plugin).with(json!({ "mtu": 1400 }));
        let a = world.attach("a");
        assert_eq!((a.eth0("mtu"), &a.interface()["mtu"]), (json!(1400), &json!(1400)));
        a.check().success();
        a.notices(
            "ip link set eth0 mtu 1300",
            "ip link set eth0 mtu 1400",
            &["the MTU of \"eth0\" in the container: expected 1400, found 1300"],
        );
        a.notices(
            "ip route del default",
            "ip route add default via 10.22.0.1",
            &["the route to 0.0.0.0/0 on \"eth0\" in the container: expected via 10.22.0.1, found none"],
        );
        a.notices(
            "ip -6 route del default",
            "ip -6 route add default via fd00:22::1",
            &["the route to ::/0 on \"eth0\" in the container: expected via fd00:22::1, found none"],
        );
        if !plugin.has_mac_of_master {
            another_mac_address_is_named(&a);
        }
        // Routes go with an address.
        a.notices(
            "ip route save table main >/run/routes
             ip addr add 10.99.0.9/16 dev eth0; ip addr del 10.22.0.2/16 dev eth0",
            "ip addr del 10.99.0.9/16 dev eth0; ip addr add 10.22.0.2/16 dev eth0
             ip route flush table main; ip route restore </run/routes",
            &["the addresses of \"eth0\" in the container: expected 10.22.0.2/16, found 10.99.0.9/16"],
        );
    });
}

#[track_caller]
pub(crate) fn another_mac_address_is_named(a: &Attached<'_>) {
    let mac = a.interface()["mac"].as_str().unwrap();
    a.notices(
        "ip link set eth0 address 02:00:00:00:00:09",
        &format!("ip link set eth0 address {mac}"),
        &[
            "the MAC address of \"eth0\" in the container",
            mac,
            "02:00:00:00:00:09",
        ],
    );
}

fn a_link_that_is_gone_or_another_is_named(plugin: Plugin) {
    plugin.test(|world| {
        let a = world.attach("a");
        a.netns.run("ip link del eth0");
        a.check().fails(
            code::INTERNAL,
            &["the link \"eth0\" in the container", "nothing"],
        );
        a.netns.run("ip link add eth0 type bridge");
        let words = format!(
            "the link \"eth0\" in the container: expected {}, found a link of the kind bridge",
            plugin.kind
        );
        a.check().fails(code::INTERNAL, &[&words]);
        a.del();
    });
}

fn a_name_that_is_taken_is_refused(plugin: Plugin) {
    plugin.test(|world| {
        let taken = world.sandbox.netns("taken");
        taken.run("ip link add eth0 type bridge");
        world.refuses_in(
            &taken,
            code::ENVIRONMENT,
            &["eth0", "already exists", "bridge", "DEL"],
        );
    });
}

/// The link is there by the time that these fail.
// plugins PR#560: the reference leaves it behind.
fn what_fails_later_is_undone(plugin: Plugin) {
    plugin.setup().deadline(LONG).sandbox(|sandbox| {
        let world = World::new(sandbox, &plugin);
        let mut unreachable = dual_stack();
        unreachable["routes"] = json!([{ "dst": "192.168.0.0/16", "gw": "172.31.0.1" }]);
        world.refuses_each(&rows! {
            (json!({ "ipam": { "type": "nonesuch" } }), 5, &["nonesuch"]),
            (json!({ "ipam": unreachable }), code::INTERNAL, &["192.168.0.0/16", "172.31.0.1", "subnet of the link"]),
        });
        let exhausted = json!({ "type": "host-local", "subnet": "10.23.0.0/30" });
        let exhausted = world.with(json!({ "ipam": exhausted }));
        let one = exhausted.attach("one");
        exhausted
            .number(1)
            .refuses("two", code::TRY_AGAIN, &["10.23.0.1-10.23.0.2"]);
        one.del();
        world.attach("three").check().success();
    });
}

fn an_mtu_too_small_for_ipv6_is_refused(plugin: Plugin) {
    plugin.test(|world| {
        let small = world.with(json!({ "mtu": 1000 }));
        small.refuses("a", code::CONFIG, &["1000", "1280", "mtu"]);
    });
}

/// ADD that loses one of the kernel's answers, whichever it is.
fn a_lost_answer_leaves_nothing(plugin: Plugin) {
    crash::patient(plugin.setup())
        .sandbox(|sandbox| crash::lost_answers_leave_nothing(&World::new(sandbox, &plugin)));
}

fn a_lost_answer_is_no_difference(plugin: Plugin) {
    crash::patient(plugin.setup())
        .sandbox(|sandbox| crash::lost_answers_are_no_differences(&World::new(sandbox, &plugin)));
}

/// Whoever is root in the container renames the interface, has `lo` bear its name, or takes the alias away.
fn whatever_names_the_container_gives_it_is_detached(plugin: Plugin) {
    plugin.test(|world| {
        for (name, change) in [
            ("renamed", "true"),
            (
                "lo",
                "ip link set lo down; ip link set lo name eth0; ip link set eth0 up",
            ),
            ("altname", "ip link property add dev lo altname eth0"),
            ("noalias", "ip link set hid alias ''"),
        ] {
            let idle = world.sandbox.netns("idle");
            let before = world.snapshot(&idle);
            let a = world.attach(name);
            a.netns
                .run("ip link set eth0 down; ip link set eth0 name hid; ip link set hid up");
            a.netns.run(change);
            let told = with_prev_result(&world.config, &a.result);
            world
                .plugins
                .del(&told, a.netns.name(), &a.netns, "eth0")
                .success();
            assert_eq!(a.netns.run("ip -oneline link | wc -l"), "1", "{name}");
            before.assert_same(&world.snapshot(&idle), name);
            idle.delete();
        }
    });
}

/// As monitoring names links: GC leaves the link to its attachment, CHECK says nothing, DEL removes it.
/// kubernetes#100648: the process has died whose namespace it was, and its number was given to another container's.
fn a_path_that_leads_to_another_container_changes_nothing_there(plugin: Plugin) {
    plugin.test(|world| {
        let (dead, other) = (world.attach("dead"), world.number(1));
        let other = other.attach("other");
        let config = with_prev_result(&world.config, &dead.result);
        let del = || {
            let call = world.plugins.call("DEL", &config).container("dead");
            call.netns(other.netns.path())
                .ifname("eth0")
                .run()
                .success();
            other.check().success();
        };
        del();
        // As the reference leaves it.
        other.netns.run("ip link set eth0 alias ''");
        del();
        other.del();
        assert_eq!(other.netns.run("ip -oneline link | wc -l"), "1");
    });
}

fn an_alias_of_others_keeps_no_link(plugin: Plugin) {
    plugin.test(|world| {
        let idle = world.sandbox.netns("idle");
        let before = world.snapshot(&idle);
        let a = world.attach("a");
        a.netns.run("ip link set eth0 alias web-1");
        if plugin.name == "ptp" {
            let host_end = a.host_end();
            world
                .host
                .run(&format!("ip link set {host_end} alias web-1"));
        }
        world.plugins.gc(&world.config, &[("a", "eth0")]).success();
        a.check().success();
        a.del();
        assert_eq!(a.netns.run("ip -oneline link | wc -l"), "1");
        before.assert_same(&world.snapshot(&idle), "after DEL");
    });
}
