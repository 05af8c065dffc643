//! What fails, with which words, and that nothing is left of it.

use linkspan_testkit::{needs, sandbox};
use serde_json::json;

use super::world;
use crate::on_master;
use crate::world::{LONG, code};

// plugins#830: a panic in the reference.
#[test]
fn a_master_that_is_not_there_is_named_with_what_to_do() {
    sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let missing = world.with(json!({ "master": "eth7" }));
        missing.refuses(
            "a",
            code::CONFIG,
            &["failed to lookup master \"eth7\"", "on the host", "ip link"],
        );
        let inside = world.with(json!({ "linkInContainer": true }));
        inside.refuses(
            "b",
            code::CONFIG,
            &["\"ens1\"", "in the container", "linkInContainer"],
        );
        let there = sandbox.netns("c");
        there.run("ip link add net0 type bridge");
        let outside = world.with(json!({ "master": "net0" }));
        outside.refuses_in(
            &there,
            code::CONFIG,
            &["\"net0\"", "on the host", "linkInContainer"],
        );
        // It was given to a container.
        world.host.run("ip link set ens1 netns c");
        world.refuses_in(&there, code::CONFIG, &["\"ens1\"", "linkInContainer"]);
    });
}

#[test]
fn a_master_that_is_off_is_told_of_and_used() {
    sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        on_master::a_master_that_is_off_is_told_of_and_used(&world);
    });
}

// multus#1339
#[test]
fn who_has_the_master_is_named() {
    needs(&[]).deadline(LONG).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
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
fn what_cannot_be_is_refused_and_undone() {
    needs(&[]).deadline(LONG).sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        on_master::a_name_that_is_taken_is_refused(&world);
        world.undoes_what_fails_later();

        let one = world.with(json!({ "mac": "02:00:00:00:00:01" }));
        one.attach("one");
        one.refuses("two", code::INTERNAL, &["eth0", "MAC address"]);

        // The link is there by the time that it fails.
        let exhausted = json!({ "type": "host-local", "subnet": "10.23.0.0/30" });
        let exhausted = world.with(json!({ "ipam": exhausted }));
        exhausted.attach("b");
        exhausted.refuses("c", code::TRY_AGAIN, &["10.23.0.1-10.23.0.2"]);
        let small = world.with(json!({ "mtu": 1000 }));
        small.refuses("e", code::CONFIG, &["1000", "1280"]);

        let unknown = world.with(json!({ "mode": "public" }));
        unknown.refuses(
            "f",
            code::CONFIG,
            &["unknown macvlan mode: \"public\"", "passthru"],
        );
        let kind = world.with(json!({ "bcqueuelen": "long" }));
        kind.refuses("g", 6, &["bcqueuelen", "a whole number"]);
    });
}
