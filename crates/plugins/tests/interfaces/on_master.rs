//! What holds of every plugin whose interface is made on a master of its own: MTU, a master that is missing, gone or elsewhere,
//! and a name that is taken.

use serde_json::json;

use crate::wire::Peer;
use crate::world::{Attached, World, code, fails};

/// CHECK of a container with an MTU of 1400 names what somebody has changed.
pub(crate) fn what_was_changed_is_named(a: &Attached<'_>) {
    a.notices(
        "ip link set eth0 mtu 1300",
        "ip link set eth0 mtu 1400",
        &["the MTU of \"eth0\" in the container: expected 1400, found 1300"],
    );
    a.notices(
        "ip route del default",
        "ip route add default via 10.22.0.1",
        &["the route to 0.0.0.0/0"],
    );
    a.notices(
        "ip addr del 10.22.0.2/16 dev eth0; ip addr add 10.22.0.9/16 dev eth0",
        "ip addr del 10.22.0.9/16 dev eth0; ip addr add 10.22.0.2/16 dev eth0; \
         ip route replace default via 10.22.0.1",
        &["10.22.0.2/16"],
    );
    a.netns.run("ip link del eth0");
    fails(&a.check(), code::INTERNAL, &["eth0", "nothing"]);
}

// moby#22028, podman#20009
pub(crate) fn the_mtu_may_be_the_masters_whatever_that_is(world: &World<'_>) {
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
        assert_eq!(attached.result["interfaces"][0]["mtu"], expected);
        attached.check().success();
        attached.del();
    }
}

pub(crate) fn an_mtu_above_the_masters_is_refused(world: &World<'_>) {
    let words = ["invalid MTU 9000", "master MTU(1500)", "ens1", "auto"];
    let jumbo = world.with(json!({ "mtu": 9000 }));
    jumbo.refuses("large", code::CONFIG, &words);
    jumbo.is_not_available(&words);
}

/// ADD and STATUS.
pub(crate) fn a_master_that_is_off_is_named(world: &World<'_>) {
    world.host.run("ip link set ens1 down");
    let words = ["ens1", "switched off"];
    world.refuses("down", code::TRY_AGAIN, &words);
    world.is_not_available(&words);
}

/// A node whose uplink comes late.
pub(crate) fn a_master_that_is_off_is_told_of_and_used(world: &World<'_>) {
    world.host.run("ip link set ens1 down");
    world.is_not_available(&["ens1", "switched off"]);
    let early = world.attach("early");
    early.check().success();
    world.host.run("ip link set ens1 up");
    early.netns.ping(Peer::V4);
}

pub(crate) fn a_master_that_vanishes_does_not_keep_a_container_from_being_detached(
    world: &World<'_>,
) {
    let a = world.attach("a");
    world.host.run("ip link del ens1");
    let words = ["the master \"ens1\"", "nothing"];
    fails(&a.check(), code::INTERNAL, &words);
    a.del();
    a.del();
    assert_eq!(
        world
            .sandbox
            .run("ls /var/lib/cni/networks/mynet | grep -c '^[1f]' || true"),
        "0"
    );
    let words = ["failed to lookup master \"ens1\""];
    world.refuses("b", code::CONFIG, &words);
    world.is_not_available(&words);
}

pub(crate) fn a_master_in_another_namespace_is_named_with_what_to_do(world: &World<'_>) {
    let netns = world.sandbox.netns("a");
    world.host.run("ip link set ens1 netns a");
    world.refuses_in(
        &netns,
        code::CONFIG,
        &[
            "failed to lookup master \"ens1\"",
            "on the host",
            "linkInContainer",
        ],
    );
    let inside = world.with(json!({ "linkInContainer": true, "master": "eth7" }));
    inside.refuses_in(&netns, code::CONFIG, &["\"eth7\"", "in the container"]);
}

pub(crate) fn a_name_that_is_taken_is_refused(world: &World<'_>) {
    let taken = world.sandbox.netns("taken");
    taken.run("ip link add eth0 type bridge");
    world.refuses_in(
        &taken,
        code::ENVIRONMENT,
        &["eth0", "already exists", "bridge"],
    );
}
